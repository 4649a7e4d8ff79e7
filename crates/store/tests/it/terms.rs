//! The terms of tasks: changed, assigned, claimed, due; and that nothing changes a task that has ended.

use crate::fixtures::World;
use crate::workspace::{Workspace, commit};
use model::{
    Actor, Answer, Event, OnFailed, ParticipantId, Question, QueueOrder, QueuePlace, Resubmission, RetryOn,
    RetryPolicy, SessionId, Task, TaskAssignment, TaskChange, TaskClaim, TaskEnd, TaskRef, TaskState,
    TaskTerms, Timestamp, TurnOutcome, Vendor, VendorPause,
};
use proptest::prelude::*;
use store::{Store, TaskRow};

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn terms(deadline: i64) -> TaskTerms {
    TaskTerms {
        on_failed: OnFailed::Wait,
        deadline: Some(at(deadline)),
        retry: Some(RetryPolicy { max_attempts: 4, backoff_seconds: 30, on: vec![RetryOn::Stall] }),
        wants: vec!["rust".to_owned()],
        pool: false,
    }
}

fn claim(task: &Task, token: u64, until: i64) -> TaskClaim {
    let Task { session, id, .. } = *task;
    TaskClaim { session, task: id, token, holder: format!("builder-{token}"), expires_at: at(until) }
}

fn pooled(world: &World, session: SessionId) -> Task {
    Task { terms: TaskTerms { pool: true, ..TaskTerms::default() }, ..world.task(session, &[]) }
}

/// Every kind of event about terms, for the history of all.
pub(crate) fn lived(world: &World, session: SessionId, claude: ParticipantId) -> Vec<Event> {
    let (first, second, third) = (world.task(session, &[]), pooled(world, session), world.task(session, &[]));
    let (change, reason) = (terms(4_000_000_000), "claude has rust".to_owned());
    vec![
        Event::TaskSubmitted(first.clone()),
        Event::TaskSubmitted(second.clone()),
        Event::TaskSubmitted(third.clone()),
        Event::TaskChanged(TaskChange { session, task: third.id, depends_on: vec![first.id], terms: change }),
        Event::TaskAssigned(TaskAssignment { session, task: first.id, participants: vec![claude], reason }),
        Event::TaskClaimed(claim(&second, 1, 4_000_000_000)),
        Event::TaskClaimRenewed(claim(&second, 1, 4_000_000_100)),
        Event::VendorPaused(VendorPause {
            vendor: Vendor::Anthropic,
            until: at(4_000_000_000),
            reason: "too many calls".to_owned(),
        }),
    ]
}

struct Scene {
    world: World,
    store: Store,
    session: SessionId,
    claude: ParticipantId,
    _workspace: Workspace,
}

impl Scene {
    fn new() -> Self {
        let workspace = Workspace::new();
        let (store, _) = workspace.open();
        let world = World::new();
        let session = world.session("Auth");
        let claude = world.participant(session.id, "claude");
        let scene = Self { world, store, session: session.id, claude: claude.id, _workspace: workspace };
        scene.commit([Event::SessionCreated(session), Event::ParticipantJoined(claude)]);
        scene
    }

    fn commit(&self, events: impl IntoIterator<Item = Event>) {
        commit(&self.store, Actor::System, events.into_iter().collect());
    }

    fn row(&self, task: &Task) -> TaskRow {
        self.store.read(|view| view.task(task.id)).unwrap().unwrap()
    }

    fn again(&self, task: &Task, attempt: u32, not_before: Option<Timestamp>) -> Event {
        let reason = "nobody renewed it".to_owned();
        Event::TaskResubmitted(Resubmission {
            session: self.session,
            task: task.id,
            attempt,
            reason,
            not_before,
        })
    }
}

