//! Commits on a full disk: refused with a next step, except for ends, which are written all the same. The test runs
//! itself again in a user namespace with a small disk in memory.

use super::*;
use crate::recovery;
use crate::stage::Stage;
use model::{Task, TaskKind, TaskState};
use std::io::Write;
use std::path::Path;
use std::process::Output;

/// Where the child finds its disk.
const DISK: &str = "CODITECT_TEST_ENGINE_DISK";

#[expect(clippy::disallowed_methods, reason = "the disk of a test can only be small in another process")]
fn run_child(child: &str, disk: &Path) -> Output {
    let script = format!(
        "mount -t tmpfs -o size=24m tmpfs \"$1\" && exec \"$0\" --ignored --exact --nocapture engine::tests::{child}"
    );
    std::process::Command::new("unshare")
        .args(["-Urm", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .arg(disk)
        .env(DISK, disk)
        .output()
        .unwrap()
}

fn passed(output: &Output) -> bool {
    output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed")
}

#[expect(clippy::disallowed_methods, reason = "the test tells its child process where the small disk is")]
fn disk() -> PathBuf {
    std::env::var_os(DISK).unwrap().into()
}

#[test]
fn a_full_disk_refuses_what_begins_and_takes_what_ends() {
    let folder = tempfile::tempdir().unwrap();
    if !passed(&run_child("probe", folder.path())) {
        testkit::skipped("a full disk", "no disk in memory in a user namespace here");
        return;
    }
    let ran = run_child("on_a_small_disk", folder.path());
    assert!(passed(&ran), "{ran:?}");
}

#[test]
#[ignore = "a child of the test above"]
fn probe() {
    std::fs::write(disk().join("probe"), "there is room").unwrap();
}

/// Takes all room there is, down to the last byte.
fn fill_up(ballast: &Path) {
    let mut file = std::fs::File::create(ballast).unwrap();
    for piece in [64 * 1024, 4096, 1] {
        while file.write(&vec![1; piece]).is_ok_and(|written| written > 0) {}
    }
}

#[tokio::test]
#[ignore = "a child of the test above"]
async fn on_a_small_disk() {
    let (stage, ballast) = (Stage::within(&disk()), disk().join("ballast"));
    let (session, seats) = stage.session(&["claude"]);
    let tasks: Vec<Task> = (0..3).map(|_| stage.task(session.id, TaskKind::Work, seats[0].id)).collect();
    for task in &tasks {
        stage.commit(vec![Event::TaskSubmitted(task.clone())]);
        stage.commit(stage.turn(task, 1).1);
    }
    let before = stage.events();
    fill_up(&ballast);
    let begin = || {
        let task = stage.task(session.id, TaskKind::Prompt, seats[0].id);
        stage.shared.record(Actor::User, vec![Event::TaskSubmitted(task)])
    };
    let mut begun = 0;
    let refusal = loop {
        match begin().await {
            Ok(_) => begun += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!((refusal.kind, &*refusal.code), (RefusalKind::Full, "disk_full"));
    assert!(refusal.hint.is_some_and(|hint| hint.contains("free some space")));
    assert_eq!(stage.events().len(), before.len() + begun, "what was refused left no trace");

    // What is over is over: the turns end, and that is on the disk.
    let said = recovery::recover(&stage.shared).await.unwrap();
    assert_eq!(said.len(), tasks.len(), "{said:?}");
    for task in &tasks {
        let row = stage.task_row(task);
        assert_eq!((row.state, row.attempt), (TaskState::Submitted, 2));
    }
    assert!(stage.shared.store.read(|view| view.running_turns()).unwrap().is_empty());
    assert_eq!(begin().await.unwrap_err().code, "disk_full", "but nothing new begins");
    assert_eq!(stage.shared.store.stopped(), None);

    std::fs::remove_file(&ballast).unwrap();
    begin().await.unwrap();
    let all = stage.events();
    assert_eq!(stage.restarted().events(), all);
}
