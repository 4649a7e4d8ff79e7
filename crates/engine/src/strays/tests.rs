//! What a shell changes is found once; what the writer, the user before and nobody changed is not.

use super::*;
use crate::stage::Stage;
use bus::{Liveness, LockRequest, NewRegistration};
use std::time::Duration;
use testkit::TempRepo;

fn join(shared: &Shared, agent: &str) -> RegistrationId {
    let new = NewRegistration {
        id: None,
        agent: agent.to_owned(),
        vendor: "anthropic".to_owned(),
        model: None,
        session: None,
        worktree: None,
        liveness: Liveness::Lease { ttl: bus::LOCK_TTL_MAX },
    };
    shared.bus.register(new).unwrap().id
}

fn path(path: &str) -> RepoPath {
    path.parse().unwrap()
}

fn names(found: &Found) -> Vec<&str> {
    found.files.iter().map(|file| file.path.as_str()).collect()
}

struct Scene {
    stage: Stage,
    repo: TempRepo,
    own: RegistrationId,
}

impl Scene {
    fn new() -> Self {
        let repo = TempRepo::with(&[("a.rs", "a\n"), ("b.rs", "b\n"), (".gitignore", "target\n")]);
        let stage = Stage::with_path();
        let own = join(&stage.shared, "claude");
        Self { stage, repo, own }
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.repo.path().join(name), content).unwrap();
    }

    async fn watch(&self) -> Sight {
        watch(&self.stage.shared, self.repo.path(), None).await
    }

    fn lock(&self, holder: RegistrationId, path: &str) -> u64 {
        let worktree = self.repo.path().display().to_string();
        let (paths, mode) = (vec![path.to_owned()], LockMode::Exclusive);
        let request = LockRequest { worktree, paths, mode, holder, ttl: Duration::from_secs(600) };
        self.stage.shared.bus.acquire(&request).unwrap().locks[0].token
    }

    /// Somebody in a terminal, in the worktree.
    fn by_hand(&self, agent: &str) -> RegistrationId {
        let new = NewRegistration {
            id: None,
            agent: agent.to_owned(),
            vendor: "anthropic".to_owned(),
            model: None,
            session: None,
            worktree: Some(self.repo.path().display().to_string()),
            liveness: Liveness::Lease { ttl: bus::LOCK_TTL_MAX },
        };
        self.stage.shared.bus.register(new).unwrap().id
    }

    async fn look(&self, sight: &Sight) -> Found {
        sight.look(&self.stage.shared, self.own).await.unwrap()
    }
}

#[tokio::test]
async fn what_a_shell_changes_is_found_once() {
    let scene = Scene::new();
    scene.write("b.rs", "the user's own\n");
    scene.write("notes.txt", "the user's own\n");
    let sight = scene.watch().await;
    assert_eq!(scene.look(&sight).await, Found::default(), "what was dirty before is the user's");
    scene.write("a.rs", "by sed\n");
    scene.write("made.rs", "by codegen\n");
    scene.write("target", "ignored\n");
    scene.write(&format!("{UNFINISHED}00"), "half an edit of the writer\n");
    assert_eq!(names(&scene.look(&sight).await), ["a.rs", "made.rs"]);
    assert_eq!(scene.look(&sight).await, Found::default(), "once");
    scene.write("made.rs", "by codegen again\n");
    std::fs::remove_file(scene.repo.path().join("b.rs")).unwrap();
    assert_eq!(names(&scene.look(&sight).await), ["b.rs", "made.rs"], "each change anew, a removal too");
    scene.repo.git(&["checkout", "--quiet", "a.rs"]);
    assert_eq!(names(&scene.look(&sight).await), ["a.rs"], "what was put back changed as well");
}

#[tokio::test]
async fn what_the_writer_wrote_is_no_stray_until_a_shell_changes_it() {
    let scene = Scene::new();
    let sight = scene.watch().await;
    scene.write("a.rs", "by the writer\n");
    let strays = &scene.stage.shared.strays;
    strays.wrote(scene.repo.path(), &path("a.rs"), Some(&writer::hash(b"by the writer\n")));
    assert_eq!(scene.look(&sight).await, Found::default());
    scene.repo.git(&["commit", "--quiet", "-am", "landed"]);
    assert_eq!(scene.look(&sight).await, Found::default(), "landed and the same");
    scene.write("a.rs", "by sed\n");
    assert_eq!(names(&scene.look(&sight).await), ["a.rs"]);
}

#[tokio::test]
async fn it_is_said_who_else_had_the_file_locked() {
    let scene = Scene::new();
    let sight = scene.watch().await;
    let shared = &scene.stage.shared;
    scene.lock(join(shared, "kimi"), "b*");
    scene.lock(scene.own, "a.rs");
    scene.write("a.rs", "mine\n");
    scene.write("b.rs", "not mine\n");
    let found = scene.look(&sight).await;
    let said: Vec<Option<&str>> = found.files.iter().map(|file| file.locked_by.as_deref()).collect();
    assert_eq!((names(&found), said), (vec!["a.rs", "b.rs"], vec![None, Some("kimi")]));
    assert_eq!(found.holders[0].way_back, None, "of a glob nothing is kept");
}

