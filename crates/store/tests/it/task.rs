//! The fold of tasks: states, targets, questions, attempts, and what is ready.

use crate::fixtures::World;
use crate::workspace::{Workspace, commit};
use model::{
    Actor, Answer, Event, Participant, ParticipantId, Question, Resubmission, SessionRemoved, SessionState,
    Task, TaskEnd, TaskId, TaskRef, TaskState, Turn, TurnId, TurnOutcome,
};
use store::{Resolved, Store, TargetRow, TaskRow};

/// A session with two participants in an open store.
struct Scene {
    world: World,
    store: Store,
    claude: Participant,
    kimi: Participant,
    _workspace: Workspace,
}

impl Scene {
    fn new() -> Self {
        let workspace = Workspace::new();
        let (store, _) = workspace.open();
        let world = World::new();
        let session = world.session("Auth");
        let claude = world.participant(session.id, "claude");
        let kimi = world.participant(session.id, "kimi");
        let scene = Self { world, store, claude, kimi, _workspace: workspace };
        scene.commit([
            Event::SessionCreated(session),
            Event::ParticipantJoined(scene.claude.clone()),
            Event::ParticipantJoined(scene.kimi.clone()),
        ]);
        scene
    }

    fn commit(&self, events: impl IntoIterator<Item = Event>) {
        commit(&self.store, Actor::System, events.into_iter().collect());
    }

    fn both(&self) -> Task {
        self.world.task(self.claude.session, &[self.claude.id, self.kimi.id])
    }

    fn submit(&self, task: &Task) {
        self.commit([Event::TaskSubmitted(task.clone())]);
    }

    fn start(&self, task: &Task, participant: ParticipantId, attempt: u32) -> Turn {
        let turn = self.world.turn(task, participant, attempt);
        self.commit([Event::TaskStarted(reference(task)), Event::TurnStarted(turn.clone())]);
        turn
    }

    fn ask(&self, turn: &Turn, text: &str) -> Question {
        let Turn { session, task, participant, id, .. } = *turn;
        let question = Question { session, task, turn: id, participant, question: text.to_owned() };
        self.commit([Event::TaskInputRequested(question.clone())]);
        question
    }

    fn answer(&self, turn: &Turn, text: &str) {
        let Turn { session, task, id, .. } = *turn;
        self.commit([Event::TaskInputAnswered(Answer { session, task, turn: id, answer: text.to_owned() })]);
    }

    fn row(&self, task: &Task) -> TaskRow {
        self.store.read(|view| view.task(task.id)).unwrap().unwrap()
    }

    fn targets(&self, task: &Task) -> Vec<(TaskState, u32, Option<TurnId>)> {
        let targets = self.store.read(|view| view.task_targets(task.id)).unwrap();
        targets.into_iter().map(|TargetRow { state, attempt, turn, .. }| (state, attempt, turn)).collect()
    }

    fn ready(&self) -> Vec<TaskId> {
        let tasks = self.store.read(|view| view.ready_tasks(self.claude.session)).unwrap();
        tasks.into_iter().map(|row| row.task.id).collect()
    }

    fn session_state(&self) -> SessionState {
        self.store.read(|view| view.session_state(self.claude.session)).unwrap()
    }
}

fn reference(task: &Task) -> TaskRef {
    TaskRef { session: task.session, task: task.id }
}

fn end(task: &Task, text: &str) -> TaskEnd {
    TaskEnd { session: task.session, task: task.id, text: text.to_owned(), code: None }
}

fn done() -> TurnOutcome {
    TurnOutcome::Completed { summary: "done".to_owned() }
}

fn crashed() -> TurnOutcome {
    TurnOutcome::Failed { code: "crashed".to_owned(), message: "signal 9".to_owned() }
}

fn again(task: &Task, attempt: u32) -> Event {
    let Task { session, id, .. } = *task;
    let reason = "crashed".to_owned();
    Event::TaskResubmitted(Resubmission { session, task: id, attempt, reason, not_before: None })
}

