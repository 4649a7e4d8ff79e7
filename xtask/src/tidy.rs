//! `cargo xtask tidy`: the rules of the house that neither the compiler nor clippy keeps.
//!
//! Each rule is a function from what is in the tree to findings; a test of this crate holds the tree to all of
//! them, so a rule that is written here is kept. What is counted down is in `tidy/ratchet.json`.

mod arrows;
mod documents;
mod licences;
mod migrations;
mod packages;
mod rust;
mod tree;
mod web;

use crate::codegen;
use crate::report::{Outcome, Report};
use crate::say;
use std::process::ExitCode;
use std::time::Instant;

/// What is wrong, as `path: what to do`.
pub(crate) type Findings = Vec<String>;

pub(crate) fn tidy(_: &[String]) -> ExitCode {
    let begun = Instant::now();
    let findings = all();
    for finding in &findings {
        say::line(finding);
    }
    let outcome = match findings.len() {
        0 => Outcome::Passed,
        count => Outcome::Failed(format!("{count} findings")),
    };
    let mut report = Report::default();
    report.done("rules", outcome, begun.elapsed());
    codegen::check(&mut report);
    report.finish()
}

/// Every rule over the whole tree. A rule that cannot be tried is a finding.
fn all() -> Findings {
    let tree = match tree::read() {
        Ok(tree) => tree,
        Err(why) => return vec![why],
    };
    let mut findings = Findings::new();
    for file in &tree {
        findings.extend(tree::name(file));
        findings.extend(rust::file(file));
        findings.extend(web::file(file));
        findings.extend(documents::file(file));
    }
    findings.extend(rust::test_binaries(&tree));
    findings.extend(rust::bans(&tree));
    findings.extend(documents::set(&tree));
    findings.extend(migrations::all(&tree));
    for rule in [arrows::all, packages::all, licences::all] {
        findings.extend(rule().unwrap_or_else(|why| vec![why]));
    }
    findings
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_is_tidy() {
        let findings = super::all();
        assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
    }
}
