//! One agent, one file, one event through every room.

use crate::scene::{KEYLESS, Scene, call};
use model::{Actor, Event, TaskState, TurnOutcome};

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_becomes_a_changed_file_a_commit_under_our_ref_and_a_story_in_the_journal() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    let task = scene
        .prompt(session, "Please.\n[[edit a.txt|one|two]]\n[[say It says two now.]]", &[])
        .await
        .unwrap();
    let done = scene.task_over(task.task.id).await;

    assert_eq!((done.state, done.attempt), (TaskState::Completed, 1), "{:?}", done.text);
    assert_eq!(done.text.as_deref(), Some("It says two now."));
    assert_eq!(scene.repo.read("a.txt"), "two\n");
    assert_eq!(done.files.len(), 1);
    assert_eq!((done.files[0].lines_added, done.files[0].lines_removed), (1, 1));

    let mut checkpoints = scene.engine().checkpoints(session).unwrap();
    checkpoints.retain(|one| one.kind == model::CheckpointKind::Work);
    assert_eq!(checkpoints.len(), 1);
    assert_eq!(scene.repo.git(&["show", &format!("{}:a.txt", checkpoints[0].commit)]), "two\n");
    assert_eq!(scene.subjects(), ["first"], "the user's branch is the user's");

    let events = scene.events();
    let kinds: Vec<&str> = events.iter().map(Event::kind).collect();
    let at = |kind: &str| {
        kinds.iter().position(|one| *one == kind).unwrap_or_else(|| panic!("no {kind}: {kinds:#?}"))
    };
    let story = [
        "session.created",
        "task.submitted",
        "run.started",
        "task.started",
        "turn.started",
        "model.called",
        "model.answered",
        "file.modified",
        "turn.ended",
        "task.completed",
    ];
    for pair in story.windows(2) {
        assert!(at(pair[0]) < at(pair[1]), "{} comes before {}: {kinds:#?}", pair[0], pair[1]);
    }
    let last = kinds.iter().rposition(|one| *one == "checkpoint.created").unwrap();
    assert!(at("checkpoint.created") < at("turn.started"), "the files as they were before the turn");
    assert!(at("file.modified") < last && last < at("turn.ended"), "and as they are after it");
    scene.all_locks_given_back().await;
    assert!(scene.engine().presences().unwrap().iter().all(|one| one.registration.agent == "user"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conversation_has_the_prompt_the_calls_their_results_and_the_last_word() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["gemini"]).await;
    let text = "[[read a.txt]]\n[[say It says {{result}}]]";
    let task = scene.prompt(session, text, &[]).await.unwrap();
    scene.task_over(task.task.id).await;
    let page = scene.engine().messages(session, None, 50, false).unwrap();
    let roles: Vec<model::Role> = page.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [model::Role::User, model::Role::Assistant, model::Role::Tool, model::Role::Assistant]);
    assert_eq!(page.messages[0].text(), text);
    assert!(page.messages[3].text().contains("one"), "{:?}", page.messages[3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_to_two_agents_is_done_by_both_and_is_over_when_both_are() {
    let scene = Scene::new(&[]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude", "kimi"]).await;
    let text = "[[for claude]]\n[[write c.txt|c]]\n[[end]]\n[[for kimi]]\n[[write k.txt|k]]\n[[end]]";
    let task = scene.prompt(session, text, &[]).await.unwrap();
    let done = scene.task_over(task.task.id).await;
    assert_eq!(done.state, TaskState::Completed, "{:?}", done.text);
    assert_eq!((scene.repo.read("c.txt").as_str(), scene.repo.read("k.txt").as_str()), ("c", "k"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_waits_for_the_users_answer() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["codex"]).await;
    let task = scene.prompt(session, "[[ask Red or blue?]]\n[[say Then {{result}}.]]", &[]).await.unwrap();
    let asked = scene.task_in(task.task.id, &[TaskState::InputRequired]).await;
    assert_eq!(asked.question.unwrap().question, "Red or blue?");
    scene.engine().answer_task(&call(), task.task.id, "blue".to_owned()).await.unwrap();
    let done = scene.task_over(task.task.id).await;
    assert_eq!(done.state, TaskState::Completed, "{:?}", done.text);
    assert!(done.text.unwrap().contains("blue"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_without_a_key_is_refused_before_anything_is_written() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["claude", KEYLESS]).await;
    let before = scene.engine().newest();
    let refusal = scene.prompt(session, "hello", &[]).await.unwrap_err();
    assert_eq!(refusal.code, "missing_api_key");
    assert!(refusal.hint.unwrap().contains("KEYLESS_KEY"));
    assert_eq!(scene.engine().newest(), before, "a refused prompt leaves no trace");
    let task = scene.prompt(session, "[[say hello]]", &["claude"]).await.unwrap();
    assert_eq!(scene.task_over(task.task.id).await.state, TaskState::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_answers_nonsense_fails_its_turn_and_loses_nothing() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    let task = scene.prompt(session, "[[edit a.txt|one|two]]\n[[nonsense]]", &[]).await.unwrap();
    let done = scene.task_over(task.task.id).await;
    assert_eq!(done.state, TaskState::Failed);
    let outcomes: Vec<TurnOutcome> = scene
        .events()
        .into_iter()
        .filter_map(|event| if let Event::TurnEnded(end) = event { Some(end.outcome) } else { None })
        .collect();
    assert!(
        matches!(&outcomes[..], [TurnOutcome::Failed { code, .. }] if code == "model_malformed"),
        "{outcomes:?}"
    );
    assert_eq!(done.files.len(), 1, "what was done before is known");
    assert_eq!(scene.repo.read("a.txt"), "two\n");
    scene.all_locks_given_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_did_what_is_in_the_journal() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["kimi"]).await;
    let task = scene.prompt(session, "[[say hello]]", &[]).await.unwrap();
    scene.task_over(task.task.id).await;
    let engine::EventsPage::Events { events, .. } =
        scene.engine().events_after(model::Cursor::default(), Some(session), 1000).unwrap()
    else {
        panic!("a journal from its start was reset");
    };
    let by = |kind: &str| events.iter().find(|entry| entry.event.kind() == kind).unwrap().actor.clone();
    assert_eq!(by("task.submitted"), Actor::User);
    assert_eq!(by("run.started"), Actor::System);
    assert_eq!(by("model.answered"), Actor::Agent("kimi".parse().unwrap()));
}
