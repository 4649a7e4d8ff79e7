//! What a plan needs next, in every state it can be in; and a whole plan's life, looked at twice after every event.

use super::*;
use crate::stage::{Stage, agent, end, proposal};
use model::{Participant, Plan, Proposal, Session};
use store::TaskRow;

/// A plan of two agents on the stage; its rows are made by hand.
struct Table {
    stage: Stage,
    session: Session,
    seats: Vec<Participant>,
    plan: Plan,
}

impl Table {
    fn new() -> Self {
        let stage = Stage::new();
        let (session, seats) = stage.session(&["claude", "kimi"]);
        let plan = stage.plan(&session, &seats);
        Self { stage, session, seats, plan }
    }

    fn row(&self, state: PlanState) -> PlanRow {
        PlanRow {
            plan: self.plan.clone(),
            state,
            proposals: Vec::new(),
            merged: None,
            tests: None,
            text: None,
            kept: None,
            tasks: Vec::new(),
            created_at: self.plan.created_at,
            updated_at: self.plan.created_at,
        }
    }

    fn task(&self, kind: TaskKind, state: TaskState, depends_on: &[&TaskRow]) -> TaskRow {
        let task = self.stage.task(self.session.id, kind, self.seats[0].id);
        let depends_on = depends_on.iter().map(|row| row.task.id).collect();
        TaskRow {
            task: Task { plan: Some(self.plan.id), depends_on, ..task },
            state,
            attempt: 1,
            text: None,
            question: None,
            answer: None,
            created_at: self.plan.created_at,
            updated_at: self.plan.created_at,
            rank: 0,
            code: None,
            not_before: None,
            claims: 0,
            claim: None,
        }
    }

    fn proposal(&self, seat: usize) -> Proposal {
        proposal(&self.plan, &self.seats[seat])
    }

    fn executing(&self, tasks: &[&TaskRow], has_tests: bool) -> Next {
        let tasks: Vec<TaskRow> = tasks.iter().map(|row| (*row).clone()).collect();
        next(&self.row(PlanState::Executing), &tasks, has_tests)
    }
}

fn because(row: TaskRow, text: &str) -> TaskRow {
    TaskRow { text: Some(text.to_owned()), ..row }
}

fn report(exit_code: Option<i32>, passed: u32, failed: u32) -> TestReport {
    TestReport { command: Vec::new(), exit_code, passed, failed, tail: String::new(), elapsed_ms: 1 }
}

