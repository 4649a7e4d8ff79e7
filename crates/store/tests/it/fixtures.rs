//! One history with every kind of event in it.
//!
//! Invariant: a kind of event without a fixture fails the test at the end, so whoever adds an event shows here what it
//! does to the databases.

mod landing;

use crate::workspace::{Workspace, commit, keyed};
use model::{
    Actor, AgentName, Answer, Block, Board, BoardRemoved, Channel, Checkpoint, Claim, CostSource, Driver,
    Event, FileChange, GitState, JournalRepair, Lineage, LockChange, LockMode, LockPhase, MergedPlan,
    MergedTask, Message, MessageDraft, ModelAnswer, ModelCall, Namer, Notice, Participant, ParticipantId,
    ParticipantStatus, Plan, PlanClearing, PlanEnd, PlanId, PlanMerge, PlanStall, PlanTest, PlannedTask,
    Proposal, Question, RefusedEdit, Registration, RegistrationEnd, RegistrationId, RegistrationPhase, Repo,
    RepoId, RepoPath, RepoRemoved, Resubmission, Role, Run, RunExit, Session, SessionArchived, SessionId,
    SessionRenamed, StatusChange, StrayFile, StrayFiles, Task, TaskEnd, TaskId, TaskKind, TaskRef, TaskTerms,
    TestReport, Timestamp, Turn, TurnEnd, TurnId, TurnOutcome, Usage, User, Vendor,
};
use std::time::Duration;
use store::{Commit, Store};
use testkit::{ManualClock, SeededEntropy};

fn git_state(dirty: bool) -> GitState {
    GitState { branch: Some("main".to_owned()), commit: Some("ab".repeat(20)), dirty }
}

fn asked(turn: &Turn) -> Event {
    let Turn { session, task, participant, id, .. } = *turn;
    let question = "Which database?".to_owned();
    Event::TaskInputRequested(Question { session, task, turn: id, participant, question })
}

fn refused(turn: &Turn) -> Event {
    let Turn { session, task, participant, id, .. } = *turn;
    let claim = Claim { path: path("src/auth.rs"), token: 5 };
    let (code, message) = ("lock_lost".to_owned(), "another took it over".to_owned());
    Event::EditRefused(RefusedEdit { session, task, turn: id, participant, claim, code, message })
}

fn strayed(turn: &Turn) -> Event {
    let Turn { session, task, participant, id, .. } = *turn;
    let locked_by = Some("kimi".to_owned());
    let files = vec![StrayFile { path: path("src/generated.rs"), locked_by }];
    Event::FileStrayed(StrayFiles { session, task, turn: id, participant, files, more: 2 })
}

/// Makes nouns of one little world, with ids and times of its own.
pub(crate) struct World {
    clock: ManualClock,
    dice: SeededEntropy,
}

/// The nouns of [`World::history`] that tests ask for again.
pub(crate) struct History {
    pub(crate) commits: Vec<(Actor, Vec<Event>)>,
    pub(crate) session: SessionId,
    pub(crate) child: SessionId,
    pub(crate) fork: SessionId,
    pub(crate) claude: ParticipantId,
    pub(crate) repo: RepoId,
    pub(crate) plan: PlanId,
    pub(crate) work: TaskId,
    pub(crate) crashed_turn: TurnId,
}

impl History {
    pub(crate) fn events(&self) -> Vec<Event> {
        self.commits.iter().flat_map(|(_, events)| events.clone()).collect()
    }

    /// Commits the given part of the history, each commit under a key of its own.
    pub(crate) fn commit(&self, store: &Store, part: std::ops::Range<usize>) {
        for (number, (actor, events)) in self.commits.iter().enumerate().take(part.end).skip(part.start) {
            let events = events.clone();
            let key = keyed(&format!("fixture-{number}"), "hash");
            store.commit(Commit::new(actor.clone(), move |_| Ok(events)).key(key)).unwrap();
        }
    }

    pub(crate) fn commit_all(&self, store: &Store) {
        self.commit(store, 0..self.commits.len());
    }
}

pub(crate) fn agent(name: &str) -> AgentName {
    name.parse().unwrap()
}

fn path(path: &str) -> RepoPath {
    path.parse().unwrap()
}

const USAGE: Usage = Usage {
    input_tokens: 1500,
    output_tokens: 800,
    cache_read_tokens: 100,
    cache_write_tokens: 50,
    cost_micros: 24_000,
    cost_source: CostSource::Table,
};

impl World {
    pub(crate) fn new() -> Self {
        Self::seeded(42)
    }

