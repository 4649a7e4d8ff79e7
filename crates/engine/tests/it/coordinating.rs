//! Plans from prompt to commit.

use crate::scene::Scene;
use model::{Event, LockPhase, PlanState, TaskKind, TaskState};

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
    let text = "[[for claude]]\n[[edit a.txt|x|x\\nclaude]]\n[[sleep 1500]]\n[[say done]]\n[[end]]\n\
                [[for codex]]\n[[bash until grep -q claude a.txt; do sleep 0.05; done]]\n[[edit a.txt|x|x\\ncodex]]\n[[say done]]\n[[end]]";
    let task = scene.prompt(session, text, &[]).await.unwrap();
    let done = scene.task_over(task.task.id).await;
    assert_eq!(done.state, TaskState::Completed, "{:?}", done.text);
    assert_eq!(scene.repo.read("a.txt"), "x\ncodex\nclaude\n");
    let waited = |event: &Event| {
        matches!(event, Event::ParticipantStatusChanged(change)
            if change.status == model::ParticipantStatus::WaitingLock && change.detail.as_deref().is_some_and(|detail| detail.contains("held by claude")))
    };
    assert!(scene.events().iter().any(waited), "the wait was said, and for whom");
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
