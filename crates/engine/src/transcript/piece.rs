//! A piece of a transcript, and the events it becomes.

use agent::transcript::{Header, Said, add, program};
use model::{
    AgentName, Driver, Event, FileMark, Lineage, Message, MessageId, Namer, Origin, Participant,
    ParticipantId, ParticipantStatus, RawLine, Refusal, RefusalKind, Role, Session, SessionId,
    SessionRenamed, StatusChange, Timestamp, TouchedFile, TranscriptImport, Usage, Vendor,
};
use store::{TranscriptRow, View};

/// The code of a refusal that says somebody else has read on.
pub(super) const MOVED: &str = "transcript_moved";

/// The code of a refusal that says a participant of ours leads the session.
pub(super) const OURS: &str = "transcript_ours";

/// What is committed together.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) workspace: String,
    pub(super) vendor: Vendor,
    pub(super) header: Header,
    pub(super) source: String,
    pub(super) file: FileMark,
    /// What must be known of the file for the piece to fit.
    pub(super) after: Option<(u64, String)>,
    pub(super) from: u64,
    pub(super) offset: u64,
    pub(super) prefix_hash: String,
    pub(super) lines: u64,
    pub(super) passed: u64,
    pub(super) unknown: Vec<RawLine>,
    pub(super) session: SessionId,
    pub(super) messages: Vec<Message>,
    pub(super) usage: Usage,
    pub(super) files: Vec<TouchedFile>,
    pub(super) again: bool,
    /// Some of the messages may be there already, from another file or another state of this one.
    pub(super) sift: bool,
    /// The vendor's title, when it is news.
    pub(super) title: Option<String>,
}

/// Names what a vendor's session becomes: the same whenever it is read.
pub(super) fn session_id(vendor: Vendor, header: &Header) -> SessionId {
    let seed = blake3::hash(format!("{} {}", vendor.as_str(), header.session).as_bytes());
    SessionId::derived(header.started.unwrap_or_default(), tail(seed.as_bytes()))
}

fn tail(hash: &[u8]) -> [u8; 10] {
    let mut tail = [0; 10];
    tail.copy_from_slice(&hash[..10]);
    tail
}

fn seat_id(session: SessionId, at: Timestamp) -> ParticipantId {
    ParticipantId::derived(at, tail(blake3::hash(format!("{session} seat").as_bytes()).as_bytes()))
}

/// The messages of a session, under ids that are the same whenever they are read.
pub(super) fn messages(session: SessionId, said: Vec<Said>) -> Vec<Message> {
    let mut hasher = blake3::Hasher::new();
    said.into_iter()
        .map(|said| {
            hasher.reset().update(session.as_bytes()).update(&said.key);
            Message {
                id: MessageId::derived(said.at, tail(hasher.finalize().as_bytes())),
                session,
                task: None,
                turn: None,
                participant: None,
                parent: None,
                role: said.role,
                blocks: said.blocks,
                usage: said.usage,
                latency_ms: None,
                created_at: said.at,
            }
        })
        .collect()
}

fn speaks(role: Role) -> bool {
    matches!(role, Role::Assistant | Role::Tool)
}