#[test]
pub(crate) fn a_claim_is_fenced_by_its_token_and_given_back_by_a_resubmission() {
    let scene = Scene::new();
    let task = pooled(&scene.world, scene.session);
    let waiting = Task { depends_on: vec![task.id], ..pooled(&scene.world, scene.session) };
    scene.commit([Event::TaskSubmitted(task.clone()), Event::TaskSubmitted(waiting.clone())]);
    let pool = || scene.store.read(|view| view.pool(9, 0)).unwrap();
    assert_eq!(pool().iter().map(|row| row.task.id).collect::<Vec<_>>(), [task.id], "the other waits for it");
    assert_eq!(scene.store.read(|view| view.ready_tasks(scene.session)).unwrap(), []);
    scene.commit([Event::TaskClaimed(claim(&task, 1, 100))]);
    let row = scene.row(&task);
    assert_eq!((row.state, row.claims, row.claim), (TaskState::Working, 1, Some(claim(&task, 1, 100))));
    assert_eq!(pool(), []);
    scene.commit([Event::TaskClaimed(TaskClaim { holder: "late".to_owned(), ..claim(&task, 1, 900) })]);
    scene.commit([Event::TaskClaimRenewed(claim(&task, 7, 900))]);
    assert_eq!(scene.row(&task).claim, Some(claim(&task, 1, 100)), "neither says anything");
    scene.commit([Event::TaskClaimRenewed(claim(&task, 1, 200))]);
    assert_eq!(scene.row(&task).claim, Some(claim(&task, 1, 200)));
    scene.commit([scene.again(&task, 2, None)]);
    let row = scene.row(&task);
    assert_eq!((row.state, row.attempt, row.claims, row.claim), (TaskState::Submitted, 2, 1, None));
    assert_eq!(pool().len(), 1);
    scene.commit([Event::TaskClaimed(claim(&task, 2, 300))]);
    let end = TaskEnd { session: scene.session, task: task.id, text: "done".to_owned(), code: None };
    scene.commit([Event::TaskCompleted(end)]);
    assert_eq!((scene.row(&task).claim, scene.row(&task).claims), (None, 2));
    assert_eq!(pool()[0].task.id, waiting.id);
}

#[test]
pub(crate) fn what_a_task_depends_on_can_change_until_it_has_ended() {
    let scene = Scene::new();
    let [first, second, task] = [(); 3].map(|()| scene.world.task(scene.session, &[]));
    let task = Task { depends_on: vec![first.id], ..task };
    scene.commit([&first, &second, &task].map(|task| Event::TaskSubmitted(task.clone())));
    let change = |depends_on: &[&Task]| {
        Event::TaskChanged(TaskChange {
            session: scene.session,
            task: task.id,
            depends_on: depends_on.iter().map(|on| on.id).collect(),
            terms: terms(77),
        })
    };
    let unassigned = || scene.store.read(|view| view.unassigned_tasks(scene.session)).unwrap();
    assert_eq!(unassigned().len(), 2);
    scene.commit([change(&[&second, &first])]);
    let row = scene.row(&task);
    assert_eq!((row.task.depends_on.clone(), row.task.terms), (vec![second.id, first.id], terms(77)));
    scene.commit([change(&[])]);
    assert_eq!(scene.store.read(|view| view.dependencies(task.id)).unwrap(), []);
    assert_eq!(unassigned().len(), 3);
    let seat = TaskAssignment {
        session: scene.session,
        task: task.id,
        participants: vec![scene.claude],
        reason: "it is free".to_owned(),
    };
    scene.commit([
        Event::TaskAssigned(seat.clone()),
        Event::TaskAssigned(TaskAssignment { participants: vec![], ..seat }),
    ]);
    assert_eq!(scene.row(&task).task.targets, [scene.claude]);
    let ready = scene.store.read(|view| view.ready_tasks(scene.session)).unwrap();
    assert_eq!(ready.iter().map(|row| row.task.id).collect::<Vec<_>>(), [task.id]);
    assert_eq!(scene.store.read(|view| view.open_tasks_of(scene.session, scene.claude)).unwrap(), 1);
    assert_eq!(scene.store.rebuild().unwrap().changed, Vec::<String>::new());
}

