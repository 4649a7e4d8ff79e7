//! A full disk: what does not fit is refused and leaves no trace, what was acknowledged stays, and the store goes on as soon as
//! there is room. The tests run themselves again in a user namespace with a small disk in memory.

use crate::fixtures::World;
use crate::workspace::{keyed, open_in};
use model::{Actor, DataRoot, Event, Refusal, RefusalKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use store::{Commit, CommitError, Store, StoreOptions};
use testkit::{ManualClock, SeededEntropy};

/// Where the child finds its disk.
const DISK: &str = "CODITECT_TEST_STORE_DISK";
/// What the reserve file takes of the disk.
const RESERVE: u64 = 512 * 1024;
const PAGE: usize = 4096;

#[expect(clippy::disallowed_methods, reason = "the disk of a test can only be small in another process")]
fn run_child(size: &str, child: &str, disk: &Path) -> std::io::Result<Output> {
    let script = format!(
        "mount -t tmpfs -o size={size} tmpfs \"$1\" && exec \"$0\" --ignored --exact --nocapture disk_full::{child}"
    );
    Command::new("unshare")
        .args(["-Urm", "sh", "-c", &script])
        .arg(std::env::current_exe()?)
        .arg(disk)
        .env(DISK, disk)
        .output()
}

fn passed(output: &Output) -> bool {
    output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed")
}

fn on_a_small_disk(size: &str, child: &str) {
    let temp = tempfile::tempdir().unwrap();
    if !run_child(size, "probe", temp.path()).as_ref().is_ok_and(passed) {
        testkit::skipped("a full disk", "no disk in memory in a user namespace here");
        return;
    }
    let ran = run_child(size, child, temp.path()).unwrap();
    assert!(
        passed(&ran),
        "{}\n{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
}

#[test]
fn a_full_disk_refuses_loses_nothing_and_the_store_goes_on() {
    on_a_small_disk("12m", "fills_up_and_goes_on");
}

#[test]
fn whatever_the_last_page_falls_to_the_databases_follow_the_journal() {
    on_a_small_disk("12m", "meets_the_end_at_every_page");
}

#[test]
#[ignore = "a child of the tests above"]
fn probe() {
    std::fs::write(disk().join("probe"), "there is room").unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the test tells its child process where the small disk is")]
fn disk() -> PathBuf {
    std::env::var_os(DISK).unwrap().into()
}

fn open(disk: &Path) -> Store {
    let mut options = StoreOptions::default();
    options.journal.reserve_bytes = RESERVE;
    let dir = DataRoot::new(disk).workspace("default");
    open_in(&dir, &ManualClock::default(), &SeededEntropy::default(), options).unwrap().0
}

/// Looks until a checkpoint is over; only a failing test takes them all.
const CHECKPOINT_LOOKS: u32 = 500;

/// Commits under a key of its own; the key is kept when it was acknowledged.
fn commit(
    store: &Store,
    world: &World,
    acknowledged: &mut Vec<String>,
    bytes: usize,
) -> Result<(), CommitError> {
    let key = format!("key-{}", acknowledged.len());
    let session = world.session("Auth");
    let said = world.say(session.id, &"x".repeat(bytes));
    let events = vec![Event::SessionCreated(session), Event::MessageAppended(said)];
    let done = store.commit(Commit::new(Actor::User, move |_| Ok(events)).key(keyed(&key, "h")));
    done.map(|receipt| {
        assert!(!receipt.replayed);
        acknowledged.push(key);
    })
}

fn ending(
    world: &World,
    text: &str,
) -> impl FnOnce(&store::View<'_>) -> Result<Vec<Event>, Refusal> + Send + 'static {
    let id = world.id_board();
    let board = model::Board { id, slug: text.to_owned(), name: text.to_owned(), created_at: world.now() };
    move |_| Ok(vec![Event::BoardCreated(board)])
}

fn all_there(store: &Store, acknowledged: &[String]) {
    for key in acknowledged {
        let again = || {
            let command = Commit::new(Actor::User, |_| panic!("an acknowledged commit was lost"));
            store.commit(command.key(keyed(key, "h")))
        };
        // While a checkpoint takes the last pages, even this may find no room for a moment.
        let mut answer = again();
        for _ in 0..CHECKPOINT_LOOKS {
            if !matches!(answer, Err(CommitError::Full)) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
            answer = again();
        }
        assert!(answer.unwrap().replayed, "{key}");
    }
    let counts = store.read(|view| view.counts()).unwrap();
    assert_eq!((counts.sessions, counts.messages), (acknowledged.len() as u64, acknowledged.len() as u64));
}

#[test]
#[ignore = "a child of the tests above"]
fn fills_up_and_goes_on() {
    let disk = disk();
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![1; 4_500_000]).unwrap();
    let (world, mut acknowledged) = (World::new(), Vec::new());
    let store = open(&disk);
    let error = loop {
        if let Err(error) = commit(&store, &world, &mut acknowledged, 3_000) {
            break error;
        }
    };
    assert_eq!(error, CommitError::Full);
    let refusal = Refusal::from(error);
    assert_eq!((refusal.kind, &*refusal.code), (RefusalKind::Full, "disk_full"));
    assert!(refusal.hint.is_some_and(|hint| hint.contains("free some space")));
    assert!(acknowledged.len() > 10, "{}", acknowledged.len());
    assert_eq!(store.stopped(), None, "a full disk is no reason to stop");
    // A payload for which a blob would be needed is refused as well, and reading goes on.
    assert_eq!(commit(&store, &world, &mut acknowledged, 1_000_000), Err(CommitError::Full));
    all_there(&store, &acknowledged);

    // How something ended is let in at the reserve's expense; nothing else is.
    let end = |text: &str| Commit::new(Actor::System, ending(&world, text)).closing();
    for n in 0..20 {
        let closed = store.commit(end(&format!("ended {n}")));
        assert!(closed.is_ok() || matches!(closed, Err(CommitError::Full)), "{closed:?}");
        // The databases that follow give back what they could not keep, which is filled again before it is full.
        let refused = (0..1_000)
            .find_map(|_| commit(&store, &world, &mut acknowledged, 10).err())
            .expect("the disk is full again");
        assert_eq!(refused, CommitError::Full);
    }
    let boards = store.read(|view| view.boards()).unwrap().len();
    assert!(boards > 3, "{boards}");
    assert_eq!(store.stopped(), None);

    // A start on the full disk finds everything, and refuses what does not fit.
    store.close();
    let store = open(&disk);
    all_there(&store, &acknowledged);
    assert_eq!(store.read(|view| view.boards()).unwrap().len(), boards);
    while commit(&store, &world, &mut acknowledged, 3_000).is_ok() {}
    assert_eq!(store.stopped(), None);

    // With room again it goes on by itself.
    std::fs::remove_file(&ballast).unwrap();
    for _ in 0..20 {
        commit(&store, &world, &mut acknowledged, 3_000).unwrap();
    }
    all_there(&store, &acknowledged);
    let report = store.verify().unwrap();
    assert_eq!((report.problems, report.journal.problems), (Vec::new(), Vec::new()));
    store.close();
    std::fs::remove_dir_all(DataRoot::new(&disk).workspace("default").session_logs()).unwrap();
    all_there(&open(&disk), &acknowledged);
}

#[test]
#[ignore = "a child of the tests above"]
fn meets_the_end_at_every_page() {
    let disk = disk();
    let ballast = disk.join("ballast");
    let (world, mut acknowledged) = (World::new(), Vec::new());
    let store = open(&disk);
    commit(&store, &world, &mut acknowledged, 100).unwrap();
    let (mut refused, mut fitted) = (0, 0);
    for left in 0..48 {
        fill_up(&ballast, left);
        match commit(&store, &world, &mut acknowledged, 3_000) {
            Ok(()) => fitted += 1,
            Err(CommitError::Full) => refused += 1,
            Err(other) => panic!("with {left} pages left: {other}"),
        }
        std::fs::remove_file(&ballast).unwrap();
        all_there(&store, &acknowledged);
    }
    assert!(refused > 0 && fitted > 0, "{refused} {fitted}");
    assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
    store.close();
    all_there(&open(&disk), &acknowledged);
}

/// Takes all room but the given number of pages.
fn fill_up(ballast: &Path, left: usize) {
    use std::io::Write;
    let mut file = std::fs::File::create(ballast).unwrap();
    while file.write_all(&[1; PAGE]).is_ok() {}
    let full = file.metadata().unwrap().len();
    file.set_len(full.saturating_sub((left * PAGE) as u64)).unwrap();
}
