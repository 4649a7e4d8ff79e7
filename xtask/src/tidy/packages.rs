//! How many packages the product and its tests are made of on Linux: a number that only goes down.

use super::Findings;
use crate::process::{cargo, output};
use std::collections::BTreeMap;

/// Above this, a dependency must go before another one comes.
const PACKAGES_MAX: usize = 335;
const RATCHET: &str = include_str!("ratchet.json");
const RATCHET_PATH: &str = "xtask/src/tidy/ratchet.json";

pub(crate) fn all() -> Result<Findings, String> {
    let ratchet: serde_json::Value =
        serde_json::from_str(RATCHET).map_err(|error| format!("{RATCHET_PATH}: {error}"))?;
    let allowed = ratchet["packages"].as_u64().ok_or_else(|| format!("{RATCHET_PATH}: no `packages`"))?;
    Ok(compare(tree()?.len(), usize::try_from(allowed).unwrap_or(0)))
}

fn compare(count: usize, allowed: usize) -> Findings {
    let mut findings = Findings::new();
    if count > allowed {
        findings.push(format!(
            "Cargo.lock: {count} packages on Linux, {allowed} are allowed; raising `packages` in {RATCHET_PATH} is a decision"
        ));
    }
    // The tools of the build are another machine's elsewhere, and may be fewer.
    if count < allowed && cfg!(target_os = "linux") {
        findings.push(format!("{RATCHET_PATH}: only {count} packages are left; set `packages` to {count}"));
    }
    if allowed > PACKAGES_MAX {
        findings.push(format!("{RATCHET_PATH}: at most {PACKAGES_MAX} packages are allowed, ever"));
    }
    findings
}

/// Every package in `cargo tree` for Linux, tests and build scripts included, with its licence.
pub(crate) fn tree() -> Result<BTreeMap<String, String>, String> {
    let target = ["--target", "x86_64-unknown-linux-gnu"];
    let shape = ["--edges", "normal,build,dev", "--prefix", "none", "--no-dedupe", "--format", "{p}\t{l}"];
    let listed = output(cargo(&[&["tree", "--locked", "--workspace"], &target[..], &shape[..]].concat()))?;
    Ok(listed.lines().filter_map(package).collect())
}

fn package(line: &str) -> Option<(String, String)> {
    let (package, licence) = line.split_once('\t')?;
    let mut words = package.split(' ');
    let name = format!("{} {}", words.next()?, words.next()?);
    Some((name, licence.trim_end_matches("(*)").trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_only_goes_down() {
        assert_eq!(compare(270, 270), Findings::new());
        assert_eq!(compare(271, 270).len(), 1);
        assert_eq!(compare(269, 270).len(), 1);
        assert_eq!(compare(PACKAGES_MAX + 1, PACKAGES_MAX + 1).len(), 1);
    }

    #[test]
    fn a_line_of_cargo_tree_is_read() {
        let read = package("serde v1.0.0 (proc-macro)\tMIT OR Apache-2.0");
        assert_eq!(read, Some(("serde v1.0.0".to_owned(), "MIT OR Apache-2.0".to_owned())));
    }
}