#[test]
pub(crate) fn what_is_due_is_found_by_its_time() {
    let scene = Scene::new();
    let [late, later, again] = [50, 90, 4000]
        .map(|deadline| Task { terms: terms(deadline), ..scene.world.task(scene.session, &[scene.claude]) });
    let claimed = pooled(&scene.world, scene.session);
    scene.commit([&later, &late, &again, &claimed].map(|task| Event::TaskSubmitted(task.clone())));
    scene.commit([
        Event::TaskClaimed(claim(&claimed, 1, 60)),
        Event::TaskStarted(TaskRef { session: scene.session, task: again.id }),
        scene.again(&again, 2, Some(at(70))),
    ]);
    let due = |view: &store::View<'_>| {
        Ok((
            view.next_deadline()?,
            view.next_lost_claim()?,
            view.next_again(at(0))?,
            view.next_again(at(70))?,
        ))
    };
    let next = scene.store.read(due).unwrap();
    assert_eq!(next, (Some(at(50)), Some(at(60)), Some(at(70)), None));
    let ids = |due: Vec<store::DueTask>| due.into_iter().map(|(task, _)| task).collect::<Vec<_>>();
    let read = |now| {
        scene
            .store
            .read(|view| {
                let again = view.tasks_again(at(60), at(now), 9)?;
                Ok((ids(view.late_tasks(at(now), 9)?), ids(view.lost_claims(at(now), 9)?), ids(again)))
            })
            .unwrap()
    };
    assert_eq!(read(49), (vec![], vec![], vec![]));
    assert_eq!(read(99), (vec![late.id, later.id], vec![claimed.id], vec![again.id]));
    let pause = VendorPause { vendor: Vendor::Google, until: at(9), reason: "so it says".to_owned() };
    let sooner = VendorPause { until: at(3), ..pause.clone() };
    scene.commit([Event::VendorPaused(pause), Event::VendorPaused(sooner.clone())]);
    assert_eq!(scene.store.read(|view| view.vendor_pauses()).unwrap(), [sooner]);
}

/// One thing that is said of a task, in whatever order.
#[derive(Debug, Clone, Copy)]
struct Said(u8, u8);

fn said(scene: &Scene, task: &Task, turns: &[model::Turn], Said(what, which): Said) -> Event {
    let (session, id) = (task.session, task.id);
    let turn = &turns[usize::from(which) % turns.len()];
    let end = |text: &str| TaskEnd { session, task: id, text: format!("{text} {which}"), code: None };
    let failed = TurnOutcome::Failed { code: "crashed".to_owned(), message: "gone".to_owned() };
    match what % 15 {
        0 => Event::TaskStarted(TaskRef { session, task: id }),
        1 => Event::TurnStarted(turn.clone()),
        2 => scene.world.end(turn, TurnOutcome::Completed { summary: "done".to_owned() }),
        3 => scene.world.end(turn, failed),
        4 => Event::TaskCompleted(end("completed")),
        5 => Event::TaskFailed(end("failed")),
        6 => Event::TaskCanceled(end("canceled")),
        7 => Event::TaskRejected(end("rejected")),
        8 => scene.again(task, u32::from(which) + 2, Some(at(which.into()))),
        9 => Event::TaskInputRequested(Question {
            session,
            task: id,
            turn: turn.id,
            participant: turn.participant,
            question: "Which?".to_owned(),
        }),
        10 => {
            Event::TaskInputAnswered(Answer { session, task: id, turn: turn.id, answer: which.to_string() })
        }
        11 => Event::TaskClaimed(claim(task, which.into(), which.into())),
        12 => Event::TaskClaimRenewed(claim(task, which.into(), which.into())),
        13 => Event::TaskChanged(TaskChange {
            session,
            task: id,
            depends_on: Vec::new(),
            terms: terms(which.into()),
        }),
        _ => {
            let place = QueuePlace { task: id, priority: which.into(), rank: which.into() };
            Event::QueueReordered(QueueOrder { session, places: vec![place] })
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_said_of_an_ended_task_changes_it(
        words in proptest::collection::vec((any::<u8>(), any::<u8>()), 8..60)
    ) {
        let scene = Scene::new();
        let task = scene.world.task(scene.session, &[scene.claude]);
        scene.commit([Event::TaskSubmitted(task.clone())]);
        let turns: Vec<_> = (1..4).map(|attempt| scene.world.turn(&task, scene.claude, attempt)).collect();
        let mut ended: Option<TaskRow> = None;
        let cursor = |scene: &Scene| scene.store.durable().seq;
        for (what, which) in words {
            let before = cursor(&scene);
            scene.commit([said(&scene, &task, &turns, Said(what, which))]);
            prop_assert!(cursor(&scene) > before, "it is recorded all the same");
            let row = scene.row(&task);
            if let Some(ended) = &ended {
                prop_assert_eq!(ended, &row);
            } else if row.state.is_terminal() {
                ended = Some(row);
            }
        }
    }
}