#[test]
pub(crate) fn a_task_is_worked_on_by_each_target_and_then_completed() {
    let scene = Scene::new();
    let task = scene.both();
    assert_eq!(scene.session_state(), SessionState::Idle);
    scene.submit(&task);
    assert_eq!(scene.row(&task).state, TaskState::Submitted);
    assert_eq!((scene.ready(), scene.session_state()), (vec![task.id], SessionState::Running));
    let first = scene.start(&task, scene.claude.id, 1);
    assert_eq!(scene.row(&task).state, TaskState::Working);
    assert_eq!(scene.ready(), [task.id], "kimi has not started");
    let second = scene.start(&task, scene.kimi.id, 1);
    assert_eq!(scene.ready(), []);
    assert_eq!(
        scene.targets(&task),
        [(TaskState::Working, 1, Some(first.id)), (TaskState::Working, 1, Some(second.id))]
    );
    let running = scene.store.read(|view| view.running_turns()).unwrap();
    assert_eq!(running.iter().map(|row| row.turn.id).collect::<Vec<_>>(), [first.id, second.id]);
    scene.commit([scene.world.end(&first, done())]);
    let own = scene.store.read(|view| view.running_turn_of(scene.claude.id)).unwrap();
    assert_eq!(own, None);
    scene.commit([scene.world.end(&second, done()), Event::TaskCompleted(end(&task, "both done"))]);
    let row = scene.row(&task);
    assert_eq!((row.state, row.text.as_deref()), (TaskState::Completed, Some("both done")));
    assert_eq!(scene.session_state(), SessionState::Completed);
    let turn = scene.store.read(|view| view.turn(first.id)).unwrap().unwrap();
    assert_eq!(turn.outcome, Some(done()));
    assert_eq!(scene.store.read(|view| view.turns(task.id)).unwrap().len(), 2);
}

#[test]
pub(crate) fn two_agents_can_wait_for_answers_on_one_task() {
    let scene = Scene::new();
    let task = scene.both();
    scene.submit(&task);
    let first = scene.start(&task, scene.claude.id, 1);
    let second = scene.start(&task, scene.kimi.id, 1);
    let asked = scene.ask(&first, "Which database?");
    let other = scene.ask(&second, "Which port?");
    assert_eq!((scene.row(&task).state, scene.row(&task).question), (TaskState::InputRequired, Some(asked)));
    scene.answer(&first, "The small one");
    let row = scene.row(&task);
    assert_eq!((row.state, row.question), (TaskState::InputRequired, Some(other)));
    assert_eq!(row.answer.as_deref(), Some("The small one"));
    scene.answer(&first, "Asked and answered already");
    assert_eq!(scene.row(&task).answer.as_deref(), Some("The small one"));
    scene.answer(&second, "8080");
    assert_eq!((scene.row(&task).state, scene.row(&task).question), (TaskState::Working, None));
    scene.ask(&first, "Sure?");
    scene.commit([scene.world.end(&first, crashed())]);
    let row = scene.row(&task);
    assert_eq!((row.state, row.question), (TaskState::Working, None), "nobody is left who waits");
}

#[test]
pub(crate) fn after_a_crash_what_did_not_complete_is_submitted_again() {
    let scene = Scene::new();
    let task = scene.both();
    scene.submit(&task);
    let finished = scene.start(&task, scene.claude.id, 1);
    let dead = scene.start(&task, scene.kimi.id, 1);
    scene.commit([scene.world.end(&finished, done()), scene.world.end(&dead, crashed())]);
    assert_eq!(scene.targets(&task)[1], (TaskState::Failed, 1, Some(dead.id)));
    scene.commit([again(&task, 2)]);
    let row = scene.row(&task);
    assert_eq!((row.state, row.attempt, row.text.as_deref()), (TaskState::Submitted, 2, Some("crashed")));
    assert_eq!(
        scene.targets(&task),
        [(TaskState::Completed, 1, Some(finished.id)), (TaskState::Submitted, 2, None)]
    );
    assert_eq!(scene.ready(), [task.id]);
    let retried = scene.start(&task, scene.kimi.id, 2);
    // News of the dead turn comes late and twice: it is not the target's any more.
    scene.commit([scene.world.end(&dead, done())]);
    assert_eq!(scene.targets(&task)[1], (TaskState::Working, 2, Some(retried.id)));
    let stale = scene.store.read(|view| view.turn(dead.id)).unwrap().unwrap();
    assert_eq!(stale.outcome, Some(crashed()));
}