fn reason(next: Next) -> String {
    match next {
        Next::Fail(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plan_waits_until_everybody_has_proposed_or_given_up() {
    let table = Table::new();
    let open = [TaskState::Submitted, TaskState::Working, TaskState::InputRequired];
    for state in open {
        let done = table.task(TaskKind::Propose, TaskState::Completed, &[]);
        let slow = table.task(TaskKind::Propose, state, &[]);
        let row = PlanRow { proposals: vec![table.proposal(0)], ..table.row(PlanState::Proposing) };
        assert_eq!(next(&row, &[done, slow], true), Next::Wait, "{state:?}");
    }
}

#[test]
fn one_proposal_is_enough_to_go_on_with() {
    let table = Table::new();
    let done = table.task(TaskKind::Propose, TaskState::Completed, &[]);
    for state in [TaskState::Completed, TaskState::Failed, TaskState::Canceled, TaskState::Rejected] {
        let other = table.task(TaskKind::Propose, state, &[]);
        let row = PlanRow { proposals: vec![table.proposal(0)], ..table.row(PlanState::Proposing) };
        assert_eq!(next(&row, &[done.clone(), other], true), Next::Merge, "{state:?}");
    }
    // A turn that proposed and then failed has proposed all the same.
    let failed = because(table.task(TaskKind::Propose, TaskState::Failed, &[]), "the run died");
    let row = PlanRow { proposals: vec![table.proposal(1)], ..table.row(PlanState::Proposing) };
    assert_eq!(next(&row, &[failed.clone(), failed], true), Next::Merge);
}

#[test]
fn without_any_proposal_the_plan_fails_and_says_what_each_said() {
    let table = Table::new();
    let row = table.row(PlanState::Proposing);
    let dead = because(table.task(TaskKind::Propose, TaskState::Failed, &[]), "no key");
    let shy = because(table.task(TaskKind::Propose, TaskState::Completed, &[]), "I have no idea");
    let said = reason(next(&row, &[dead, shy], false));
    assert!(said.contains("no key") && said.contains("I have no idea"), "{said}");
    assert!(reason(next(&row, &[], false)).contains("no agent proposed"));
}

#[test]
fn work_and_reviews_are_waited_for() {
    let table = Table::new();
    let proposed = table.task(TaskKind::Propose, TaskState::Completed, &[]);
    for state in [TaskState::Submitted, TaskState::Working, TaskState::InputRequired] {
        let work = table.task(TaskKind::Work, state, &[]);
        let review = table.task(TaskKind::Review, TaskState::Submitted, &[&work]);
        assert_eq!(table.executing(&[&proposed, &work, &review], true), Next::Wait, "{state:?}");
    }
    let work = table.task(TaskKind::Work, TaskState::Completed, &[]);
    for state in [TaskState::Submitted, TaskState::Working, TaskState::InputRequired] {
        let review = table.task(TaskKind::Review, state, &[&work]);
        assert_eq!(table.executing(&[&work, &review], true), Next::Wait, "{state:?}");
    }
}

#[test]
fn when_all_is_done_the_tests_run_if_there_are_any() {
    let table = Table::new();
    let refused = table.task(TaskKind::Propose, TaskState::Failed, &[]);
    let work = table.task(TaskKind::Work, TaskState::Completed, &[]);
    for state in [TaskState::Completed, TaskState::Failed, TaskState::Canceled, TaskState::Rejected] {
        // A review that came to nothing, or a proposal that did, does not spoil the work.
        let review = table.task(TaskKind::Review, state, &[&work]);
        assert_eq!(table.executing(&[&refused, &work, &review], true), Next::Test, "{state:?}");
        assert_eq!(table.executing(&[&refused, &work, &review], false), Next::Land, "{state:?}");
    }
}

#[test]
fn work_that_failed_ends_the_plan_when_all_else_is_over() {
    let table = Table::new();
    let failed = because(table.task(TaskKind::Work, TaskState::Failed, &[]), "the model gave up");
    // What waits for it was canceled with it.
    let waiting = table.task(TaskKind::Work, TaskState::Canceled, &[&failed]);
    let apart = table.task(TaskKind::Work, TaskState::Working, &[]);
    let next = table.executing(&[&failed, &waiting, &apart], true);
    assert_eq!(next, Next::Wait, "what is under way may finish");
    let apart = TaskRow { state: TaskState::Completed, ..apart };
    let last = reason(table.executing(&[&failed, &waiting, &apart], true));
    assert!(last.contains("`Auth` failed: the model gave up"), "{last}");
}

#[test]
fn work_that_was_canceled_or_rejected_ends_the_plan() {
    let table = Table::new();
    let done = table.task(TaskKind::Work, TaskState::Completed, &[]);
    let canceled = table.task(TaskKind::Work, TaskState::Canceled, &[]);
    assert_eq!(reason(table.executing(&[&done, &canceled], true)), "a task was canceled");
    let rejected = table.task(TaskKind::Work, TaskState::Rejected, &[]);
    let said = reason(table.executing(&[&canceled, &rejected, &done], true));
    assert!(said.contains("no reason was given"), "a failure weighs more than a cancel: {said}");
}

#[test]
fn what_the_tests_say_decides() {
    let table = Table::new();
    let work = [table.task(TaskKind::Work, TaskState::Completed, &[])];
    let tested = |tests| next(&PlanRow { tests, ..table.row(PlanState::Testing) }, &work, true);
    assert_eq!(tested(None), Next::Test);
    // Something of it is settled with new commits on the branch.
    let settles = table.task(TaskKind::Work, TaskState::Working, &[&work[0]]);
    let well = PlanRow { tests: Some(report(Some(0), 12, 0)), ..table.row(PlanState::Testing) };
    assert_eq!(next(&well, &[work[0].clone(), settles.clone()], true), Next::Wait);
    let failed = because(TaskRow { state: TaskState::Failed, ..settles }, "marks stand there still");
    assert!(reason(next(&well, &[work[0].clone(), failed], true)).contains("marks stand"));
    assert_eq!(tested(Some(report(Some(0), 12, 0))), Next::Land);
    assert!(reason(tested(Some(report(Some(1), 11, 1)))).contains("(1 of 12)"));
    // Killed by a signal, or not even started.
    assert!(reason(tested(Some(report(None, 0, 0)))).contains("nothing was put on the branch"));
}

#[test]
fn a_plan_that_has_ended_needs_nothing_more() {
    let table = Table::new();
    let work = [table.task(TaskKind::Work, TaskState::Working, &[])];
    for state in [PlanState::Completed, PlanState::Failed] {
        assert_eq!(next(&table.row(state), &work, true), Next::Wait);
        assert_eq!(next(&table.row(state), &[], false), Next::Wait);
        let mut apart = table.row(state);
        apart.plan.worktrees = true;
        assert_eq!(next(&apart, &[], false), Next::Clear, "its worktrees are there still");
        apart.kept = Some(Vec::new());
        assert_eq!(next(&apart, &[], false), Next::Wait);
    }
}

/// What the store says the plan needs, asked twice.
fn asked(stage: &Stage, plan: &Plan) -> Next {
    let ask = || {
        stage
            .shared
            .store
            .read(|view| Ok((view.plan(plan.id)?.unwrap(), view.plan_tasks(plan.id)?)))
            .map(|(row, tasks)| next(&row, &tasks, true))
            .unwrap()
    };
    let answer = ask();
    assert_eq!(ask(), answer);
    answer
}

fn ended(turn: &model::Turn, outcome: model::TurnOutcome) -> Event {
    Event::TurnEnded(model::TurnEnd {
        session: turn.session,
        task: turn.task,
        turn: turn.id,
        participant: turn.participant,
        outcome,
        usage: model::Usage::default(),
        iterations: 1,
        git: None,
    })
}

/// Every commit of a plan's life, with what is next after it.
fn life(table: &Table) -> Vec<(Vec<Event>, Next)> {
    let Table { stage, session, seats, plan } = table;
    let of_plan = |kind, seat: usize, depends_on: Vec<TaskId>| Task {
        plan: Some(plan.id),
        depends_on,
        ..stage.task(session.id, kind, seats[seat].id)
    };
    let asks = [of_plan(TaskKind::Propose, 0, Vec::new()), of_plan(TaskKind::Propose, 1, Vec::new())];
    let work = of_plan(TaskKind::Work, 0, Vec::new());
    let review = of_plan(TaskKind::Review, 1, vec![work.id]);
    let merged = MergedPlan::default();
    let well = || model::TurnOutcome::Completed { summary: "done".to_owned() };
    let crashed = || model::TurnOutcome::Failed { code: "crashed".to_owned(), message: "killed".to_owned() };
    let resubmitted = Event::TaskResubmitted(model::Resubmission {
        session: session.id,
        task: work.id,
        attempt: 2,
        reason: "killed".to_owned(),
        not_before: None,
    });
    let [(first, first_begun), (second, second_begun)] = [stage.turn(&asks[0], 1), stage.turn(&asks[1], 1)];
    let [(dead, dead_begun), (done, done_begun)] = [stage.turn(&work, 1), stage.turn(&work, 2)];
    let (reviewed, review_begun) = stage.turn(&review, 1);
    let submitted = |task: &Task| Event::TaskSubmitted(task.clone());
    let completed = |task: &Task| Event::TaskCompleted(end(task, "done"));
    vec![
        (vec![Event::PlanCreated(plan.clone()), submitted(&asks[0]), submitted(&asks[1])], Next::Wait),
        (first_begun, Next::Wait),
        (second_begun, Next::Wait),
        (vec![Event::PlanProposed(proposal(plan, &seats[0]))], Next::Wait),
        (vec![ended(&first, well()), completed(&asks[0])], Next::Wait),
        (vec![ended(&second, crashed()), Event::TaskFailed(end(&asks[1], "killed"))], Next::Merge),
        (
            vec![
                Event::PlanMerged(PlanMerge { plan: plan.id, session: session.id, merged }),
                submitted(&work),
                submitted(&review),
            ],
            Next::Wait,
        ),
        (dead_begun, Next::Wait),
        (vec![ended(&dead, crashed()), resubmitted], Next::Wait),
        (done_begun, Next::Wait),
        (vec![ended(&done, well()), completed(&work)], Next::Wait),
        (review_begun, Next::Wait),
        (vec![ended(&reviewed, well()), completed(&review)], Next::Test),
        (
            vec![Event::PlanTested(PlanTest {
                plan: plan.id,
                session: session.id,
                report: report(Some(0), 3, 0),
            })],
            Next::Land,
        ),
        (
            vec![Event::PlanCompleted(PlanEnd {
                plan: plan.id,
                session: session.id,
                text: "done".to_owned(),
            })],
            Next::Wait,
        ),
    ]
}

#[test]
fn the_next_step_is_the_same_however_often_it_is_asked_and_after_every_restart() {
    let mut table = Table::new();
    for (number, (events, expected)) in life(&table).into_iter().enumerate() {
        table.stage.commit(events);
        assert_eq!(asked(&table.stage, &table.plan), expected, "after commit {number}");
        table.stage = table.stage.restarted();
        assert_eq!(asked(&table.stage, &table.plan), expected, "after commit {number} and a restart");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_that_need_no_process_are_taken_once() {
    let table = Table::new();
    let Table { stage, session, seats, plan } = &table;
    let ask = |seat: usize| Task {
        plan: Some(plan.id),
        ..stage.task(session.id, TaskKind::Propose, seats[seat].id)
    };
    let (mine, theirs) = (ask(0), ask(1));
    stage.commit(vec![
        Event::PlanCreated(plan.clone()),
        Event::TaskSubmitted(mine.clone()),
        Event::TaskSubmitted(theirs.clone()),
        Event::TaskStarted(model::TaskRef { session: session.id, task: mine.id }),
        Event::PlanProposed(proposal(plan, &seats[0])),
        Event::PlanProposed(proposal(plan, &seats[1])),
        Event::TaskCompleted(end(&mine, "one task")),
        Event::TaskFailed(end(&theirs, "killed")),
    ]);
    // Nobody is to take turns here: the plan alone moves.
    stage.shared.stopping.cancel();
    take(&stage.shared, plan.id, 0, &CancellationToken::new()).await.unwrap();
    let moved = stage.events();
    let merges = moved.iter().filter(|event| matches!(event, Event::PlanMerged(_))).count();
    let mut tasks: Vec<&str> = moved
        .iter()
        .filter_map(|event| match event {
            Event::TaskSubmitted(task) if task.kind != TaskKind::Propose => Some(task.kind.as_str()),
            _ => None,
        })
        .collect();
    tasks.sort_unstable();
    assert_eq!((merges, tasks), (1, vec!["review", "work"]), "both wanted one file");
    take(&stage.shared, plan.id, 0, &CancellationToken::new()).await.unwrap();
    assert_eq!(stage.events(), moved, "nothing is done twice");

    // The work fails, and its review with it: the plan fails, once.
    let work = moved.iter().find_map(|event| match event {
        Event::TaskSubmitted(task) if task.kind == TaskKind::Work => Some(task.clone()),
        _ => None,
    });
    let work = work.unwrap();
    assert_eq!(work.files, ["src/auth.rs".parse().unwrap()]);
    assert!(seats.iter().any(|seat| seat.id == work.targets[0] && seat.agent == agent("claude")));
    let review = moved.iter().find_map(|event| match event {
        Event::TaskSubmitted(task) if task.kind == TaskKind::Review => Some(task.clone()),
        _ => None,
    });
    stage.commit(vec![
        Event::TaskFailed(end(&work, "the model gave up")),
        Event::TaskCanceled(end(&review.unwrap(), "a task it depends on was not completed")),
    ]);
    take(&stage.shared, plan.id, 0, &CancellationToken::new()).await.unwrap();
    take(&stage.shared, plan.id, 0, &CancellationToken::new()).await.unwrap();
    let kinds: Vec<&str> = stage.events()[moved.len()..].iter().map(Event::kind).collect();
    assert_eq!(kinds, ["task.failed", "task.canceled", "plan.failed"]);
}

/// A plan whose two agents are asked for proposals, committed.
fn asking(table: &Table) -> Vec<Task> {
    let Table { stage, session, seats, plan } = table;
    let ask = |seat: &Participant| Task {
        plan: Some(plan.id),
        ..stage.task(session.id, TaskKind::Propose, seat.id)
    };
    let tasks: Vec<Task> = seats.iter().map(ask).collect();
    stage.commit(vec![Event::PlanCreated(plan.clone())]);
    stage.commit(tasks.iter().cloned().map(Event::TaskSubmitted).collect());
    tasks
}

fn plan_row(table: &Table) -> PlanRow {
    table.stage.shared.store.read(|view| view.plan(table.plan.id)).unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_keeps_failing_is_said_and_in_the_end_ends_the_plan() {
    let table = Table::new();
    let tasks = asking(&table);
    let stage = &table.stage;
    let broken = Refusal::internal("cannot lock ref").hint("remove main.lock");
    let full = Refusal::new(RefusalKind::Full, "disk_full", "the disk is full");
    let before = stage.events().len();
    for tries in 1..STEP_TRIES {
        stalled(&stage.shared, table.plan.id, tries, &broken).await.unwrap();
    }
    let row = plan_row(&table);
    assert_eq!(
        (row.state, row.text.as_deref()),
        (PlanState::Proposing, Some("cannot lock ref; remove main.lock"))
    );
    let kinds: Vec<&str> = stage.events()[before..].iter().map(Event::kind).collect();
    assert_eq!(kinds, ["plan.stalled"], "once");
    stalled(&stage.shared, table.plan.id, STEP_TRIES * 9, &full).await.unwrap();
    let row = plan_row(&table);
    assert_eq!((row.state, row.text.as_deref()), (PlanState::Proposing, Some("the disk is full")));
    stalled(&stage.shared, table.plan.id, STEP_TRIES, &broken).await.unwrap();
    let row = plan_row(&table);
    let text = row.text.unwrap();
    assert_eq!(row.state, PlanState::Failed);
    assert!(text.contains("12 tries") && text.contains("remove main.lock") && text.contains(KEPT), "{text}");
    assert!(tasks.iter().all(|task| stage.task_row(task).state == TaskState::Canceled));
    let over = stage.events();
    stalled(&stage.shared, table.plan.id, STEP_TRIES, &broken).await.unwrap();
    assert_eq!(stage.events(), over);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_canceled_with_its_tasks_and_what_waits_for_them() {
    let table = Table::new();
    let tasks = asking(&table);
    let stage = &table.stage;
    let after = Task {
        depends_on: vec![tasks[0].id],
        ..stage.task(table.session.id, TaskKind::Prompt, table.seats[0].id)
    };
    stage.commit(vec![Event::TaskSubmitted(after.clone())]);
    // No turn is to begin here.
    stage.shared.stopping.cancel();
    let engine = crate::Engine { shared: Arc::clone(&stage.shared) };
    let call = crate::Call::user("test");
    let view = engine.cancel_plan(&call, table.plan.id).await.unwrap();
    assert_eq!(view.state, PlanState::Failed);
    assert!(view.text.unwrap().starts_with("canceled by the user"));
    for task in tasks.iter().chain([&after]) {
        assert_eq!(stage.task_row(task).state, TaskState::Canceled);
    }
    let over = stage.events();
    engine.cancel_plan(&call, table.plan.id).await.expect("asked twice is canceled once");
    assert_eq!(stage.events(), over);

    let done = stage.plan(&table.session, &table.seats);
    let end = PlanEnd { plan: done.id, session: table.session.id, text: "done".to_owned() };
    stage.commit(vec![Event::PlanCreated(done.clone()), Event::PlanCompleted(end)]);
    assert_eq!(engine.cancel_plan(&call, done.id).await.unwrap_err().code, "plan_ended");
}
