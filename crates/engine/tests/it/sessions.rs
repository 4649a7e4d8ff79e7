//! Sessions among each other: forks at a message, children that call back, questions to the past, queues, names, and an end.

use crate::scene::{Scene, call, names};
use engine::{
    CallbackWish, Caller, KinQuery, NewFork, NewQuestion, NewSpawn, SessionChange, SessionFilter, TaskMove,
    TaskView,
};
use model::{HistoryBy, MessageId, Namer, Role, SessionId, SessionState, TaskId, TaskState};

/// Occupies an agent until somebody answers, so that what comes next waits.
const BUSY: &str = "[[ask Go on?]]\n[[say went on]]";

async fn done(scene: &Scene, session: SessionId, text: &str) -> TaskView {
    let task = scene.prompt(session, text, &[]).await.unwrap();
    let over = scene.task_over(task.task.id).await;
    assert_eq!(over.state, TaskState::Completed, "{:?}", over.text);
    over
}

async fn busy(scene: &Scene, session: SessionId) -> TaskId {
    let task = scene.prompt(session, BUSY, &[]).await.unwrap().task.id;
    scene.task_in(task, &[TaskState::InputRequired]).await;
    task
}

/// What was said, and by whom, as one hash would tell it.
fn said(scene: &Scene, session: SessionId, inherited: bool) -> Vec<(MessageId, Role, String)> {
    let page = scene.engine().messages(session, None, 0, inherited).unwrap();
    page.messages.into_iter().map(|message| (message.id, message.role, message.text())).collect()
}

