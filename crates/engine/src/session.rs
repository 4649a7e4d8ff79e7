//! Sessions: create, rename, archive, look up.

use crate::actor::Mail;
use crate::engine::Shared;
use crate::plan::MAX_PARTICIPANTS;
use crate::turn::start::{missing_key, not_configured};
use crate::{AgentConfig, Call, Engine, ParticipantView, SessionView};
use model::{
    AgentName, BoardId, Event, Participant, ParticipantStatus, Refusal, RepoId, Session, SessionArchived,
    SessionId, SessionRenamed, StatusChange, TaskState,
};
use store::{SessionRow, View};

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

#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    pub include_archived: bool,
    /// Newest first; only sessions older than this one.
    pub before: Option<SessionId>,
    /// At most [`PAGE_MAX`]; 0 means that many.
    pub limit: usize,
}

impl Engine {
    /// Opens a session with a seat for each agent.
    pub async fn create_session(&self, call: &Call, new: NewSession) -> Result<SessionView, Refusal> {
        call.only_user()?;
        check_title(&new.title)?;
        let shared = &self.shared;
        let agents = self.configured(&new.agents)?;
        let now = shared.now();
        let names: Vec<&str> = agents.iter().map(|(name, _)| name.as_str()).collect();
        let title = if new.title.trim().is_empty() { names.join(", ") } else { new.title.trim().to_owned() };
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
        };
        self.open_session(call, session, agents).await
    }

    /// Commits a new session with a seat for each agent.
    pub(crate) async fn open_session(
        &self,
        call: &Call,
        session: Session,
        agents: Vec<(AgentName, AgentConfig)>,
    ) -> Result<SessionView, Refusal> {
        let shared = &self.shared;
        let seats: Vec<Participant> =
            agents.into_iter().map(|(name, agent)| seat(shared, session.id, name, &agent)).collect();
        let command = move |view: &View<'_>| {
            if let Some(repo) = session.repo {
                view.repo(repo)?.ok_or_else(|| Refusal::not_found("repo", repo))?;
            }
            if let Some(parent) = session.parent {
                view.session(parent)?.ok_or_else(|| Refusal::not_found("session", parent))?;
            }
            if let Some(board) = session.board {
                view.board(board)?.ok_or_else(|| Refusal::not_found("board", board))?;
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
        };
        let receipt = shared.commit(call.actor(), call.key.clone(), command).await?;
        let created = receipt.records.iter().find_map(|record| match &record.event {
            Event::SessionCreated(session) => Some(session.id),
            _ => None,
        });
        self.session(created.ok_or_else(|| Refusal::internal("the commit made no session"))?)
    }

    pub async fn rename_session(
        &self,
        call: &Call,
        session: SessionId,
        title: String,
    ) -> Result<SessionView, Refusal> {
        call.only_user()?;
        check_title(&title)?;
        if title.trim().is_empty() {
            return Err(Refusal::invalid("title_empty", "a session needs a title"));
        }
        let command = move |view: &View<'_>| {
            view.session(session)?.ok_or_else(|| Refusal::not_found("session", session))?;
            Ok(vec![Event::SessionRenamed(SessionRenamed { session, title: title.trim().to_owned() })])
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.session(session)
    }

    /// Puts a session out of sight. Nothing is deleted; one that still works is refused.
    pub async fn archive_session(&self, call: &Call, session: SessionId) -> Result<SessionView, Refusal> {
        call.only_user()?;
        let command = move |view: &View<'_>| {
            let row = view.session(session)?.ok_or_else(|| Refusal::not_found("session", session))?;
            if row.archived_at.is_some() {
                return Ok(Vec::new());
            }
            if row.state == model::SessionState::Running {
                return Err(Refusal::conflict("session_running", "the session still has open tasks")
                    .hint("cancel them first: `coditect task cancel ID`"));
            }
            Ok(vec![Event::SessionArchived(SessionArchived { session })])
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.session(session)
    }

    pub fn sessions(&self, filter: SessionFilter) -> Result<Vec<SessionView>, Refusal> {
        let limit = if filter.limit == 0 { PAGE_MAX } else { filter.limit.min(PAGE_MAX) };
        let filter =
            store::SessionFilter { include_archived: filter.include_archived, before: filter.before, limit };
        self.shared.store.read_or_refuse(|view| {
            view.sessions(&filter)?.into_iter().map(|row| session_view(view, row)).collect()
        })
    }

    pub fn session(&self, session: SessionId) -> Result<SessionView, Refusal> {
        self.shared.store.read_or_refuse(|view| {
            let row = view.session(session)?.ok_or_else(|| Refusal::not_found("session", session))?;
            session_view(view, row)
        })
    }

    pub fn participants(&self, session: SessionId) -> Result<Vec<ParticipantView>, Refusal> {
        Ok(self.session(session)?.participants)
    }

    pub fn resolve_session(&self, given: &str) -> Result<SessionId, Refusal> {
        self.resolve(given)
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
    }
}

fn check_title(title: &str) -> Result<(), Refusal> {
    if title.chars().count() > TITLE_MAX || title.chars().any(char::is_control) {
        let message = format!("a title has at most {TITLE_MAX} characters, and no control characters");
        return Err(Refusal::invalid("title_invalid", message));
    }
    Ok(())
}

fn session_view(view: &View<'_>, row: SessionRow) -> Result<SessionView, Refusal> {
    let session = row.session.id;
    let participants = view.participants(session)?.into_iter().map(|row| ParticipantView {
        participant: row.participant,
        status: row.status,
        detail: row.detail,
        since: row.since,
        context_used: row.context_used,
    });
    let participants: Vec<ParticipantView> = participants.collect();
    let tasks = view.tasks_in_state(&[TaskState::InputRequired])?;
    let asked = tasks.iter().filter(|task| task.task.session == session).count();
    let permissions = usize::try_from(view.count_open_permissions(Some(session))?).unwrap_or(0);
    let paused = participants.iter().filter(|seat| seat.status == ParticipantStatus::Paused).count();
    Ok(SessionView {
        short_id: session.short(),
        state: row.state,
        archived: row.archived_at.is_some(),
        participants,
        usage: view.session_usage(session)?,
        needs_input: u32::try_from(asked + paused + permissions).unwrap_or(u32::MAX),
        updated_at: row.updated_at,
        session: row.session,
    })
}
