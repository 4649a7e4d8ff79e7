//! Checkpoints before and after turns, and the conversation that comes back with the files.

use crate::scene::{Scene, call};
use engine::{Call, NewCheckpoint, NewCheckpointRestore};
use model::{Checkpoint, CheckpointKind, Event, SessionId, TaskState};
use serde_json::json;
use std::path::Path;

const BOTH: NewCheckpointRestore =
    NewCheckpointRestore { files: true, conversation: true, paths: Vec::new(), force: false };

fn points(scene: &Scene, session: SessionId) -> Vec<Checkpoint> {
    let all = scene.engine().checkpoints(session).unwrap();
    all.into_iter().filter(|one| one.kind != CheckpointKind::Work).collect()
}

async fn done(scene: &Scene, session: SessionId, text: &str) -> TaskState {
    let task = scene.prompt(session, text, &[]).await.unwrap();
    scene.task_over(task.task.id).await.state
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_conversation_go_back_to_before_any_turn() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    done(&scene, session, "[[edit a.txt|one|two]] [[bash echo new > b.txt]] [[say first done]]").await;
    done(&scene, session, "[[say nothing to do]]").await;
    done(&scene, session, "[[edit a.txt|two|three]] [[say second done]]").await;
    let made = points(&scene, session);
    let kinds: Vec<CheckpointKind> = made.iter().map(|one| one.kind).collect();
    use CheckpointKind::{AfterTurn, BeforeTurn};
    assert_eq!(kinds, [BeforeTurn, AfterTurn, AfterTurn], "where nothing changed the one before is the one");
    let after_first = made[1].point.clone().unwrap();
    assert_eq!(made[0].point.as_ref().unwrap().message, None, "nothing had been said");
    assert!(after_first.message.is_some() && after_first.turn.is_some());
    assert_eq!(made[1].paths.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a.txt", "b.txt"]);
    let before = (scene.repo.git(&["status", "-sb"]), scene.subjects());

    let restored = scene.engine().restore_checkpoint(&call(), made[1].id, BOTH).await.unwrap();
    assert_eq!((scene.repo.read("a.txt"), scene.repo.read("b.txt")), ("two\n".into(), "new\n".into()));
    assert_eq!((scene.repo.git(&["status", "-sb"]), scene.subjects()), before);
    let fork = restored.fork.unwrap();
    assert_eq!(fork.session.forked_from, Some(session));
    assert_eq!(fork.session.lineage.fork_message, after_first.message);
    let page = scene.engine().messages(session, None, 100, false).unwrap();
    assert!(page.messages.len() >= 6, "the session itself has everything still");
    let undone = NewCheckpointRestore { conversation: false, ..BOTH };
    scene.engine().restore_checkpoint(&call(), restored.before.unwrap(), undone).await.unwrap();
    assert_eq!(scene.repo.read("a.txt"), "three\n");
    let kinds = scene.kinds();
    let at = |kind: &str| kinds.iter().position(|one| *one == kind).unwrap();
    assert!(at("checkpoint.restore_started") < at("checkpoint.restored"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_failed_has_its_checkpoint_too_and_one_that_may_not_edit_has_none() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    let state = done(&scene, session, "[[edit a.txt|one|half done]] [[nonsense]]").await;
    assert_eq!(state, TaskState::Failed);
    let made = points(&scene, session);
    assert_eq!(made.len(), 2);
    assert_eq!(scene.repo.git(&["show", &format!("{}:a.txt", made[1].commit)]), "half done\n");
    let work = scene.engine().checkpoints(session).unwrap().into_iter();
    assert_eq!(work.filter(|one| one.kind == CheckpointKind::Work).count(), 0);
    let ended = scene.events().into_iter().rposition(|event| matches!(event, Event::TurnEnded(_)));
    let kept = scene.events().into_iter().rposition(|event| matches!(event, Event::CheckpointCreated(_)));
    assert!(kept < ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_whose_working_directory_is_gone_ends_at_once_and_says_what_to_do() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    let away = scene.repo.beside("away");
    std::fs::rename(scene.repo.path(), &away).unwrap();
    let task = scene.prompt(session, "[[say hello]]", &[]).await.unwrap();
    let over = scene.task_over(task.task.id).await;
    let text = over.text.unwrap();
    assert_eq!(over.state, TaskState::Failed);
    assert!(text.contains("is gone") && text.contains("bring the folder back"), "{text}");
    std::fs::rename(&away, scene.repo.path()).unwrap();
    assert_eq!(done(&scene, session, "[[say hello]]").await, TaskState::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_asks_git_for_all_the_files_once_at_its_start_and_once_at_its_end() {
    let scene = Scene::with_counted_git(&[("a.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    done(&scene, session, "[[say hello]]").await;
    scene.git_calls();
    scene.repo.write("a.txt", "two\n");
    let task = scene.prompt(session, "[[say nothing to do]]", &[]).await.unwrap();
    scene.task_over(task.task.id).await;
    let calls = scene.git_calls();
    let looks: Vec<&String> = calls.iter().filter(|call| call.starts_with("status ")).collect();
    assert_eq!(looks.len(), 2, "{calls:#?}");
    // And what is made of it is what it was when everybody looked himself.
    let (started, ended) = scene.events().into_iter().fold((None, None), |last, event| match event {
        Event::TurnStarted(turn) => (turn.git, last.1),
        Event::TurnEnded(end) => (last.0, end.git),
        _ => last,
    });
    let head = scene.repo.git(&["rev-parse", "HEAD"]).trim().to_owned();
    for state in [started.unwrap(), ended.unwrap()] {
        assert_eq!((state.branch.as_deref(), state.dirty), (Some("main"), true));
        assert_eq!(state.commit.as_deref(), Some(head.as_str()));
    }
}

/// What the one run that lives asks for, by the credential in its folder.
fn of_the_run(scene: &Scene) -> Call {
    let runs = std::fs::read_dir(scene.root().workspace("default").runs()).unwrap().flatten();
    let tokens = runs.filter_map(|run| std::fs::read_to_string(run.path().join("token")).ok());
    let mut callers = tokens.filter_map(|token| scene.engine().authenticate_run(token.trim()));
    Call { caller: callers.next().expect("one run lives"), ..call() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_keeps_and_brings_back_the_files_of_its_own_worktree() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    scene.configure_with(
        json!({ "agent": { "isolation": "worktree" }, "permissions": { "default": { "admin": "allow" } } }),
    );
    scene.engine().reload_config().unwrap();
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    let (ready, go) = (scene.repo.beside("ready"), scene.repo.beside("go"));
    let prompt = format!(
        "[[bash echo mine > a.txt; touch '{}'; until [ -e '{}' ]; do sleep 0.02; done]] [[say done]]",
        ready.display(),
        go.display()
    );
    let task = scene.prompt(session, &prompt, &[]).await.unwrap();
    scene.soon("the agent is at work", || ready.exists().then_some(())).await;
    let run = of_the_run(&scene);
    let new = |name: &str| NewCheckpoint { name: name.to_owned(), agent: None };
    let users = scene.engine().create_checkpoint(&call(), session, new("the user's")).await.unwrap();
    assert_eq!(users.point.unwrap().worktree, repo.path, "the session works in the checkout");
    let kept = scene.engine().create_checkpoint(&run, session, new("before it")).await.unwrap();
    assert_eq!(kept.co_authors, ["claude".parse().unwrap()]);
    assert_eq!(scene.repo.git(&["show", &format!("{}:a.txt", kept.commit)]), "mine\n");
    let own = kept.point.unwrap().worktree;
    assert_ne!(own, repo.path);
    let file = Path::new(&own).join("a.txt");
    std::fs::write(&file, "lost\n").unwrap();
    let wish = |paths: &[&str]| NewCheckpointRestore {
        conversation: false,
        paths: paths.iter().map(|path| path.parse().unwrap()).collect(),
        ..BOTH
    };
    let restored = scene.engine().restore_checkpoint(&run, kept.id, wish(&["a.txt"])).await.unwrap();
    assert_eq!((restored.files.len(), restored.kept.len()), (1, 0), "{restored:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine\n");
    assert_eq!(scene.repo.read("a.txt"), "one\n", "the checkout is the user's");
    let started = scene.events().into_iter().any(|event| {
        matches!(event, Event::CheckpointCreated(one) if Some(one.id) == restored.before && one.co_authors == kept.co_authors)
    });
    assert!(started, "what was there is kept in the agent's name");
    let refused = scene.engine().restore_checkpoint(&run, users.id, wish(&["a.txt"])).await.unwrap_err();
    assert_eq!(refused.code, "read_only", "it works elsewhere");
    std::fs::write(&go, "").unwrap();
    let over = scene.task_over(task.task.id).await;
    assert_eq!(over.state, TaskState::Completed, "{:?}", over.text);
}
