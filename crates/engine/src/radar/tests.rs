//! What the radar sees in real worktrees, whom it tells, and what it does not look at twice.

use super::*;
use crate::stage::Stage;
use crate::{NewWorktree, WorktreeView};
use bus::{Liveness, NewRegistration};
use model::{ConflictKind, ConflictPhase, Repo};
use testkit::TempRepo;

/// How long an answer may take. Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);
const LINES: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

fn look_at_hands(radar: &Radar) {
    for (worktree, path) in radar.changed_by_hand() {
        radar.edited(&worktree, Some(&path));
    }
}

struct Scene {
    stage: Stage,
    engine: Engine,
    repo: Repo,
    owner: Owner,
    origin: TempRepo,
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::with_path();
        let origin = TempRepo::with(&[("a.txt", LINES), ("b.txt", LINES)]);
        origin.git(&["clone", "-q", ".", stage.worktree().to_str().unwrap()]);
        let (session, _) = stage.session(&["claude"]);
        let repo = stage.shared.store.read(|view| view.repo(session.repo.unwrap())).unwrap().unwrap();
        let engine = Engine { shared: Arc::clone(&stage.shared) };
        let owner = Owner::new(&stage.shared).unwrap();
        Self { stage, engine, repo, owner, origin }
    }

    async fn worktree(&self, name: &str) -> WorktreeView {
        let new = NewWorktree {
            repo: self.repo.id,
            name: name.to_owned(),
            branch: None,
            from: None,
            checkout: None,
        };
        self.engine.add_worktree(&Call::user("test"), new).await.unwrap()
    }

    fn git(&self, at: &str, args: &[&str]) {
        self.origin.git(&[&["-C", at], args].concat());
    }

    /// Changes the line that says so.
    fn change(&self, at: &str, file: &str, line: &str, to: &str) {
        let path = Path::new(at).join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replace(&format!("{line}\n"), &format!("{to}\n"))).unwrap();
    }

    async fn look(&mut self, wanted: Wanted) -> Vec<Conflict> {
        self.owner.look(&self.stage.shared, &wanted).unwrap();
        self.owner.known.settle(&self.stage.shared).await.unwrap();
        self.engine.conflicts(None).unwrap()
    }

    async fn sweep(&mut self) -> Vec<Conflict> {
        self.look(Wanted { sweep: true, ..Wanted::default() }).await
    }

    /// What is left when a word about these worktrees is heard.
    async fn edited(&mut self, at: &str, path: Option<&str>) -> Vec<Conflict> {
        self.stage.shared.radar.edited(Path::new(at), path.map(|path| path.parse().unwrap()).as_ref());
        let wanted = self.stage.shared.radar.take();
        self.look(wanted).await
    }

    /// What the doctor says of worktrees that nobody can look at.
    async fn broken(&self) -> Vec<String> {
        let found = self.engine.doctor().await.into_iter().filter(|one| one.check == "worktree_broken");
        found.map(|one| one.message.split(';').next().unwrap_or_default().to_owned()).collect()
    }

    fn phases(&self) -> Vec<ConflictPhase> {
        let changes = self.stage.events().into_iter().filter_map(|event| match event {
            Event::ConflictChanged(change) => Some(change.phase),
            _ => None,
        });
        changes.collect()
    }

    /// Somebody who works there, started by hand.
    fn somebody(&self, at: &str) -> model::RegistrationId {
        let pid = std::process::id();
        let liveness = Liveness::Process { pid, starttime: bus::system::process_start(pid).unwrap() };
        let new = NewRegistration {
            id: None,
            agent: "codex".to_owned(),
            vendor: "openai".to_owned(),
            model: None,
            session: None,
            worktree: Some(at.to_owned()),
            liveness,
        };
        self.stage.shared.bus.register(new).unwrap().id
    }

    fn told(&self, whom: model::RegistrationId) -> Vec<String> {
        let query = bus::NoticeQuery { recipient: Some(whom), limit: 100, ..bus::NoticeQuery::default() };
        let notices = self.stage.shared.bus.notices(&query).unwrap().notices.into_iter();
        let text = |notice: model::Notice| notice.payload["phase"].as_str().map(str::to_owned);
        notices.filter(|notice| notice.recipient == Some(whom)).filter_map(text).collect()
    }
}

