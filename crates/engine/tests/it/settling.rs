//! Plans in worktrees, and the user who commits to their branch meanwhile: what does not go together is settled by the agent that made it.

use crate::coordinating_apart::{FILES, SETTLE, apart, cleared, handed_back};
use crate::scene::{Scene, call};
use engine::{PlanView, TaskView};
use model::{Event, PlanId, PlanState, SessionId, TaskKind, TaskState};
use std::path::Path;

/// Files that no task of the plan touches.
const OTHERS: [(&str, &str); 2] = [("left.txt", "x\n"), ("mine.txt", "x\n")];

/// Three tasks: gemini's changes `shared.txt` and b.txt, claude's come after it. Where both sides stand in a file, `settle` is done.
/// The last one waits at the gate.
fn plan_of_three(gate: &Path, settle: &str) -> String {
    let work = |agent: &str, change: &str, file: &str| {
        let both = "grep -qE '^[<]{7} ' shared.txt c.txt";
        let work = format!("<<bash if {both}; then {settle}; else {change}; fi>>");
        format!("<<for {agent}>>{work}<<say Changed {file}.>><<end>>")
    };
    let wait = format!("until test -e '{}'; do sleep 0.05; done; echo two > c.txt", gate.display());
    let (a, b, c) = (
        work("claude", "echo two > a.txt", "a.txt"),
        work("gemini", "echo gemini > shared.txt; echo two > b.txt", "b.txt"),
        work("claude", &wait, "c.txt"),
    );
    let task = |name: &str, after: &str, instructions: &str| {
        format!(
            r#"{{"name":"{name}","title":"Change {name}","files":["{name}.txt"],"depends_on":[{after}],"instructions":"{instructions}"}}"#
        )
    };
    // Gemini's is the smaller proposal, so its task is its own; claude reviews it. There is work behind it, and mostly before it.
    let looks = "<<for claude>><<say Looks right.>><<end>>";
    let tasks = [task("a", "", &a), task("b", "", looks), task("c", "\"a\",\"b\"", &c)];
    let mine = format!("[[plan {{\"tasks\":[{},{},{}]}}]]", tasks[0], tasks[1], tasks[2]);
    let theirs = format!("[[plan {{\"tasks\":[{}]}}]]", task("b", "", &b));
    format!(
        "Make it so.\n[[for claude]]\n{mine}\n[[say Three tasks.]]\n[[end]]\n[[for gemini]]\n{theirs}\n[[say One task.]]\n[[end]]"
    )
}

struct Contest {
    scene: Scene,
    session: SessionId,
    plan: PlanId,
    gate: std::path::PathBuf,
}

impl Contest {
    /// A plan of which two tasks have landed, and the last waits at the gate.
    async fn new(tests: Option<&[&str]>, settle: &str) -> Self {
        let scene = Scene::new(&[&FILES[..], &OTHERS].concat()).await;
        let repo = scene.add_repo(tests).await;
        let session = scene.session(Some(&repo), &["claude", "gemini"]).await;
        let gate = scene.repo.beside("gate");
        let plan = apart(&scene, session, &plan_of_three(&gate, settle)).await;
        scene
            .until("two have landed", || {
                let done = work(&scene.engine().plan(plan).unwrap());
                (done.iter().filter(|view| view.state == TaskState::Completed).count() == 2).then_some(())
            })
            .await;
        Self { scene, session, plan, gate }
    }

    fn refs(&self) -> String {
        self.scene.repo.git(&[
            "for-each-ref",
            "--format=%(refname)",
            "refs/coditect/whole",
            "refs/coditect/settling",
            "refs/coditect/tested",
            "refs/coditect/begun",
        ])
    }

    /// The user's own commit.
    fn commit(&self, file: &str, text: &str) {
        self.scene.repo.write(file, text);
        self.scene.repo.commit_all(&format!("the user's own {file}"));
    }

    /// How often the repository's tests have run on the plan's work.
    fn tested(&self) -> usize {
        self.scene.events().iter().filter(|event| matches!(event, Event::PlanTested(_))).count()
    }

