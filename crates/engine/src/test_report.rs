//! How many tests passed and failed, from what common test runners print at their end.

/// Counts from the last lines that say so; (0, 0) when no runner we know spoke. The exit code
/// decides whether tests passed; these are figures to show.
pub(crate) fn count(output: &str) -> (u32, u32) {
    let lines = || output.lines().rev().map(|line| line.trim().trim_start_matches(['#', 'ℹ', '=', ' ']));
    // node --test: `# pass 12` and `# fail 0`, or with `ℹ` in the spec reporter.
    let word = |name: &str| lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u32>().ok());
    if let (Some(passed), Some(failed)) = (word("pass "), word("fail ")) {
        return (passed, failed);
    }
    // cargo test, nextest, pytest, jest: `… 12 passed; 1 failed …`, in either order.
    lines()
        .find_map(|line| {
            let passed = before(line, "passed");
            let failed = before(line, "failed");
            (passed.is_some() || failed.is_some()).then(|| (passed.unwrap_or(0), failed.unwrap_or(0)))
        })
        .unwrap_or((0, 0))
}

/// The number that stands before a word.
fn before(line: &str, word: &str) -> Option<u32> {
    let (left, _) = line.split_once(word)?;
    left.trim_end().rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn reads_what_common_runners_print() {
        for (output, expected) in [
            ("# tests 40\n# suites 0\n# pass 38\n# fail 2\n# cancelled 0\n", (38, 2)),
            ("ℹ tests 3\nℹ pass 3\nℹ fail 0\n", (3, 0)),
            ("test result: FAILED. 12 passed; 1 failed; 0 ignored\n", (12, 1)),
            ("     Summary [   0.038s] 17 tests run: 17 passed, 0 skipped\n", (17, 0)),
            ("===== 2 failed, 5 passed in 0.12s =====\n", (5, 2)),
            ("Segmentation fault\n", (0, 0)),
        ] {
            assert_eq!(count(output), expected, "{output}");
        }
    }
}