#[tokio::test]
async fn the_worktree_is_watched_as_long_as_somebody_works_in_it() {
    let scene = Scene::new();
    let first = scene.watch().await;
    scene.write("a.rs", "by sed\n");
    let second = scene.watch().await;
    drop(first);
    assert_eq!(names(&scene.look(&second).await), ["a.rs"], "a second turn takes nothing as given");
    drop(second);
    scene.write("b.rs", "the user, in peace\n");
    let third = scene.watch().await;
    assert_eq!(scene.look(&third).await, Found::default());
}

#[tokio::test]
async fn more_than_can_be_named_is_counted() {
    let scene = Scene::new();
    let sight = scene.watch().await;
    for n in 0..STRAY_FILES_MAX + 3 {
        scene.write(&format!("made-{n}.rs"), "x");
    }
    let found = scene.look(&sight).await;
    assert_eq!((found.files.len(), found.more), (STRAY_FILES_MAX, 3));
}

#[tokio::test]
async fn what_a_holder_left_in_its_file_is_no_stray_and_what_came_over_it_is() {
    let scene = Scene::new();
    let sight = scene.watch().await;
    let (root, known) = (scene.repo.path(), &scene.stage.shared.known);
    let kimi = join(&scene.stage.shared, "kimi");
    known.locked(root, "b.rs", scene.lock(kimi, "b.rs")).unwrap();
    scene.write("b.rs", "kimi's\n");
    known.edited(root, "b.rs").unwrap();
    assert_eq!(scene.look(&sight).await, Found::default());
    scene.write("b.rs", "by sed\n");
    let found = scene.look(&sight).await;
    let way_back = found.holders[0].way_back.as_deref();
    assert_eq!(way_back, Some("`coditect file restore b.rs` brings back what kimi had in it"));
    scene.write("b.rs", "by a terminal\n");
    known.told(root, "b.rs").unwrap();
    assert_eq!(scene.look(&sight).await, Found::default(), "both sides have been told of it");
}

#[tokio::test]
async fn an_edit_of_which_a_program_has_not_told_yet_is_left_for_later() {
    let scene = Scene::new();
    let sight = scene.watch().await;
    let codex = join(&scene.stage.shared, "codex");
    scene.lock(codex, "b.rs");
    sight.expect(codex, &path("b.rs"));
    scene.write("b.rs", "codex's\n");
    assert_eq!(scene.look(&sight).await, Found::default());
    let made = writer::hash(b"codex's\n");
    scene.stage.shared.strays.wrote(scene.repo.path(), &path("b.rs"), Some(&made));
    assert_eq!(scene.look(&sight).await, Found::default());
    scene.write("b.rs", "by sed\n");
    assert_eq!(names(&scene.look(&sight).await), ["b.rs"]);
    // One that never tells is not waited for longer than its calls run.
    sight.expect(codex, &path("b.rs"));
    scene.write("b.rs", "by sed again\n");
    assert_eq!(scene.look(&sight).await, Found::default());
    sight.left(codex);
    assert_eq!(names(&scene.look(&sight).await), ["b.rs"]);
}

#[tokio::test]
async fn while_a_call_by_hand_runs_nobody_is_blamed_for_a_locked_file() {
    let scene = Scene::new();
    let sight = scene.watch().await;
    let (ada, bus) = (scene.by_hand("ada"), &scene.stage.shared.bus);
    scene.lock(ada, "a.rs");
    scene.lock(scene.own, "b.rs");
    bus.show(ada, ParticipantStatus::RunningTool).unwrap();
    for name in ["a.rs", "b.rs", "c.rs"] {
        scene.write(name, "by whom?\n");
    }
    assert_eq!(names(&scene.look(&sight).await), ["c.rs"], "nobody holds it");
    bus.show(ada, ParticipantStatus::Thinking).unwrap();
    assert_eq!(names(&scene.look(&sight).await), ["a.rs", "b.rs"]);
}

#[tokio::test]
async fn what_changed_while_a_turn_only_looked_is_not_its_own() {
    let scene = Scene::new();
    let (sight, other) = (scene.watch().await, scene.watch().await);
    let shell = join(&scene.stage.shared, "kimi");
    scene.write("a.rs", "the user, in between\n");
    sight.account(&scene.stage.shared, scene.own).await.unwrap();
    assert_eq!(scene.look(&sight).await, Found::default());
    other.at_work(shell, true);
    scene.write("b.rs", "by sed\n");
    sight.account(&scene.stage.shared, scene.own).await.unwrap();
    let found = other.look(&scene.stage.shared, shell).await.unwrap();
    assert_eq!(names(&found), ["b.rs"], "it was another turn's shell");
}
