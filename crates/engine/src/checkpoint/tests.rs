//! Checkpoints of a real repository, without agents.

use super::restore::NewCheckpointRestore;
use super::{bundle, carry, expire, restore};
use crate::stage::Stage;
use crate::{Call, Caller, Engine, NewBundleImport, NewCheckpoint};
use bus::LockRequest;
use futures_util::FutureExt;
use model::{
    Actor, Checkpoint, CheckpointId, CheckpointKind, Event, LockMode, Refusal, Repo, RepoPath, Session,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testkit::TempRepo;

/// How long anything may take. Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

const FILES: [(&str, &str); 4] =
    [(".gitignore", "*.log\n"), ("a", "one\n"), ("b", "one\n"), ("dir/c", "one\n")];

struct Place {
    stage: Stage,
    engine: Engine,
    session: Session,
    repo: Repo,
    root: PathBuf,
    origin: TempRepo,
}

impl Place {
    fn new() -> Self {
        Self::elsewhere(0)
    }

    /// Whose ids are others than those of the first one.
    fn elsewhere(number: usize) -> Self {
        let stage = Stage::with_path();
        (0..number).for_each(|_| {
            let _: CheckpointId = stage.shared.new_id();
        });
        let origin = TempRepo::with(&FILES);
        let root = stage.worktree();
        origin.git(&["clone", "-q", ".", root.to_str().unwrap()]);
        let (session, _) = stage.session(&["claude"]);
        let repo = stage.shared.store.read(|view| view.repo(session.repo.unwrap())).unwrap().unwrap();
        let engine = Engine { shared: Arc::clone(&stage.shared) };
        Self { stage, engine, session, repo, root, origin }
    }

    fn git(&self, args: &[&str]) -> String {
        self.origin.git(&[&["-C", self.root.to_str().unwrap()], args].concat())
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok()
    }

    async fn create(&self, name: &str) -> Checkpoint {
        let new = NewCheckpoint { name: name.to_owned(), agent: None };
        self.engine.create_checkpoint(&user(), self.session.id, new).await.unwrap()
    }

    async fn restore(
        &self,
        id: CheckpointId,
        paths: &[&str],
    ) -> Result<crate::RestoredCheckpointView, Refusal> {
        self.engine.restore_checkpoint(&user(), id, files(paths)).await
    }

    async fn bundle(&self) -> Option<model::CheckpointBundle> {
        bundle::write(&self.stage.shared, &self.repo).await.unwrap()
    }

    async fn import(&self, path: Option<PathBuf>) -> Result<crate::BundleImportView, Refusal> {
        let new = NewBundleImport { path, session: None };
        self.engine.import_bundle(&user(), self.repo.id, new).await
    }

    fn bundles(&self) -> PathBuf {
        bundle::folder(&self.stage.shared, &self.repo)
    }

    /// No lock, no file that lies ready, no restore that is under way.
    fn nothing_is_left(&self) {
        let shared = &self.stage.shared;
        assert!(self.engine.locks().unwrap().is_empty(), "{:?}", self.engine.locks());
        assert!(shared.store.read(|view| view.open_restores()).unwrap().is_empty());
        let places = [self.root.clone(), shared.workspace.runs()];
        let names = places.iter().flat_map(|place| std::fs::read_dir(place).unwrap().flatten());
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let left: Vec<String> =
            names.filter(|name| name.contains("unfinished") || name.starts_with("restore-")).collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// As a repository that was copied without what git does not copy.
    fn lose_refs(&self) {
        for line in self.git(&["for-each-ref", "--format=%(refname)", "refs/coditect/"]).lines() {
            self.git(&["update-ref", "-d", line]);
        }
        self.git(&["-c", "gc.reflogExpire=now", "gc", "-q", "--prune=now"]);
    }
}

fn user() -> Call {
    Call::user("test")
}

fn files(paths: &[&str]) -> NewCheckpointRestore {
    let paths: Vec<RepoPath> = paths.iter().map(|path| path.parse().unwrap()).collect();
    NewCheckpointRestore { files: true, conversation: false, paths, force: false }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_back_and_go_forth_again_and_branch_index_and_ignored_files_stay() {
    let place = Place::new();
    place.write("new/deep", "new\n");
    place.write("noise.log", "noise\n");
    let kept = place.create("before").await;
    place.write("a", "two\n");
    place.git(&["add", "a"]);
    std::fs::remove_dir_all(place.root.join("dir")).unwrap();
    std::fs::remove_dir_all(place.root.join("new")).unwrap();
    place.write("later", "later\n");
    let index = std::fs::read(place.root.join(".git/index")).unwrap();
    let users = || {
        let refs = place.git(&["for-each-ref", "refs/heads", "refs/tags", "refs/remotes"]);
        (refs, place.git(&["rev-parse", "HEAD"]), place.git(&["symbolic-ref", "HEAD"]))
    };
    let refs = users();
    let back = place.restore(kept.id, &[]).await.unwrap();
    let named: Vec<(&str, bool, bool)> =
        back.files.iter().map(|file| (file.path.as_str(), file.before, file.after)).collect();
    assert_eq!(
        named,
        [("a", true, true), ("dir/c", false, true), ("later", true, false), ("new/deep", false, true)]
    );
    assert_eq!((place.read("a").as_deref(), place.read("later")), (Some("one\n"), None));
    assert_eq!(
        (place.read("dir/c").as_deref(), place.read("new/deep").as_deref()),
        (Some("one\n"), Some("new\n"))
    );
    assert_eq!(place.read("noise.log").as_deref(), Some("noise\n"));
    assert_eq!(std::fs::read(place.root.join(".git/index")).unwrap(), index);
    assert_eq!(users(), refs, "HEAD and branches are where they were");
    // And the way back.
    let undone = place.restore(back.before.unwrap(), &[]).await.unwrap();
    assert_eq!(undone.files.len(), 4);
    assert_eq!(
        (place.read("a").as_deref(), place.read("later").as_deref()),
        (Some("two\n"), Some("later\n"))
    );
    assert_eq!((place.read("dir/c"), place.read("new/deep")), (None, None));
    assert!(!place.root.join("new").exists() && !place.root.join("dir").exists());
    let again = place.restore(back.before.unwrap(), &[]).await.unwrap();
    assert_eq!((again.before, again.files.len()), (None, 0), "all is so already");
    assert!(place.engine.locks().unwrap().is_empty());
    let unfinished = std::fs::read_dir(&place.root).unwrap().flatten();
    assert!(
        unfinished.map(|entry| entry.file_name()).all(|name| !name.to_string_lossy().contains("unfinished"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_wanted_paths_come_back_and_two_are_compared() {
    let place = Place::new();
    let kept = place.create("before").await;
    place.write("a", "two\n");
    place.write("dir/c", "two\n");
    place.write("dir/d", "new\n");
    let engine = &place.engine;
    let now = engine.compare_checkpoint(&Caller::User, kept.id, None, None).await.unwrap();
    let lines: Vec<_> = now.files.iter().map(|file| (file.path.as_str(), file.added, file.removed)).collect();
    assert_eq!(lines, [("a", Some(1), Some(1)), ("dir/c", Some(1), Some(1)), ("dir/d", Some(1), Some(0))]);
    assert!(now.diff.contains("-one\n+two\n") && !now.cut);
    let restored = place.restore(kept.id, &["dir"]).await.unwrap();
    assert_eq!(restored.files.len(), 2);
    assert_eq!((place.read("a").as_deref(), place.read("dir/d")), (Some("two\n"), None));
    let later = place.create("later").await;
    let (from, to) = (kept.id, Some(later.id));
    let path = Some("a".parse().unwrap());
    let compared = engine.compare_checkpoint(&Caller::User, from, to, path).await.unwrap();
    assert_eq!(compared.files.len(), 1);
    assert!(later.point.unwrap().parent.is_some());
}

/// Another session has the file locked.
fn held_by_kimi(place: &Place, path: &str) {
    let bus = &place.stage.shared.bus;
    let new = bus::NewRegistration {
        id: None,
        agent: "kimi".to_owned(),
        vendor: "moonshot".to_owned(),
        model: None,
        session: None,
        worktree: Some(place.repo.path.clone()),
        liveness: bus::Liveness::Lease { ttl: PATIENCE },
    };
    let request = LockRequest {
        worktree: place.repo.path.clone(),
        paths: vec![path.to_owned()],
        mode: LockMode::Exclusive,
        holder: bus.register(new).unwrap().id,
        ttl: PATIENCE,
    };
    bus.acquire(&request).unwrap();
}

/// More than go under locks of their own, unless somebody holds another file.
#[tokio::test(flavor = "multi_thread")]
async fn many_files_come_back_under_one_lock_and_under_many() {
    const MANY: usize = bus::LOCK_PATHS_MAX + 10;
    let place = Place::new();
    let all =
        |text: &dyn Fn(usize) -> String| (0..MANY).all(|n| place.read(&format!("many/{n}")) == Some(text(n)));
    place.write(".gitattributes", "*.win text eol=crlf\n");
    place.write("x.win", "one\r\n");
    (0..MANY).for_each(|n| place.write(&format!("many/{n}"), "one\n"));
    let kept = place.create("before").await;
    (0..MANY).for_each(|n| place.write(&format!("many/{n}"), &format!("two {n}\n")));
    place.write("x.win", "two\r\n");
    let back = place.restore(kept.id, &[]).await.unwrap();
    assert_eq!((back.files.len(), back.kept.as_slice()), (MANY + 1, &[][..]));
    assert!(all(&|_| "one\n".to_owned()));
    assert_eq!(place.read("x.win").as_deref(), Some("one\r\n"));
    place.nothing_is_left();
    held_by_kimi(&place, "a");
    let forth = place.restore(back.before.unwrap(), &[]).await.unwrap();
    assert_eq!((forth.files.len(), forth.kept.as_slice()), (MANY + 1, &[][..]));
    assert!(all(&|n| format!("two {n}\n")));
    assert_eq!(place.read("x.win").as_deref(), Some("two\r\n"));
    assert_eq!(place.engine.locks().unwrap().len(), 1, "kimi's alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_session_holds_is_not_touched_unless_somebody_says_so() {
    let place = Place::new();
    let kept = place.create("before").await;
    place.write("a", "theirs\n");
    place.write("b", "two\n");
    let shared = &place.stage.shared;
    held_by_kimi(&place, "a");
    let refused = place.restore(kept.id, &[]).await.unwrap_err();
    assert_eq!(
        (refused.code.as_ref(), refused.message.contains("kimi holds a")),
        ("lock_held", true),
        "{refused}"
    );
    assert_eq!((place.read("a").as_deref(), place.read("b").as_deref()), (Some("theirs\n"), Some("two\n")));
    // What nobody holds can be had.
    place.restore(kept.id, &["b"]).await.unwrap();
    assert_eq!(place.read("b").as_deref(), Some("one\n"));
    let forced = NewCheckpointRestore { force: true, ..files(&[]) };
    place.engine.restore_checkpoint(&user(), kept.id, forced).await.unwrap();
    assert_eq!(place.read("a").as_deref(), Some("one\n"));
    assert_eq!(shared.bus.locks(None).unwrap().len(), 1, "it is kimi's still");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_checkpoint_holds_is_in_the_way_and_what_is_wrong_is_said() {
    let place = Place::new();
    place.write("x.log/in", "kept\n");
    place.git(&["add", "-f", "x.log/in"]);
    place.git(&["commit", "-qm", "a folder of that name"]);
    let kept = place.create("with the folder").await;
    place.git(&["rm", "-rq", "x.log"]);
    place.git(&["commit", "-qm", "gone"]);
    place.write("x.log", "ignored, and nobody else has it\n");
    // The folder's place is taken by a file that no checkpoint holds.
    let view = place.restore(kept.id, &[]).await.unwrap();
    let stays: Vec<_> = view.kept.iter().map(|file| (file.path.as_str(), file.reason.as_str())).collect();
    assert_eq!(stays, [("x.log/in", "a file is in the way of its folder")]);
    assert!(view.files.is_empty(), "{:?}", view.files);
    assert_eq!(place.read("x.log").as_deref(), Some("ignored, and nobody else has it\n"));
    let nothing = NewCheckpointRestore { files: false, ..files(&[]) };
    let error = place.engine.restore_checkpoint(&user(), kept.id, nothing).await.unwrap_err();
    assert_eq!(error.code, "nothing_wanted");
    let talk = NewCheckpointRestore { files: false, conversation: true, ..files(&[]) };
    let error = place.engine.restore_checkpoint(&user(), kept.id, talk).await.unwrap_err();
    assert_eq!(error.code, "no_conversation");
    let many: Vec<String> = (0..=restore::RESTORE_PATHS_MAX).map(|n| format!("f{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(place.restore(kept.id, &many).await.unwrap_err().code, "too_many");
    std::fs::remove_dir_all(&place.root).unwrap();
    assert_eq!(place.restore(kept.id, &[]).await.unwrap_err().code, "path_missing");
    let new = NewCheckpoint { name: "gone".to_owned(), agent: None };
    let error = place.engine.create_checkpoint(&user(), place.session.id, new).await.unwrap_err();
    assert_eq!((error.code.as_ref(), error.hint.is_some()), ("path_missing", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_git_is_told_not_to_look_at_is_in_the_way() {
    let place = Place::new();
    let kept = place.create("as it was").await;
    place.write("a", "committed\n");
    place.git(&["commit", "-qam", "changed"]);
    place.git(&["update-index", "--skip-worktree", "a"]);
    place.write("a", "nobody else has it\n");
    assert_eq!(place.restore(kept.id, &[]).await.unwrap_err().code, "restore_in_the_way");
    assert_eq!(place.read("a").as_deref(), Some("nobody else has it\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_git_every_way_says_so_and_changes_nothing() {
    let stage = Stage::new();
    let (session, _) = stage.session(&["claude"]);
    let engine = Engine { shared: Arc::clone(&stage.shared) };
    let before = stage.events().len();
    let new = NewCheckpoint { name: "x".to_owned(), agent: None };
    let error = engine.create_checkpoint(&user(), session.id, new).await.unwrap_err();
    assert_eq!((error.code.as_ref(), error.kind), ("git_missing", model::RefusalKind::Unavailable));
    assert!(error.hint.is_some_and(|hint| hint.contains("install git")));
    let new = NewBundleImport::default();
    let error = engine.import_bundle(&user(), session.repo.unwrap(), new).await.unwrap_err();
    assert_eq!(error.code, "git_missing");
    assert_eq!(stage.events().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_brings_back_named_files_of_its_own_session_and_no_others() {
    let place = Place::new();
    let kept = place.create("before").await;
    let shared = &place.stage.shared;
    let seat = shared.store.read(|view| view.participants(place.session.id)).unwrap().remove(0).participant;
    let run = |session| Call {
        caller: Caller::Run {
            run: shared.new_id(),
            registration: shared.user,
            participant: seat.id,
            session,
            agent: seat.agent.clone(),
        },
        key: None,
        client: None,
        correlation: "test".to_owned(),
    };
    let own = run(place.session.id);
    let code = async |call: &Call, wish: NewCheckpointRestore| {
        place.engine.restore_checkpoint(call, kept.id, wish).await.unwrap_err().code.to_string()
    };
    assert_eq!(code(&own, files(&[])).await, "paths_needed");
    assert_eq!(code(&own, NewCheckpointRestore { force: true, ..files(&["a"]) }).await, "not_for_agents");
    assert_eq!(
        code(&own, NewCheckpointRestore { conversation: true, ..files(&["a"]) }).await,
        "not_for_agents"
    );
    assert_eq!(code(&own, files(&["a"])).await, "read_only", "it has no turn that may edit");
    let error = place.engine.remove_checkpoint(&own, kept.id).await.unwrap_err();
    assert_eq!(error.code, "not_for_agents");
    let other = run(shared.new_id());
    let new = NewCheckpoint { name: "x".to_owned(), agent: None };
    let error = place.engine.create_checkpoint(&other, place.session.id, new).await.unwrap_err();
    assert_eq!(error.code, "not_for_agents");
}

/// What a kill in the middle of a restore leaves: the intent, one file that came, one that did not, one that somebody has
/// changed since.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_was_cut_off_is_finished_at_the_next_start() {
    let place = Place::new();
    let kept = place.create("before").await;
    for name in ["a", "b", "dir/c"] {
        place.write(name, "two\n");
    }
    let shared = &place.stage.shared;
    restore::cut_off(shared, &kept, &place.repo.path, |root| {
        std::fs::write(root.join("a"), "one\n").unwrap();
        std::fs::write(root.join("dir/c"), "somebody's\n").unwrap();
    })
    .await;
    assert_eq!(shared.store.read(|view| view.open_restores()).unwrap().len(), 1);
    let said = carry::mend(shared).await.unwrap();
    assert!(said[0].contains("is finished now: 2 files"), "{said:?}");
    assert_eq!(
        (place.read("a").as_deref(), place.read("b").as_deref(), place.read("dir/c").as_deref()),
        (Some("one\n"), Some("one\n"), Some("somebody's\n"))
    );
    let end = place.stage.events().into_iter().find_map(|event| match event {
        Event::CheckpointRestored(end) => Some(end),
        _ => None,
    });
    let end = end.unwrap();
    assert_eq!((end.files, end.kept[0].path.as_str()), (2, "dir/c"));
    assert!(shared.store.read(|view| view.open_restores()).unwrap().is_empty());
    assert!(carry::mend(shared).await.unwrap().is_empty());
    let left = std::fs::read_dir(shared.workspace.runs()).unwrap().flatten();
    assert!(left.map(|entry| entry.file_name()).all(|name| !name.to_string_lossy().starts_with("restore-")));
    place.restore(end.before, &["a"]).await.unwrap();
    assert_eq!(place.read("a").as_deref(), Some("two\n"), "the way back is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_follow_each_other_and_bring_back_what_a_repository_has_lost() {
    let place = Place::new();
    let first = place.create("first").await;
    let whole = place.bundle().await.unwrap();
    assert_eq!(
        (whole.whole, whole.checkpoints.clone(), whole.prerequisites.len()),
        (true, vec![first.id], 0)
    );
    assert!(place.bundle().await.is_none(), "everything is in one");
    place.write("a", "two\n");
    let second = place.create("second").await;
    let next = place.bundle().await.unwrap();
    assert_eq!((next.whole, next.prerequisites.clone()), (false, vec![first.commit.clone()]));
    let text = std::fs::read(place.bundles().join(&next.file)).unwrap();
    assert_eq!((text.len() as u64, blake3::hash(&text).to_hex().to_string()), (next.bytes, next.hash));

    place.lose_refs();
    let lost = place.restore(first.id, &[]).await.unwrap_err();
    assert_eq!((lost.code.as_ref(), lost.hint.is_some()), ("checkpoint_lost", true));
    let finding = place.engine.doctor().await.into_iter().find(|one| one.check == "checkpoints").unwrap();
    assert!(
        finding.severity == crate::Severity::Error && finding.message.contains("2 checkpoints"),
        "{finding:?}"
    );
    let alone = place.import(Some(place.bundles().join(&next.file))).await.unwrap_err();
    assert_eq!(alone.code, "bundle_lacks_commits");
    let back = place.import(None).await.unwrap();
    assert_eq!((back.files.len(), back.checkpoints.len(), back.known), (2, 2, 0));
    assert_eq!(place.import(None).await.unwrap().known, 2);
    place.restore(first.id, &[]).await.unwrap();
    assert_eq!(place.read("a").as_deref(), Some("one\n"));
    place.restore(second.id, &[]).await.unwrap();
    assert_eq!(place.read("a").as_deref(), Some("two\n"));
    assert!(place.engine.doctor().await.iter().all(|one| one.check != "checkpoints" || one.hint.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_ends_and_older_files_go_once_a_newer_one_has_all() {
    let place = Place::new();
    let kept = place.create("kept").await;
    for n in 0..bundle::BUNDLE_SERIES_MAX {
        place.write("a", &format!("{n}\n"));
        place.create(&format!("{n}")).await;
        let bundle = place.bundle().await.unwrap();
        assert_eq!(bundle.whole, n == 0);
    }
    assert_eq!(bundle::files(&place.bundles()).len(), bundle::BUNDLE_SERIES_MAX);
    place.create("another").await;
    let whole = place.bundle().await.unwrap();
    assert!(whole.whole && whole.checkpoints.contains(&kept.id));
    assert_eq!(whole.checkpoints.len(), bundle::BUNDLE_SERIES_MAX + 2);
    assert_eq!(bundle::files(&place.bundles()), [place.bundles().join(&whole.file)]);
    // A file that was lost begins another series.
    std::fs::remove_file(place.bundles().join(&whole.file)).unwrap();
    place.create("last").await;
    assert!(place.bundle().await.unwrap().whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_from_elsewhere_is_looked_at_before_it_counts() {
    let place = Place::new();
    place.create("one").await;
    let bundle = place.bundle().await.unwrap();
    let file = place.bundles().join(&bundle.file);
    let bytes = std::fs::read(&file).unwrap();
    let copy = place.origin.beside("copy.bundle");
    for (content, code) in [
        (&b"no bundle\n"[..], "not_a_bundle"),
        (&bytes[..40], "bundle_damaged"),
        (&bytes[..bytes.len() - 9], "bundle_damaged"),
    ] {
        std::fs::write(&copy, content).unwrap();
        assert_eq!(place.import(Some(copy.clone())).await.unwrap_err().code, code);
    }
    assert_eq!(place.import(Some("relative".into())).await.unwrap_err().code, "path_relative");

    // Another repository, of another history.
    let other = Place::elsewhere(5);
    other.git(&["checkout", "-q", "--orphan", "fresh"]);
    other.git(&["commit", "-qm", "another beginning"]);
    for line in
        other.git(&["for-each-ref", "--format=%(refname)"]).lines().filter(|name| !name.ends_with("/fresh"))
    {
        other.git(&["update-ref", "-d", line]);
    }
    other.git(&["-c", "gc.reflogExpire=now", "gc", "-q", "--prune=now"]);
    let refs = other.git(&["for-each-ref"]);
    let refused = other.import(Some(file.clone())).await.unwrap_err();
    assert_eq!(refused.code, "bundle_of_another_repo");
    assert_eq!(other.git(&["for-each-ref"]), refs);

    // The same history in a workspace that knows neither checkpoint nor session.
    let copied = Place::elsewhere(7);
    let head = copied.git(&["rev-parse", "HEAD"]);
    copied.git(&["fetch", "-q", place.root.to_str().unwrap(), "HEAD"]);
    assert_eq!(copied.import(Some(file.clone())).await.unwrap_err().code, "session_needed");
    let new = NewBundleImport { path: Some(file), session: Some(copied.session.id) };
    let imported = copied.engine.import_bundle(&user(), copied.repo.id, new).await.unwrap();
    let one = &imported.checkpoints[0];
    assert_eq!(
        (one.name.as_deref(), one.kind, one.session),
        (Some("one"), CheckpointKind::Named, copied.session.id)
    );
    copied.write("a", "changed\n");
    copied.restore(one.id, &[]).await.unwrap();
    assert_eq!(copied.read("a").as_deref(), Some("one\n"));
    assert_eq!(copied.git(&["rev-parse", "HEAD"]), head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_whose_names_lead_away_is_refused_and_nothing_is_written() {
    let place = Place::new();
    let id: CheckpointId = place.stage.shared.new_id();
    let blob = place.git(&["rev-parse", "HEAD:a"]);
    let raw = |name: &str, mode: &str, oid: &str| {
        let bytes = (0..oid.len()).step_by(2).map(|at| u8::from_str_radix(&oid[at..at + 2], 16).unwrap());
        [format!("{mode} {name}\0").into_bytes(), bytes.collect()].concat()
    };
    let tree = |bytes: Vec<u8>| {
        let path = place.origin.beside("tree");
        std::fs::write(&path, bytes).unwrap();
        let made = place.git(&["hash-object", "-t", "tree", "-w", "--literally", path.to_str().unwrap()]);
        made.trim().to_owned()
    };
    let inner = tree(raw("pre-commit", "100755", blob.trim()));
    let middle = tree(raw("hooks", "40000", &inner));
    for top in [tree(raw(".git", "40000", &middle)), tree(raw("..", "40000", &middle))] {
        let commit = place.git(&["commit-tree", &top, "-m", "Nice"]);
        let name = super::point::point_ref(id);
        place.git(&["update-ref", &name, commit.trim()]);
        let file = place.origin.beside("hostile.bundle");
        place.git(&["bundle", "create", "-q", file.to_str().unwrap(), &name]);
        place.git(&["update-ref", "-d", &name]);
        let refused = place.import(Some(file)).await.unwrap_err();
        assert_eq!(refused.code, "bundle_hostile", "{refused}");
        assert_eq!(place.git(&["for-each-ref", "refs/coditect/"]), "");
        assert!(!place.root.join(".git/hooks/pre-commit").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn automatic_ones_of_sessions_long_over_are_thinned_out_and_named_ones_stay() {
    let place = Place::new();
    let shared = &place.stage.shared;
    let automatic = async |text: &str| {
        place.write("a", text);
        let occasion = super::point::Occasion {
            kind: CheckpointKind::AfterTurn,
            name: None,
            session: place.session.id,
            repo: place.repo.id,
            turn: None,
            message: None,
            by: None,
        };
        let made = super::point::take(shared, &place.repo.path, occasion).await.unwrap();
        if let Some(made) = &made {
            place.stage.commit(vec![Event::CheckpointCreated(made.clone())]);
        }
        made
    };
    let first = automatic("1\n").await.unwrap();
    assert!(automatic("1\n").await.is_none(), "the same point is used");
    let named = place.create("named").await;
    assert_eq!(named.commit, first.commit, "the same commit is used");
    let second = automatic("2\n").await.unwrap();
    let third = automatic("3\n").await.unwrap();
    assert_eq!(expire::thin_out(shared, &place.repo).await.unwrap(), 0);
    let days = u64::from(shared.config.snapshot().config.repos.checkpoint_days);
    place.stage.clock.advance(Duration::from_secs(days * 24 * 3600));
    assert_eq!(expire::thin_out(shared, &place.repo).await.unwrap(), 2);
    let left: Vec<CheckpointId> =
        place.engine.checkpoints(place.session.id).unwrap().into_iter().map(|one| one.id).collect();
    assert_eq!(left, [named.id, third.id]);
    let refs = place.git(&["for-each-ref", "--format=%(refname)", "refs/coditect/"]);
    assert_eq!(refs.lines().count(), 2);
    let gone = place.engine.checkpoint(&Caller::User, second.id).unwrap_err();
    assert_eq!((gone.code.as_ref(), gone.hint.is_some()), ("checkpoint_removed", true));
    // An order takes what is named, too; and a bundle that was written before has it still.
    place.bundle().await.unwrap();
    place.engine.remove_checkpoint(&user(), named.id).await.unwrap();
    assert_eq!(place.engine.checkpoints(place.session.id).unwrap().len(), 1);
    place.import(None).await.unwrap();
    assert!(place.engine.checkpoint(&Caller::User, named.id).is_ok());
    assert_eq!(place.read("a").as_deref(), Some("3\n"), "the files are where they were");
    place.restore(named.id, &[]).await.unwrap();
    assert_eq!(place.read("a").as_deref(), Some("1\n"), "and what came back is whole");
}

/// Keeps the worktree's writer at work, with as many waiting as may, until the sender is dropped.
fn busy_writer(place: &Place) -> std::sync::mpsc::Sender<()> {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (entered, inside) = std::sync::mpsc::channel();
    let (writers, path) = (&place.stage.shared.writers, Path::new(&place.repo.path));
    // A job waits for its turn from the first look at it, whoever waits for its answer.
    let first = writers.run(path, move || {
        entered.send(()).unwrap();
        wait.recv().unwrap_err();
        Ok(())
    });
    assert!(first.now_or_never().is_none());
    inside.recv().unwrap();
    for _ in 0..crate::writer::WRITER_QUEUE {
        assert!(writers.run(path, || Ok(())).now_or_never().is_none());
    }
    go
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_has_begun_waits_for_a_busy_writer() {
    let place = Place::new();
    let kept = place.create("before").await;
    place.write("a", "two\n");
    let shared = Arc::clone(&place.stage.shared);
    let begun = restore::begun(&shared, &kept, &place.repo.path).await;
    let go = busy_writer(&place);
    let going = Arc::clone(&shared);
    let restored = shared
        .tasks
        .spawn(async move { carry::go_on(&going, Actor::System, begun, PATIENCE).await.map(drop) });
    while shared.writers.turned_away.load(Ordering::Relaxed) == 0 && !restored.is_finished() {
        tokio::task::yield_now().await;
    }
    drop(go);
    restored.await.unwrap().unwrap();
    assert_eq!(place.read("a").as_deref(), Some("one\n"));
    place.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_finds_no_place_is_undone() {
    let place = Place::new();
    let kept = place.create("before").await;
    place.write("a", "two\n");
    let shared = &place.stage.shared;
    let begun = restore::begun(shared, &kept, &place.repo.path).await;
    assert!(!place.engine.locks().unwrap().is_empty());
    let go = busy_writer(&place);
    let undone = carry::go_on(shared, Actor::System, begun, Duration::ZERO).await;
    let refusal = undone.err().unwrap();
    assert_eq!((refusal.code.as_ref(), refusal.kind), ("writer_busy", model::RefusalKind::Busy));
    assert!(refusal.message.contains("nothing was restored"), "{refusal}");
    assert_eq!(place.read("a").as_deref(), Some("two\n"));
    place.nothing_is_left();
    drop(go);
    // Behind all that waited.
    shared.writers.run_within(Path::new(&place.repo.path), PATIENCE, || Ok(())).await.unwrap();
    place.restore(kept.id, &[]).await.unwrap();
    assert_eq!(place.read("a").as_deref(), Some("one\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_cannot_be_finished_after_a_crash_keeps_no_lock() {
    let place = Place::new();
    place.write("only", "in the checkpoint\n");
    let kept = place.create("before").await;
    let blob = place.git(&["hash-object", "only"]);
    std::fs::remove_file(place.root.join("only")).unwrap();
    let shared = &place.stage.shared;
    restore::cut_off(shared, &kept, &place.repo.path, |_| ()).await;
    // What is to come back is lost meanwhile.
    let (folder, name) = blob.trim().split_at(2);
    std::fs::remove_file(place.root.join(".git/objects").join(folder).join(name)).unwrap();
    let said = carry::mend(shared).await.unwrap();
    assert!(said[0].contains("cannot be finished"), "{said:?}");
    place.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_is_not_recorded_leaves_no_ref() {
    let place = Place::new();
    let call = |hash: &str| {
        let key = crate::Key { key: "once".to_owned(), request_hash: hash.to_owned() };
        Call { key: Some(key), ..user() }
    };
    let create = async |hash: &str| {
        let new = NewCheckpoint { name: "mine".to_owned(), agent: None };
        place.engine.create_checkpoint(&call(hash), place.session.id, new).await
    };
    let refs = || place.git(&["for-each-ref", "--format=%(refname)", "refs/coditect/checkpoints/"]);
    let first = create("a").await.unwrap();
    assert_eq!(refs().trim(), first.git_ref);
    place.write("a", "two\n");
    assert_eq!(create("a").await.unwrap().id, first.id, "the same request once more");
    assert_eq!(refs().trim(), first.git_ref);
    assert_eq!(create("b").await.unwrap_err().code, "idempotency_conflict");
    assert_eq!(refs().trim(), first.git_ref);
}