    /// The folder with the worktrees, when an agent is settling something in one of them.
    async fn settling(&self) -> std::path::PathBuf {
        let worktrees = self.scene.root().workspace("default").worktrees();
        let found = || {
            let repos = std::fs::read_dir(&worktrees).ok()?.flatten();
            repos.map(|repo| repo.path()).find(|repo| repo.join("settling").exists())
        };
        self.scene.soon("it is being settled", found).await
    }

    fn go(&self) {
        std::fs::write(&self.gate, "").unwrap();
    }
}

fn work(plan: &PlanView) -> Vec<TaskView> {
    plan.tasks.iter().filter(|view| view.task.kind == TaskKind::Work).cloned().collect()
}

/// The tasks that settle something, and how often each was begun.
fn settles(plan: &PlanView) -> Vec<(String, usize)> {
    let settles =
        work(plan).into_iter().filter(|view| view.task.title.ends_with("(settled with the branch)"));
    settles.map(|view| (view.task.title, view.turns.len())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_go_together_with_the_users_commit_is_settled_by_whoever_made_it() {
    let contest = Contest::new(Some(&["grep", "-q", "gemini", "shared.txt"]), SETTLE).await;
    contest.commit("shared.txt", "user\n");
    contest.go();
    let Contest { scene, plan, .. } = &contest;
    let (over, kept) = cleared(scene, *plan).await;
    assert_eq!((over.state, kept), (PlanState::Completed, Vec::new()), "{:?} {:#?}", over.text, over.tasks);
    assert_eq!(settles(&over), [("Change b (settled with the branch)".to_owned(), 1)]);
    let [settled] = work(&over).split_off(3).try_into().unwrap();
    let [planned] = work(&over)
        .into_iter()
        .filter(|view| view.task.title == "Change b")
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!(settled.task.targets, planned.task.targets, "it went to the agent whose work it was");
    assert_eq!(settled.task.depends_on, [planned.task.id]);
    assert!(settled.task.prompt.contains("shared.txt"), "{}", settled.task.prompt);
    assert_eq!(scene.repo.read("shared.txt"), "user\ngemini\n", "what both sides wanted");
    for file in ["a.txt", "b.txt", "c.txt"] {
        assert_eq!(scene.repo.read(file), "two\n", "{file}");
    }
    let subjects = scene.subjects();
    assert_eq!(subjects[0], "Change c", "{subjects:?}");
    let mut between = subjects[1..3].to_vec();
    between.sort_unstable();
    assert_eq!(between, ["Change a", "Change b (settled with the branch)"], "the work of each once");
    assert_eq!(subjects[3..], ["the user's own shared.txt", "first"], "on top of the user's");
    assert_eq!(over.tests.as_ref().unwrap().exit_code, Some(0));
    let text = over.text.unwrap();
    assert!(
        text.starts_with("3 tasks done") && text.contains("settled with new commits on the branch: 1"),
        "{text}"
    );
    assert_eq!(contest.refs(), "", "nothing of it is left over");
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), "");
    assert_eq!(scene.repo.git(&["branch", "--list"]).trim(), "* main");
    scene.all_locks_given_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_commits_again_meanwhile_is_settled_with_once_more() {
    // The first time it waits until the user has committed again.
    let settle = format!("touch ../settling; until test -e ../again; do sleep 0.05; done; {SETTLE} c.txt");
    let contest = Contest::new(None, &settle).await;
    contest.commit("shared.txt", "user\n");
    contest.go();
    let Contest { scene, session, plan, .. } = &contest;
    let place = contest.settling().await;
    contest.commit("c.txt", "user\n");
    std::fs::write(place.join("again"), "").unwrap();
    let (over, kept) = cleared(scene, *plan).await;
    assert_eq!((over.state, kept), (PlanState::Completed, Vec::new()), "{:?} {:#?}", over.text, over.tasks);
    let titles: Vec<String> = settles(&over).into_iter().map(|(title, _)| title).collect();
    assert_eq!(titles, ["Change b (settled with the branch)", "Change c (settled with the branch)"]);
    assert_eq!(scene.repo.read("shared.txt"), "user\ngemini\n");
    assert_eq!(scene.repo.read("c.txt"), "user\ntwo\n");
    let subjects = scene.subjects();
    assert_eq!(subjects.len(), 6, "{subjects:?}");
    assert!(subjects[..3].iter().all(|subject| subject.starts_with("Change")), "{subjects:?}");
    assert_eq!(contest.refs(), "");
    assert_eq!(scene.engine().plans(*session).unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_settled_after_the_tests_have_run_is_tested_once_more() {
    let contest = Contest::new(Some(&["grep", "-q", "gemini", "shared.txt"]), SETTLE).await;
    let Contest { scene, plan, .. } = &contest;
    // Not committed, it is in the way of the landing only.
    scene.repo.write("shared.txt", "user\n");
    contest.go();
    scene
        .until("it is said what is in the way", || {
            scene.engine().plan(*plan).unwrap().text.filter(|text| text.contains("shared.txt"))
        })
        .await;
    assert_eq!((scene.engine().plan(*plan).unwrap().state, contest.tested()), (PlanState::Testing, 1));
    contest.commit("shared.txt", "user\n");
    let (over, kept) = cleared(scene, *plan).await;
    assert_eq!((over.state, kept), (PlanState::Completed, Vec::new()), "{:?} {:#?}", over.text, over.tasks);
    assert_eq!(settles(&over), [("Change b (settled with the branch)".to_owned(), 1)]);
    assert_eq!(contest.tested(), 2, "what was made on top of the user's commit was not tested before");
    assert_eq!(scene.repo.read("shared.txt"), "user\ngemini\n");
    assert_eq!(contest.refs(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_that_stays_ends_the_plan_and_names_what_is_kept() {
    let contest = Contest::new(None, "true").await;
    contest.commit("shared.txt", "user\n");
    contest.go();
    let Contest { scene, plan, .. } = &contest;
    let (over, kept) = cleared(scene, *plan).await;
    assert_eq!(over.state, PlanState::Failed, "{:?}", over.text);
    let told = handed_back(scene);
    assert_eq!(told.len(), model::MERGE_TRIES as usize, "{told:?}");
    assert!(told.iter().all(|told| told.contains("marks") && told.contains("shared.txt")), "{told:?}");
    assert_eq!(
        settles(&over),
        [("Change b (settled with the branch)".to_owned(), model::MERGE_TRIES as usize)]
    );
    assert_eq!(scene.subjects(), ["the user's own shared.txt", "first"], "the branch is the user's");
    assert_eq!(scene.repo.read("shared.txt"), "user\n");
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), "");
    let text = over.text.unwrap();
    let whole = format!("refs/coditect/whole/{plan}");
    assert!(text.contains("Change b") && text.contains(&whole), "{text}");
    let subjects = scene.repo.git(&["log", "--format=%s", &whole]);
    let mut subjects: Vec<&str> = subjects.lines().collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["Change a", "Change b", "Change c", "first"], "all of it is there as it was");
    let names: Vec<&str> = kept.iter().filter_map(|one| one.name.rsplit('-').next()).collect();
    assert_eq!(names, ["claude", "gemini"], "{kept:?}");
    assert!(kept.iter().all(|one| one.reason.ends_with("not landed")), "{kept:?}");
    scene.all_locks_given_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_settled_goes_on_after_a_restart() {
    let settle =
        format!("if [ $CODITECT_ATTEMPT = 1 ]; then touch ../settling; sleep 600; else {SETTLE}; fi");
    let mut contest = Contest::new(Some(&["grep", "-q", "gemini", "shared.txt"]), &settle).await;
    contest.commit("shared.txt", "user\n");
    contest.go();
    contest.settling().await;
    let scene = &mut contest.scene;
    scene.shut().await;
    assert_eq!(scene.subjects().len(), 2, "nothing lands meanwhile");
    scene.open().await;
    let (over, kept) = cleared(scene, contest.plan).await;
    assert_eq!((over.state, kept), (PlanState::Completed, Vec::new()), "{:?} {:#?}", over.text, over.tasks);
    assert_eq!(settles(&over), [("Change b (settled with the branch)".to_owned(), 2)]);
    assert_eq!(scene.repo.read("shared.txt"), "user\ngemini\n");
    assert_eq!(scene.subjects().len(), 5, "{:?}", scene.subjects());
    assert_eq!(contest.refs(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_user_takes_out_of_the_commit_the_plan_began_on_stays_out() {
    let contest = Contest::new(Some(&["test", "!", "-e", "left.txt"]), SETTLE).await;
    let Contest { scene, plan, .. } = &contest;
    scene.repo.remove("left.txt");
    scene.repo.write("mine.txt", "y\n");
    scene.repo.git(&["commit", "--quiet", "--all", "--amend", "--message", "first, amended"]);
    contest.go();
    let (over, kept) = cleared(scene, *plan).await;
    assert_eq!((over.state, kept), (PlanState::Completed, Vec::new()), "{:?} {:#?}", over.text, over.tasks);
    assert_eq!(settles(&over), [], "what the user had written is nobody's to settle");
    assert!(!scene.repo.path().join("left.txt").exists());
    assert_eq!((scene.repo.read("mine.txt"), scene.repo.read("c.txt")), ("y\n".into(), "two\n".into()));
    let subjects = scene.subjects();
    assert_eq!((subjects.len(), subjects[3].as_str()), (4, "first, amended"), "{subjects:?}");
    assert_eq!(scene.repo.git(&["status", "--porcelain"]), "");
    assert_eq!(contest.refs(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_the_user_drops_after_the_tests_does_not_come_back() {
    let contest = Contest::new(Some(&["grep", "-q", "two", "c.txt"]), SETTLE).await;
    let Contest { scene, plan, .. } = &contest;
    contest.commit("dropped.txt", "x\n");
    // In the way of the landing, so that it is tested on top of that commit and waits.
    scene.repo.write("b.txt", "mine\n");
    contest.go();
    scene
        .until("it is said what is in the way", || {
            scene.engine().plan(*plan).unwrap().text.filter(|text| text.contains("b.txt"))
        })
        .await;
    assert_eq!(contest.tested(), 1);
    scene.repo.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    let (over, kept) = cleared(scene, *plan).await;
    assert_eq!((over.state, kept), (PlanState::Completed, Vec::new()), "{:?} {:#?}", over.text, over.tasks);
    assert!(!scene.repo.path().join("dropped.txt").exists(), "{:?}", scene.subjects());
    let subjects = scene.subjects();
    assert_eq!((subjects.len(), subjects[3].as_str()), (4, "first"), "{subjects:?}");
    assert_eq!(contest.tested(), 2, "without that commit it is something else");
    assert_eq!((scene.repo.read("b.txt"), scene.repo.read("c.txt")), ("two\n".into(), "two\n".into()));
    assert_eq!(contest.refs(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_canceled_while_something_settles_names_where_all_of_it_is() {
    let contest = Contest::new(None, "touch ../settling; sleep 600").await;
    contest.commit("shared.txt", "user\n");
    contest.go();
    contest.settling().await;
    let Contest { scene, plan, .. } = &contest;
    let canceled = scene.engine().cancel_plan(&call(), *plan).await.unwrap();
    let whole = format!("refs/coditect/whole/{plan}");
    let text = canceled.text.unwrap();
    assert!(text.starts_with("canceled by the user") && text.ends_with(&whole), "{text}");
    assert_eq!(scene.engine().cancel_plan(&call(), *plan).await.unwrap().text, Some(text), "once is enough");
    cleared(scene, *plan).await;
    let subjects = scene.repo.git(&["log", "--format=%s", &whole]);
    let mut subjects: Vec<&str> = subjects.lines().collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["Change a", "Change b", "Change c", "first"]);
    assert_eq!(contest.refs().trim(), whole, "and nothing else of it stays");
    assert_eq!(scene.subjects(), ["the user's own shared.txt", "first"]);
}
