//! The conversation of the seed, as events.

use crate::support::{Dice, Ticking};
use journal::Draft;
use model::{
    Actor, AgentName, Block, Driver, Event, FileChange, Lineage, LockChange, LockMode, LockPhase, Message,
    MessageDraft, MessageId, ModelAnswer, ModelCall, Namer, Participant, ParticipantId, RegistrationId, Role,
    RunId, Session, SessionArchived, SessionId, Task, TaskId, TaskKind, Timestamp, TurnEnd, TurnId,
    TurnOutcome, Usage, Vendor,
};

/// One session with two agents and one prompt.
pub(crate) struct Story {
    pub(crate) session: SessionId,
    claude: ParticipantId,
    gemini: ParticipantId,
    task: TaskId,
    turn: TurnId,
    run: RunId,
    holder: RegistrationId,
    message: MessageId,
}

const NOW: Timestamp = Timestamp::from_millis(1_769_869_381_000);

fn named(name: &str) -> AgentName {
    name.parse().unwrap()
}

fn by(actor: &str, event: Event) -> Draft {
    Draft { event, actor: actor.parse().unwrap(), key: None, past: None }
}

impl Story {
    pub(crate) fn new(seed: u64) -> Self {
        let (clock, dice) = (Ticking::default(), Dice::seeded(seed));
        Self {
            session: SessionId::new(&clock, &dice),
            claude: ParticipantId::new(&clock, &dice),
            gemini: ParticipantId::new(&clock, &dice),
            task: TaskId::new(&clock, &dice),
            turn: TurnId::new(&clock, &dice),
            run: RunId::new(&clock, &dice),
            holder: RegistrationId::new(&clock, &dice),
            message: MessageId::new(&clock, &dice),
        }
    }

    /// The writes, in order.
    pub(crate) fn writes(&self) -> Vec<Vec<Draft>> {
        vec![
            self.beginning(),
            self.prompt(),
            vec![self.lock(LockPhase::Waiting), self.lock(LockPhase::Acquired)],
            self.model_call(),
            vec![self.edit()],
            vec![self.tools()],
            vec![self.lock(LockPhase::Released)],
            vec![self.end(TurnOutcome::Completed { summary: "Refactored auth module".to_owned() })],
            vec![
                self.end(TurnOutcome::Failed { code: "crashed".to_owned(), message: "gone".to_owned() }),
                self.end(TurnOutcome::Canceled),
            ],
            vec![by("user", Event::SessionArchived(SessionArchived { session: self.session }))],
        ]
    }

    fn beginning(&self) -> Vec<Draft> {
        let session = Session {
            id: self.session,
            workspace: "ws_abc123".to_owned(),
            title: "Auth".to_owned(),
            repo: None,
            board: None,
            parent: None,
            forked_from: None,
            fork_point: None,
            created_at: NOW,
            origin: None,
            named_by: Namer::default(),
            lineage: Lineage::default(),
        };
        let joined = |id, agent: &str, vendor, model: &str, context_window| {
            by(
                "system",
                Event::ParticipantJoined(Participant {
                    id,
                    session: self.session,
                    agent: named(agent),
                    driver: Driver::Native,
                    vendor,
                    model: model.to_owned(),
                    context_window,
                    joined_at: NOW,
                    history: None,
                }),
            )
        };
        vec![
            by("user", Event::SessionCreated(session)),
            joined(self.claude, "claude", Vendor::Anthropic, "claude-3-opus-20240229", 200_000),
            joined(self.gemini, "gemini", Vendor::Google, "gemini-1.5-pro", 1_000_000),
        ]
    }

    fn prompt(&self) -> Vec<Draft> {
        let task = Task {
            id: self.task,
            session: self.session,
            plan: None,
            kind: TaskKind::Prompt,
            title: "Refactor".to_owned(),
            prompt: "Refactor the auth module".to_owned(),
            targets: vec![self.claude, self.gemini],
            priority: 0,
            depends_on: Vec::new(),
            files: Vec::new(),
            terms: model::TaskTerms::default(),
            created_at: NOW,
        };
        let text = Block::Text { text: "Refactor the auth module".to_owned() };
        vec![
            by("user", Event::TaskSubmitted(task)),
            by("user", Event::MessageAppended(self.message(Role::User, vec![text]))),
        ]
    }

