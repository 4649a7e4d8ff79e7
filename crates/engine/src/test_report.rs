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
    // cargo test: a line for every binary, the last of them often for documentation without tests.
    let results = output.lines().filter_map(|line| line.trim().strip_prefix("test result:"));
    let sum = results.fold(None, |sum: Option<(u32, u32)>, line| {
        let (passed, failed) = sum.unwrap_or_default();
        let count = |word| before(line, word).unwrap_or(0);
        Some((passed.saturating_add(count("passed")), failed.saturating_add(count("failed"))))
    });
    if let Some(sum) = sum {
        return sum;
    }
    // unittest: `Ran 12 tests in 0.1s`, and below it how many of them failed.
    let ran = lines().find_map(|line| line.strip_prefix("Ran ")?.split_once(" test")?.0.parse::<u32>().ok());
    if let Some(ran) = ran {
        let of = |name| lines().find_map(|line| after(line.strip_prefix("FAILED (")?, name)).unwrap_or(0);
        let failed = of("failures=").saturating_add(of("errors="));
        return (ran.saturating_sub(failed), failed);
    }
    // nextest, pytest, jest: `… 12 passed; 1 failed …`, in either order.
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

/// The number that stands after a word.
fn after(line: &str, word: &str) -> Option<u32> {
    let (_, right) = line.split_once(word)?;
    right.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
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
            ("Tests:       1 failed, 12 passed, 13 total\nTime:        2.1 s\n", (12, 1)),
            (
                "test result: ok. 12 passed; 0 failed; 0 ignored\n\nrunning 3 tests\n\
                 test result: FAILED. 2 passed; 1 failed; 0 ignored\n\n   Doc-tests library\n\n\
                 test result: ok. 0 passed; 0 failed; 0 ignored\n\nerror: 1 target failed:\n    `-p library`\n",
                (14, 1),
            ),
            ("error: test failed, to rerun pass `--lib`\n", (0, 0)),
            ("..F.E\nRan 5 tests in 0.002s\n\nFAILED (failures=1, errors=1)\n", (3, 2)),
            ("....\nRan 4 tests in 0.002s\n\nOK\n", (4, 0)),
            ("Segmentation fault\n", (0, 0)),
            ("", (0, 0)),
            ("99999999999999999999 passed, -1 failed\n", (0, 1)),
        ] {
            assert_eq!(count(output), expected, "{output}");
        }
    }
}
