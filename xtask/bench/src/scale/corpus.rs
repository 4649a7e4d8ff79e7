//! Made-up workspaces: many sessions, or few with many messages. They are written by the journal itself, and folded by whoever opens
//! them, as after a restore.
//!
//! Invariant: what is asked for later is in the middle of all the others, and not what was written last.

use bus::system::{SystemClock, SystemEntropy};
use journal::{Draft, Journal, Options};
use model::{
    Actor, AgentName, Block, Clock, DEFAULT_WORKSPACE, DataRoot, Driver, Event, Id, Lineage, Message, Namer,
    Participant, Role, Session, SessionId, Task, TaskEnd, TaskKind, TaskRef, TaskTerms, Timestamp, Usage,
    Vendor, WorkspaceDir,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Records of one write, and writes that share one sync.
const BATCH: usize = 64;
const SYNC_EVERY: usize = 64;
/// Milliseconds between two sessions of the history.
const PACE_MS: i64 = 1_700;
/// One session in so many has an agent and a task; the others are as they were created.
const WORKED_EVERY: usize = 20;
/// Of those that have a task, one in so many failed, and one in so many is at work.
const FAILED_EVERY: usize = 5;
const RUNNING_EVERY: usize = 50;
/// A family of ten generations in which each session has two children.
pub(super) const FAMILY: usize = 1_023;
/// Generations above the last one of a chain.
pub(super) const CHAIN: usize = 10;
/// Sessions that are asked for by name.
const SOME: usize = 1_000;
/// Bytes of a message's text.
const TEXT: usize = 300;

/// What is to be asked for.
pub(super) struct Corpus {
    pub(super) some: Vec<SessionId>,
    pub(super) elder: SessionId,
    pub(super) youngest: SessionId,
    pub(super) records: u64,
}

/// Time as it passed while the history was made.
struct Then(AtomicI64);

impl Then {
    fn pass(&self) {
        self.0.fetch_add(PACE_MS, Ordering::Relaxed);
    }
}

impl Clock for Then {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        SystemClock.uptime()
    }
}

pub(super) fn workspace(root: &Path) -> Result<WorkspaceDir, String> {
    let workspace = DataRoot::new(root).workspace(DEFAULT_WORKSPACE);
    std::fs::create_dir_all(workspace.path()).map_err(|error| error.to_string())?;
    Ok(workspace)
}

/// Keeps the per-session archive from being written: it is a file for each session, and of no interest here. No commit and no read
/// waits for it.
pub(super) fn without_archive(workspace: &WorkspaceDir) -> Result<(), String> {
    std::fs::write(workspace.session_logs(), "").map_err(|error| error.to_string())
}

/// Who opens the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A store: some sessions are at work, and most have nobody in them.
    Store,
    /// A daemon, which would go on with the work: none is at work, and each has a seat.
    Daemon,
}

/// So many sessions.
pub(super) fn sessions(root: &Path, count: usize, reader: Reader) -> Result<Corpus, String> {
    let begun = SystemClock.now().as_millis() - PACE_MS * i64::try_from(count).unwrap_or(0);
    let then = Arc::new(Then(AtomicI64::new(begun)));
    let mut pen = Pen::open(root, Arc::clone(&then) as Arc<dyn Clock>)?;
    let family_at = count / 2;
    let mut family: Vec<SessionId> = Vec::with_capacity(FAMILY);
    let mut chain: Vec<SessionId> = Vec::with_capacity(CHAIN + 1);
    let mut some = Vec::new();
    for number in 0..count {
        then.pass();
        let mut session = session(&*then, number)?;
        let in_family = number.wrapping_sub(family_at);
        if in_family < FAMILY {
            session.parent = in_family.checked_sub(1).map(|before| family[before / 2]);
            family.push(session.id);
        } else if in_family < FAMILY + CHAIN + 1 {
            session.forked_from = chain.last().copied();
            chain.push(session.id);
        }
        if number % (count / SOME).max(1) == 0 {
            some.push(session.id);
        }
        let id = session.id;
        pen.say(Event::SessionCreated(session), Actor::User)?;
        if number % WORKED_EVERY == 0 {
            worked(&mut pen, &*then, id, number / WORKED_EVERY, reader == Reader::Store)?;
        } else if reader == Reader::Daemon {
            pen.say(Event::ParticipantJoined(seat(&*then, id)?), Actor::User)?;
        }
    }
    let records = pen.close()?;
    let (Some(elder), Some(youngest)) = (family.first().copied(), chain.last().copied()) else {
        return Err(format!("a family needs {} sessions", 2 * (FAMILY + CHAIN + 1)));
    };
    Ok(Corpus { some, elder, youngest, records })
}

