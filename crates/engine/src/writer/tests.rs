//! The writer on real files: who may write, from what, and what stays when it cannot.

use super::*;
use crate::stage::Stage;
use bus::{LockRequest, NewRegistration};
use model::{LockMode, RefusalKind};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::time::Duration;
use testkit::SeededEntropy;

const TTL: Duration = Duration::from_secs(60);

/// A worktree, a bus, and one who writes.
struct Desk {
    stage: Stage,
    worktree: PathBuf,
    holder: RegistrationId,
}

impl Desk {
    fn new() -> Self {
        let stage = Stage::new();
        let worktree = stage.worktree();
        Self::at(stage, worktree)
    }

    fn at(stage: Stage, worktree: PathBuf) -> Self {
        let holder = register(&stage, "claude");
        Self { stage, worktree, holder }
    }

    fn bus(&self) -> &Bus {
        &self.stage.shared.bus
    }

    fn lock(&self, path: &str, mode: LockMode, holder: RegistrationId) -> u64 {
        let request = LockRequest {
            worktree: self.worktree.display().to_string(),
            paths: vec![path.to_owned()],
            mode,
            holder,
            ttl: TTL,
        };
        self.bus().acquire(&request).unwrap().locks[0].token
    }

    fn edit(&self, path: &str, token: u64, before: Option<&str>, content: &str) -> Edit {
        let shared = &self.stage.shared;
        let change = FileChange {
            session: shared.new_id(),
            task: shared.new_id(),
            turn: shared.new_id(),
            participant: shared.new_id(),
            path: path.parse().unwrap(),
            before: before.map(|content| hash(content.as_bytes())),
            after: String::new(),
            lines_added: 0,
            lines_removed: 0,
            token,
            diff: None,
        };
        Edit {
            worktree: self.worktree.clone(),
            holder: self.holder,
            content: content.to_owned(),
            change,
            intent: self.intent(),
        }
    }

    fn intent(&self) -> PathBuf {
        self.stage.options().data_root.path().join(INTENT)
    }

    fn carry_out(&self, edit: Edit) -> Result<FileChange, Refusal> {
        write(self.bus(), &SeededEntropy::new(5), edit)
    }

    /// Takes the lock and writes.
    fn write(&self, path: &str, before: Option<&str>, content: &str) -> Result<FileChange, Refusal> {
        let token = self.lock(path, LockMode::Exclusive, self.holder);
        self.carry_out(self.edit(path, token, before, content))
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.worktree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn content(&self, path: &str) -> String {
        fs::read_to_string(self.worktree.join(path)).unwrap()
    }

    /// Every name in the worktree, so that nothing unfinished hides.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut folders = vec![self.worktree.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                names.push(path.strip_prefix(&self.worktree).unwrap().display().to_string());
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                }
            }
        }
        names.sort();
        names
    }

    /// Refused with this code, and as if nothing had been asked.
    fn refuses(&self, edit: Edit, code: &str) -> Refusal {
        let before = self.names();
        let refusal = self.carry_out(edit).unwrap_err();
        assert_eq!(refusal.code, code, "{refusal:?}");
        assert_eq!(self.names(), before);
        assert!(!self.intent().exists(), "nothing is announced that was not done");
        refusal
    }
}

fn register(stage: &Stage, name: &str) -> RegistrationId {
    let new = NewRegistration {
        id: None,
        agent: name.to_owned(),
        vendor: "anthropic".to_owned(),
        model: None,
        session: None,
        worktree: None,
        liveness: bus::Liveness::Lease { ttl: bus::LOCK_TTL_MAX },
    };
    stage.shared.bus.register(new).unwrap().id
}

#[test]
fn an_edit_under_its_lock_and_from_what_is_there_is_written() {
    let desk = Desk::new();
    let made = desk.write("src/new/a.rs", None, "one\ntwo\n").unwrap();
    assert_eq!((made.before, made.lines_added, made.lines_removed), (None, 2, 0));
    assert_eq!(made.after, hash(b"one\ntwo\n"));
    let changed = desk.write("src/new/a.rs", Some("one\ntwo\n"), "one\nthree\nfour\n").unwrap();
    assert_eq!((changed.lines_added, changed.lines_removed), (2, 1));
    assert_eq!(changed.before, Some(made.after));
    assert_eq!(desk.content("src/new/a.rs"), "one\nthree\nfour\n");
    assert_eq!(desk.names(), ["src", "src/new", "src/new/a.rs"]);
}

