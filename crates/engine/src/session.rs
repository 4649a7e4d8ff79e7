//! Sessions: create, list, look up. What changes of one is in `session/change.rs`, removing it in `session/remove.rs`.

mod change;
mod cursor;
mod remove;

pub use change::{CallbackWish, SessionChange};
pub use remove::RemovedSession;

use crate::actor::Mail;
use crate::engine::Shared;
use crate::message::clean_text;
use crate::plan::MAX_PARTICIPANTS;
use crate::turn::start::{missing_key, not_configured};
use crate::{AgentConfig, Call, Caller, Engine, ParticipantView, SessionView};
use model::{
    AgentName, BoardId, Event, HistoryBy, Lineage, Namer, Participant, ParticipantStatus, Refusal,
    RefusalKind, RepoId, Session, SessionId, StatusChange,
};
use store::{SessionFilter, SessionRow, Shown, View};

/// Longest title of a session, in characters.
pub(crate) const TITLE_MAX: usize = 200;
/// Most sessions in one page.
pub(crate) const PAGE_MAX: usize = 200;

#[derive(Debug, Clone, Default)]
pub struct NewSession {
    /// Empty: named after its agents.
    pub title: String,
    pub repo: Option<RepoId>,
    /// One seat each; at least one.
    pub agents: Vec<AgentName>,
    pub board: Option<BoardId>,
    /// The session that spawned this one.
    pub parent: Option<SessionId>,
}

/// One page of a list of sessions.
#[derive(Debug, Clone)]
pub struct SessionsPage {
    pub sessions: Vec<SessionView>,
    /// Where the list goes on; none at its end.
    pub next: Option<String>,
}

/// Longest text that is looked for in titles, in bytes.
const TEXT_MAX: usize = 256;

impl Engine {
    /// Opens a session with a seat for each agent.
    pub async fn create_session(&self, call: &Call, new: NewSession) -> Result<SessionView, Refusal> {
        call.only_user()?;
        check_title(&new.title)?;
        let shared = &self.shared;
        if let Some(board) = new.board {
            let known = shared.store.read(|view| view.board(board))?;
            known.ok_or_else(|| Refusal::not_found("board", board))?;
        }
        let agents = self.configured(&new.agents)?;
        let now = shared.now();
        let names: Vec<&str> = agents.iter().map(|(name, _)| name.as_str()).collect();
        let unnamed = new.title.trim().is_empty();
        let title = if unnamed { joined(&names) } else { new.title.trim().to_owned() };
        let session = Session {
            id: shared.new_id(),
            workspace: shared.options.workspace.clone(),
            title,
            repo: new.repo,
            board: new.board,
            parent: new.parent,
            forked_from: None,
            fork_point: None,
            created_at: now,
            origin: None,
            named_by: if unnamed { Namer::Agents } else { Namer::User },
            lineage: Lineage::default(),
        };
        let seats = self.seats(session.id, agents, None);
        let made = self.open_session(call, session, seats).await?;
        if let Some(board) = made.session.board {
            self.show_on(call, board, made.session.id).await;
        }
        Ok(made)
    }

    /// A seat for each agent, not taken yet.
    pub(crate) fn seats(
        &self,
        session: SessionId,
        agents: Vec<(AgentName, AgentConfig)>,
        history: Option<HistoryBy>,
    ) -> Vec<Participant> {
        let seat = |(name, agent): (AgentName, AgentConfig)| Participant {
            history,
            ..seat(&self.shared, session, name, &agent)
        };
        agents.into_iter().map(seat).collect()
    }

    /// Commits a new session with a seat for each agent.
    pub(crate) async fn open_session(
        &self,
        call: &Call,
        session: Session,
        seats: Vec<Participant>,
    ) -> Result<SessionView, Refusal> {
        let command = move |view: &View<'_>| opening(view, session, seats);
        let receipt = self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.session(made(&receipt)?)
    }

