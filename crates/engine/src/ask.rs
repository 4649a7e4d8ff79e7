//! Asking a session of the past: a fork of it that only reads answers, in no list and in nobody's way.
//!
//! Invariant: nothing of the session that is asked changes: not its messages, not its tasks, not the time of its last activity, not its
//! agents' own sessions. The question and its answer belong to whoever asks.

use crate::message::{new_task, prompt_text, user_message};
use crate::plan::title_of;
use crate::session::{made, opening, session_view, visible};
use crate::task::task_view;
use crate::{Call, Caller, Engine, SessionView, TaskView};
use model::{
    AgentName, Callback, CallbackMode, Event, Lineage, Namer, Refusal, RefusalKind, Session, SessionId,
    SessionKind, Task, TaskKind,
};
use store::View;

/// Asides one look shows.
const ASIDES_MAX: usize = 200;

/// A question to a session.
#[derive(Debug, Clone, Default)]
pub struct NewQuestion {
    pub question: String,
    /// Who answers; the first agent of the session without.
    pub agent: Option<AgentName>,
    /// The session that wants to know and is told. An agent asks for its own.
    pub asker: Option<SessionId>,
}

/// A question and what became of it.
#[derive(Debug, Clone)]
pub struct AsideView {
    /// The hidden session in which it is answered.
    pub session: SessionView,
    /// The session that was asked.
    pub asked: SessionId,
    pub asker: Option<SessionId>,
    pub question: String,
    /// None until it is answered.
    pub answer: Option<String>,
    pub task: TaskView,
}

impl Engine {
    /// Asks a session. The answer comes as the end of the task, and to the asker's conversation.
    pub async fn ask_session(
        &self,
        call: &Call,
        asked: SessionId,
        new: NewQuestion,
    ) -> Result<AsideView, Refusal> {
        let asker = match &call.caller {
            Caller::User => new.asker,
            Caller::Run { session, .. } => Some(*session),
            Caller::Terminal { .. } => None,
        };
        self.may_ask(&call.caller, asked)?;
        let question = prompt_text(&new.question)?;
        let point = self.fork_point(asked, None)?;
        if point.source.lineage.kind == SessionKind::Aside {
            let message = "an aside is one question and its answer; it is not asked again";
            return Err(Refusal::conflict("session_is_aside", message).hint("ask the session it was about"));
        }
        let named: Vec<AgentName> = new.agent.into_iter().collect();
        let agents = self.agents_of(&point, &named)?.into_iter().take(1).collect();
        let shared = &self.shared;
        let session = Session {
            id: shared.new_id(),
            workspace: point.source.workspace.clone(),
            title: title_of(&question),
            repo: point.source.repo,
            board: None,
            parent: None,
            forked_from: Some(asked),
            fork_point: point.task,
            created_at: shared.now(),
            origin: None,
            named_by: Namer::Words,
            lineage: Lineage {
                kind: SessionKind::Aside,
                fork_message: point.message,
                asker,
                callback: asker.map(|session| Callback { session, mode: CallbackMode::Once, to: None }),
                ..Lineage::default()
            },
        };
        let seats = self.forked_seats(&session, &point, agents)?;
        let targets = seats.iter().map(|seat| seat.id).collect();
        let task = Task { kind: TaskKind::Ask, ..new_task(shared, session.id, &question, targets) };
        let message = user_message(shared, session.id, Some(task.id), &question);
        let keys = self.key_check();
        let command = move |view: &View<'_>| {
            visible(view, asked)?;
            if let Some(asker) = asker {
                visible(view, asker)?;
            }
            keys(&seats)?;
            let mut events = opening(view, session, seats)?;
            events.extend([Event::MessageAppended(message), Event::TaskSubmitted(task)]);
            Ok(events)
        };
        let receipt = shared.commit(call.actor(), call.key.clone(), command).await?;
        let aside = made(&receipt)?;
        self.wake(aside).await;
        self.shared.store.read_or_refuse(|view| aside_view(view, visible(view, aside)?))
    }

    /// Questions the session has asked of others, and others of it; the newest first.
    pub fn asides(&self, session: SessionId) -> Result<Vec<AsideView>, Refusal> {
        self.shared.store.read_or_refuse(|view| {
            visible(view, session)?;
            view.asides(session, ASIDES_MAX)?.into_iter().map(|row| aside_view(view, row)).collect()
        })
    }

    /// An agent asks its own family.
    fn may_ask(&self, caller: &Caller, asked: SessionId) -> Result<(), Refusal> {
        if *caller == Caller::User {
            return Ok(());
        }
        let oldest = |view: &View<'_>, session: SessionId| -> Result<SessionId, Refusal> {
            Ok(view.ancestors(session)?.last().map_or(session, |kin| kin.session))
        };
        let kin = match caller {
            Caller::Run { session, .. } => {
                let own = *session;
                self.shared.store.read_or_refuse(|view| Ok(oldest(view, own)? == oldest(view, asked)?))?
            }
            Caller::User | Caller::Terminal { .. } => false,
        };
        if kin {
            return Ok(());
        }
        let message = "an agent asks the sessions its own one comes from, and those that came out of them";
        Err(Refusal::new(RefusalKind::Forbidden, "not_your_family", message)
            .hint("ask the user to ask it: `coditect session ask ID \"…\"`"))
    }
}

fn aside_view(view: &View<'_>, row: store::SessionRow) -> Result<AsideView, Refusal> {
    let first = view.tasks_page(row.session.id, None, 1)?.pop();
    let first = first.ok_or_else(|| Refusal::internal("an aside without a question"))?;
    let asked = row.session.forked_from.ok_or_else(|| Refusal::internal("an aside of nobody"))?;
    let answer = first.text.clone().filter(|_| first.state == model::TaskState::Completed);
    Ok(AsideView {
        asked,
        asker: row.session.lineage.asker,
        question: first.task.prompt.clone(),
        answer,
        task: task_view(view, first)?,
        session: session_view(view, row)?,
    })
}