#[test]
fn without_a_good_token_nothing_is_written() {
    let desk = Desk::new();
    desk.put("a", "old");
    let other = register(&desk.stage, "kimi");
    let foreign = desk.lock("a", LockMode::Exclusive, other);
    let shared = {
        desk.put("b", "old");
        desk.lock("b", LockMode::Shared, desk.holder)
    };
    let elsewhere = desk.lock("c", LockMode::Exclusive, desk.holder);
    for (path, token) in [("a", 0), ("a", foreign), ("a", foreign + 1), ("b", shared), ("a", elsewhere)] {
        let refusal = desk.refuses(desk.edit(path, token, Some("old"), "new"), "lock_lost");
        assert!(refusal.hint.is_some_and(|hint| hint.contains("take the lock again")));
        assert_eq!(desk.content(path), "old");
    }
}

#[test]
fn a_token_that_was_good_is_not_good_for_ever() {
    let desk = Desk::new();
    desk.put("a", "old");
    let lost = |how: &str, token: u64| {
        let refusal = desk.refuses(desk.edit("a", token, Some("old"), "new"), "lock_lost");
        assert_eq!(desk.content("a"), "old", "{how}: {refusal}");
        refusal
    };
    let released = desk.lock("a", LockMode::Exclusive, desk.holder);
    desk.bus().release(released, desk.holder).unwrap();
    lost("released", released);
    let broken = desk.lock("a", LockMode::Exclusive, desk.holder);
    desk.bus().break_lock(broken).unwrap();
    lost("broken", broken);
    // The lease runs out, and somebody else takes the file.
    let expired = desk.lock("a", LockMode::Exclusive, desk.holder);
    desk.stage.clock.advance(TTL + Duration::from_secs(1));
    lost("expired", expired);
    let other = register(&desk.stage, "kimi");
    let taken = desk.lock("a", LockMode::Exclusive, other);
    assert!(taken > expired, "a fencing token never goes back");
    assert!(lost("taken over", expired).message.contains("kimi"));
    let theirs = Edit { holder: other, ..desk.edit("a", taken, Some("old"), "theirs") };
    desk.carry_out(theirs).unwrap();
    assert_eq!(desk.content("a"), "theirs");
}

#[test]
fn an_edit_made_from_something_else_is_stale() {
    let desk = Desk::new();
    desk.put("a", "now");
    let token = desk.lock("a", LockMode::Exclusive, desk.holder);
    for (before, message) in [(Some("then"), "has changed since"), (None, "exists already")] {
        let refusal = desk.refuses(desk.edit("a", token, before, "new"), "stale_base");
        assert_eq!(refusal.kind, RefusalKind::Conflict);
        assert!(refusal.message.contains(message) && refusal.hint.is_some(), "{refusal:?}");
        assert_eq!(desk.content("a"), "now");
    }
    let token = desk.lock("gone", LockMode::Exclusive, desk.holder);
    let refusal = desk.refuses(desk.edit("gone", token, Some("then"), "new"), "stale_base");
    assert!(refusal.message.contains("is gone"), "{refusal}");
    // An empty file is there, too.
    desk.put("empty", "");
    let token = desk.lock("empty", LockMode::Exclusive, desk.holder);
    desk.refuses(desk.edit("empty", token, None, "new"), "stale_base");
    desk.carry_out(desk.edit("empty", token, Some(""), "new")).unwrap();
}

#[test]
fn links_and_whatever_is_no_file_are_refused() {
    let desk = Desk::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    desk.put("src/a.rs", "old");
    desk.put(".git/config", "[core]");
    fs::create_dir(desk.worktree.join("folder")).unwrap();
    let link = |to: &Path, from: &str| symlink(to, desk.worktree.join(from)).unwrap();
    link(outside.path(), "out");
    link(Path::new(".."), "up");
    link(Path::new("src"), "alias");
    link(Path::new(".git"), "git");
    link(Path::new("src/a.rs"), "file");
    link(&outside.path().join("secret"), "escape");
    link(Path::new("nowhere"), "dangling");
    link(Path::new("circle"), "circle");
    drop(UnixListener::bind(desk.worktree.join("socket")).unwrap());
    for path in [
        "out/secret",
        "out/new",
        "up/worktree/src/a.rs",
        "alias/a.rs",
        "alias/new.rs",
        "git/config",
        "git/hooks/post-commit",
        "file",
        "escape",
        "dangling",
        "dangling/a",
        "circle",
        "circle/a",
        "folder",
        "socket",
        "src/a.rs/below",
    ] {
        let token = desk.lock(path, LockMode::Exclusive, desk.holder);
        for before in [None, Some("old"), Some("secret")] {
            desk.refuses(desk.edit(path, token, before, "new"), "path_refused");
        }
    }
    assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!((desk.content("src/a.rs").as_str(), desk.content(".git/config").as_str()), ("old", "[core]"));
}

