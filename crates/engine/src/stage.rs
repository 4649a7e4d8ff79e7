//! A workspace in a temporary folder, with a real store and a real bus and nothing that runs.

use crate::EngineOptions;
use crate::aside::aside;
use crate::engine::{Shared, assemble};
use model::{
    Actor, AgentName, DataRoot, Driver, Event, Lineage, Namer, Participant, ParticipantId, Plan, PlanId,
    PlannedTask, Proposal, Repo, Run, Session, SessionId, Task, TaskEnd, TaskKind, TaskRef, TaskTerms, Turn,
    Vendor,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Commit, TaskRow};
use testkit::{ManualClock, SeededEntropy};

pub(crate) struct Stage {
    folder: tempfile::TempDir,
    pub(crate) clock: ManualClock,
    dice: SeededEntropy,
    pub(crate) shared: Arc<Shared>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap())
    }

    /// With the programs of this machine, git among them.
    pub(crate) fn with_path() -> Self {
        Self::with_environment(path)
    }

    /// With these variables for the daemon.
    pub(crate) fn with_environment(variable: fn(&str) -> Option<String>) -> Self {
        let mut stage = Self::new();
        let environment = Arc::new(move |name: &str| database(name).or_else(|| variable(name)));
        let options = EngineOptions { environment, ..stage.options() };
        stage.shared.store.close();
        stage.shared = Arc::new(aside(|| assemble(options)).unwrap().0);
        stage
    }

    /// In a folder of its own below the given one.
    pub(crate) fn within(folder: &Path) -> Self {
        Self::on(tempfile::tempdir_in(folder).unwrap())
    }

    fn on(folder: tempfile::TempDir) -> Self {
        let (clock, dice) = (ManualClock::default(), SeededEntropy::default());
        let shared = open(folder.path(), &clock, &dice);
        Self { folder, clock, dice, shared }
    }

    /// As after a crash: what was in memory is gone.
    pub(crate) fn restarted(self) -> Self {
        let Self { folder, clock, dice, shared } = self;
        shared.store.close();
        drop(shared);
        let shared = open(folder.path(), &clock, &dice);
        Self { folder, clock, dice, shared }
    }

    pub(crate) fn options(&self) -> EngineOptions {
        options(self.folder.path(), &self.clock, &self.dice)
    }

    /// Ends the store, so that somebody else can open the workspace.
    pub(crate) fn close(self) -> tempfile::TempDir {
        self.shared.store.close();
        self.folder
    }

    /// A worktree in the folder.
    pub(crate) fn worktree(&self) -> PathBuf {
        let path = self.folder.path().join("worktree");
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn commit(&self, events: Vec<Event>) {
        self.shared.store.commit(Commit::new(Actor::System, move |_| Ok(events))).unwrap();
    }

    /// Every event so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        aside(|| {
            let records = self.shared.store.reader().replay(model::Cursor::START).unwrap();
            records.map(|record| record.unwrap().event).collect()
        })
    }

    pub(crate) fn task_row(&self, task: &Task) -> TaskRow {
        self.shared.store.read(|view| view.task(task.id)).unwrap().unwrap()
    }

    /// A session in a repository with these agents, committed.
    pub(crate) fn session(&self, agents: &[&str]) -> (Session, Vec<Participant>) {
        let shared = &self.shared;
        let repo = Repo {
            id: shared.new_id(),
            slug: format!("library-{}", shared.store.durable().seq),
            path: self.worktree().display().to_string(),
            default_branch: Some("main".to_owned()),
            test_command: None,
            added_at: shared.now(),
            url: None,
            trusted: Vec::new(),
        };
        let session = Session {
            id: shared.new_id(),
            workspace: "default".to_owned(),
            title: "Auth".to_owned(),
            repo: Some(repo.id),
            board: None,
            parent: None,
            forked_from: None,
            fork_point: None,
            created_at: shared.now(),
            origin: None,
            named_by: Namer::default(),
            lineage: Lineage::default(),
        };
        let seats: Vec<Participant> = agents.iter().map(|name| self.participant(session.id, name)).collect();
        let mut events = vec![Event::RepoAdded(repo), Event::SessionCreated(session.clone())];
        events.extend(seats.iter().cloned().map(Event::ParticipantJoined));
        self.commit(events);
        (session, seats)
    }

    fn participant(&self, session: SessionId, name: &str) -> Participant {
        Participant {
            id: self.shared.new_id(),
            session,
            agent: agent(name),
            driver: Driver::Native,
            vendor: Vendor::Anthropic,
            model: "a-model".to_owned(),
            context_window: 200_000,
            joined_at: self.shared.now(),
            history: None,
        }
    }

    pub(crate) fn task(&self, session: SessionId, kind: TaskKind, target: ParticipantId) -> Task {
        Task {
            id: self.shared.new_id(),
            session,
            plan: None,
            kind,
            title: "Auth".to_owned(),
            prompt: "Refactor it".to_owned(),
            targets: vec![target],
            priority: 0,
            depends_on: Vec::new(),
            files: Vec::new(),
            terms: TaskTerms::default(),
            created_at: self.shared.now(),
        }
    }

    pub(crate) fn plan(&self, session: &Session, participants: &[Participant]) -> Plan {
        Plan {
            id: self.shared.new_id(),
            session: session.id,
            repo: session.repo.unwrap(),
            prompt: "Make the tests pass".to_owned(),
            participants: participants.iter().map(|one| one.id).collect(),
            branch: Some("main".to_owned()),
            worktrees: false,
            created_at: self.shared.now(),
        }
    }

    /// A run and the turn it takes on the task, with the events of their start.
    pub(crate) fn turn(&self, task: &Task, attempt: u32) -> (Turn, Vec<Event>) {
        let (session, participant) = (task.session, task.targets[0]);
        let run = Run {
            id: self.shared.new_id(),
            session,
            participant,
            // No process has this number.
            pid: u32::MAX,
            started_at: self.shared.now(),
        };
        let turn = Turn {
            id: self.shared.new_id(),
            session,
            task: task.id,
            participant,
            run: run.id,
            attempt,
            started_at: self.shared.now(),
            git: None,
        };
        let started = Event::TaskStarted(TaskRef { session, task: task.id });
        let events = vec![Event::RunStarted(run), started, Event::TurnStarted(turn.clone())];
        (turn, events)
    }
}

