//! Plans from prompt to commit.

use crate::scene::{Scene, call};
use engine::Caller;
use model::{Event, LockPhase, PlanState, SessionId, SessionState, TaskKind, TaskState};

const BOTH: &str = r#"Make it so.
[[for claude]]
[[plan {"tasks":[{"name":"a","title":"Change a","files":["a.txt"],"instructions":"<<for claude>><<edit a.txt|one|two>><<edit shared.txt|x|x\nclaude>><<say Changed a.>><<end>>"}]}]]
[[say One task.]]
[[end]]
[[for gemini]]
[[plan {"tasks":[{"name":"a","title":"Change a too","files":["a.txt"],"instructions":"<<for gemini>><<read a.txt>><<say Looks right.>><<end>>"},{"name":"b","title":"Change b","files":["b.txt"],"instructions":"<<for gemini>><<edit b.txt|one|two>><<edit shared.txt|x|x\ngemini>><<say Changed b.>><<end>>"}]}]]
[[say Two tasks.]]
[[end]]"#;

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_plan_merge_work_review_test_and_land() {
    let scene = Scene::new(&[("a.txt", "one\n"), ("b.txt", "one\n"), ("shared.txt", "x\n")]).await;
    let repo = scene.add_repo(Some(&["grep", "-c", "two", "a.txt", "b.txt"])).await;
    let session = scene.session(Some(&repo), &["claude", "gemini"]).await;
    let plan = scene.coordinate(session, BOTH).await;
    let over = scene.plan_over(plan.plan.id).await;
    assert_eq!(over.state, PlanState::Completed, "{:?} {:#?}", over.text, over.tasks);

    let of =
        |kind: TaskKind| over.tasks.iter().filter(move |view| view.task.kind == kind).collect::<Vec<_>>();
    assert_eq!(
        (of(TaskKind::Propose).len(), of(TaskKind::Work).len(), of(TaskKind::Review).len()),
        (2, 2, 1)
    );
    let review = of(TaskKind::Review)[0];
    assert_eq!((review.state, review.text.as_deref()), (TaskState::Completed, Some("Looks right.")));
    assert_eq!(over.tests.as_ref().unwrap().exit_code, Some(0));
    assert!(over.text.unwrap().contains("sync: not configured"));

    assert_eq!(scene.repo.read("a.txt"), "two\n");
    assert_eq!(scene.repo.read("b.txt"), "two\n");
    let shared = scene.repo.read("shared.txt");
    assert!(shared.contains("claude") && shared.contains("gemini"), "no edit was lost: {shared}");
    assert_eq!(scene.subjects().len(), 3, "a commit for each task: {:?}", scene.subjects());
    let log = scene.repo.git(&["log", "--format=%B"]);
    assert!(log.contains("Co-authored-by: claude"), "{log}");
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), "", "the user's index and worktree are clean");
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_tests_keep_the_branch_as_it_was() {
    let scene = Scene::new(&[("a.txt", "one\n"), ("b.txt", "one\n"), ("shared.txt", "x\n")]).await;
    let repo = scene.add_repo(Some(&["false"])).await;
    let session = scene.session(Some(&repo), &["claude", "gemini"]).await;
    let plan = scene.coordinate(session, BOTH).await;
    let over = scene.plan_over(plan.plan.id).await;
    assert_eq!(over.state, PlanState::Failed);
    assert!(over.text.unwrap().contains("the tests fail"));
    assert_eq!(scene.subjects(), ["first"]);
    let kept = scene.repo.git(&["for-each-ref", "refs/coditect"]);
    assert!(kept.lines().count() >= 2, "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_nobody_proposes_fails_and_says_so() {
    let scene = Scene::new(&[]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude", "kimi"]).await;
    let plan = scene.coordinate(session, "[[say I have no idea.]]").await;
    let over = scene.plan_over(plan.plan.id).await;
    assert_eq!(over.state, PlanState::Failed);
    assert!(over.text.unwrap().contains("no agent proposed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_waits_for_the_other_agents_turn() {
    let scene = Scene::new(&[("a.txt", "x\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude", "codex"]).await;
    let go = scene.repo.beside("go");
    let text = format!(
        "[[for claude]]\n[[edit a.txt|x|x\\nclaude]]\n[[bash until test -e '{}'; do sleep 0.05; done]]\n[[say done]]\n[[end]]\n\
         [[for codex]]\n[[bash until grep -q claude a.txt; do sleep 0.05; done]]\n[[edit a.txt|x|x\\ncodex]]\n[[say done]]\n[[end]]",
        go.display()
    );
    let task = scene.prompt(session, &text, &[]).await.unwrap();
    let waited = |event: &Event| {
        matches!(event, Event::ParticipantStatusChanged(change)
            if change.status == model::ParticipantStatus::WaitingLock && change.detail.as_deref().is_some_and(|detail| detail.contains("held by claude")))
    };
    let said = || scene.events().iter().any(waited).then_some(());
    scene.until("the wait to be said, and for whom", said).await;
    std::fs::write(go, "").unwrap();
    let done = scene.task_over(task.task.id).await;
    assert_eq!(done.state, TaskState::Completed, "{:?}", done.text);
    assert_eq!(scene.repo.read("a.txt"), "x\ncodex\nclaude\n");
    scene.all_locks_given_back().await;
    let phases = |events: Vec<Event>| -> Vec<LockPhase> {
        let phase = |event| if let Event::LockChanged(change) = event { Some(change.phase) } else { None };
        events.into_iter().filter_map(phase).collect()
    };
    let (acquired, released) = (LockPhase::Acquired, LockPhase::Released);
    let given_back = [acquired, LockPhase::Waiting, released, acquired, released];
    scene
        .until("the lock's story is in the journal, and tells of no take-over", || {
            (phases(scene.events()) == given_back).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_put_on_a_branch_the_plan_was_not_made_on() {
    let scene = Scene::new(&[("a.txt", "one\n"), ("b.txt", "one\n"), ("shared.txt", "x\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude", "gemini"]).await;
    let plan = scene.coordinate(session, BOTH).await;
    scene.repo.git(&["checkout", "--quiet", "-b", "other"]);
    let over = scene.plan_over(plan.plan.id).await;
    assert_eq!(over.state, PlanState::Failed);
    let text = over.text.unwrap();
    assert!(text.contains("`main`") && text.contains("`other`"), "{text}");
    assert_eq!(scene.subjects(), ["first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_canceled_while_its_tests_run_ends_them_and_puts_nothing_on_the_branch() {
    let scene = Scene::new(&[("a.txt", "one\n"), ("b.txt", "one\n"), ("shared.txt", "x\n")]).await;
    let repo = scene.add_repo(Some(&["sh", "-c", "echo $$ > tested; sleep 600"])).await;
    let session = scene.session(Some(&repo), &["claude", "gemini"]).await;
    let plan = scene.coordinate(session, BOTH).await.plan.id;
    let shell = scene
        .soon("the tests run", || {
            let written = std::fs::read_to_string(scene.repo.path().join("tested")).ok()?;
            written.trim().parse::<u32>().ok()
        })
        .await;
    let canceled = scene.engine().cancel_plan(&call(), plan).await.unwrap();
    assert_eq!(canceled.state, PlanState::Failed);
    let gone = || (!std::path::Path::new(&format!("/proc/{shell}")).exists()).then_some(());
    scene.soon("the tests have ended", gone).await;
    assert_eq!(scene.subjects(), ["first"]);
    let again = scene.coordinate(session, "[[say I have no idea.]]").await;
    scene.plan_over(again.plan.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_a_plans_way_is_said_and_it_goes_on_when_that_is_gone() {
    let scene = Scene::new(&[("a.txt", "one\n"), ("b.txt", "one\n"), ("shared.txt", "x\n")]).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude", "gemini"]).await;
    let lock = scene.repo.path().join(".git/refs/heads/main.lock");
    std::fs::write(&lock, "").unwrap();
    let plan = scene.coordinate(session, BOTH).await.plan.id;
    let stalled = scene
        .until("it is said what stands in the way", || {
            let view = scene.engine().plan(plan).unwrap();
            view.text.clone().map(|text| (view.state, text))
        })
        .await;
    assert!(stalled.0 == PlanState::Executing && stalled.1.contains("main.lock"), "{stalled:?}");
    std::fs::remove_file(lock).unwrap();
    let over = scene.plan_over(plan).await;
    assert_eq!(over.state, PlanState::Completed, "{:?}", over.text);
    assert_eq!(scene.subjects().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_shell_made_is_told_and_never_passes_for_committed() {
    let scene = Scene::new(&[("a.txt", "one\n"), ("b.txt", "one\n"), ("shared.txt", "x\n")]).await;
    let repo = scene.add_repo(Some(&["test", "-e", "made.txt"])).await;
    let session = scene.session(Some(&repo), &["claude", "gemini"]).await;
    let prompt = BOTH.replace(
        "<<say Changed a.>>",
        "<<bash echo x > made.txt; sed -i s,one,three, b.txt>><<say Changed a.>>",
    );
    let prompt = prompt.replace("<<edit b.txt|one|two>>", "<<bash true>>");
    scene.repo.write("mine.txt", "the user's own, from before");
    let plan = scene.coordinate(session, &prompt).await.plan.id;
    let over = scene.plan_over(plan).await;
    assert_eq!(over.state, PlanState::Completed, "{:?}", over.text);
    let text = over.text.unwrap();
    assert!(text.contains("not committed, though the tests saw it: b.txt, made.txt, mine.txt"), "{text}");
    let strayed = |event| if let Event::FileStrayed(strays) = event { Some(strays.files) } else { None };
    let mut found: Vec<String> =
        scene.events().into_iter().filter_map(strayed).flatten().map(|file| file.path.to_string()).collect();
    found.sort();
    assert_eq!(found, ["b.txt", "made.txt"], "each once, and not what is the user's");
    let conflict = model::Channel::file_conflict();
    let notices = scene.engine().notices(Some(&conflict), None, 0).unwrap();
    assert!(notices.iter().any(|notice| notice.payload.to_string().contains("made.txt")), "{notices:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_plan_is_the_newest_of_all_to_the_user_and_of_its_own_session_to_an_agent() {
    let scene = Scene::new(&[("a.txt", "one\n")]).await;
    let repo = scene.add_repo(None).await;
    let engine = scene.engine();
    let user = Caller::User;
    assert_eq!(engine.resolve_plan(&user, "@last").unwrap_err().code, "no_last");
    let (mut sessions, mut plans) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let session = scene.session(Some(&repo), &["claude"]).await;
        let plan = scene.coordinate(session, "[[say I have no idea.]]").await.plan.id;
        scene.plan_over(plan).await;
        sessions.push(session);
        plans.push(plan);
    }
    let idle = scene.session(None, &["claude"]).await;
    let run = |session: SessionId| Caller::Run {
        run: "run_018f000000007000800000000000000a".parse().unwrap(),
        registration: "reg_018f000000007000800000000000000a".parse().unwrap(),
        participant: engine.participants(session).unwrap()[0].participant.id,
        session,
        agent: "claude".parse().unwrap(),
    };
    assert_eq!(engine.resolve_plan(&user, "@last").unwrap(), plans[1]);
    assert_eq!(engine.resolve_plan(&run(sessions[0]), "@last").unwrap(), plans[0]);
    assert_eq!(engine.resolve_plan(&run(idle), "@last").unwrap_err().code, "no_last");
    let proposed = engine.plan(plans[0]).unwrap().tasks[0].task.id;
    assert_eq!(engine.resolve_task(&run(sessions[0]), "@last").unwrap(), proposed);
    assert_eq!(engine.resolve_task(&run(idle), "@last").unwrap_err().code, "no_last");
    assert_eq!(engine.resolve_plan(&run(idle), &plans[0].short()).unwrap_err().code, "not_found");
    scene
        .soon("it rests", || {
            (engine.session(sessions[1]).unwrap().state != SessionState::Running).then_some(())
        })
        .await;
    engine.remove_session(&call(), sessions[1], false).await.unwrap();
    assert_eq!(engine.resolve_plan(&user, "@last").unwrap(), plans[0], "what was removed is not meant");
    assert_eq!(engine.resolve_plan(&user, &plans[1].short()).unwrap_err().code, "not_found");
}