    /// A page of a list. `cursor` is `next` of the page before, of a list in the same order.
    pub fn sessions(&self, filter: SessionFilter, cursor: Option<&str>) -> Result<SessionsPage, Refusal> {
        let limit = if filter.limit == 0 { PAGE_MAX } else { filter.limit.min(PAGE_MAX) };
        let mut filter = SessionFilter { limit, ..filter };
        if filter.text.as_ref().is_some_and(|text| text.len() > TEXT_MAX) {
            let message = format!("at most {TEXT_MAX} bytes are looked for in titles");
            return Err(Refusal::invalid("text_too_long", message).hint("look for a part of it"));
        }
        filter.text = filter.text.filter(|text| !text.is_empty());
        if let Some(cursor) = cursor {
            filter.after = Some(cursor::mark(&filter, cursor)?);
        }
        self.shared.store.read_or_refuse(|view| {
            let page = view.sessions(&filter)?;
            let sessions = session_views(view, page.rows)?;
            Ok(SessionsPage { sessions, next: page.next.map(|mark| cursor::text(&filter, &mark)) })
        })
    }

    pub fn session(&self, session: SessionId) -> Result<SessionView, Refusal> {
        self.shared.store.read_or_refuse(|view| {
            let row = visible(view, session)?;
            session_view(view, row)
        })
    }

    pub fn participants(&self, session: SessionId) -> Result<Vec<ParticipantView>, Refusal> {
        Ok(self.session(session)?.participants)
    }

    /// Refuses a session that is none of the caller's business. An agent sees its own, what came out of it, and what it asked.
    pub fn may_see(&self, caller: &Caller, session: SessionId) -> Result<(), Refusal> {
        let own = match caller {
            Caller::User => return Ok(()),
            Caller::Run { session, .. } => Some(*session),
            Caller::Terminal { .. } => None,
        };
        let sees = own == Some(session)
            || own.is_some()
                && self.shared.store.read(|view| {
                    let asked = view.session(session)?.is_some_and(|row| row.session.lineage.asker == own);
                    Ok(asked || view.ancestors(session)?.iter().any(|kin| Some(kin.session) == own))
                })?;
        if sees {
            return Ok(());
        }
        Err(Refusal::new(
            RefusalKind::Forbidden,
            "not_your_session",
            "an agent sees its own session, and those that came out of it",
        ))
    }

    /// The agents by these names as they are configured now.
    pub(crate) fn configured(&self, names: &[AgentName]) -> Result<Vec<(AgentName, AgentConfig)>, Refusal> {
        let snapshot = self.shared.config.snapshot();
        let known = || snapshot.config.agents.keys().map(AgentName::as_str).collect::<Vec<_>>().join(", ");
        if names.is_empty() {
            let hint = format!("name some of: {}", known());
            return Err(Refusal::invalid("no_agents", "a session needs at least one agent").hint(hint));
        }
        if names.len() > MAX_PARTICIPANTS {
            let message = format!("a session has at most {MAX_PARTICIPANTS} agents");
            return Err(Refusal::invalid("too_many_agents", message));
        }
        let mut agents: Vec<(AgentName, AgentConfig)> = Vec::new();
        for name in names {
            if agents.iter().any(|(seen, _)| seen == name) {
                return Err(Refusal::invalid("agent_twice", format!("`{name}` is named twice")));
            }
            let agent = snapshot.config.agents.get(name).ok_or_else(|| {
                Refusal::not_found("agent", name).hint(format!("configured are: {}", known()))
            })?;
            agents.push((name.clone(), agent.clone()));
        }
        Ok(agents)
    }

    /// Refuses participants whose agent is not configured or has no key.
    pub(crate) fn key_check(&self) -> impl Fn(&[Participant]) -> Result<(), Refusal> + Send + use<> {
        let snapshot = self.shared.config.snapshot();
        let environment = std::sync::Arc::clone(&self.shared.options.environment);
        move |participants| {
            for participant in participants {
                let agent = snapshot.config.agents.get(&participant.agent);
                let agent = agent.ok_or_else(|| not_configured(&participant.agent))?;
                if agent.key(&*environment).is_none() {
                    return Err(missing_key(participant.agent.as_str(), &agent.api_key_env, agent.vendor));
                }
            }
            Ok(())
        }
    }

    pub(crate) async fn wake(&self, session: SessionId) {
        self.shared.tell(session, Mail::Look).await;
    }
}