    fn message(&self, role: Role, blocks: Vec<Block>) -> Message {
        Message {
            id: self.message,
            session: self.session,
            task: Some(self.task),
            turn: None,
            participant: (role != Role::User).then_some(self.claude),
            parent: None,
            role,
            blocks,
            usage: None,
            latency_ms: None,
            created_at: NOW,
        }
    }

    fn lock(&self, phase: LockPhase) -> Draft {
        by(
            "system",
            Event::LockChanged(LockChange {
                phase,
                worktree: "/w".to_owned(),
                path: "src/auth.ts".to_owned(),
                mode: LockMode::Exclusive,
                holder: self.holder,
                agent: "claude".to_owned(),
                session: Some(self.session),
                token: 7,
                other: None,
            }),
        )
    }

    fn model_call(&self) -> Vec<Draft> {
        let model = "claude-3-opus-20240229".to_owned();
        let call = ModelCall {
            session: self.session,
            turn: self.turn,
            run: self.run,
            vendor: Vendor::Anthropic,
            model: model.clone(),
            prompt_tokens: 1_500,
            estimated_cost_micros: 45_000,
        };
        let answer = ModelAnswer {
            session: self.session,
            turn: self.turn,
            run: self.run,
            vendor: Vendor::Anthropic,
            model,
            usage: Usage { output_tokens: 800, cost_micros: 24_000, ..Usage::default() },
            latency_ms: 17_000,
            retries: 0,
        };
        let partial = MessageDraft {
            session: self.session,
            turn: self.turn,
            participant: self.claude,
            text_from: 0,
            text: "I am".to_owned(),
            thinking_from: 0,
            thinking: String::new(),
        };
        vec![
            by("claude", Event::ModelCalled(call)),
            by("claude", Event::MessageDrafted(partial)),
            by("claude", Event::ModelAnswered(answer)),
        ]
    }

    fn edit(&self) -> Draft {
        by(
            "claude",
            Event::FileModified(FileChange {
                session: self.session,
                task: self.task,
                turn: self.turn,
                participant: self.claude,
                path: "src/auth.ts".parse().unwrap(),
                before: Some("aa".to_owned()),
                after: "bb".to_owned(),
                lines_added: 45,
                lines_removed: 23,
                token: 7,
                diff: None,
            }),
        )
    }

    fn tools(&self) -> Draft {
        let call_id = "call-1".to_owned();
        let tool = "git_diff".to_owned();
        let blocks = vec![
            Block::Thinking { text: "what changed?".to_owned(), signature: None },
            Block::Text { text: "Let me look.".to_owned() },
            Block::ToolCall {
                call_id: call_id.clone(),
                tool: tool.clone(),
                arguments: serde_json::json!(["src/auth.ts"]),
            },
            Block::ToolResult {
                call_id,
                tool,
                output: "+45 -23 lines changed".to_owned(),
                is_error: false,
                exit_code: Some(0),
            },
        ];
        by("claude", Event::MessageAppended(self.message(Role::Assistant, blocks)))
    }

    fn end(&self, outcome: TurnOutcome) -> Draft {
        by(
            "claude",
            Event::TurnEnded(TurnEnd {
                session: self.session,
                task: self.task,
                turn: self.turn,
                participant: self.claude,
                outcome,
                usage: Usage::default(),
                iterations: 1,
                git: None,
            }),
        )
    }
}

/// An event of no session.
pub(crate) fn outside() -> Draft {
    let board = model::BoardId::new(&Ticking::default(), &Dice::default());
    Draft {
        event: Event::BoardRemoved(model::BoardRemoved { board }),
        actor: Actor::User,
        key: None,
        past: None,
    }
}
