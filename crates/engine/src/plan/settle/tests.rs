//! Who is given a commit that does not go together with the branch, how often, and in which worktree it is laid.

use super::super::worktree::prepare;
use super::*;
use crate::stage::{Stage, agent};
use model::{MergedPlan, MergedTask, PlanMerge, Worktree};
use std::path::PathBuf;
use testkit::TempRepo;

/// A plan whose only task has landed `theirs` on its tip, and a user who has committed something else since. Both files differ.
struct Table {
    stage: Stage,
    origin: TempRepo,
    plan: Plan,
    planned: Task,
    /// What the task has done.
    theirs: Oid,
    /// Where the branch stands.
    base: Oid,
}

impl Table {
    fn new() -> Self {
        let stage = Stage::with_path();
        let origin = TempRepo::with(&[("a.txt", "one\n"), ("b.txt", "one\n")]);
        origin.git(&["clone", "--quiet", ".", stage.worktree().to_str().unwrap()]);
        let (session, seats) = stage.session(&["claude"]);
        let plan = Plan { worktrees: true, ..stage.plan(&session, &seats) };
        let planned = Task { plan: Some(plan.id), ..stage.task(session.id, TaskKind::Work, seats[0].id) };
        let merged = MergedTask {
            name: "auth".to_owned(),
            title: "Auth".to_owned(),
            instructions: String::new(),
            files: Vec::new(),
            assignee: agent("claude"),
            reviewers: Vec::new(),
            depends_on: Vec::new(),
            priority: 0,
        };
        let merged = MergedPlan { tasks: vec![merged], explanation: Vec::new() };
        stage.commit(vec![
            Event::PlanCreated(plan.clone()),
            Event::PlanMerged(PlanMerge { plan: plan.id, session: session.id, merged }),
            Event::TaskSubmitted(planned.clone()),
        ]);
        let commit = |text: &str| {
            let top = stage.worktree();
            std::fs::write(top.join("a.txt"), text).unwrap();
            std::fs::write(top.join("b.txt"), text).unwrap();
            let top = top.to_str().unwrap();
            origin.git(&["-C", top, "commit", "--quiet", "--all", "--message", text.trim()]);
            origin.git(&["-C", top, "rev-parse", "HEAD"]).trim().parse::<Oid>().unwrap()
        };
        let main = checkpoint::open(&stage.shared, stage.worktree().to_str().unwrap()).unwrap();
        let begun = tip(&main, &plan).unwrap();
        let theirs = commit("theirs\nand more\n");
        main.update_ref(&checkpoint::task_ref(planned.id), &theirs).unwrap();
        main.update_ref(&checkpoint::plan_ref(plan.id), &theirs).unwrap();
        origin.git(&["-C", stage.worktree().to_str().unwrap(), "reset", "--quiet", "--hard", begun.as_str()]);
        let base = commit("the user's\n");
        Self { stage, origin, plan, planned, theirs, base }
    }

    fn main(&self) -> Repository {
        checkpoint::open(&self.stage.shared, self.stage.worktree().to_str().unwrap()).unwrap()
    }

    fn git(&self, args: &[&str]) -> String {
        let top = self.stage.worktree();
        self.origin.git(&[&["-C", top.to_str().unwrap()][..], args].concat())
    }

    /// The plan's work meets the branch, and this commit of it does not go there.
    fn stuck(&self, commit: &Oid) -> Result<Given, Refusal> {
        let stuck = Stuck { commit: commit.clone(), paths: vec!["a.txt".parse().unwrap()] };
        let onto = (&self.base, &self.base);
        stuck_at(&self.stage.shared, &self.plan, &self.main(), &self.theirs, onto, stuck)
    }

    /// Submits the task that settles it.
    fn submit(&self, given: &Given) -> Task {
        let task = Task {
            id: given.settling.task,
            depends_on: vec![given.of.id],
            created_at: self.stage.shared.now(),
            ..given.of.clone()
        };
        self.stage.commit(vec![Event::TaskSubmitted(task.clone())]);
        task
    }

    fn refs(&self) -> (Oid, Oid, Option<Oid>) {
        let main = self.main();
        let whole = main.resolve_ref(&whole_ref(self.plan.id)).unwrap();
        (tip(&main, &self.plan).unwrap(), begun(&main, &self.plan).unwrap(), whole)
    }

