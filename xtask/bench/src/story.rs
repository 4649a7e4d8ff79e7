//! Made-up history: sessions of agents that talk, in events as the product records them.

use bus::system::{SystemClock, SystemEntropy};
use journal::Draft;
use model::{
    Actor, AgentName, Block, Clock, Driver, Entropy, Event, Id, Lineage, Message, Namer, Participant, Role,
    Session, SessionId, Usage, Vendor,
};

/// Words the messages are made of: enough that they compress about as well as talk about code does.
const WORDS: &str = "the lock of this file is held by another agent so wait until it was released and then read \
    write edit test function returns error result value string path journal event session task turn message fn let \
    mut pub struct impl match if else for in use crate async await Result Option Vec None Some Ok Err self";
/// Messages of one write: what a busy second brings.
pub(crate) const MESSAGES: usize = 64;
/// Messages of one session before the next one begins.
const SESSION_MESSAGES: usize = 2_048;

pub(crate) struct Story {
    words: Vec<&'static str>,
    state: u64,
    session: Option<(SessionId, Participant)>,
    told: usize,
    bytes: usize,
}

impl Story {
    /// A story whose messages have about this many bytes.
    pub(crate) fn new(bytes: usize) -> Story {
        Story { words: WORDS.split_whitespace().collect(), state: 1, session: None, told: 0, bytes }
    }

    /// The next events: now and then a session, always messages.
    pub(crate) fn next(&mut self, messages: usize) -> Result<Vec<Draft>, String> {
        let mut drafts = Vec::with_capacity(messages + 2);
        for _ in 0..messages {
            if self.told.is_multiple_of(SESSION_MESSAGES) {
                self.begin(&mut drafts)?;
            }
            let Some((session, participant)) = self.session.clone() else { continue };
            self.told += 1;
            let text = self.text();
            let agent = participant.agent.clone();
            let message = message(session, participant, text);
            drafts.push(draft(Event::MessageAppended(message), Actor::Agent(agent)));
        }
        Ok(drafts)
    }

    fn begin(&mut self, drafts: &mut Vec<Draft>) -> Result<(), String> {
        let (clock, entropy) = (SystemClock, SystemEntropy);
        let id = Id::new(&clock, &entropy);
        let created_at = clock.now();
        let title = format!("Session after {} messages", self.told);
        let workspace = model::DEFAULT_WORKSPACE.to_owned();
        let (repo, board, parent) = (None, None, None);
        let session = Session {
            id,
            workspace,
            title,
            repo,
            board,
            parent,
            forked_from: None,
            fork_point: None,
            origin: None,
            named_by: Namer::default(),
            lineage: Lineage::default(),
            created_at,
        };
        let agent: AgentName = "claude".parse().map_err(|error| format!("{error}"))?;
        let participant = Participant {
            id: Id::new(&clock, &entropy),
            session: id,
            agent,
            vendor: Vendor::Anthropic,
            driver: Driver::Native,
            model: "a-model".to_owned(),
            context_window: 200_000,
            joined_at: created_at,
            history: None,
        };
        drafts.push(draft(Event::SessionCreated(session), Actor::User));
        drafts.push(draft(Event::ParticipantJoined(participant.clone()), Actor::User));
        self.session = Some((id, participant));
        Ok(())
    }

    fn text(&mut self) -> String {
        let mut text = String::with_capacity(self.bytes + 16);
        while text.len() < self.bytes {
            self.state =
                self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from(self.state >> 33).unwrap_or(0) % self.words.len();
            text.push_str(self.words.get(at).copied().unwrap_or("the"));
            text.push(' ');
        }
        text
    }
}

fn message(session: SessionId, participant: Participant, text: String) -> Message {
    let (clock, entropy): (&dyn Clock, &dyn Entropy) = (&SystemClock, &SystemEntropy);
    Message {
        id: Id::new(clock, entropy),
        session,
        task: None,
        turn: None,
        participant: Some(participant.id),
        parent: None,
        role: Role::Assistant,
        blocks: vec![Block::Text { text }],
        usage: Some(Usage { input_tokens: 1_200, output_tokens: 300, ..Usage::default() }),
        latency_ms: Some(1_700),
        created_at: clock.now(),
    }
}

fn draft(event: Event, actor: Actor) -> Draft {
    Draft { event, actor, key: None, past: None }
}