#[test]
fn paths_that_lead_out_are_no_paths_at_all() {
    for path in ["../a", "/etc/passwd", "a/../../b", ".git/config", "a/.git/config", "a//b/../../..", ""] {
        assert!(path.parse::<RepoPath>().is_err(), "{path}");
    }
}

#[test]
fn an_executable_stays_executable_and_a_private_file_private() {
    let desk = Desk::new();
    for (path, mode) in [("run.sh", 0o755), ("key", 0o600), ("plain", 0o644), ("odd", 0o4711)] {
        desk.put(path, "old");
        fs::set_permissions(desk.worktree.join(path), fs::Permissions::from_mode(mode)).unwrap();
        desk.write(path, Some("old"), "new").unwrap();
        let now = fs::metadata(desk.worktree.join(path)).unwrap().permissions().mode();
        assert_eq!(now & 0o7777, mode, "{path}");
    }
}

#[test]
fn who_has_the_file_open_keeps_the_old_one_whole() {
    let desk = Desk::new();
    let old = "old ".repeat(10_000);
    desk.put("a", &old);
    let mut open = fs::File::open(desk.worktree.join("a")).unwrap();
    desk.write("a", Some(&old), "new").unwrap();
    let mut seen = String::new();
    open.read_to_string(&mut seen).unwrap();
    assert_eq!(seen, old, "the new content has a file of its own");
    assert_eq!(desk.content("a"), "new");
}

#[test]
fn what_is_too_large_is_refused_on_either_side() {
    let desk = Desk::new();
    let token = desk.lock("a", LockMode::Exclusive, desk.holder);
    let huge = "x".repeat(usize::try_from(FILE_MAX).unwrap() + 1);
    desk.refuses(desk.edit("a", token, None, &huge), "file_too_large");
    fs::File::create(desk.worktree.join("a")).unwrap().set_len(FILE_MAX + 1).unwrap();
    desk.refuses(desk.edit("a", token, Some("old"), "new"), "file_too_large");
}

#[test]
fn a_change_is_announced_until_it_is_recorded() {
    let desk = Desk::new();
    desk.put("a", "old");
    let change = desk.write("a", Some("old"), "new").unwrap();
    assert_eq!(unrecorded(&desk.intent(), &desk.worktree), Some(change));
    // Before its rename an announced change was not made.
    desk.put("a", "old");
    assert_eq!(unrecorded(&desk.intent(), &desk.worktree), None);
    fs::write(desk.intent(), b"{\"half\":").unwrap();
    assert_eq!(unrecorded(&desk.intent(), &desk.worktree), None);
    fs::remove_file(desk.intent()).unwrap();
    assert_eq!(unrecorded(&desk.intent(), &desk.worktree), None);
}

#[test]
fn an_announcement_that_cannot_be_written_stops_the_edit() {
    let desk = Desk::new();
    desk.put("a", "old");
    let token = desk.lock("a", LockMode::Exclusive, desk.holder);
    let nowhere = desk.worktree.join("no/such/folder");
    let edit = Edit { intent: nowhere, ..desk.edit("a", token, Some("old"), "new") };
    desk.refuses(edit, "io");
    assert_eq!(desk.content("a"), "old");
}

#[test]
fn a_full_disk_says_so_and_what_to_do() {
    for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge] {
        let refusal = io(kind.into());
        assert_eq!((refusal.kind, &*refusal.code), (RefusalKind::Full, "disk_full"));
        assert!(refusal.hint.is_some_and(|hint| hint.contains("free some space")));
    }
}

/// Where the child below finds its disk.
const DISK: &str = "CODITECT_TEST_WRITER_DISK";