    /// Worlds of different seeds share no ids.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { clock: ManualClock::default(), dice: SeededEntropy::new(seed) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        use model::Clock;
        self.clock.advance(Duration::from_millis(7));
        self.clock.now()
    }

    pub(crate) fn session(&self, title: &str) -> Session {
        Session {
            id: self.id_session(),
            workspace: "default".to_owned(),
            title: title.to_owned(),
            repo: None,
            board: None,
            parent: None,
            forked_from: None,
            fork_point: None,
            created_at: self.now(),
            origin: None,
            named_by: Namer::default(),
            lineage: Lineage::default(),
        }
    }

    pub(crate) fn participant(&self, session: SessionId, name: &str) -> Participant {
        Participant {
            id: self.id_participant(),
            session,
            agent: agent(name),
            driver: Driver::Native,
            vendor: Vendor::Anthropic,
            model: "a-model".to_owned(),
            context_window: 200_000,
            joined_at: self.now(),
            history: None,
        }
    }

    pub(crate) fn task(&self, session: SessionId, targets: &[ParticipantId]) -> Task {
        Task {
            id: self.id_task(),
            session,
            plan: None,
            kind: TaskKind::Prompt,
            title: "Refactor".to_owned(),
            prompt: "Refactor the auth module".to_owned(),
            targets: targets.to_vec(),
            priority: 0,
            depends_on: Vec::new(),
            files: vec![path("src/auth.rs")],
            terms: TaskTerms::default(),
            created_at: self.now(),
        }
    }

    pub(crate) fn turn(&self, task: &Task, participant: ParticipantId, attempt: u32) -> Turn {
        Turn {
            id: self.id_turn(),
            session: task.session,
            task: task.id,
            participant,
            run: self.id_run(),
            attempt,
            started_at: self.now(),
            git: Some(git_state(false)),
        }
    }

    pub(crate) fn message(&self, session: SessionId, role: Role, blocks: Vec<Block>) -> Message {
        Message {
            id: self.id_message(),
            session,
            task: None,
            turn: None,
            participant: None,
            parent: None,
            role,
            blocks,
            usage: None,
            latency_ms: None,
            created_at: self.now(),
        }
    }

    pub(crate) fn say(&self, session: SessionId, text: &str) -> Message {
        self.message(session, Role::User, vec![Block::Text { text: text.to_owned() }])
    }

    pub(crate) fn repo(&self, slug: &str) -> Repo {
        Repo {
            id: self.id_repo(),
            slug: slug.to_owned(),
            path: format!("/repos/{slug}"),
            default_branch: Some("main".to_owned()),
            test_command: None,
            added_at: self.now(),
            url: None,
            trusted: Vec::new(),
        }
    }

    fn board(&self, slug: &str) -> Board {
        Board {
            id: self.id_board(),
            slug: slug.to_owned(),
            name: slug.to_uppercase(),
            created_at: self.now(),
        }
    }

    /// A whole piece of work: sessions, a plan, a crash, locks, tests, a checkpoint.
    pub(crate) fn history(&self) -> History {
        let claude_says = Actor::Agent(agent("claude"));
        let mut commits = Vec::new();
        let repo = self.start(&mut commits);
        let mut session = self.session("Auth");
        session.repo = Some(repo.id);
        let (claude, kimi) = (self.participant(session.id, "claude"), self.participant(session.id, "kimi"));
        let (child, fork) = self.family(&mut commits, &session, &claude, &kimi);
        let plan = Plan {
            id: self.id_plan(),
            session: session.id,
            repo: repo.id,
            prompt: "Make the tests pass".to_owned(),
            participants: vec![claude.id, kimi.id],
            branch: Some("main".to_owned()),
            worktrees: false,
            created_at: self.now(),
        };
        self.propose(&mut commits, &claude_says, &plan, &claude);
        let (work, crashed_turn) = self.execute(&mut commits, &claude_says, &plan, &claude, &kimi);
        self.other_ends(&mut commits, &plan, &claude, &kimi);
        self.finish(&mut commits, &plan);
        self.points(repo.id, fork.id, &mut commits);
        commits.push((Actor::User, crate::session::lived(self, session.id, &fork, &claude, crashed_turn)));
        commits.push((Actor::System, crate::terms::lived(self, session.id, claude.id)));
        History {
            commits,
            session: session.id,
            child: child.id,
            fork: fork.id,
            claude: claude.id,
            repo: repo.id,
            plan: plan.id,
            work: work.id,
            crashed_turn,
        }
    }

    fn start(&self, commits: &mut Vec<(Actor, Vec<Event>)>) -> Repo {
        let (kept, dropped) = (self.board("main"), self.board("old"));
        let on_it = crate::board::filled(self, &kept);
        let user = User { id: self.id_user(), name: "Ada".to_owned(), email: None, created_at: self.now() };
        commits.push((
            Actor::System,
            vec![
                Event::UserCreated(user),
                Event::BoardCreated(kept),
                Event::BoardCreated(dropped.clone()),
                Event::BoardChanged(Board { name: "Older".to_owned(), ..dropped.clone() }),
                Event::BoardRemoved(BoardRemoved { board: dropped.id }),
            ],
        ));
        commits.push((Actor::User, on_it));
        let (mut repo, gone) = (self.repo("library"), self.repo("gone"));
        let added = Event::RepoAdded(repo.clone());
        repo.test_command = Some(vec!["cargo".to_owned(), "test".to_owned()]);
        commits.push((
            Actor::User,
            vec![
                added,
                Event::RepoChanged(repo.clone()),
                Event::RepoAdded(gone.clone()),
                Event::RepoRemoved(RepoRemoved { repo: gone.id }),
            ],
        ));
        self.worktrees(&repo, commits);
        commits.push((Actor::System, self.conflicts(&repo)));
        commits.push((Actor::User, self.merges(&repo)));
        repo
    }

    fn family(
        &self,
        commits: &mut Vec<(Actor, Vec<Event>)>,
        session: &Session,
        claude: &Participant,
        kimi: &Participant,
    ) -> (Session, Session) {
        let child = Session { parent: Some(session.id), ..self.session("Tests") };
        let fork = Session { forked_from: Some(child.id), ..self.session("Another way") };
        commits.push((
            Actor::User,
            vec![
                Event::SessionCreated(session.clone()),
                Event::ParticipantJoined(claude.clone()),
                Event::ParticipantJoined(kimi.clone()),
                Event::SessionCreated(child.clone()),
                Event::SessionCreated(fork.clone()),
                Event::SessionRenamed(SessionRenamed {
                    session: child.id,
                    title: "Tests first".to_owned(),
                    by: Namer::default(),
                }),
                Event::SessionArchived(SessionArchived { session: fork.id }),
            ],
        ));
        let said = self.say(session.id, "Make the tests pass");
        let condensed = crate::condensed::of(&said, claude);
        commits.push((Actor::User, vec![Event::MessageAppended(said)]));
        commits.push((Actor::System, condensed));
        (child, fork)
    }

    fn propose(
        &self,
        commits: &mut Vec<(Actor, Vec<Event>)>,
        claude_says: &Actor,
        plan: &Plan,
        claude: &Participant,
    ) {
        let session = plan.session;
        let ask = Task { plan: Some(plan.id), kind: TaskKind::Propose, ..self.task(session, &[claude.id]) };
        commits
            .push((Actor::User, vec![Event::PlanCreated(plan.clone()), Event::TaskSubmitted(ask.clone())]));
        let turn = self.turn(&ask, claude.id, 1);
        let (started, model) = self.start_turn(&ask, &turn);
        commits.push((Actor::System, started));
        commits.push((claude_says.clone(), model));
        let planned = PlannedTask {
            name: "auth".to_owned(),
            title: "Auth".to_owned(),
            instructions: "Fix it".to_owned(),
            files: vec![path("src/auth.rs")],
            depends_on: Vec::new(),
            priority: 1,
        };
        let proposal = Proposal {
            plan: plan.id,
            session,
            participant: claude.id,
            agent: claude.agent.clone(),
            tasks: vec![planned],
        };
        let done = TurnOutcome::Completed { summary: "one task".to_owned() };
        let mut ended = vec![Event::PlanProposed(proposal)];
        ended.extend(self.end_turn(&turn, done, "finished"));
        ended.push(Event::TaskCompleted(TaskEnd {
            session,
            task: ask.id,
            text: "one task".to_owned(),
            code: None,
        }));
        commits.push((claude_says.clone(), ended));
    }

    /// The events of a turn that starts, and of its first answer from the model.
    fn start_turn(&self, task: &Task, turn: &Turn) -> (Vec<Event>, Vec<Event>) {
        let Turn { session, participant, run, id, .. } = *turn;
        let started = vec![
            Event::TaskStarted(TaskRef { session, task: task.id }),
            Event::RunStarted(Run { id: run, session, participant, pid: 4711, started_at: self.now() }),
            Event::TurnStarted(turn.clone()),
            Event::ParticipantStatusChanged(StatusChange {
                session,
                participant,
                status: ParticipantStatus::Thinking,
                detail: Some("a-model".to_owned()),
            }),
        ];
        let (vendor, model) = (Vendor::Anthropic, "a-model".to_owned());
        let call = ModelCall {
            session,
            turn: id,
            run,
            vendor,
            model: model.clone(),
            prompt_tokens: 1500,
            estimated_cost_micros: 45_000,
        };
        let answer =
            ModelAnswer { session, turn: id, run, vendor, model, usage: USAGE, latency_ms: 1700, retries: 1 };
        let blocks = vec![
            Block::Thinking { text: "hm".to_owned(), signature: None },
            Block::Text { text: "I look at it.".to_owned() },
            Block::ToolCall {
                call_id: "c1".to_owned(),
                tool: "read_file".to_owned(),
                arguments: serde_json::json!({"path": "src/auth.rs"}),
            },
        ];
        let said = Message {
            task: Some(task.id),
            turn: Some(id),
            participant: Some(participant),
            usage: Some(USAGE),
            latency_ms: Some(1700),
            ..self.message(session, Role::Assistant, blocks)
        };
        let model = vec![
            Event::ModelCalled(call),
            Event::MessageDrafted(self.draft(turn, "I look")),
            Event::ModelAnswered(answer),
            Event::MessageAppended(said),
        ];
        (started, model)
    }

    pub(crate) fn draft(&self, turn: &Turn, text: &str) -> MessageDraft {
        MessageDraft {
            session: turn.session,
            turn: turn.id,
            participant: turn.participant,
            text_from: 0,
            text: text.to_owned(),
            thinking_from: 0,
            thinking: "hm".to_owned(),
        }
    }

    pub(crate) fn end(&self, turn: &Turn, outcome: TurnOutcome) -> Event {
        Event::TurnEnded(TurnEnd {
            session: turn.session,
            task: turn.task,
            turn: turn.id,
            participant: turn.participant,
            outcome,
            usage: USAGE,
            iterations: 2,
            git: Some(git_state(true)),
        })
    }

    fn end_turn(&self, turn: &Turn, outcome: TurnOutcome, reason: &str) -> Vec<Event> {
        let exit = RunExit {
            run: turn.run,
            session: turn.session,
            participant: turn.participant,
            code: (reason == "finished").then_some(0),
            signal: (reason != "finished").then_some(9),
            reason: reason.to_owned(),
        };
        vec![self.end(turn, outcome), Event::RunExited(exit)]
    }

    fn execute(
        &self,
        commits: &mut Vec<(Actor, Vec<Event>)>,
        claude_says: &Actor,
        plan: &Plan,
        claude: &Participant,
        kimi: &Participant,
    ) -> (Task, TurnId) {
        let session = plan.session;
        let merged = MergedPlan {
            tasks: vec![MergedTask {
                name: "auth".to_owned(),
                title: "Auth".to_owned(),
                instructions: "Fix it".to_owned(),
                files: vec![path("src/auth.rs")],
                assignee: agent("claude"),
                reviewers: vec![agent("kimi")],
                depends_on: Vec::new(),
                priority: 1,
            }],
            explanation: vec!["claude asked first".to_owned()],
        };
        let work = Task { plan: Some(plan.id), kind: TaskKind::Work, ..self.task(session, &[claude.id]) };
        let review = Task {
            plan: Some(plan.id),
            kind: TaskKind::Review,
            depends_on: vec![work.id],
            ..self.task(session, &[kimi.id])
        };
        commits.push((
            Actor::System,
            vec![
                Event::PlanMerged(PlanMerge { plan: plan.id, session, merged }),
                Event::TaskSubmitted(work.clone()),
                Event::TaskSubmitted(review),
            ],
        ));
        let turn = self.turn(&work, claude.id, 1);
        let (started, model) = self.start_turn(&work, &turn);
        commits.push((Actor::System, started));
        commits.push((claude_says.clone(), model));
        commits.push((claude_says.clone(), self.edits(&turn)));
        let mut crash = vec![Event::MessageDrafted(self.draft(&turn, "I was just about to"))];
        let failed = TurnOutcome::Failed { code: "crashed".to_owned(), message: "signal 9".to_owned() };
        crash.extend(self.end_turn(&turn, failed, "crashed"));
        let (task, reason) = (work.id, "crashed".to_owned());
        crash.push(Event::TaskResubmitted(Resubmission {
            session,
            task,
            attempt: 2,
            reason,
            not_before: Some(self.now()),
        }));
        commits.push((Actor::System, crash));
        (work, turn.id)
    }

    /// Locks, edits and a question within a turn.
    fn edits(&self, turn: &Turn) -> Vec<Event> {
        let Turn { session, task, participant, id, .. } = *turn;
        let (holder, other) = (self.id_registration(), self.id_registration());
        let registration = |id| {
            Event::RegistrationAnnounced(Registration {
                id,
                agent: "claude".to_owned(),
                vendor: "anthropic".to_owned(),
                model: None,
                session: Some(session),
                worktree: Some("/repos/library".to_owned()),
                pid: Some(4711),
                phase: RegistrationPhase::Active,
                registered_at: self.now(),
                heartbeat_at: self.now(),
            })
        };
        let lock = |phase, path: &str, holder, token, other: Option<RegistrationId>| {
            Event::LockChanged(LockChange {
                phase,
                worktree: "/repos/library".to_owned(),
                path: path.to_owned(),
                mode: LockMode::Exclusive,
                holder,
                agent: "claude".to_owned(),
                session: Some(session),
                token,
                other,
            })
        };
        let change = FileChange {
            session,
            task,
            turn: id,
            participant,
            path: path("src/auth.rs"),
            before: None,
            after: "b".repeat(64),
            lines_added: 45,
            lines_removed: 23,
            token: (3 << 40) | 8,
            diff: None,
        };
        let mut events = vec![
            registration(holder),
            registration(other),
            lock(LockPhase::Acquired, "src/auth.rs", other, 7, None),
            lock(LockPhase::Waiting, "src/auth.rs", holder, 0, Some(other)),
            lock(LockPhase::TakenOver, "src/auth.rs", holder, (3 << 40) | 8, Some(other)),
            lock(LockPhase::Acquired, "README.md", holder, 9, None),
            lock(LockPhase::Released, "README.md", holder, 9, None),
            lock(LockPhase::Acquired, "Cargo.toml", other, 10, None),
            Event::RegistrationEnded(RegistrationEnd {
                registration: other,
                session: Some(session),
                reason: "died".to_owned(),
            }),
            Event::FileModified(change),
            strayed(turn),
            crate::vendor::restored(self.id_repo()),
            refused(turn),
            asked(turn),
            Event::TaskInputAnswered(Answer { session, task, turn: id, answer: "The small one".to_owned() }),
        ];
        let asked = self.id_permission();
        events.extend(crate::vendor::driven(turn, asked));
        let rules = [self.id_rule(), self.id_rule()];
        events.extend(crate::vendor::bounded(turn, asked, rules, self.now()));
        events
    }

    /// Tasks and a plan that end otherwise.
    fn other_ends(
        &self,
        commits: &mut Vec<(Actor, Vec<Event>)>,
        plan: &Plan,
        claude: &Participant,
        kimi: &Participant,
    ) {
        let session = plan.session;
        let targets = [claude.id, kimi.id];
        let [failed, canceled, rejected] = [(); 3].map(|()| self.task(session, &targets));
        let end = |task: &Task, text: &str| TaskEnd {
            session,
            task: task.id,
            text: text.to_owned(),
            code: Some("deadline".to_owned()),
        };
        let broken = Plan { id: self.id_plan(), worktrees: true, ..plan.clone() };
        commits.push((
            Actor::User,
            vec![
                Event::TaskSubmitted(failed.clone()),
                Event::TaskFailed(end(&failed, "no key")),
                Event::TaskSubmitted(canceled.clone()),
                Event::TaskCanceled(end(&canceled, "never mind")),
                Event::TaskSubmitted(rejected.clone()),
                Event::TaskRejected(end(&rejected, "out of scope")),
                Event::PlanCreated(broken.clone()),
                Event::PlanStalled(PlanStall {
                    plan: broken.id,
                    session,
                    text: "the disk is full".to_owned(),
                }),
                Event::PlanFailed(PlanEnd { plan: broken.id, session, text: "nobody proposed".to_owned() }),
                Event::PlanCleared(PlanClearing { plan: broken.id, session, kept: Vec::new() }),
            ],
        ));
    }

    fn context(&self, key: &str, version: u64, value: Option<&str>) -> Event {
        Event::ContextChanged(model::ContextChange {
            key: key.parse().unwrap(),
            value: value.map(Into::into),
            version,
            author: self.id_registration(),
            agent: "claude".to_owned(),
            changed_at: self.now(),
        })
    }

    fn finish(&self, commits: &mut Vec<(Actor, Vec<Event>)>, plan: &Plan) {
        let Plan { session, repo, id, .. } = *plan;
        let report = TestReport {
            command: vec!["cargo".to_owned(), "test".to_owned()],
            exit_code: Some(0),
            passed: 12,
            failed: 0,
            tail: "ok".to_owned(),
            elapsed_ms: 900,
        };
        let checkpoint = Checkpoint {
            id: self.id_checkpoint(),
            session,
            plan: Some(id),
            repo,
            git_ref: "refs/coditect/checkpoints/1".to_owned(),
            commit: "c".repeat(40),
            paths: vec![path("src/auth.rs")],
            co_authors: vec![agent("claude")],
            message: "Refactor the auth module".to_owned(),
            created_at: self.now(),
            kind: model::CheckpointKind::Work,
            name: None,
            point: None,
        };
        let notice = Notice {
            id: 1,
            sender: self.id_registration(),
            agent: "claude".to_owned(),
            channel: Channel::file_conflict(),
            recipient: None,
            payload: serde_json::json!({"file": "src/auth.rs"}),
            created_at: self.now(),
            ttl_seconds: 300,
            envelope: model::Envelope::default(),
        };
        commits.push((
            Actor::System,
            vec![
                self.context("build/flags", 1, Some("-O2")),
                self.context("owner", 2, Some("claude")),
                self.context("owner", 3, None),
            ],
        ));
        commits.push((
            Actor::System,
            vec![
                Event::PlanTested(PlanTest { plan: id, session, report }),
                Event::CheckpointCreated(checkpoint),
                Event::PlanCompleted(PlanEnd { plan: id, session, text: "12 tests pass".to_owned() }),
                Event::NoticePublished(notice),
                Event::JournalRepaired(JournalRepair {
                    side_file: "torn-1.bin".to_owned(),
                    torn_bytes: 17,
                    previous_epoch: 1,
                }),
                imported(session),
            ],
        ));
    }
}