fn kinds(conflicts: &[Conflict]) -> Vec<ConflictKind> {
    conflicts.iter().map(|one| one.kind).collect()
}

fn names(conflict: &Conflict) -> Vec<&str> {
    conflict.paths.iter().map(RepoPath::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_found_gets_worse_and_is_over() {
    let mut scene = Scene::new();
    let (one, two) = (scene.worktree("one").await.path, scene.worktree("two").await.path);
    assert_eq!(scene.sweep().await, []);
    scene.change(&one, "a.txt", "2", "one");
    scene.change(&two, "a.txt", "8", "two");
    let found = scene.sweep().await;
    assert_eq!((kinds(&found), names(&found[0])), (vec![ConflictKind::SameFile], vec!["a.txt"]));
    assert_eq!(found[0].worktrees, [one.clone(), two.clone()]);
    scene.change(&two, "a.txt", "2", "two as well");
    let worse = scene.sweep().await;
    assert_eq!(kinds(&worse), [ConflictKind::MergeConflict]);
    assert_eq!((worse[0].id, worse[0].since), (found[0].id, found[0].since));
    // Committed or not is the same to it.
    scene.git(&one, &["commit", "-qam", "one"]);
    assert_eq!(scene.sweep().await, worse);
    scene.git(&two, &["checkout", "-q", "a.txt"]);
    assert_eq!(scene.sweep().await, []);
    use ConflictPhase::{Found, Gone, Worsened};
    assert_eq!(scene.phases(), [Found, Worsened, Gone]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_lines_changed_in_the_same_way_and_more_merge_but_are_told() {
    let mut scene = Scene::new();
    let (one, two) = (scene.worktree("one").await.path, scene.worktree("two").await.path);
    for at in [&one, &two] {
        scene.change(at, "a.txt", "2", "both");
    }
    assert_eq!(scene.sweep().await, [], "the same content on both sides is nobody's conflict");
    scene.change(&two, "a.txt", "8", "more");
    let found = scene.sweep().await;
    assert_eq!((kinds(&found), names(&found[0])), (vec![ConflictKind::SameHunk], vec!["a.txt"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_no_longer_merges_with_the_checkouts_branch_is_told() {
    let mut scene = Scene::new();
    let one = scene.worktree("one").await.path;
    scene.change(&one, "a.txt", "2", "one");
    assert_eq!(scene.sweep().await, []);
    let main = scene.repo.path.clone();
    scene.change(&main, "a.txt", "2", "main");
    assert_eq!(
        kinds(&scene.sweep().await),
        [ConflictKind::MergeConflict],
        "with what is not committed there"
    );
    scene.git(&main, &["commit", "-qam", "main"]);
    // The word about the checkout is enough: what everybody is compared with has moved.
    let found = scene.edited(&main, None).await;
    assert_eq!((kinds(&found), names(&found[0])), (vec![ConflictKind::BaseConflict], vec!["a.txt"]));
    assert_eq!(found[0].worktrees, [one]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_about_a_worktree_is_a_look_at_that_one_alone() {
    let mut scene = Scene::new();
    let (one, two) = (scene.worktree("one").await.path, scene.worktree("two").await.path);
    let three = scene.worktree("three").await.path;
    scene.change(&three, "b.txt", "2", "three");
    assert_eq!(scene.sweep().await, []);
    // Nobody says a word about the second.
    scene.change(&two, "a.txt", "2", "two");
    for file in ["a.txt", "b.txt"] {
        scene.change(&one, file, "2", "one");
    }
    assert_eq!(scene.edited(&one, Some("a.txt")).await, [], "only this file is known to have changed");
    let found = scene.edited(&one, Some("b.txt")).await;
    assert_eq!(found.iter().map(|one| names(one)).collect::<Vec<_>>(), [["b.txt"]]);
    let found = scene.edited(&two, None).await;
    assert_eq!(found.len(), 2, "{found:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_in_it_are_told_once_and_again_when_it_gets_worse_and_is_over() {
    let mut scene = Scene::new();
    let (one, two) = (scene.worktree("one").await.path, scene.worktree("two").await.path);
    let (here, there) = (scene.somebody(&one), scene.somebody(&two));
    let elsewhere = scene.somebody(&scene.repo.path);
    scene.change(&one, "a.txt", "2", "one");
    scene.change(&two, "a.txt", "8", "two");
    let found = scene.sweep().await;
    assert_eq!(found[0].agents, ["codex"]);
    scene.sweep().await;
    for whom in [here, there] {
        assert_eq!(scene.told(whom), ["found"]);
    }
    scene.change(&one, "a.txt", "8", "one");
    scene.sweep().await;
    assert_eq!(scene.told(here), ["found", "found"]);
    // Whoever comes is told what there is.
    let late = scene.somebody(&one);
    scene.look(Wanted { came: true, ..Wanted::default() }).await;
    assert_eq!((scene.told(late), scene.told(here).len()), (vec!["found".to_owned()], 2));
    scene.git(&one, &["checkout", "-q", "a.txt"]);
    scene.edited(&one, None).await;
    assert_eq!(scene.told(late), ["found", "gone"]);
    assert_eq!(scene.told(elsewhere), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_told_is_told_at_the_next_look() {
    let mut scene = Scene::new();
    let (one, two) = (scene.worktree("one").await.path, scene.worktree("two").await.path);
    scene.change(&one, "a.txt", "2", "one");
    scene.change(&two, "a.txt", "8", "two");
    let found = scene.sweep().await.remove(0);
    let here = scene.somebody(&one);
    // The bus refuses what comes under a key that something else was said under, until that is forgotten.
    let shared = Arc::clone(&scene.stage.shared);
    let occupy = |phase: &str| {
        let key = format!("conflict:{}:{}:{phase}:{here}", found.id, found.kind.as_str());
        let other = bus::NewNotice::new(shared.user, model::Channel::file_conflict(), serde_json::json!({}));
        shared.bus.publish(bus::NewNotice { ttl_seconds: Some(10), key: Some(key), ..other }).unwrap();
    };
    let came = || Wanted { came: true, ..Wanted::default() };
    occupy("found");
    scene.look(came()).await;
    assert_eq!(scene.told(here), [] as [&str; 0]);
    scene.stage.clock.advance(Duration::from_secs(11));
    scene.look(came()).await;
    scene.look(came()).await;
    assert_eq!(scene.told(here), ["found"]);
    occupy("gone");
    scene.git(&one, &["checkout", "-q", "a.txt"]);
    assert_eq!(scene.edited(&one, None).await, []);
    assert_eq!(scene.told(here), ["found"]);
    scene.stage.clock.advance(Duration::from_secs(11));
    scene.look(came()).await;
    scene.look(came()).await;
    assert_eq!(scene.told(here), ["found", "gone"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_nothing_is_said_twice_and_nothing_is_over_unseen() {
    let mut scene = Scene::new();
    let (one, two) = (scene.worktree("one").await.path, scene.worktree("two").await.path);
    scene.change(&one, "a.txt", "2", "one");
    scene.change(&two, "a.txt", "2", "two");
    let before = scene.sweep().await;
    scene.owner = Owner::new(&scene.stage.shared).unwrap();
    assert_eq!(scene.look(Wanted { came: true, ..Wanted::default() }).await, before);
    assert_eq!(scene.sweep().await, before);
    assert_eq!(scene.phases(), [ConflictPhase::Found]);
    // A folder that cannot be looked at is not one without conflicts; one that is gone is.
    let pointer = Path::new(&two).join(".git");
    let text = std::fs::read(&pointer).unwrap();
    for (broken, why) in [
        (Some("gitdir: /nowhere\n"), "its `.git` leads to /nowhere, which is not there"),
        (Some("nonsense\n"), "its `.git` names no repository"),
        (None, "it has no `.git` that can be read"),
    ] {
        std::fs::remove_file(&pointer).unwrap();
        broken.into_iter().for_each(|text| std::fs::write(&pointer, text).unwrap());
        assert_eq!(scene.sweep().await, before, "{why}");
        assert_eq!(scene.broken().await, [format!("the worktree {two} cannot be looked at: {why}")]);
        std::fs::write(&pointer, &text).unwrap();
    }
    assert_eq!(scene.sweep().await, before);
    assert_eq!((scene.phases(), scene.broken().await), (vec![ConflictPhase::Found], Vec::new()));
    scene
        .engine
        .trash_worktree(
            &Call::user("test"),
            scene.engine.resolve_worktree(&crate::Caller::User, "two").unwrap(),
            true,
        )
        .await
        .unwrap();
    assert_eq!(scene.sweep().await, []);
    assert_eq!(scene.phases(), [ConflictPhase::Found, ConflictPhase::Gone]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_look_hears_when_nobody_looks_any_more() {
    let scene = Scene::new();
    let shared = &scene.stage.shared;
    // What the owner cannot clear away keeps it from beginning.
    let folder = folder(shared);
    std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
    std::fs::write(&folder, "no folder").unwrap();
    keep(Arc::clone(shared)).await;
    let call = Call::user("test");
    let asked = tokio::time::timeout(PATIENCE, scene.engine.sweep_conflicts(&call, None));
    let refusal = asked.await.expect("an answer").unwrap_err();
    assert_eq!((refusal.code.as_ref(), refusal.kind), ("radar_ended", RefusalKind::Unavailable));
    assert!(refusal.hint.is_some_and(|hint| hint.contains("coditect daemon restart")));
    // And so does who came before its end.
    let radar = Radar::default();
    let (done, over) = oneshot::channel();
    radar.want_sweep(Some(done));
    drop(Ending(&radar));
    assert!(tokio::time::timeout(PATIENCE, over).await.expect("an answer").is_err());
    assert!(radar.take().ended && radar.take().ended, "it stays so");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_locked_by_hand_is_looked_at_until_its_lock_goes() {
    let scene = Scene::new();
    let radar = &scene.stage.shared.radar;
    let change = |phase| LockChange {
        phase,
        worktree: scene.repo.path.clone(),
        path: "a.txt".to_owned(),
        mode: LockMode::Exclusive,
        holder: scene.stage.shared.user,
        agent: "codex".to_owned(),
        session: None,
        token: 1,
        other: None,
    };
    radar.hear(&Event::LockChanged(change(LockPhase::Acquired)));
    look_at_hands(radar);
    assert!(radar.has_hands() && radar.take().edits.is_empty(), "nothing changed yet");
    radar.hear(&Event::LockChanged(change(LockPhase::Waiting)));
    assert!(radar.has_hands(), "who waits takes nothing from the holder");
    scene.change(&scene.repo.path, "a.txt", "2", "longer");
    look_at_hands(radar);
    let edits = radar.take().edits.remove(Path::new(&scene.repo.path)).unwrap();
    assert_eq!(edits.unwrap().len(), 1);
    radar.hear(&Event::LockChanged(change(LockPhase::Released)));
    assert!(!radar.has_hands());
    assert_eq!(radar.take().edits.remove(Path::new(&scene.repo.path)), Some(None), "a last look at all");
}

#[test]
fn more_words_than_there_is_room_for_are_a_sweep() {
    let radar = Radar::default();
    for n in 0..WORDS_MAX {
        radar.edited(Path::new(&format!("/w{n}")), None);
    }
    assert!(!radar.wanted().sweep);
    radar.edited(Path::new("/one-more"), None);
    let wanted = radar.take();
    assert!(wanted.sweep && wanted.edits.is_empty());
}
