//! Spawning: a child session with fresh context, which may call back when its work is over.
//!
//! A child is made and prompted in one commit, so there is none without its work. It does not matter whether its parent works.

use crate::message::{new_task, prompt_text, user_message};
use crate::plan::title_of;
use crate::session::{CallbackWish, joined, made, opening, session_view, title_given, visible};
use crate::task::task_view;
use crate::{Call, Caller, Engine, SessionView, TaskView};
use model::{
    AgentName, Callback, Event, Lineage, Namer, ParticipantId, Refusal, RefusalKind, RepoId, Session,
    SessionId, SessionState,
};
use store::View;

/// A child of a session, and what it is to do.
#[derive(Debug, Clone, Default)]
pub struct NewSpawn {
    pub prompt: String,
    /// Who does it; empty: the agents of the parent.
    pub agents: Vec<AgentName>,
    /// Named after its prompt without.
    pub title: Option<String>,
    /// Where it works; that of the parent without.
    pub repo: Option<RepoId>,
    /// How often the parent is told that the child's work is over; never without.
    pub callback: Option<CallbackWish>,
    /// Whose turn it then is in the parent: an agent of it. Without, the agent that spawned the child; for the user, all.
    pub callback_to: Option<AgentName>,
}

/// A child and its first task.
#[derive(Debug, Clone)]
pub struct SpawnedSession {
    pub session: SessionView,
    pub task: TaskView,
}

impl Engine {
    /// Starts a child of a session. An agent spawns children of its own session only, as many and as deep as the limits say.
    pub async fn spawn_session(
        &self,
        call: &Call,
        parent: SessionId,
        new: NewSpawn,
    ) -> Result<SpawnedSession, Refusal> {
        let by = spawner(call, parent)?;
        let prompt = prompt_text(&new.prompt)?;
        let given = title_given(new.title)?;
        let (row, seats, spawn_point) = self.shared.store.read_or_refuse(|view| {
            Ok((visible(view, parent)?.session, view.participants(parent)?, view.last_task(parent)?))
        })?;
        let named = match new.agents.is_empty() {
            true => seats.iter().map(|seat| seat.participant.agent.clone()).collect(),
            false => new.agents,
        };
        let agents = self.configured(&named)?;
        let to = match &new.callback_to {
            None => by,
            Some(agent) => Some(seat_of(&seats, agent)?),
        };
        let mode = new.callback.and_then(CallbackWish::mode);
        let shared = &self.shared;
        let names: Vec<&str> = agents.iter().map(|(name, _)| name.as_str()).collect();
        let words = title_of(&prompt);
        let named_by = if given.is_some() { Namer::User } else { Namer::Words };
        let session = Session {
            id: shared.new_id(),
            workspace: row.workspace,
            title: given.unwrap_or_else(|| if words.is_empty() { joined(&names) } else { words }),
            repo: new.repo.or(row.repo),
            board: row.board,
            parent: Some(parent),
            forked_from: None,
            fork_point: None,
            created_at: shared.now(),
            origin: None,
            named_by,
            lineage: Lineage {
                spawn_point: spawn_point.map(|row| row.task.id),
                spawned_by: by,
                callback: mode.map(|mode| Callback { session: parent, mode, to }),
                ..Lineage::default()
            },
        };
        let seats = self.seats(session.id, agents, None);
        let targets = seats.iter().map(|seat| seat.id).collect();
        let task = new_task(shared, session.id, &prompt, targets);
        let message = user_message(shared, session.id, Some(task.id), &prompt);
        let limits = shared.config.snapshot().config.limits.clone();
        let (keys, by_agent) = (self.key_check(), by.is_some());
        let command = move |view: &View<'_>| {
            if by_agent {
                within(view, parent, limits.spawn_depth, limits.spawn_children)?;
            }
            keys(&seats)?;
            let mut events = opening(view, session, seats)?;
            events.extend([Event::MessageAppended(message), Event::TaskSubmitted(task)]);
            Ok(events)
        };
        let receipt = shared.commit(call.actor(), call.key.clone(), command).await?;
        let child = made(&receipt)?;
        tracing::info!(correlation = call.correlation, %parent, %child, "a session was spawned");
        self.wake(child).await;
        self.shared.store.read_or_refuse(|view| {
            let first = view.tasks_page(child, None, 1)?.pop();
            let first = first.ok_or_else(|| Refusal::internal("the commit made no task"))?;
            let session = session_view(view, visible(view, child)?)?;
            Ok(SpawnedSession { session, task: task_view(view, first)? })
        })
    }
}

/// The participant that spawns; none for the user.
fn spawner(call: &Call, parent: SessionId) -> Result<Option<ParticipantId>, Refusal> {
    match &call.caller {
        Caller::User => Ok(None),
        Caller::Run { session, participant, .. } if *session == parent => Ok(Some(*participant)),
        Caller::Run { .. } | Caller::Terminal { .. } => {
            let message = "an agent spawns children of its own session only";
            Err(Refusal::new(RefusalKind::Forbidden, "not_your_session", message)
                .hint("spawn from your own session; it is in CODITECT_SESSION"))
        }
    }
}

pub(crate) fn seat_of(seats: &[store::ParticipantRow], agent: &AgentName) -> Result<ParticipantId, Refusal> {
    let found = seats.iter().find(|seat| seat.participant.agent == *agent);
    found.map(|seat| seat.participant.id).ok_or_else(|| {
        let known: Vec<&str> = seats.iter().map(|seat| seat.participant.agent.as_str()).collect();
        Refusal::not_found("participant", agent).hint(format!("in that session are: {}", known.join(", ")))
    })
}

/// Refuses a child where agents have spawned as deep as they may, or as many as may work at once.
fn within(view: &View<'_>, parent: SessionId, depth: u32, children: u32) -> Result<(), Refusal> {
    // A fork is the same generation: nobody spawned it.
    let line = view.kin(parent)?.into_iter().chain(view.ancestors(parent)?);
    if line.filter(|kin| kin.parent.is_some()).count() >= depth as usize {
        let message = format!("agents spawn {depth} generations deep at most");
        return Err(Refusal::new(RefusalKind::Forbidden, "spawn_depth", message)
            .hint("do it yourself, or ask the user; limits.spawn_depth in config.json says how deep"));
    }
    // More that have ended do not matter, and the newest are last: it is enough to know that there are too many that work.
    let kin = view.descendants(parent, 1, KIN_LOOKED)?;
    let at_work = |kin: &&store::Kin| kin.parent.is_some() && kin.state == SessionState::Running;
    let working = kin.iter().filter(at_work).count();
    if working >= children as usize {
        let message = format!("{working} children of your session are at work; the limit is {children}");
        return Err(Refusal::new(RefusalKind::Busy, "spawn_children", message).hint(
            "wait for one of them: a callback tells you; limits.spawn_children in config.json says how many",
        ));
    }
    Ok(())
}

/// Children of one session that are looked at when it spawns another one.
const KIN_LOOKED: usize = 10_000;