fn tasks(scene: &Scene, session: SessionId) -> Vec<TaskView> {
    scene.engine().tasks(session, None, 0).unwrap().tasks
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_at_a_message_knows_what_was_said_up_to_it_and_no_more() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["claude"]).await;
    done(&scene, session, "[[say the word is heliotrope]]").await;
    done(&scene, session, "[[say forget it]]").await;
    let before = said(&scene, session, false);
    let at = before[1].0;
    let new = NewFork { message: Some(at), ..NewFork::default() };
    let fork = scene.engine().fork_session(&call(), session, new).await.unwrap();
    assert_eq!(fork.session.lineage.fork_message, Some(at));
    assert_eq!(
        fork.participants[0].participant.history,
        Some(HistoryBy::Replay),
        "our own loop has no session"
    );
    let fork = fork.session.id;
    assert_eq!(said(&scene, fork, false), []);
    assert_eq!(said(&scene, fork, true), before[..2]);
    done(&scene, fork, "[[say here]]").await;
    let asked = scene.model.requests().pop().unwrap().body.to_string();
    assert!(asked.contains("heliotrope") && !asked.contains("forget it"), "{asked}");
    // A fork of the fork, at a message the fork itself only inherited.
    let new = NewFork { message: Some(before[0].0), agents: names(&["kimi"]), ..NewFork::default() };
    let second = scene.engine().fork_session(&call(), fork, new).await.unwrap().session.id;
    assert_eq!(said(&scene, second, true), before[..1]);
    done(&scene, second, "[[say there]]").await;
    let whole = said(&scene, second, true);
    assert_eq!((whole[0].clone(), whole.len()), (before[0].clone(), 3));
    let page = scene.engine().messages(second, Some(whole[1].0), 1, true).unwrap();
    assert_eq!((page.messages[0].id, page.earlier), (before[0].0, None), "pages go on into what was before");
    assert_eq!(said(&scene, session, false), before, "the source is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_of_an_unknown_message_is_refused_and_leaves_nothing() {
    let scene = Scene::new(&[]).await;
    let (session, other) = (scene.session(None, &["claude"]).await, scene.session(None, &["kimi"]).await);
    done(&scene, session, "[[say one]]").await;
    done(&scene, other, "[[say two]]").await;
    // What still ends of the turns before is not a trace of the fork, so only what a fork makes is counted.
    let made = || {
        let kinds = ["session.created", "participant.joined", "message.appended"];
        scene.kinds().into_iter().filter(|kind| kinds.contains(kind)).count()
    };
    let before = made();
    let unknown: MessageId = "msg_018f000000007000800000000000000a".parse().unwrap();
    for message in [unknown, said(&scene, other, false)[0].0] {
        let new = NewFork { message: Some(message), ..NewFork::default() };
        let refusal = scene.engine().fork_session(&call(), session, new).await.unwrap_err();
        assert_eq!(refusal.code, "unknown_message");
        assert!(refusal.hint.unwrap().contains("session messages"));
    }
    assert_eq!(made(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_calls_back_once_and_its_fork_never() {
    let scene = Scene::new(&[]).await;
    let parent = scene.session(None, &["claude", "kimi"]).await;
    // It does not matter that the parent works.
    let busy = busy(&scene, parent).await;
    let new = NewSpawn {
        prompt: "[[say the child is done]]".to_owned(),
        agents: names(&["kimi"]),
        callback: Some(CallbackWish::Once),
        callback_to: Some("kimi".parse().unwrap()),
        ..NewSpawn::default()
    };
    let spawned = scene.engine().spawn_session(&call(), parent, new).await.unwrap();
    let child = spawned.session.session.id;
    assert_eq!(spawned.session.session.parent, Some(parent));
    assert_eq!(spawned.session.session.lineage.spawn_point, Some(busy));
    scene.task_over(spawned.task.task.id).await;
    let told = scene.until("the parent is told", || tasks(&scene, parent).into_iter().nth(1)).await;
    assert!(
        told.task.prompt.contains(&child.short()) && told.task.prompt.contains("the child is done"),
        "{told:?}"
    );
    assert_eq!(told.targets.len(), 1);
    assert_eq!(told.targets[0].agent.as_str(), "kimi");
    let fork = scene.engine().fork_session(&call(), child, NewFork::default()).await.unwrap().session;
    assert_eq!((fork.parent, fork.lineage.callback), (None, None));
    done(&scene, fork.id, "[[say the fork is done]]").await;
    done(&scene, child, "[[say again]]").await;
    for task in tasks(&scene, parent) {
        scene.engine().cancel_task(&call(), task.task.id).await.ok();
    }
    assert_eq!(tasks(&scene, parent).len(), 2, "told once, and of the child alone");
    let deliveries = scene.kinds().into_iter().filter(|kind| *kind == "callback.delivered").count();
    assert_eq!(deliveries, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_waits_for_room_and_for_the_next_daemon_and_comes_once() {
    let mut scene = Scene::new(&[]).await;
    scene.configure(serde_json::json!({ "queue_depth": 1 }));
    scene.engine().reload_config().unwrap();
    let parent = scene.session(None, &["claude"]).await;
    let busy = busy(&scene, parent).await;
    let new = NewSpawn {
        prompt: "[[say built]]".to_owned(),
        agents: names(&["kimi"]),
        callback: Some(CallbackWish::Always),
        ..NewSpawn::default()
    };
    let child = scene.engine().spawn_session(&call(), parent, new).await.unwrap();
    scene.task_over(child.task.task.id).await;
    let full = scene.prompt(parent, "more", &[]).await.unwrap_err();
    assert_eq!(full.code, "queue_full");
    assert_eq!(tasks(&scene, parent).len(), 1);
    // The next daemon does not know that anybody is to be told, but the journal does.
    scene.shut().await;
    scene.open().await;
    scene.engine().cancel_task(&call(), busy).await.unwrap();
    let told = scene.until("the parent is told", || tasks(&scene, parent).into_iter().nth(1)).await;
    assert!(told.task.prompt.contains("built"));
    scene.task_over(told.task.id).await;
    scene.shut().await;
    scene.open().await;
    done(&scene, parent, "[[say what now]]").await;
    assert_eq!(tasks(&scene, parent).len(), 3, "a new daemon tells nothing twice");
    done(&scene, child.session.session.id, "[[say built again]]").await;
    let again = scene.until("the parent is told again", || tasks(&scene, parent).into_iter().nth(3)).await;
    assert!(again.task.prompt.contains("built again"), "always means every time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_to_the_past_changes_nothing_of_it() {
    let scene = Scene::new(&[]).await;
    let (asked, asker) = (scene.session(None, &["claude"]).await, scene.session(None, &["kimi"]).await);
    done(&scene, asked, "[[say the word is heliotrope]]").await;
    scene.until("its run is gone", || scene.kinds().contains(&"run.exited").then_some(())).await;
    let before = (said(&scene, asked, false), scene.engine().session(asked).unwrap().updated_at);
    let new = NewQuestion {
        question: "Which word?\n[[say heliotrope, it was]]".to_owned(),
        asker: Some(asker),
        ..NewQuestion::default()
    };
    let aside = scene.engine().ask_session(&call(), asked, new).await.unwrap();
    let over = scene.task_over(aside.task.task.id).await;
    assert_eq!(over.text.as_deref(), Some("heliotrope, it was"));
    let request = scene.model.requests().pop().unwrap().body.to_string();
    assert!(
        request.contains("the word is heliotrope") && !request.contains("edit_file"),
        "it knows, and only reads"
    );
    let after = (said(&scene, asked, false), scene.engine().session(asked).unwrap().updated_at);
    assert_eq!(after, before, "the asked session is as it was");
    let told = scene.until("the asker is told", || said(&scene, asker, false).pop()).await;
    assert_eq!(told.1, Role::System);
    assert!(told.2.contains("Which word?") && told.2.contains("heliotrope, it was"), "{}", told.2);
    assert!(tasks(&scene, asker).is_empty(), "it is told, and has nothing to do");
    for session in [asked, asker] {
        let asides = scene.engine().asides(session).unwrap();
        assert_eq!(asides[0].answer.as_deref(), Some("heliotrope, it was"));
    }
    let hidden = aside.session.session.id;
    let listed = scene.engine().sessions(SessionFilter::default(), None).unwrap().sessions;
    assert!(listed.iter().all(|one| one.session.id != hidden), "in no list");
    let family = scene.engine().family(asked, KinQuery::default()).unwrap();
    assert_eq!(family.descendants, [], "and in no family");
    let refusal = scene.prompt(hidden, "more", &[]).await.unwrap_err();
    assert_eq!(refusal.code, "session_is_aside");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_changes_places_and_two_who_move_are_one_after_the_other() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["claude"]).await;
    let working = busy(&scene, session).await;
    let mut waiting = Vec::new();
    for n in 0..4 {
        waiting.push(scene.prompt(session, &format!("[[say {n}]]"), &[]).await.unwrap().task.id);
    }
    let order = |queue: Vec<TaskView>| -> Vec<usize> {
        let place = |task: &TaskView| waiting.iter().position(|id| *id == task.task.id).unwrap();
        queue.iter().map(place).collect()
    };
    let engine = scene.engine();
    let moved =
        async |task: usize, to: TaskMove| order(engine.move_task(&call(), waiting[task], to).await.unwrap());
    let before = |task: usize| TaskMove { before: Some(waiting[task]), ..TaskMove::default() };
    assert_eq!(order(engine.queue(session).unwrap()), [0, 1, 2, 3]);
    assert_eq!(moved(3, before(1)).await, [0, 3, 1, 2]);
    assert_eq!(moved(0, TaskMove { last: true, ..TaskMove::default() }).await, [3, 1, 2, 0]);
    assert_eq!(moved(2, TaskMove { priority: Some(9), ..TaskMove::default() }).await, [2, 3, 1, 0]);
    assert_eq!(moved(1, before(2)).await, [1, 2, 3, 0], "with the priority of the one behind it");
    let (one, other) = tokio::join!(moved(0, before(1)), moved(3, before(1)));
    assert!(one == [0, 1, 2, 3] || other == [3, 1, 2, 0] || one.len() == 4);
    let both = order(engine.queue(session).unwrap());
    assert!(both == [0, 3, 1, 2] || both == [3, 0, 1, 2], "{both:?}: both moves count");
    for (to, code) in [
        (TaskMove::default(), "move_unclear"),
        (TaskMove { last: true, priority: Some(1), ..TaskMove::default() }, "move_unclear"),
        (TaskMove { before: Some(waiting[1]), ..TaskMove::default() }, "move_unclear"),
        (TaskMove { before: Some(working), ..TaskMove::default() }, "task_not_waiting"),
        (TaskMove { priority: Some(i32::MAX), ..TaskMove::default() }, "priority_out_of_range"),
    ] {
        assert_eq!(engine.move_task(&call(), waiting[1], to).await.unwrap_err().code, code, "{to:?}");
    }
    let begun = engine.move_task(&call(), working, TaskMove { last: true, ..TaskMove::default() }).await;
    assert_eq!(begun.unwrap_err().code, "task_begun");
    engine.cancel_task(&call(), waiting[2]).await.unwrap();
    assert_eq!(engine.queue(session).unwrap().len(), 3);
    engine.answer_task(&call(), working, "yes".to_owned()).await.unwrap();
    let mut ended = Vec::new();
    for task in [waiting[0], waiting[1], waiting[3]] {
        ended.push(scene.task_over(task).await.turns[0].turn.started_at);
    }
    assert!(ended[0] < ended[1] && ended[2] < ended[1], "they were done in the order they had then");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_nobody_named_is_named_by_its_words_and_then_by_the_model() {
    let scene = Scene::new(&[]).await;
    scene.titled_by("model");
    let session = scene.session(None, &["claude"]).await;
    let named = || {
        let session = scene.engine().session(session).unwrap().session;
        (session.title, session.named_by)
    };
    assert_eq!(named(), ("claude".to_owned(), Namer::Agents));
    let task = scene.prompt(session, "Paint it [[say done]]", &[]).await.unwrap();
    assert_eq!(named(), ("Paint it [[say done]]".to_owned(), Namer::Words), "at once");
    scene.task_over(task.task.id).await;
    scene.until("the model names it", || (named().1 == Namer::Model).then_some(())).await;
    assert_eq!(named().0, "A scripted conversation");
    // A title of the user's stays, whoever comes later.
    let mine = scene.session(None, &["claude"]).await;
    let change = SessionChange { title: Some("Mine".to_owned()), ..SessionChange::default() };
    scene.engine().change_session(&call(), mine, change).await.unwrap();
    let requests = scene.model.requests().len();
    done(&scene, mine, "Paint it [[say done]]").await;
    assert_eq!(scene.engine().session(mine).unwrap().session.title, "Mine");
    assert_eq!(scene.model.requests().len(), requests + 1, "nobody was asked for a title");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_named_for_its_first_answer_whatever_waits_behind_it_or_failed_before() {
    let scene = Scene::new(&[]).await;
    scene.titled_by("model");
    let by_model = async |session| {
        let named = || scene.engine().session(session).unwrap().session.named_by == Namer::Model;
        scene.until("the model names it", || named().then_some(())).await;
    };
    let queued = scene.session(None, &["claude"]).await;
    let first = busy(&scene, queued).await;
    let second = scene.prompt(queued, "[[say second]]", &[]).await.unwrap().task.id;
    scene.engine().answer_task(&call(), first, "yes".to_owned()).await.unwrap();
    scene.task_over(second).await;
    by_model(queued).await;
    let failing = scene.session(None, &["claude"]).await;
    let failed = scene.prompt(failing, "Paint it [[error 400]]", &[]).await.unwrap().task.id;
    assert_eq!(scene.task_over(failed).await.state, TaskState::Failed);
    done(&scene, failing, "[[say painted]]").await;
    by_model(failing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_removed_when_it_rests_and_nothing_hangs_on_it() {
    let scene = Scene::new(&[]).await;
    let session = scene.session(None, &["claude"]).await;
    let working = busy(&scene, session).await;
    let engine = scene.engine();
    let remove = async |anyway| engine.remove_session(&call(), session, anyway).await;
    assert_eq!(remove(true).await.unwrap_err().code, "session_running");
    engine.cancel_task(&call(), working).await.unwrap();
    scene
        .until("it rests", || (engine.session(session).unwrap().state != SessionState::Running).then_some(()))
        .await;
    let fork = engine.fork_session(&call(), session, NewFork::default()).await.unwrap().session.id;
    let refusal = remove(false).await.unwrap_err();
    assert_eq!(refusal.code, "session_has_relatives");
    assert!(refusal.message.contains(&fork.short()), "{refusal}");
    let removed = remove(true).await.unwrap();
    assert_eq!(removed.relatives, [fork]);
    assert_eq!(engine.session(session).unwrap_err().code, "not_found");
    assert_eq!(engine.task(working).unwrap_err().code, "not_found");
    assert_eq!(engine.messages(session, None, 0, false).unwrap_err().code, "not_found");
    assert_eq!(engine.resolve_session(&session.short()).unwrap_err().code, "not_found");
    assert_eq!(scene.prompt(session, "x", &[]).await.unwrap_err().code, "not_found");
    assert_eq!(remove(true).await.unwrap_err().code, "not_found");
    assert!(said(&scene, fork, true).len() > 1, "its fork knows what it knew");
    done(&scene, fork, "[[say still here]]").await;
    assert!(scene.kinds().contains(&"session.removed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_for_the_last_one_and_for_the_parent() {
    let scene = Scene::new(&[]).await;
    let engine = scene.engine();
    assert_eq!(engine.resolve_session("@last").unwrap_err().code, "no_sessions");
    assert_eq!(engine.resolve_task(&Caller::User, "@last").unwrap_err().code, "no_last");
    let first = scene.session(None, &["claude"]).await;
    let second = scene.session(None, &["claude"]).await;
    assert_eq!(engine.resolve_session("@last").unwrap(), second);
    engine.archive_session(&call(), second).await.unwrap();
    assert_eq!(engine.resolve_session("@last").unwrap(), first, "an archived one is not meant");
    let task = done(&scene, first, "[[say x]]").await.task.id;
    assert_eq!(engine.resolve_task(&Caller::User, "@last").unwrap(), task);
    // What an aside does, and what was of a removed session, is meant by nobody.
    let question = NewQuestion { question: "x".to_owned(), ..NewQuestion::default() };
    let aside = engine.ask_session(&call(), first, question).await.unwrap().task.task.id;
    assert_eq!(engine.resolve_task(&Caller::User, "@last").unwrap(), task);
    assert_eq!(engine.resolve_task(&Caller::User, &aside.to_string()).unwrap(), aside);
    scene.task_over(aside).await;
    let gone = scene.session(None, &["claude"]).await;
    done(&scene, gone, "[[say z]]").await;
    engine.remove_session(&call(), gone, false).await.unwrap();
    assert_eq!(engine.resolve_task(&Caller::User, "@last").unwrap(), task);
    assert_eq!(engine.resolve_session("@parent").unwrap_err().code, "no_calling_session");
    let child = NewSpawn { prompt: "[[say y]]".to_owned(), ..NewSpawn::default() };
    let child = engine.spawn_session(&call(), first, child).await.unwrap().session;
    let run = |session: SessionId| Caller::Run {
        run: "run_018f000000007000800000000000000a".parse().unwrap(),
        registration: "reg_018f000000007000800000000000000a".parse().unwrap(),
        participant: child.participants[0].participant.id,
        session,
        agent: "claude".parse().unwrap(),
    };
    assert_eq!(engine.resolve_session_for(&run(child.session.id), "@parent").unwrap(), first);
    assert_eq!(engine.resolve_session_for(&run(first), "@parent").unwrap_err().code, "no_parent");
    // An agent sees its own session and what came out of it, and spawns from its own alone.
    assert_eq!(engine.may_see(&run(first), child.session.id), Ok(()));
    assert_eq!(engine.may_see(&run(child.session.id), first).unwrap_err().code, "not_your_session");
    let call =
        engine::Call { caller: run(child.session.id), key: None, client: None, correlation: String::new() };
    let new = NewSpawn { prompt: "x".to_owned(), ..NewSpawn::default() };
    assert_eq!(engine.spawn_session(&call, first, new.clone()).await.unwrap_err().code, "not_your_session");
    let grandchild = engine.spawn_session(&call, child.session.id, new).await.unwrap().session.session;
    assert_eq!(grandchild.lineage.spawned_by, Some(child.participants[0].participant.id));
    let question = NewQuestion { question: "x".to_owned(), ..NewQuestion::default() };
    assert_eq!(engine.ask_session(&call, second, question).await.unwrap_err().code, "not_your_family");
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_spawn_so_deep_and_so_many_and_no_more() {
    let scene = Scene::new(&[]).await;
    scene.configure(serde_json::json!({ "spawn_depth": 2, "spawn_children": 1 }));
    scene.engine().reload_config().unwrap();
    let engine = scene.engine();
    // However often the user forks: a fork is no generation of spawning, and no child at work.
    let mut root = scene.session(None, &["claude"]).await;
    for _ in 0..3 {
        done(&scene, root, "[[say known]]").await;
        root = engine.fork_session(&call(), root, NewFork::default()).await.unwrap().session.id;
    }
    let root = engine.session(root).unwrap();
    let fork = engine.fork_session(&call(), root.session.id, NewFork::default()).await.unwrap().session.id;
    busy(&scene, fork).await;
    let spawn = async |from: &engine::SessionView, text: &str| {
        let seat = from.participants[0].participant.id;
        let caller = Caller::Run {
            run: "run_018f000000007000800000000000000a".parse().unwrap(),
            registration: "reg_018f000000007000800000000000000a".parse().unwrap(),
            participant: seat,
            session: from.session.id,
            agent: "claude".parse().unwrap(),
        };
        let call = engine::Call { caller, key: None, client: None, correlation: String::new() };
        let new = NewSpawn { prompt: text.to_owned(), ..NewSpawn::default() };
        engine.spawn_session(&call, from.session.id, new).await
    };
    let child = spawn(&root, BUSY).await.unwrap();
    scene.task_in(child.task.task.id, &[TaskState::InputRequired]).await;
    assert_eq!(spawn(&root, "x").await.unwrap_err().code, "spawn_children");
    let grandchild = spawn(&child.session, "[[say deep]]").await.unwrap();
    assert_eq!(spawn(&grandchild.session, "x").await.unwrap_err().code, "spawn_depth");
    engine.answer_task(&call(), child.task.task.id, "yes".to_owned()).await.unwrap();
    scene.task_over(child.task.task.id).await;
    assert!(spawn(&root, "[[say next]]").await.is_ok(), "there is room again");
}