pub(crate) fn end(task: &Task, text: &str) -> TaskEnd {
    TaskEnd { session: task.session, task: task.id, text: text.to_owned(), code: None }
}

pub(crate) fn proposal(plan: &Plan, of: &Participant) -> Proposal {
    let task = PlannedTask {
        name: "auth".to_owned(),
        title: "Auth".to_owned(),
        instructions: "Fix it".to_owned(),
        files: vec!["src/auth.rs".parse().unwrap()],
        depends_on: Vec::new(),
        priority: 0,
    };
    let (plan, session): (PlanId, SessionId) = (plan.id, plan.session);
    Proposal { plan, session, participant: of.id, agent: of.agent.clone(), tasks: vec![task] }
}

pub(crate) fn agent(name: &str) -> AgentName {
    name.parse().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the tests run the git of this machine")]
fn path(name: &str) -> Option<String> {
    (name == "PATH").then(|| std::env::var(name).ok()).flatten()
}

/// The server of the second round, where config.json names it.
fn database(name: &str) -> Option<String> {
    testkit::database().filter(|_| name == testkit::DATABASE)
}

fn options(root: &Path, clock: &ManualClock, dice: &SeededEntropy) -> EngineOptions {
    let data_root = DataRoot::new(root.join("data"));
    testkit::name_database(&data_root.config());
    EngineOptions {
        data_root,
        workspace: "default".to_owned(),
        clock: Arc::new(clock.clone()),
        entropy: Arc::new(dice.clone()),
        executable: root.join("no-such-binary"),
        environment: Arc::new(database),
        version: "0.0.0",
    }
}

fn open(root: &Path, clock: &ManualClock, dice: &SeededEntropy) -> Arc<Shared> {
    // Opening asks the server in the second round, which blocks.
    Arc::new(aside(|| assemble(options(root, clock, dice))).unwrap().0)
}
