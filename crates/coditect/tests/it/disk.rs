//! A full disk as its user meets it: a typed answer, reads and health go on, and so does the daemon once there is room.
//! The test runs itself again in a user namespace with a small disk in memory.

use crate::house::{Daemon, coditect};
use bus::system::SystemEntropy;
use client::{Client, ClientError, Options};
use model::DataRoot;
use protocol::NewSession;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

/// Where the child finds its disk.
const DISK: &str = "CODITECT_TEST_DAEMON_DISK";

fn child(name: &str, disk: &Path) -> std::io::Result<Output> {
    let script = format!(
        "mount -t tmpfs -o size=96m tmpfs \"$1\" && exec \"$0\" --ignored --exact --nocapture disk::{name}"
    );
    crate::house::program("unshare")
        .args(["-Urm", "sh", "-c", &script])
        .arg(std::env::current_exe()?)
        .arg(disk)
        .env(DISK, disk)
        .output()
}

fn passed(output: &Output) -> bool {
    output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed")
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let temp = tempfile::tempdir().unwrap();
    if !child("probe", temp.path()).as_ref().is_ok_and(passed) {
        testkit::skipped("a full disk", "no disk in memory in a user namespace here");
        return;
    }
    let ran = child("fills_up", temp.path()).unwrap();
    assert!(
        passed(&ran),
        "{}\n{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[test]
#[ignore = "a child of the test above"]
fn probe() {
    std::fs::write(disk().join("probe"), "there is room").unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the test tells its child process where the small disk is")]
fn disk() -> PathBuf {
    std::env::var_os(DISK).unwrap().into()
}

/// Takes all the room there is, but for the reserve of the journal.
fn fill(ballast: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(ballast).unwrap();
    for size in [1 << 20, 4096, 1] {
        let block = vec![1; size];
        while file.write_all(&block).is_ok() {}
    }
}

fn new_session(title: &str) -> NewSession {
    serde_json::from_value(serde_json::json!({ "title": title, "agents": ["claude"] })).unwrap()
}

#[test]
#[ignore = "a child of the test above"]
fn fills_up() {
    let disk = disk();
    let root = DataRoot::new(disk.join("data"));
    let mut command = coditect(&disk);
    command.arg("--data-root").arg(root.path()).args(["daemon", "run"]);
    let daemon = Daemon::start(command);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(Options::user(root.clone(), Arc::new(SystemEntropy)));
    runtime.block_on(async {
        let kept = client.create_session(&new_session("kept"), None).await.unwrap();
        let ballast = disk.join("ballast");
        fill(&ballast);
        // What is there of half-used pages takes some more.
        let mut refused = None;
        let long = "x".repeat(150);
        for _ in 0..20_000 {
            if let Err(error) = client.create_session(&new_session(&long), None).await {
                refused = Some(error);
                break;
            }
        }
        let Some(ClientError::Refused { status, detail }) = refused else {
            panic!("never full: {refused:?}")
        };
        assert_eq!((status, detail.code.as_str()), (507, "disk_full"), "{detail:?}");
        assert!(detail.hint.is_some_and(|hint| hint.contains("space")));
        client.version().await.unwrap();
        client.status().await.unwrap();
        let read = client.session(&kept.id.to_string()).await.unwrap().value;
        assert_eq!(read.title, "kept");
        std::fs::remove_file(&ballast).unwrap();
        client.create_session(&new_session("room"), None).await.unwrap();
        fill(&ballast);
        client.shut_down().await.unwrap();
    });
    assert_eq!(daemon.ended(), Some(0), "it stops in good order without room");
}
