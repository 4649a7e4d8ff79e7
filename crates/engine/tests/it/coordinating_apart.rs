//! Plans in worktrees with real git: each agent apart from the others, what they did together on one branch.

use crate::scene::{Scene, call};
use engine::{NewPlan, PlanView};
use model::{
    Event, KeptWorktree, PlanId, PlanState, RefusalKind, SessionId, TaskKind, TaskState, TurnOutcome,
};
use std::path::Path;

pub(crate) const FILES: [(&str, &str); 4] =
    [("a.txt", "one\n"), ("b.txt", "one\n"), ("c.txt", "one\n"), ("shared.txt", "x\n")];

/// Both change the same line of a file that neither has named, from where the plan began. Whoever lands second settles it at its next
/// attempt, in the way that `settle` says.
fn contest(settle: &str) -> String {
    let part = |agent: &str, other: &str, file: &str| {
        let meet = format!("<<bash until ls -d ../plan-*-{other}; do sleep 0.05; done>>");
        let work = format!(
            "<<bash if [ $CODITECT_ATTEMPT = 1 ]; then echo {agent} > shared.txt; echo two > {file}; else {settle}; fi>>"
        );
        format!(
            "[[for {agent}]]\n[[plan {{\"tasks\":[{{\"name\":\"t\",\"title\":\"Change {file}\",\"files\":[\"{file}\"],\
             \"instructions\":\"<<for {agent}>>{meet}{work}<<say Changed {file}.>><<end>>\"}}]}}]]\n[[say One task.]]\n[[end]]\n"
        )
    };
    format!("Make it so.\n{}{}", part("claude", "gemini", "a.txt"), part("gemini", "claude", "b.txt"))
}

/// Keeps what both sides had.
pub(crate) const SETTLE: &str = "sed -i -E '/^[<=>]{7}/d' shared.txt";

pub(crate) async fn apart(scene: &Scene, session: SessionId, prompt: &str) -> PlanId {
    let new = NewPlan { prompt: prompt.to_owned(), worktrees: true, ..NewPlan::default() };
    scene.engine().coordinate(&call(), session, new).await.unwrap().plan.id
}

/// The plan when it has ended and its worktrees were looked at.
pub(crate) async fn cleared(scene: &Scene, plan: PlanId) -> (PlanView, Vec<KeptWorktree>) {
    let view = scene
        .until("the plan is over and its worktrees are put away", || {
            Some(scene.engine().plan(plan).unwrap()).filter(|view| view.kept.is_some())
        })
        .await;
    let kept = view.kept.clone().unwrap();
    (view, kept)
}

pub(crate) fn handed_back(scene: &Scene) -> Vec<String> {
    let told = |event| match event {
        Event::TurnEnded(end) => match end.outcome {
            TurnOutcome::Failed { code, message } if code == "handed_back" => Some(message),
            _ => None,
        },
        _ => None,
    };
    scene.events().into_iter().filter_map(told).collect()
}