#[test]
pub(crate) fn an_ended_task_lets_nobody_start_and_takes_no_more_steps() {
    let scene = Scene::new();
    let task = scene.both();
    scene.submit(&task);
    let turn = scene.start(&task, scene.claude.id, 1);
    scene.commit([Event::TaskCanceled(end(&task, "never mind"))]);
    assert_eq!(
        scene.targets(&task),
        [(TaskState::Working, 1, Some(turn.id)), (TaskState::Canceled, 1, None)],
        "a turn ends by its own event"
    );
    scene.commit([scene.world.end(&turn, TurnOutcome::Canceled)]);
    assert_eq!(scene.targets(&task)[0].0, TaskState::Canceled);
    let row = scene.row(&task);
    scene.commit([
        Event::TaskStarted(reference(&task)),
        Event::TaskCompleted(end(&task, "after all")),
        again(&task, 2),
    ]);
    let after = scene.row(&task);
    assert_eq!((after.state, after.text, after.attempt), (row.state, row.text, row.attempt));
    assert_eq!(scene.ready(), []);
}

#[test]
pub(crate) fn ready_tasks_come_by_priority_then_age_and_wait_for_their_dependencies() {
    let scene = Scene::new();
    let [old, urgent, young] = [0, 5, 0].map(|priority| Task { priority, ..scene.both() });
    let waiting = Task { priority: 9, depends_on: vec![old.id, young.id], ..scene.both() };
    let orphan = Task { depends_on: vec![scene.both().id], ..scene.both() };
    for task in [&old, &waiting, &orphan, &urgent, &young] {
        scene.submit(task);
    }
    assert_eq!(scene.ready(), [urgent.id, old.id, young.id]);
    assert_eq!(scene.store.read(|view| view.queue_depth(scene.claude.session)).unwrap(), 5);
    let dependents = scene.store.read(|view| view.dependents(old.id)).unwrap();
    assert_eq!(dependents.iter().map(|row| row.task.id).collect::<Vec<_>>(), [waiting.id]);
    let complete = |task: &Task| {
        scene.commit([Event::TaskStarted(reference(task)), Event::TaskCompleted(end(task, "done"))]);
    };
    complete(&old);
    assert_eq!(scene.ready(), [urgent.id, young.id]);
    complete(&young);
    assert_eq!(scene.ready(), [waiting.id, urgent.id]);
    let [broken, stuck] = [scene.both(), Task { priority: 9, ..scene.both() }];
    let stuck = Task { depends_on: vec![broken.id], ..stuck };
    scene.commit([Event::TaskSubmitted(broken.clone()), Event::TaskSubmitted(stuck)]);
    scene.commit([Event::TaskFailed(end(&broken, "no key")), again(&broken, 2)]);
    assert_eq!(scene.ready(), [waiting.id, urgent.id], "a failed dependency is not a completed one");
    let states = [TaskState::Completed, TaskState::Failed];
    let ended = scene.store.read(|view| view.tasks_in_state(&states)).unwrap();
    assert_eq!(ended.iter().map(|row| row.task.id).collect::<Vec<_>>(), [old.id, young.id, broken.id]);
}

#[test]
fn tasks_by_state_come_in_pages_and_those_of_a_removed_session_in_none() {
    let scene = Scene::new();
    let session = scene.claude.session;
    let all: Vec<Task> = (0..5).map(|_| scene.both()).collect();
    all.iter().for_each(|task| scene.submit(task));
    scene.start(&all[1], scene.claude.id, 1);
    scene.commit([Event::TaskStarted(reference(&all[0])), Event::TaskCompleted(end(&all[0], "done"))]);
    let open = [TaskState::Submitted, TaskState::Working];
    let page = |states: &[TaskState], before: Option<TaskId>, most: usize| {
        let rows = scene.store.read(|view| view.tasks_by_state(states, before, most)).unwrap();
        let place = |row: TaskRow| all.iter().position(|task| task.id == row.task.id).unwrap();
        rows.into_iter().map(place).collect::<Vec<_>>()
    };
    assert_eq!(page(&open, None, 3), [2, 3, 4], "the newest, oldest of them first");
    assert_eq!(page(&open, Some(all[2].id), 3), [1], "of both states");
    assert_eq!(page(&[TaskState::Completed], None, 3), [0]);
    assert_eq!(
        page(&open, Some(scene.both().id), 3),
        [0usize; 0],
        "nothing is before a task that does not exist"
    );
    let newest = || scene.store.read(|view| view.resolve::<TaskId>("@last")).unwrap();
    assert_eq!(newest(), Resolved::One(all[4].id));
    scene.commit([Event::SessionRemoved(SessionRemoved { session })]);
    assert_eq!((page(&open, None, 9), newest()), (vec![], Resolved::None));
    let short = |id: TaskId| scene.store.read(|view| view.resolve::<TaskId>(&id.short())).unwrap();
    assert_eq!(short(all[4].id), Resolved::None);
}
