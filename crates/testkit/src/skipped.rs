//! What a test says when it cannot do its work on this machine.
//!
//! A runner shows nothing of a test that passed, so the words go to standard error and to the file that [`SKIPS`] names.
//! `cargo xtask test` and `cargo xtask e2e` name one, and print what is in it below their table.
//!
//! Invariant: every skip is one whole line of that file, however many tests write at the same time.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// The variable that names the file.
pub const SKIPS: &str = "CODITECT_TEST_SKIPPED";
/// The variable that allows a machine of CI to have nothing that holds a sandbox.
const NO_SANDBOX: &str = "CODITECT_TEST_NO_SANDBOX";
/// Set by the services that run tests for everybody.
const CI: &str = "CI";

/// Says loudly that this is not tested now, and what it would take.
pub fn skipped(what: &str, why: &str) {
    let line = line(what, why);
    // Not the macro: its words would be kept back for a test that passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {line}");
    if let Some(list) = variable(SKIPS) {
        append(Path::new(&list), &line);
    }
}

/// Says that nothing here holds a sandbox.
///
/// # Panics
/// Under CI, where nobody would read it, unless [`NO_SANDBOX`] is set.
pub fn no_sandbox(what: &str, why: &str) {
    skipped(what, why);
    assert!(
        !must_hold(variable(CI).as_deref(), variable(NO_SANDBOX).as_deref()),
        "{what}: {why}; install bubblewrap, or set {NO_SANDBOX}=1 where none can be had"
    );
}

fn must_hold(ci: Option<&str>, without: Option<&str>) -> bool {
    ci.is_some_and(|word| word != "false") && without.is_none()
}

fn line(what: &str, why: &str) -> String {
    format!("{what}: {why}").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One write to a file that is open for appending: lines of several processes do not mix.
fn append(list: &Path, line: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(list).expect("open the list of skips");
    file.write_all(format!("{line}\n").as_bytes()).expect("write to the list of skips");
}

/// What the caller of the tests tells them.
#[expect(clippy::disallowed_methods, reason = "tests are told by the environment what they may use")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_written_at_the_same_time_are_all_there_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("skipped");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let list = &list;
                scope.spawn(move || {
                    (0..50).for_each(|_| append(list, &line(&format!("test {number}"), "no\nserver")));
                });
            }
        });
        let text = std::fs::read_to_string(list).unwrap();
        for number in 0..8 {
            let wanted = format!("test {number}: no server");
            assert_eq!(text.lines().filter(|line| *line == wanted).count(), 50, "{text}");
        }
        assert_eq!(text.lines().count(), 400);
    }

    #[test]
    fn ci_must_hold_a_sandbox_unless_it_is_told_otherwise() {
        assert!(must_hold(Some("true"), None));
        assert!(!must_hold(Some("true"), Some("1")));
        assert!(!must_hold(Some("false"), None));
        assert!(!must_hold(None, None));
    }
}