    /// A worktree of the plan's agent on this commit.
    fn worktree(&self, name: &str, at: &Oid) -> Worktree {
        let path = self.origin.beside(name);
        self.git(&["worktree", "add", "--quiet", "-b", name, path.to_str().unwrap(), at.as_str()]);
        Worktree {
            id: self.stage.shared.new_id(),
            repo: self.plan.repo,
            path: path.canonicalize().unwrap().display().to_string(),
            branch: Some(name.to_owned()),
            base: None,
            git_id: name.to_owned(),
            name: name.to_owned(),
            made_branch: true,
            adopted: false,
            port_base: 0,
            lent: None,
            created_at: self.plan.created_at,
        }
    }

    fn is_ready(&self, worktree: &Worktree, task: &Task, again: bool) -> bool {
        let shared = &self.stage.shared;
        let repo = shared.store.read(|view| view.repo(self.plan.repo)).unwrap().unwrap();
        prepare(shared, &self.plan, &repo, worktree, (task.id, again)).unwrap()
    }
}

#[test]
fn a_planned_task_is_asked_so_often_and_no_more() {
    let table = Table::new();
    for times in 0..MERGE_TRIES as usize {
        let given = table.stuck(&table.theirs).unwrap();
        assert_eq!((given.of.id, given.times), (table.planned.id, times));
        let stands = (table.base.clone(), table.base.clone(), Some(table.theirs.clone()));
        assert_eq!(table.refs(), stands, "it begins on the branch, and all of it is kept");
        table.submit(&given);
    }
    let Err(refusal) = table.stuck(&table.theirs) else { panic!("it was asked once more") };
    assert_eq!(refusal.code, MERGE_CONFLICT);
    assert!(refusal.message.starts_with(&format!("given up after {MERGE_TRIES} tries: ")), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_no_task_has_made_is_given_to_nobody() {
    let table = Table::new();
    let (_, begun, _) = table.refs();
    let made = ["commit-tree", "-p", begun.as_str(), "-m", "other words"];
    let tree = format!("{}^{{tree}}", table.theirs);
    let other: Oid = table.git(&[&made[..], &[&tree]].concat()).trim().parse().unwrap();
    let Err(refusal) = table.stuck(&other) else { panic!("somebody was asked") };
    assert_eq!(refusal.code, MERGE_CONFLICT);
    assert_eq!(table.refs(), (table.theirs.clone(), begun, None), "nothing has moved");
    assert!(under_way(&table.main(), table.plan.id).unwrap().is_none());
    let (row, repo) = table
        .stage
        .shared
        .store
        .read(|view| Ok((view.plan(table.plan.id)?, view.repo(table.plan.repo)?)))
        .unwrap();
    let why = with_what_is_kept(&table.stage.shared, &row.unwrap(), &repo.unwrap(), "no".to_owned()).await;
    assert!(why.starts_with("no; ") && why.ends_with(&checkpoint::plan_ref(table.plan.id)), "{why}");
}

#[test]
fn half_a_lay_is_laid_whole_and_one_with_something_else_in_it_is_nobodys() {
    let table = Table::new();
    let given = table.stuck(&table.theirs).unwrap();
    let task = table.submit(&given);
    let read = |place: &Worktree| {
        ["a.txt", "b.txt"].map(|name| std::fs::read_to_string(PathBuf::from(&place.path).join(name)).unwrap())
    };
    let laid = table.worktree("whole", &table.base);
    assert!(table.is_ready(&laid, &task, false));
    let whole = read(&laid);
    for text in &whole {
        assert!(text.contains("the user's\n") && text.contains("theirs\nand more\n"), "{text}");
    }
    assert!(table.is_ready(&laid, &task, false), "laid, and its turn has not begun");
    assert_eq!(read(&laid), whole);
    let half = table.worktree("half", &table.base);
    std::fs::write(PathBuf::from(&half.path).join("a.txt"), &whole[0]).unwrap();
    assert!(table.is_ready(&half, &task, false));
    assert_eq!(read(&half), whole, "also the file that had not come yet");
    std::fs::write(PathBuf::from(&half.path).join("a.txt"), "settled\n").unwrap();
    assert!(!table.is_ready(&half, &task, false), "nobody knows whose that is");
    assert_eq!(read(&half), ["settled\n".to_owned(), whole[1].clone()]);
    assert!(table.is_ready(&half, &task, true), "but who has begun here goes on with it");
    assert_eq!(read(&half)[0], "settled\n");
}