impl Piece {
    /// The events, if the piece begins where the transcript has been read to.
    pub(super) fn decide(mut self, view: &View<'_>) -> Result<Vec<Event>, Refusal> {
        let known = view.transcript(&self.source)?;
        let at = |row: &TranscriptRow| (row.offset, row.prefix_hash.clone());
        if known.as_ref().map(at) != self.after {
            return Err(Refusal::new(
                RefusalKind::Conflict,
                MOVED,
                "somebody else has read this transcript on",
            ));
        }
        let mut events = Vec::with_capacity(self.messages.len() + 4);
        let present = view.session(self.session)?;
        if present.is_none() {
            // A sub-agent is of the session that started it.
            let own = self.header.session.split('/').next().unwrap_or_default();
            if view.driven_session(own)?.is_some() {
                return Err(Refusal::new(
                    RefusalKind::Conflict,
                    OURS,
                    "the session is in the studio already",
                ));
            }
            events.push(Event::SessionCreated(self.new_session(view)?));
        }
        self.seat(view, &mut events)?;
        if self.sift {
            let count = self.messages.len();
            let mut fresh = Vec::with_capacity(count);
            for message in self.messages {
                if view.message(message.id)?.is_none() {
                    fresh.push(message);
                }
            }
            // What was used is known, too, as far as the messages are: rather too little is counted than twice.
            if fresh.len() < count {
                self.usage = Usage::default();
                fresh
                    .iter()
                    .filter_map(|message| message.usage.as_ref())
                    .for_each(|usage| add(&mut self.usage, usage));
            }
            self.messages = fresh;
        }
        let messages = self.messages.len() as u64;
        events.extend(self.messages.drain(..).map(Event::MessageAppended));
        if let Some((row, title)) = present.zip(self.title.take())
            && row.session.title != title
        {
            events.push(Event::SessionRenamed(SessionRenamed {
                session: self.session,
                title,
                by: Namer::default(),
            }));
        }
        events.push(Event::TranscriptImported(TranscriptImport {
            session: self.session,
            vendor: self.vendor,
            vendor_session: self.header.session,
            source: self.source,
            file: self.file,
            from: self.from,
            offset: self.offset,
            prefix_hash: self.prefix_hash,
            lines: self.lines,
            messages,
            passed: self.passed,
            unknown: self.unknown,
            usage: self.usage,
            files: self.files,
            again: self.again,
        }));
        Ok(events)
    }

    fn new_session(&self, view: &View<'_>) -> Result<Session, Refusal> {
        let header = &self.header;
        let parent = match &header.parent {
            Some(parent) => view.transcript_session(self.vendor, parent)?,
            None => None,
        };
        let title = header.title.clone().unwrap_or_else(|| header.session.chars().take(80).collect());
        Ok(Session {
            id: self.session,
            workspace: self.workspace.clone(),
            title,
            repo: None,
            board: None,
            parent,
            forked_from: None,
            fork_point: None,
            created_at: header.started.unwrap_or_default(),
            origin: Some(Origin {
                vendor: self.vendor,
                session: header.session.clone(),
                source: self.source.clone(),
                cwd: header.cwd.clone(),
                branch: header.branch.clone(),
                version: header.version.clone(),
                call: header.call.clone(),
            }),
            named_by: Namer::default(),
            lineage: Lineage::default(),
        })
    }

    /// Gives what the agent said its speaker, who joins with the first word.
    fn seat(&mut self, view: &View<'_>, events: &mut Vec<Event>) -> Result<(), Refusal> {
        let Some(first) = self.messages.iter().find(|message| speaks(message.role)) else { return Ok(()) };
        let at = first.created_at;
        let seat = match view.participants(self.session)?.into_iter().next() {
            Some(row) => row.participant.id,
            None => {
                let seat = self.participant(at)?;
                let id = seat.id;
                let done = StatusChange {
                    session: self.session,
                    participant: id,
                    status: ParticipantStatus::Done,
                    detail: Some("imported".to_owned()),
                };
                events.extend([Event::ParticipantJoined(seat), Event::ParticipantStatusChanged(done)]);
                id
            }
        };
        for message in self.messages.iter_mut().filter(|message| speaks(message.role)) {
            message.participant = Some(seat);
        }
        Ok(())
    }

    fn participant(&self, at: Timestamp) -> Result<Participant, Refusal> {
        let agent: AgentName = program(self.vendor).parse().map_err(Refusal::internal)?;
        Ok(Participant {
            id: seat_id(self.session, at),
            session: self.session,
            agent,
            driver: match self.vendor {
                Vendor::Anthropic => Driver::Claude,
                Vendor::Openai => Driver::Codex,
                Vendor::Google | Vendor::Moonshot => Driver::Acp,
            },
            vendor: self.vendor,
            model: self.header.model.clone().unwrap_or_else(|| "unknown".to_owned()),
            context_window: 0,
            joined_at: at,
            history: None,
        })
    }
}