/// A seat, and one task that came to its end or is under way.
fn worked(
    pen: &mut Pen,
    clock: &dyn Clock,
    session: SessionId,
    number: usize,
    at_work: bool,
) -> Result<(), String> {
    let seat = seat(clock, session)?;
    let task = Task {
        id: Id::new(clock, &SystemEntropy),
        session,
        plan: None,
        kind: TaskKind::Prompt,
        title: "Look after the leases".to_owned(),
        prompt: "Look after the leases of the bus, and say what is left to do.".to_owned(),
        targets: vec![seat.id],
        priority: 0,
        depends_on: Vec::new(),
        files: Vec::new(),
        terms: TaskTerms::default(),
        created_at: clock.now(),
    };
    let id = task.id;
    let agent = Actor::Agent(seat.agent.clone());
    pen.say(Event::ParticipantJoined(seat), Actor::User)?;
    pen.say(Event::TaskSubmitted(task), Actor::User)?;
    pen.say(Event::TaskStarted(TaskRef { session, task: id }), agent.clone())?;
    let end = TaskEnd { session, task: id, text: "The leases are renewed in time.".to_owned(), code: None };
    match number {
        number if number % RUNNING_EVERY == 0 && at_work => Ok(()),
        number if number % FAILED_EVERY == 1 => pen.say(Event::TaskFailed(end), agent),
        _ => pen.say(Event::TaskCompleted(end), agent),
    }
}

/// Two sessions of the same agent, one with so many messages and one with so many more.
pub(super) fn conversations(root: &Path, few: usize, many: usize) -> Result<(SessionId, SessionId), String> {
    let mut pen = Pen::open(root, Arc::new(SystemClock))?;
    let mut made = Vec::new();
    for messages in [few, many] {
        let session = session(&SystemClock, messages)?;
        let (id, seat) = (session.id, seat(&SystemClock, session.id)?);
        let agent = Actor::Agent(seat.agent.clone());
        pen.say(Event::SessionCreated(session), Actor::User)?;
        pen.say(Event::ParticipantJoined(seat.clone()), Actor::User)?;
        for number in 0..messages {
            let (role, actor) =
                if number % 2 == 0 { (Role::User, Actor::User) } else { (Role::Assistant, agent.clone()) };
            pen.say(Event::MessageAppended(message(id, &seat, role, number)), actor)?;
        }
        made.push(id);
    }
    pen.close()?;
    match made[..] {
        [few, many] => Ok((few, many)),
        _ => Err("no conversations were made".to_owned()),
    }
}

pub(super) fn session(clock: &dyn Clock, number: usize) -> Result<Session, String> {
    Ok(Session {
        id: Id::new(clock, &SystemEntropy),
        workspace: DEFAULT_WORKSPACE.to_owned(),
        title: format!(
            "{} the {} of part {number}",
            word(number, &DEEDS),
            word(number / DEEDS.len(), &THINGS)
        ),
        repo: None,
        board: None,
        parent: None,
        forked_from: None,
        fork_point: None,
        origin: None,
        named_by: Namer::Model,
        lineage: Lineage::default(),
        created_at: clock.now(),
    })
}

const DEEDS: [&str; 6] = ["Mend", "Review", "Speed up", "Explain", "Test", "Take out"];
const THINGS: [&str; 6] = ["leases", "tokenizer", "dark mode", "importer", "sidebar", "retries"];

fn word(number: usize, words: &[&'static str]) -> &'static str {
    words.get(number % words.len().max(1)).copied().unwrap_or_default()
}

pub(super) fn seat(clock: &dyn Clock, session: SessionId) -> Result<Participant, String> {
    let agent: AgentName = "claude".parse().map_err(|error| format!("{error}"))?;
    Ok(Participant {
        id: Id::new(clock, &SystemEntropy),
        session,
        agent,
        vendor: Vendor::Anthropic,
        driver: Driver::Native,
        model: "a-model".to_owned(),
        context_window: 200_000,
        joined_at: clock.now(),
        history: None,
    })
}

fn message(session: SessionId, seat: &Participant, role: Role, number: usize) -> Message {
    let mut text = format!("Step {number}: ");
    while text.len() < TEXT {
        text.push_str("the lease of this file is renewed before it is over, and whoever waits is told; ");
    }
    let said = role == Role::Assistant;
    Message {
        id: Id::new(&SystemClock, &SystemEntropy),
        session,
        task: None,
        turn: None,
        participant: said.then_some(seat.id),
        parent: None,
        role,
        blocks: vec![Block::Text { text }],
        usage: said.then(|| Usage { input_tokens: 1_200, output_tokens: 80, ..Usage::default() }),
        latency_ms: said.then_some(1_700),
        created_at: SystemClock.now(),
    }
}

/// Writes events into a journal, many at once.
struct Pen {
    journal: Journal,
    drafts: Vec<Draft>,
    writes: usize,
    records: u64,
}

impl Pen {
    fn open(root: &Path, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let workspace = workspace(root)?;
        let opened = Journal::open(
            &workspace.journal(),
            &workspace.blobs(),
            clock,
            Arc::new(SystemEntropy),
            Options::default(),
        );
        let journal = opened.map_err(|error| error.to_string())?.journal;
        Ok(Self { journal, drafts: Vec::with_capacity(BATCH), writes: 0, records: 0 })
    }

    fn say(&mut self, event: Event, actor: Actor) -> Result<(), String> {
        self.drafts.push(Draft { event, actor, key: None, past: None });
        if self.drafts.len() >= BATCH { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), String> {
        if self.drafts.is_empty() {
            return Ok(());
        }
        self.journal.write(&self.drafts).map_err(|error| error.to_string())?;
        self.records += self.drafts.len() as u64;
        self.drafts.clear();
        self.writes += 1;
        if self.writes.is_multiple_of(SYNC_EVERY) {
            self.journal.sync().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn close(mut self) -> Result<u64, String> {
        self.write()?;
        self.journal.sync().map_err(|error| error.to_string())?;
        Ok(self.records)
    }
}
