//! Rules for Rust files: size, header, no `allow`, no unsafe, one test binary per crate.

use super::Findings;
use super::tree::File;

/// A file of this many lines no longer has one subject.
const FILE_LINES: usize = 800;
/// From this size on a file says at its top what it is for.
const HEADER_FROM: usize = 50;
/// Tests longer than this move to a file of their own.
const INLINE_TEST_LINES: usize = 300;
/// Files that may contain unsafe code. Adding one is a decision: shared memory is in docs/decisions/0005-bus.md.
const UNSAFE: &[&str] = &["crates/bus/src/mapping.rs"];

pub(crate) fn file(file: &File) -> Findings {
    let mut findings = Findings::new();
    if !file.ends(".rs") || file.under("examples/") {
        return findings;
    }
    let path = &file.path;
    let lines = file.lines();
    if lines > FILE_LINES {
        findings.push(format!("{path}: {lines} lines; the limit is {FILE_LINES}: split it by subject"));
    }
    if lines > HEADER_FROM && !file.text.starts_with("//!") {
        findings.push(format!(
            "{path}: more than {HEADER_FROM} lines need a `//!` header: purpose and invariant"
        ));
    }
    let code = || file.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    for (at, line) in code() {
        let line = line.trim_start();
        if line.starts_with(concat!("#[all", "ow(")) || line.starts_with(concat!("#![all", "ow(")) {
            findings.push(format!("{path}:{}: write #[expect(…, reason = \"…\")] instead", at + 1));
        }
        if has_unsafe(line) && !UNSAFE.contains(&path.as_str()) {
            findings.push(format!("{path}:{}: unsafe code outside of the named modules", at + 1));
        }
    }
    let tests = file.text.lines().skip_while(|line| *line != "mod tests {").count();
    if tests > INLINE_TEST_LINES {
        findings.push(format!(
            "{path}: {tests} lines of tests inside; above {INLINE_TEST_LINES} give them a file"
        ));
    }
    findings
}

fn has_unsafe(line: &str) -> bool {
    let keyword = concat!("uns", "afe");
    ["{", "fn ", "impl ", "extern "].iter().any(|next| line.contains(&format!("{keyword} {next}")))
        || line.contains(&format!("expect({keyword}_code"))
}

/// Each integration test file at the top of `tests/` is linked apart, with everything it uses; one does for all.
pub(crate) fn test_binaries(tree: &[File]) -> Findings {
    let extra = tree.iter().filter(|file| {
        let parts: Vec<&str> = file.path.split('/').collect();
        file.ends(".rs") && matches!(parts[..], ["crates", _, "tests", _])
    });
    extra.map(|file| format!("{}: tests of a crate are modules of tests/it/main.rs", file.path)).collect()
}

/// A ban without a reason is one that somebody works around.
pub(crate) fn bans(tree: &[File]) -> Findings {
    let list = tree.iter().filter(|file| file.path == "clippy.toml").flat_map(|file| file.text.lines());
    let bans = list.filter(|line| line.trim_start().starts_with("{ path"));
    let bare = bans.filter(|line| !line.contains("reason = \"") || line.contains("reason = \"\""));
    bare.map(|line| format!("clippy.toml: `{}` has no reason", line.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, findings: usize) {
        let found = file(&File { path: "crates/x/src/x.rs".to_owned(), text: text.to_owned() });
        assert_eq!(found.len(), findings, "{found:?}");
    }

    #[test]
    fn size_and_header() {
        check(&"x\n".repeat(50), 0);
        check(&"x\n".repeat(51), 1);
        check(&format!("//! X.\n{}", "x\n".repeat(799)), 0);
        check(&format!("//! X.\n{}", "x\n".repeat(800)), 1);
    }

    #[test]
    fn exceptions_have_reasons() {
        check(concat!("    #[all", "ow(dead_code)]"), 1);
        check(concat!("// #[all", "ow(dead_code)] is not how"), 0);
        check("#[expect(dead_code, reason = \"x\")]", 0);
        check(concat!("let x = uns", "afe { y };"), 1);
        check(concat!("// no uns", "afe { } here"), 0);
    }

    #[test]
    fn long_tests_move_out() {
        check(&format!("//! X.\nmod tests {{\n{}", "x\n".repeat(299)), 0);
        check(&format!("//! X.\nmod tests {{\n{}", "x\n".repeat(300)), 1);
    }

    #[test]
    fn a_ban_has_a_reason() {
        let check =
            |text: &str| bans(&[File { path: "clippy.toml".to_owned(), text: text.to_owned() }]).len();
        assert_eq!(check("  { path = \"std::env::var\", reason = \"who may\" },\n"), 0);
        assert_eq!(check("  { path = \"std::env::var\" },\n  { path = \"x\", reason = \"\" },"), 2);
    }

    #[test]
    fn a_crate_has_one_test_binary() {
        let at = |path: &str| File { path: path.to_owned(), text: String::new() };
        assert!(test_binaries(&[at("crates/x/tests/it/main.rs"), at("crates/x/tests/it/y.rs")]).is_empty());
        assert_eq!(test_binaries(&[at("crates/x/tests/y.rs")]).len(), 1);
    }
}