/// Processes that stand in there.
fn processes(path: &Path) -> usize {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter(|one| std::fs::read_link(one.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(path)))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_change_the_same_line_the_second_settles_it_and_both_land() {
    let scene = Scene::new(&FILES).await;
    let repo = scene.add_repo(Some(&["grep", "-c", "two", "a.txt", "b.txt"])).await;
    let session = scene.session(Some(&repo), &["claude", "gemini"]).await;
    scene.repo.write("mine.txt", "the user's own, from before");
    let plan = apart(&scene, session, &contest(SETTLE)).await;
    let (over, kept) = cleared(&scene, plan).await;
    assert_eq!(over.state, PlanState::Completed, "{:?} {:#?}", over.text, over.tasks);
    let told = handed_back(&scene);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("does not go together") && told[0].contains("shared.txt"), "{told:?}");
    let work: Vec<_> = over.tasks.iter().filter(|view| view.task.kind == TaskKind::Work).collect();
    let mut attempts: Vec<u32> = work.iter().map(|view| view.attempt).collect();
    attempts.sort_unstable();
    assert_eq!(attempts, [1, 2], "the same task went back, and no other");
    // It went on where it was: the branch says in which worktree.
    let again = work.iter().find(|view| view.attempt == 2).unwrap();
    let branch = |at: usize| again.turns[at].turn.git.as_ref().unwrap().branch.clone();
    assert_eq!(branch(0), branch(1));
    let shared = scene.repo.read("shared.txt");
    let mut lines: Vec<&str> = shared.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["claude", "gemini"], "{shared}");
    assert_eq!((scene.repo.read("a.txt"), scene.repo.read("b.txt")), ("two\n".into(), "two\n".into()));
    assert_eq!(scene.subjects().len(), 3, "a commit for each task, and no merge: {:?}", scene.subjects());
    assert!(scene.repo.git(&["log", "--format=%B"]).contains("Co-authored-by: claude"));
    assert_eq!(
        scene.repo.git(&["status", "--porcelain"]),
        "?? mine.txt\n",
        "what is the user's stays the user's"
    );
    assert_eq!(over.tests.as_ref().unwrap().exit_code, Some(0));
    assert_eq!(kept, []);
    assert!(scene.engine().worktrees(Some(repo.id), false).await.unwrap().is_empty());
    assert_eq!(
        scene.engine().worktrees(Some(repo.id), true).await.unwrap().len(),
        2,
        "they are in the trash"
    );
    assert_eq!(scene.repo.git(&["branch", "--list"]).trim(), "* main");
    scene.all_locks_given_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_settles_it_is_asked_so_often_and_no_more() {
    let scene = Scene::new(&FILES).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude", "gemini"]).await;
    let plan = apart(&scene, session, &contest("true")).await;
    let (over, kept) = cleared(&scene, plan).await;
    assert_eq!(over.state, PlanState::Failed, "{:?}", over.text);
    let told = handed_back(&scene);
    assert_eq!(told.len(), model::MERGE_TRIES as usize, "{told:?}");
    assert!(
        told[1..].iter().all(|told| told.contains("marks between both sides still stand in shared.txt")),
        "{told:?}"
    );
    assert_eq!(scene.subjects(), ["first"], "nothing of it is on the branch");
    let [one] = kept.as_slice() else { panic!("one worktree has the works of both: {kept:?}") };
    assert!(one.reason.ends_with("not landed"), "{one:?}");
    let works = scene.repo.git(&["-C", &one.path, "log", "--format=%s", "main..HEAD"]);
    assert_eq!(works.lines().count(), 2, "{works}");
    assert!(Path::new(&one.path).join("shared.txt").exists());
}

const DEPENDENT: &str = r#"Make it so.
[[for claude]]
[[plan {"tasks":[
  {"name":"a","title":"Change a","files":["a.txt"],"instructions":"<<for claude>><<edit a.txt|one|two>><<say Changed a.>><<end>>"},
  {"name":"b","title":"Change b","files":["b.txt"],"instructions":"<<for claude>><<bash grep two b.txt>><<say Looks right.>><<end>>"},
  {"name":"c","title":"Change c","files":["c.txt"],"depends_on":["a","b"],"instructions":"<<for claude>><<bash grep -h two a.txt b.txt > c.txt>><<say Changed c.>><<end>>"}]}]]