/// A piece of a transcript of a vendor's own program.
fn imported(session: model::SessionId) -> Event {
    Event::TranscriptImported(model::TranscriptImport {
        session,
        vendor: Vendor::Anthropic,
        vendor_session: "77ec4bae".to_owned(),
        source: "/home/ada/.claude/projects/a.jsonl".to_owned(),
        file: model::FileMark { device: 1, inode: 2, size: 300, modified: 4 },
        from: 0,
        offset: 290,
        prefix_hash: "00ff".to_owned(),
        lines: 3,
        messages: 1,
        passed: 1,
        unknown: Vec::new(),
        usage: Usage { input_tokens: 7, ..Usage::default() },
        files: Vec::new(),
        again: false,
    })
}

macro_rules! ids {
    ($($make:ident $id:ident;)+) => {
        impl World {
            $(
                pub(crate) fn $make(&self) -> model::$id {
                    model::$id::new(&self.clock, &self.dice)
                }
            )+
        }
    };
}

ids! {
    id_artifact ArtifactId;
    id_board BoardId;
    id_card CardId;
    id_checkpoint CheckpointId;
    id_comment CommentId;
    id_firing FiringId;
    id_conflict ConflictId;
    id_merge MergeId;
    id_message MessageId;
    id_participant ParticipantId;
    id_permission PermissionId;
    id_rule PermissionRuleId;
    id_plan PlanId;
    id_registration RegistrationId;
    id_repo RepoId;
    id_run RunId;
    id_session SessionId;
    id_task TaskId;
    id_turn TurnId;
    id_user UserId;
    id_worktree WorktreeId;
    id_zone ZoneId;
}

#[test]
fn every_kind_of_event_has_a_fixture() {
    let events = World::new().history().events();
    for kind in Event::KINDS {
        assert!(events.iter().any(|event| event.kind() == *kind), "no fixture for {kind}");
    }
}

#[test]
fn the_fixtures_leave_something_in_every_table() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    let history = World::new().history();
    history.commit_all(&store);
    let dump = store.dump().unwrap();
    let mut lines = dump.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(table) = line.strip_prefix("-- ") {
            assert!(lines.peek().is_some_and(|row| !row.starts_with("-- ")), "nothing in {table}");
        }
    }
    // The same again, as one who repeats every request would send it.
    history.commit_all(&store);
    assert_eq!(store.dump().unwrap(), dump);
    assert!(commit(&store, Actor::User, Vec::new()).records.is_empty());
}