fn seat(shared: &Shared, session: SessionId, agent: AgentName, config: &AgentConfig) -> Participant {
    Participant {
        id: shared.new_id(),
        session,
        agent,
        driver: config.driver,
        vendor: config.vendor,
        model: config.model.clone(),
        context_window: config.context_window,
        joined_at: shared.now(),
        history: None,
    }
}

pub(crate) fn check_title(title: &str) -> Result<(), Refusal> {
    if title.chars().count() > TITLE_MAX || title.chars().any(char::is_control) {
        let message = format!("a title has at most {TITLE_MAX} characters, and no control characters");
        return Err(Refusal::invalid("title_invalid", message));
    }
    Ok(())
}

/// The session, if it is to be seen.
pub(crate) fn visible(view: &View<'_>, session: SessionId) -> Result<SessionRow, Refusal> {
    view.session(session)?.ok_or_else(|| Refusal::not_found("session", session))
}

/// The events of a session that begins.
pub(crate) fn opening(
    view: &View<'_>,
    mut session: Session,
    seats: Vec<Participant>,
) -> Result<Vec<Event>, Refusal> {
    if let Some(repo) = session.repo {
        view.repo(repo)?.ok_or_else(|| Refusal::not_found("repo", repo))?;
    }
    if let Some(parent) = session.parent {
        visible(view, parent)?;
    }
    // What began on a board that is gone since begins all the same.
    if let Some(board) = session.board
        && view.board(board)?.is_none()
    {
        session.board = None;
    }
    let mut events = vec![Event::SessionCreated(session)];
    for seat in seats {
        let change = StatusChange {
            session: seat.session,
            participant: seat.id,
            status: ParticipantStatus::Idle,
            detail: None,
        };
        events.extend([Event::ParticipantJoined(seat), Event::ParticipantStatusChanged(change)]);
    }
    Ok(events)
}

/// The session a commit has made, now or when the request came for the first time.
pub(crate) fn made(receipt: &store::Receipt) -> Result<SessionId, Refusal> {
    let created = receipt.records.iter().find_map(|record| match &record.event {
        Event::SessionCreated(session) => Some(session.id),
        _ => None,
    });
    created.ok_or_else(|| Refusal::internal("the commit made no session"))
}

/// The title of a session of which nothing is known but who is in it.
pub(crate) fn joined(names: &[&str]) -> String {
    let mut title = names.join(", ");
    if title.chars().count() > TITLE_MAX {
        title = title.chars().take(TITLE_MAX - 1).collect();
        title.push('…');
    }
    title
}

/// A title as it is kept, or why it is none. Empty: none was given.
pub(crate) fn title_given(given: Option<String>) -> Result<Option<String>, Refusal> {
    let title = clean_text(given.unwrap_or_default().trim());
    check_title(&title)?;
    Ok(Some(title).filter(|title| !title.is_empty()))
}

pub(crate) fn session_view(view: &View<'_>, row: SessionRow) -> Result<SessionView, Refusal> {
    let shown = session_views(view, vec![row])?.pop();
    shown.ok_or_else(|| Refusal::internal("a session that is not shown"))
}

/// A whole page asks the store as often as one session does.
fn session_views(view: &View<'_>, rows: Vec<SessionRow>) -> Result<Vec<SessionView>, Refusal> {
    let ids: Vec<SessionId> = rows.iter().map(|row| row.session.id).collect();
    let shown = view.shown(&ids)?;
    Ok(rows.into_iter().zip(shown).map(|(row, shown)| joined_view(row, shown)).collect())
}

fn joined_view(row: SessionRow, shown: Shown) -> SessionView {
    let seats = shown.seats.into_iter().map(|row| ParticipantView {
        participant: row.participant,
        status: row.status,
        detail: row.detail,
        since: row.since,
        context_used: row.context_used,
    });
    let participants: Vec<ParticipantView> = seats.collect();
    let paused = participants.iter().filter(|seat| seat.status == ParticipantStatus::Paused).count();
    SessionView {
        short_id: row.session.id.short(),
        state: row.state,
        archived: row.archived_at.is_some(),
        participants,
        usage: row.usage,
        needs_input: u32::try_from(shown.waiting + paused as u64).unwrap_or(u32::MAX),
        updated_at: row.updated_at,
        tags: row.tags,
        imported: row.imported,
        session: row.session,
    }
}