[[say Three tasks.]]
[[end]]
[[for gemini]]
[[plan {"tasks":[{"name":"b","title":"Change b","files":["b.txt"],"instructions":"<<for gemini>><<edit b.txt|one|two>><<say Changed b.>><<end>>"}]}]]
[[say One task.]]
[[end]]"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_task_begins_from_what_those_it_depends_on_have_landed() {
    let scene = Scene::new(&FILES).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude", "gemini"]).await;
    let plan = apart(&scene, session, DEPENDENT).await;
    let (over, kept) = cleared(&scene, plan).await;
    assert_eq!((over.state, kept), (PlanState::Completed, Vec::new()), "{:?} {:#?}", over.text, over.tasks);
    assert_eq!(scene.repo.read("c.txt"), "two\ntwo\n", "it saw the works of both");
    let reviews = over.tasks.iter().filter(|view| view.task.kind == TaskKind::Review);
    let reviews: Vec<_> = reviews.map(|view| (view.state, view.text.as_deref())).collect();
    assert_eq!(reviews, [(TaskState::Completed, Some("Looks right."))]);
    assert_eq!(scene.subjects()[0], "Change c");
    assert_eq!(scene.engine().worktrees(Some(repo.id), true).await.unwrap().len(), 2, "one for each agent");
    let of_plan =
        |event: &Event| matches!(event, Event::CheckpointCreated(point) if point.plan == Some(plan));
    assert_eq!(
        scene.events().iter().filter(|event| of_plan(event)).count(),
        4,
        "one for each task, and the plan's"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_canceled_in_the_middle_leaves_nobody_and_loses_nothing() {
    let scene = Scene::new(&FILES).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude", "gemini"]).await;
    let prompt = DEPENDENT.replace("<<say Changed a.>>", "<<bash touch begun; sleep 600>><<say Changed a.>>");
    let plan = apart(&scene, session, &prompt).await;
    let place = scene
        .soon("claude is in its shell, and gemini has landed", || {
            let tasks = scene.engine().plan(plan).unwrap().tasks;
            let landed =
                |view: &engine::TaskView| view.task.title == "Change b" && view.state == TaskState::Completed;
            let turn = tasks.iter().find(|view| view.task.title == "Change a")?.turns.first()?.turn.clone();
            let name = turn.git?.branch?.replace('/', "-");
            let place = scene.root().workspace("default").worktrees().join(&repo.slug).join(name);
            (place.join("begun").exists() && tasks.iter().any(landed)).then_some(place)
        })
        .await;
    let canceled = scene.engine().cancel_plan(&call(), plan).await.unwrap();
    assert_eq!((canceled.state, canceled.kept), (PlanState::Failed, None), "turns run still");
    let (_, kept) = cleared(&scene, plan).await;
    let why: Vec<(&str, &str)> =
        kept.iter().map(|one| (one.name.rsplit('-').next().unwrap(), one.reason.as_str())).collect();
    assert_eq!(why[0].0, "claude", "{kept:?}");
    assert!(why[0].1.contains("not committed") && why[0].1.contains("a.txt"), "{kept:?}");
    assert_eq!(why[1..], [("gemini", "1 commit not landed")], "{kept:?}");
    assert_eq!(Path::new(&kept[0].path), place.canonicalize().unwrap());
    assert_eq!(std::fs::read_to_string(place.join("a.txt")).unwrap(), "two\n");
    let worktrees = scene.root().workspace("default").worktrees();
    // Git may be looking for a moment what is in them.
    scene.soon("nobody stands in them", || (processes(&worktrees) == 0).then_some(())).await;
    scene.all_locks_given_back().await;
    assert_eq!(scene.subjects(), ["first"]);
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), "");
    let next = apart(&scene, session, "[[say I have no idea.]]").await;
    assert_eq!(cleared(&scene, next).await.1, [], "another plan's worktrees are not its");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_goes_on_after_a_restart_where_it_was() {
    let mut scene = Scene::new(&FILES).await;
    let repo = scene.add_repo(Some(&["grep", "-q", "two", "c.txt"])).await;
    let session = scene.session(Some(&repo), &["claude", "gemini"]).await;
    let prompt = DEPENDENT.replace(
        "<<say Changed c.>>",
        "<<bash if [ $CODITECT_ATTEMPT = 1 ]; then touch half; sleep 600; fi>><<say Changed c.>>",
    );
    let plan = apart(&scene, session, &prompt).await;
    let root = scene.root().workspace("default").worktrees().join(&repo.slug);
    let half = || {
        let worktrees = std::fs::read_dir(&root).ok()?.flatten();
        worktrees.map(|one| one.path().join("half")).find(|half| half.exists())
    };
    let half = scene.soon("the last task is in its shell", half).await;
    scene.shut().await;
    assert_eq!(scene.subjects(), ["first"], "nothing lands before all is done");
    scene.open().await;
    let (over, kept) = cleared(&scene, plan).await;
    assert_eq!((over.state, kept), (PlanState::Completed, Vec::new()), "{:?}", over.text);
    // What the first attempt left was there for the second one, and is part of its work.
    assert!(scene.repo.path().join("half").exists() && !half.exists());
    assert_eq!(scene.repo.read("c.txt"), "two\ntwo\n");
    assert_eq!(scene.subjects().len(), 4, "{:?}", scene.subjects());
}

