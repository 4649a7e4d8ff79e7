//! Terms of tasks: where they stand in the conversation and in git, what they wait for, how long they may take, how often they
//! are tried, who does them.

use crate::scene::{Scene, call, names};
use engine::{ClaimOutcome, NewClaim, NewPrompt, NewTerms, TaskView, TermsChange};
use model::{Event, OnFailed, Refusal, RetryOn, RetryPolicy, SessionId, TaskId, TaskState};

async fn prompt(
    scene: &Scene,
    session: SessionId,
    text: &str,
    depends_on: &[TaskId],
    terms: NewTerms,
) -> Result<TaskView, Refusal> {
    let new =
        NewPrompt { text: text.to_owned(), depends_on: depends_on.to_vec(), terms, ..NewPrompt::default() };
    scene.engine().prompt(&call(), session, new).await
}

async fn change(scene: &Scene, task: TaskId, change: TermsChange) -> Result<TaskView, Refusal> {
    scene.engine().change_task(&call(), task, change).await
}

fn depends_on(tasks: &[TaskId]) -> TermsChange {
    TermsChange { depends_on: Some(tasks.to_vec()), ..TermsChange::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_knows_its_messages_and_where_its_checkout_stood() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude"]).await;
    let head = scene.repo.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let task = scene.prompt(session, "[[edit a.txt|one|two]]\n[[say done]]", &[]).await.unwrap();
    let waiting = &task.messages.expect("the prompt is its first message");
    assert_eq!((waiting.count, waiting.first), (1, waiting.last));
    assert_eq!(task.git_start, None, "nobody has begun it");
    let done = scene.task_over(task.task.id).await;
    let (start, end) = (done.git_start.unwrap(), done.git_end.unwrap());
    assert_eq!((start.branch.as_deref(), start.commit.as_deref()), (Some("main"), Some(head.as_str())));
    assert!(!start.dirty, "nothing was changed before");
    assert_eq!(
        (end.commit.as_deref(), end.dirty),
        (Some(head.as_str()), true),
        "the edit is not on the branch"
    );
    let range = done.messages.unwrap();
    let messages = scene.engine().messages(session, None, 0, false).unwrap().messages;
    assert_eq!((range.first, range.last), (messages[0].id, messages[messages.len() - 1].id));
    assert_eq!(range.count, u64::try_from(messages.len()).unwrap());
    let ended = |event| if let Event::TurnEnded(end) = event { end.git } else { None };
    assert_eq!(scene.events().into_iter().find_map(ended), Some(end), "the record has it");
    let talk = scene.session(None, &["claude"]).await;
    let task = scene.prompt(talk, "[[say hello]]", &[]).await.unwrap().task.id;
    assert_eq!(scene.task_over(task).await.git_start, None, "there is no repository");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_waits_for_one_of_another_session_and_begins_by_itself() {
    let scene = Scene::new(&[]).await;
    let (one, other) = (scene.session(None, &["claude"]).await, scene.session(None, &["codex"]).await);
    let first = scene.prompt(one, "[[ask Go on?]]\n[[say first]]", &[]).await.unwrap().task.id;
    let second =
        prompt(&scene, other, "[[say second]]", &[first], NewTerms::default()).await.unwrap().task.id;
    scene.task_in(first, &[TaskState::InputRequired]).await;
    assert_eq!(scene.engine().task(second).unwrap().state, TaskState::Submitted);
    scene.engine().answer_task(&call(), first, "yes".to_owned()).await.unwrap();
    assert_eq!(scene.task_over(second).await.state, TaskState::Completed);
    let failing = scene.prompt(one, "[[ask Go on?]]\n[[nonsense]]", &[]).await.unwrap().task.id;
    let canceled =
        prompt(&scene, other, "[[say no]]", &[failing], NewTerms::default()).await.unwrap().task.id;
    let wait = NewTerms { on_failed: OnFailed::Wait, ..NewTerms::default() };
    let stays = prompt(&scene, other, "[[say after all]]", &[failing], wait).await.unwrap().task.id;
    scene.task_in(failing, &[TaskState::InputRequired]).await;
    scene.engine().answer_task(&call(), failing, "yes".to_owned()).await.unwrap();
    let canceled = scene.task_over(canceled).await;
    assert_eq!((canceled.state, canceled.code.as_deref()), (TaskState::Canceled, Some("dependency_failed")));
    assert_eq!(scene.engine().task(stays).unwrap().state, TaskState::Submitted);
    change(&scene, stays, depends_on(&[second])).await.unwrap();
    assert_eq!(scene.task_over(stays).await.state, TaskState::Completed);
    let refused = change(&scene, stays, depends_on(&[])).await.unwrap_err();
    assert_eq!(refused.code, "task_ended", "an end is an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_cannot_wait_for_each_other_in_a_circle() {
    let scene = Scene::new(&[]).await;
    let (one, other) = (scene.session(None, &["claude"]).await, scene.session(None, &["codex"]).await);
    let gate = scene.prompt(one, "[[ask Go on?]]", &[]).await.unwrap().task.id;
    let mut chain = vec![gate];
    for session in [one, other, one] {
        let after = &chain[chain.len() - 1..];
        let task = prompt(&scene, session, "[[say done]]", after, NewTerms::default()).await.unwrap().task.id;
        chain.push(task);
    }
    let [a, b, c] = [chain[1], chain[2], chain[3]];
    let refused = change(&scene, a, depends_on(&[gate, c])).await.unwrap_err();
    assert_eq!(refused.code, "dependency_cycle");
    let way = [a, c, b, a].map(|task| task.short()).join(" → ");
    assert!(refused.message.ends_with(&way), "{} names {way}", refused.message);
    assert_eq!(change(&scene, b, depends_on(&[b])).await.unwrap_err().code, "dependency_cycle");
    let stranger = scene.prompt(one, "[[say done]]", &[]).await.unwrap().task;
    assert_eq!(
        change(&scene, a, depends_on(&[gate, gate, stranger.id])).await.unwrap().task.depends_on,
        [gate, stranger.id]
    );
    scene.task_in(gate, &[TaskState::InputRequired]).await;
    let begun = change(&scene, gate, depends_on(&[c])).await.unwrap_err();
    assert_eq!(begun.code, "task_begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_task_that_waits_and_one_that_is_worked_on() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["claude", "codex"]).await;
    let soon = || NewTerms { deadline_seconds: Some(1), ..NewTerms::default() };
    let gate = scene.prompt(session, "[[ask Go on?]]", &["codex"]).await.unwrap().task.id;
    let new = NewPrompt {
        text: "[[sleep 600000]]".to_owned(),
        targets: names(&["claude"]),
        // Until then it has begun, on a busy machine, too.
        terms: NewTerms { deadline_seconds: Some(8), ..NewTerms::default() },
        ..NewPrompt::default()
    };
    let working = scene.engine().prompt(&call(), session, new).await.unwrap().task.id;
    let waiting = prompt(&scene, session, "[[say never]]", &[gate], soon()).await.unwrap().task.id;
    let after =
        prompt(&scene, session, "[[say never]]", &[waiting], NewTerms::default()).await.unwrap().task.id;
    for (task, how) in [(waiting, "while it waited"), (working, "while it was worked on")] {
        let failed = scene.task_over(task).await;
        assert_eq!((failed.state, failed.code.as_deref()), (TaskState::Failed, Some("deadline")));
        assert!(failed.text.unwrap().contains(how));
    }
    assert_eq!(scene.task_over(after).await.state, TaskState::Canceled);
    let turn_over = || {
        let task = scene.engine().task(working).unwrap();
        task.turns.iter().all(|turn| turn.outcome.is_some()).then_some(task)
    };
    let task = scene.until("its turn was ended", turn_over).await;
    assert_eq!(task.state, TaskState::Failed, "and that changes nothing any more");
    let later = TermsChange { deadline_seconds: Some(3600), ..TermsChange::default() };
    assert!(
        change(&scene, gate, later).await.unwrap().task.terms.deadline.is_some(),
        "also of one that has begun"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_tried_again_as_its_policy_says_and_not_more_often() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["claude"]).await;
    let policy = |on: &[RetryOn], backoff_seconds| NewTerms {
        retry: Some(RetryPolicy { max_attempts: 2, backoff_seconds, on: on.to_vec() }),
        ..NewTerms::default()
    };
    let nonsense =
        prompt(&scene, session, "[[nonsense]]", &[], policy(&[RetryOn::VendorError], 1)).await.unwrap();
    let again = |scene: &Scene| scene.engine().task(nonsense.task.id).unwrap();
    let waits = scene.until("it waits for its second attempt", || again(&scene).not_before).await;
    assert!(waits > nonsense.task.created_at);
    let failed = scene.task_over(nonsense.task.id).await;
    assert_eq!((failed.state, failed.attempt, failed.turns.len()), (TaskState::Failed, 2, 2));
    assert_eq!(failed.code.as_deref(), Some("model_malformed"));
    assert!(failed.turns[1].turn.started_at >= waits, "not before its time");
    let crashing = prompt(&scene, session, "[[nonsense]]", &[], policy(&[RetryOn::Crash], 0)).await.unwrap();
    assert_eq!(scene.task_over(crashing.task.id).await.attempt, 1, "that was no crash");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_found_for_a_task_by_what_it_wants_and_who_has_least_to_do() {
    let mut scene = Scene::new(&[]).await;
    scene.shut().await;
    scene.configure_with(serde_json::json!({ "agent": { "capabilities": ["rust"] } }));
    scene.open().await;
    let session = scene.session(None, &["claude", "kimi", "codex"]).await;
    let wants = |word: &str| NewTerms { wants: vec![word.to_owned()], ..NewTerms::default() };
    scene.prompt(session, "[[ask Go on?]]", &["claude"]).await.unwrap();
    let any = prompt(&scene, session, "[[say done]]", &[], wants("rust")).await.unwrap();
    assert_eq!(any.targets.len(), 0, "nobody yet");
    let done = scene.task_over(any.task.id).await;
    assert_eq!((done.state, done.targets[0].agent.as_str()), (TaskState::Completed, "kimi"));
    let assigned =
        |event| if let Event::TaskAssigned(assigned) = event { Some(assigned.reason) } else { None };
    let reason = scene.events().into_iter().find_map(assigned).unwrap();
    assert_eq!(reason, "kimi has rust and no open task; claude: 1 open task; codex: no open task");
    let one = prompt(&scene, session, "[[say done]]", &[], wants("openai")).await.unwrap();
    assert_eq!(scene.task_over(one.task.id).await.targets[0].agent.as_str(), "codex");
    let refused = prompt(&scene, session, "[[say done]]", &[], wants("cobol")).await.unwrap_err();
    assert_eq!(refused.code, "nobody_capable");
    assert!(refused.message.contains("kimi lacks cobol"), "{}", refused.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_the_pool_has_one_worker_and_a_late_one_is_refused() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["claude"]).await;
    let pool = NewTerms { pool: true, ..NewTerms::default() };
    let task = prompt(&scene, session, "Build it", &[], pool).await.unwrap().task.id;
    let engine = scene.engine();
    let claim = |worker: u32| {
        let (holder, seconds) = (Some(format!("worker-{worker}")), Some(5));
        let new = NewClaim { task: Some(task), holder, seconds, ..NewClaim::default() };
        async move { engine.claim_task(&call(), new).await }
    };
    let (one, two, three) = tokio::join!(claim(1), claim(2), claim(3));
    let mut won = Vec::new();
    for claimed in [one, two, three] {
        match claimed {
            Ok(view) => won.push(view.claim.unwrap()),
            Err(refusal) => assert_eq!(refusal.code, "task_claimed"),
        }
    }
    assert_eq!((won.len(), won[0].token), (1, 1), "exactly one has it");
    let released = scene.until("nobody renewed the claim", || {
        Some(engine.task(task).unwrap()).filter(|view| view.state == TaskState::Submitted)
    });
    assert_eq!(released.await.attempt, 2);
    let next = engine.claim_task(&call(), NewClaim::default()).await.unwrap();
    assert_eq!(next.claim.as_ref().map(|claim| claim.token), Some(2));
    let end = |token, outcome| async move {
        engine.finish_claim(&call(), task, token, outcome, "built".to_owned()).await
    };
    assert_eq!(end(1, ClaimOutcome::Completed).await.unwrap_err().code, "claim_lost");
    assert_eq!(engine.renew_claim(&call(), task, 1, None).await.unwrap_err().code, "claim_lost");
    let done = end(2, ClaimOutcome::Completed).await.unwrap();
    assert_eq!((done.state, done.text.as_deref()), (TaskState::Completed, Some("built")));
    assert_eq!(end(2, ClaimOutcome::Failed).await.unwrap_err().code, "claim_lost");
    assert_eq!(engine.claim_task(&call(), NewClaim::default()).await.unwrap_err().code, "no_work");
    let again = NewClaim { task: Some(task), ..NewClaim::default() };
    assert_eq!(engine.claim_task(&call(), again).await.unwrap_err().code, "task_ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_answer_at_once_one_is_heard() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["claude"]).await;
    let task = scene.prompt(session, "[[ask Well?]]\n[[say {{result}}]]", &[]).await.unwrap().task.id;
    scene.task_in(task, &[TaskState::InputRequired]).await;
    let answer = |text: &'static str| {
        let engine = scene.engine().clone();
        async move { engine.answer_task(&call(), task, text.to_owned()).await }
    };
    let (one, other) = tokio::join!(answer("one"), answer("other"));
    let heard = if one.is_ok() { "one" } else { "other" };
    let refused = one.err().or(other.err()).expect("one of them came too late");
    assert_eq!(refused.code, "no_question");
    let done = scene.task_over(task).await;
    assert_eq!((done.state, done.text.as_deref()), (TaskState::Completed, Some(heard)));
}
