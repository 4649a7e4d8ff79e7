//! F4: a full disk refuses, loses nothing, and the journal goes on when there is room.
//!
//! The test runs itself again inside a user namespace with a small tmpfs, or under a file size limit
//! where namespaces are closed.

use crate::support::{all, assert_sound, draft, open_at, skipped, small};
use journal::{JournalError, Options};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where the child finds its disk.
const DISK: &str = "JOURNAL_TEST_DISK";

#[expect(clippy::disallowed_methods, reason = "the test tells its child process where the small disk is")]
fn disk() -> Option<PathBuf> {
    std::env::var_os(DISK).map(PathBuf::from)
}

/// Runs the child test under a shell command line; `$0` is this program, `$1` the disk.
#[expect(clippy::disallowed_methods, reason = "the disk of a test can only be small in another process")]
fn run_child(
    program: &str,
    args: &[&str],
    script: &str,
    child: &str,
    disk: &Path,
) -> std::io::Result<Output> {
    let script = format!("{script} && exec \"$0\" --ignored --exact --nocapture disk_full::{child}");
    Command::new(program)
        .args(args)
        .args(["sh", "-c", &script])
        .arg(std::env::current_exe()?)
        .arg(disk)
        .env(DISK, disk)
        .output()
}

fn passed(output: &Output) -> bool {
    output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed")
}

#[test]
fn a_full_disk_is_survived() {
    let temp = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=2m tmpfs \"$1\"";
    let probe = run_child("unshare", &["-Urm"], mount, "probe", temp.path());
    if probe.as_ref().is_ok_and(passed) {
        let ran = run_child("unshare", &["-Urm"], mount, "on_a_small_disk", temp.path()).unwrap();
        assert!(passed(&ran), "{ran:?}");
    } else {
        skipped("no tmpfs in a user namespace here; a file size limit stands in for a full disk");
        let limit = "trap '' XFSZ && ulimit -f 256";
        let ran = run_child("env", &[], limit, "under_a_size_limit", temp.path()).unwrap();
        assert!(passed(&ran), "{ran:?}");
    }
}

#[test]
fn a_file_size_limit_is_survived() {
    let temp = tempfile::tempdir().unwrap();
    let limit = "trap '' XFSZ && ulimit -f 256";
    let ran = run_child("env", &[], limit, "under_a_size_limit", temp.path()).unwrap();
    assert!(passed(&ran), "{ran:?}");
}

#[test]
#[ignore = "a child of a_full_disk_is_survived"]
fn probe() {
    fs::write(disk().unwrap().join("probe"), "there is room").unwrap();
}

/// Writes until it is refused; returns how many were acknowledged.
fn write_until_full(journal: &mut journal::Journal, payload: usize) -> usize {
    let mut acknowledged = 0;
    loop {
        let before = journal.position();
        let some = [draft(&"x".repeat(payload)), draft("and one more")];
        match journal.append(&some) {
            Ok(records) => acknowledged += records.len(),
            Err(JournalError::Full) => {
                assert_eq!(journal.position(), before, "a refused write leaves no trace");
                return acknowledged;
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
#[ignore = "a child of a_full_disk_is_survived"]
fn on_a_small_disk() {
    let disk = disk().unwrap();
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![1; 300_000]).unwrap();
    let options =
        Options { segment_bytes: 200_000, reserve_bytes: 200_000, blob_threshold: 4_096, ..small() };
    let mut journal = open_at(&disk, options.clone()).unwrap().journal;
    let mut acknowledged = write_until_full(&mut journal, 3_000);
    assert!(acknowledged > 100);
    // A blob that does not fit is refused like a line.
    assert!(matches!(journal.append(&[draft(&"y".repeat(500_000))]), Err(JournalError::Full)));
    assert_eq!(all(&journal.reader()).len(), acknowledged, "reading goes on");

    // The reserve lets what must be recorded be recorded.
    assert!(journal.spend_reserve());
    acknowledged += journal.append(&[draft("the turn has ended")]).unwrap().len();
    acknowledged += write_until_full(&mut journal, 3_000);
    assert!(!journal.spend_reserve() && !journal.restock_reserve(), "there is no room for it now");

    // A full disk does not keep the journal from being opened and read.
    drop(journal);
    let opened = open_at(&disk, options).unwrap();
    assert_eq!(opened.repaired, None);
    let mut journal = opened.journal;
    assert_eq!(all(&journal.reader()).len(), acknowledged);

    // With room again, it goes on.
    fs::remove_file(&ballast).unwrap();
    acknowledged += journal.append(&[draft(&"z".repeat(100_000))]).unwrap().len();
    assert_eq!(all(&journal.reader()).len(), acknowledged);
    assert_sound(&journal.reader());
}

#[test]
#[ignore = "a child of the tests above"]
fn under_a_size_limit() {
    let disk = disk().unwrap();
    let mut journal = open_at(&disk, small()).unwrap().journal;
    let acknowledged = write_until_full(&mut journal, 3_000);
    assert!(acknowledged > 20);
    assert_eq!(all(&journal.reader()).len(), acknowledged);
    assert_sound(&journal.reader());
    drop(journal);
    // The segment is as long as a file can be: a new one is room.
    let options = Options { segment_bytes: 10_000, ..small() };
    let mut journal = open_at(&disk, options).unwrap().journal;
    journal.append(&[draft("goes on")]).unwrap();
    assert_eq!(all(&journal.reader()).len(), acknowledged + 1);
    assert_sound(&journal.reader());
}