#[tokio::test(flavor = "multi_thread")]
async fn worktrees_that_nobody_put_away_are_put_away_after_a_restart() {
    let mut scene = Scene::new(&FILES).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude", "gemini"]).await;
    let prompt = DEPENDENT.replace("<<say Changed a.>>", "<<bash touch begun; sleep 600>><<say Changed a.>>");
    let plan = apart(&scene, session, &prompt).await;
    scene
        .until("both have a worktree", || {
            let made = |event: &Event| matches!(event, Event::WorktreeCreated(_));
            (scene.events().iter().filter(|event| made(event)).count() == 2).then_some(())
        })
        .await;
    let canceled = scene.engine().cancel_plan(&call(), plan).await.unwrap();
    scene.shut().await;
    scene.open().await;
    let (over, kept) = cleared(&scene, plan).await;
    assert_eq!((canceled.state, over.state), (PlanState::Failed, PlanState::Failed));
    assert!(kept.iter().all(|one| Path::new(&one.path).exists()));
    let there = scene.engine().worktrees(Some(repo.id), false).await.unwrap();
    assert_eq!(there.len(), kept.len(), "what stays is named: {kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lands_on_a_branch_that_moved_was_tested_on_top_of_it() {
    let scene = Scene::new(&FILES).await;
    let counts = scene.repo.beside("runs").display().to_string();
    let tests = format!("cat *.txt | grep -c two >> '{counts}'");
    let repo = scene.add_repo(Some(&["sh", "-c", &tests])).await;
    let session = scene.session(Some(&repo), &["claude", "gemini"]).await;
    let gate = scene.repo.beside("gate").display().to_string();
    let wait = format!("<<bash until test -e '{gate}'; do sleep 0.05; done>><<say Changed c.>>");
    let plan = apart(&scene, session, &DEPENDENT.replace("<<say Changed c.>>", &wait)).await;
    scene
        .until("two have landed", || {
            let tasks = scene.engine().plan(plan).unwrap().tasks;
            let done = tasks
                .iter()
                .filter(|view| view.task.kind == TaskKind::Work && view.state == TaskState::Completed);
            (done.count() == 2).then_some(())
        })
        .await;
    scene.repo.write("d.txt", "two\n");
    scene.repo.commit_all("the user's own");
    std::fs::write(&gate, "").unwrap();
    let (over, kept) = cleared(&scene, plan).await;
    assert_eq!((over.state, kept), (PlanState::Completed, Vec::new()), "{:?}", over.text);
    assert_eq!(
        std::fs::read_to_string(scene.repo.beside("runs")).unwrap(),
        "5\n",
        "they saw both sides, once"
    );
    let subjects = scene.subjects();
    assert_eq!((subjects.len(), &subjects[3..]), (5, &["the user's own".to_owned(), "first".to_owned()][..]));
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_which_the_user_has_something_is_waited_for() {
    let scene = Scene::new(&FILES).await;
    let repo = scene.add_repo(None).await;
    let session = scene.session(Some(&repo), &["claude", "gemini"]).await;
    scene.repo.write("b.txt", "mine\n");
    let plan = apart(&scene, session, DEPENDENT).await;
    let said = scene
        .until("it is said what is in the way", || {
            scene.engine().plan(plan).unwrap().text.filter(|text| text.contains("b.txt"))
        })
        .await;
    assert_eq!(scene.engine().plan(plan).unwrap().state, PlanState::Executing, "{said}");
    assert_eq!((scene.repo.read("b.txt"), scene.subjects().len()), ("mine\n".into(), 1));
    scene.repo.git(&["checkout", "--quiet", "b.txt"]);
    let (over, kept) = cleared(&scene, plan).await;
    assert_eq!((over.state, kept), (PlanState::Completed, Vec::new()), "{:?}", over.text);
    assert_eq!(scene.repo.read("b.txt"), "two\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn worktrees_are_refused_where_none_can_be_made() {
    let scene = Scene::new(&FILES).await;
    let repo = scene.add_repo(None).await;
    let nowhere = scene.session(None, &["claude"]).await;
    let there = scene.session(Some(&repo), &["claude"]).await;
    let refused = async |session| {
        let new = NewPlan { prompt: "x".to_owned(), worktrees: true, ..NewPlan::default() };
        scene.engine().coordinate(&call(), session, new).await.unwrap_err()
    };
    let mut refusals = vec![refused(nowhere).await];
    scene.repo.git(&["update-ref", "-d", "HEAD"]);
    refusals.push(refused(there).await);
    std::fs::rename(scene.repo.path().join(".git"), scene.repo.path().join("no.git")).unwrap();
    refusals.push(refused(there).await);
    let codes: Vec<&str> = refusals.iter().map(|refusal| refusal.code.as_ref()).collect();
    assert_eq!(codes, ["no_repo", "no_commit", "not_a_repo"]);
    for refusal in refusals {
        assert_eq!(refusal.kind, RefusalKind::Invalid);
        assert!(refusal.hint.is_some(), "it says what to do: {refusal}");
    }
    assert!(
        scene.engine().plans(there).unwrap().is_empty() && scene.engine().plans(nowhere).unwrap().is_empty()
    );
}