#[expect(clippy::disallowed_methods, reason = "the disk of a test can only be small in another process")]
fn run_child(child: &str, disk: &Path) -> std::process::Output {
    let script = format!(
        "mount -t tmpfs -o size=1m tmpfs \"$1\" && exec \"$0\" --ignored --exact --nocapture writer::tests::{child}"
    );
    std::process::Command::new("unshare")
        .args(["-Urm", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .arg(disk)
        .env(DISK, disk)
        .output()
        .unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the test tells its child process where the small disk is")]
fn disk() -> PathBuf {
    std::env::var_os(DISK).unwrap().into()
}

#[test]
fn a_full_disk_leaves_the_old_file_whole() {
    let folder = tempfile::tempdir().unwrap();
    let passed = |output: &std::process::Output| {
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed")
    };
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
    fs::write(disk().join("probe"), "there is room").unwrap();
}

#[test]
#[ignore = "a child of the test above"]
fn on_a_small_disk() {
    let desk = Desk::at(Stage::new(), disk());
    desk.put("a", "old");
    let token = desk.lock("a", LockMode::Exclusive, desk.holder);
    let large = "x".repeat(2 * 1024 * 1024);
    let refusal = desk.refuses(desk.edit("a", token, Some("old"), &large), "disk_full");
    assert_eq!(refusal.kind, RefusalKind::Full);
    assert_eq!(desk.content("a"), "old");
    let other = desk.lock("b/c", LockMode::Exclusive, desk.holder);
    let new = desk.carry_out(desk.edit("b/c", other, None, &large)).unwrap_err();
    assert_eq!(new.code, "disk_full");
    assert!(!desk.worktree.join("b/c").exists());
    // What fits goes on.
    desk.carry_out(desk.edit("a", token, Some("old"), "new")).unwrap();
    assert_eq!(desk.content("a"), "new");
}

#[tokio::test]
async fn edits_of_one_worktree_come_one_after_the_other_and_survive_a_bad_one() {
    let desk = Desk::new();
    let (writers, log) = (Writers::default(), std::sync::Arc::new(Mutex::new(Vec::new())));
    let jobs = (0..20).map(|n| {
        let log = std::sync::Arc::clone(&log);
        writers.run(&desk.worktree, move || {
            log.lock().unwrap().push(n);
            std::thread::yield_now();
            log.lock().unwrap().push(n);
            assert_ne!(n, 7, "a bug in one job");
            Ok(n)
        })
    });
    let mut answers = Vec::new();
    for job in jobs {
        answers.push(job.await);
    }
    let log = log.lock().unwrap();
    assert!(log.chunks(2).all(|pair| pair[0] == pair[1]), "{log:?}");
    for (n, answer) in answers.into_iter().enumerate() {
        if n == 7 { assert_eq!(answer.unwrap_err().code, "internal") } else { assert_eq!(answer.unwrap(), n) }
    }
}

#[tokio::test]
async fn what_a_killed_writer_left_goes_when_the_worktree_is_opened() {
    let desk = Desk::new();
    for path in
        ["a", "src/deep/.coditect-unfinished-1", ".coditect-unfinished-2", ".git/.coditect-unfinished-3"]
    {
        desk.put(path, "x");
    }
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join(".coditect-unfinished-4"), "not ours").unwrap();
    symlink(outside.path(), desk.worktree.join("link")).unwrap();
    Writers::default().run(&desk.worktree, || Ok(())).await.unwrap();
    assert_eq!(desk.names(), [".git", ".git/.coditect-unfinished-3", "a", "link", "src", "src/deep"],);
    assert!(outside.path().join(".coditect-unfinished-4").exists());
}

#[tokio::test]
async fn more_edits_than_may_wait_are_busy() {
    let writers = Writers::default();
    let folder = tempfile::tempdir().unwrap();
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (entered, inside) = std::sync::mpsc::channel();
    // The first one is at work, the next ones wait; a wait begins with the first look at it.
    let mut waiting = Vec::new();
    let mut first = Box::pin(writers.run(folder.path(), move || {
        entered.send(()).unwrap();
        wait.recv().unwrap_err();
        Ok(())
    }));
    assert!(futures_now(&mut first).is_none());
    inside.recv().unwrap();
    for _ in 0..WRITER_QUEUE {
        let mut next = Box::pin(writers.run(folder.path(), || Ok(())));
        assert!(futures_now(&mut next).is_none());
        waiting.push(next);
    }
    let refusal = writers.run(folder.path(), || Ok(())).await.unwrap_err();
    assert_eq!((refusal.kind, &*refusal.code), (RefusalKind::Busy, "writer_busy"));
    drop(release);
    first.await.unwrap();
    for job in waiting {
        job.await.unwrap();
    }
}

/// Looks at a future once.
fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
