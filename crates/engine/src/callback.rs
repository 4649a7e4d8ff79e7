//! Callbacks: a session is told that the work of one it waits for is over.
//!
//! That somebody is to be told follows from the journal (`store/src/apply/callback.rs`); what he is told is committed together with
//! the word that it was said, and only while it was not. So however often and whenever a daemon dies, each end is told once, and to the
//! session that was named when the child was made: a fork of it is another session, and hears nothing.

use crate::engine::Shared;
use crate::message::{check_queue, new_task, user_message};
use crate::plan::title_of;
use crate::session::{TITLE_MAX, visible};
use model::{
    Actor, CallbackDelivery, Event, Message, Participant, Refusal, RefusalKind, Role, SessionId, SessionKind,
    Task, TaskState,
};
use std::sync::Arc;
use store::{DueCallback, SessionRow, TaskRow, View};

/// Ends that are told in one look.
const AT_ONCE: usize = 64;
/// How much of what the work came to is told, in bytes; the rest is in the session.
const TOLD_MAX: usize = 16 * 1024;

/// Tells the session what it is to be told. Whether anything was told that is now to be done.
pub(crate) async fn deliver(shared: &Arc<Shared>, session: SessionId) -> Result<bool, Refusal> {
    let due = shared.store.read(|view| view.callbacks_due_to(session, AT_ONCE))?;
    let mut told = false;
    for due in due {
        let limit = shared.config.snapshot().config.limits.queue_depth;
        // Made beforehand: a command has neither clock nor dice.
        let task = new_task(shared, session, "", Vec::new());
        let message = user_message(shared, session, None, "");
        let committed =
            shared.commit(Actor::System, None, move |view| delivery(view, &due, task, message, limit)).await;
        match committed {
            Ok(receipt) => told |= !receipt.records.is_empty(),
            // It is told when there is room: the session looks again with the end of each of its tasks.
            Err(refusal) if refusal.kind == RefusalKind::Busy => return Ok(told),
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(told)
}

/// Wakes those who are to be told of the session's end.
pub(crate) fn announce(shared: &Arc<Shared>, child: SessionId) -> Result<(), Refusal> {
    for due in shared.store.read(|view| view.callbacks_due_of(child))? {
        let waker = Arc::clone(shared);
        shared.tasks.spawn(async move { waker.tell(due.parent, crate::actor::Mail::Look).await });
    }
    Ok(())
}

/// The events of one delivery; none when it was delivered already.
fn delivery(
    view: &View<'_>,
    due: &DueCallback,
    task: Task,
    message: Message,
    limit: u32,
) -> Result<Vec<Event>, Refusal> {
    if view.callback_due(due.child, due.ended)?.is_none() {
        return Ok(Vec::new());
    }
    let told = |task, dropped| {
        let (session, child, ended) = (due.parent, due.child, due.ended);
        Event::CallbackDelivered(CallbackDelivery { session, child, ended, task, dropped })
    };
    let (Ok(parent), Some(child), Some(ended)) =
        (visible(view, due.parent), view.session_ever(due.child)?, view.task(due.ended)?)
    else {
        return Ok(vec![told(None, Some("the session that waited was removed".to_owned()))]);
    };
    if child.session.lineage.kind == SessionKind::Aside {
        let text = answered(&child, &ended);
        let aside = Message { role: Role::System, blocks: vec![model::Block::Text { text }], ..message };
        return Ok(vec![Event::MessageAppended(aside), told(None, None)]);
    }
    let text = over(&child, &ended);
    let said = Message { blocks: vec![model::Block::Text { text: text.clone() }], ..message };
    let targets = targets(view, due)?;
    if parent.archived_at.is_some() || targets.is_empty() {
        let heard = Message { role: Role::System, ..said };
        return Ok(vec![Event::MessageAppended(heard), told(None, None)]);
    }
    check_queue(view, due.parent, 1, limit)?;
    let title = title_of(&format!("Session {} is over: {}", child.session.id.short(), child.session.title));
    let task = Task { title, prompt: text, targets, ..task };
    let id = task.id;
    let said = Message { task: Some(id), ..said };
    Ok(vec![Event::MessageAppended(said), Event::TaskSubmitted(task), told(Some(id), None)])
}

/// Whose turn it is: the one who was named, if he still sits there; else everybody's.
fn targets(view: &View<'_>, due: &DueCallback) -> Result<Vec<model::ParticipantId>, Refusal> {
    let seats: Vec<Participant> =
        view.participants(due.parent)?.into_iter().map(|row| row.participant).collect();
    let named = seats.iter().find(|seat| Some(seat.id) == due.to).map(|seat| seat.id);
    Ok(named.map_or_else(|| seats.iter().map(|seat| seat.id).collect(), |named| vec![named]))
}

fn over(child: &SessionRow, ended: &TaskRow) -> String {
    let (short, title) = (child.session.id.short(), &child.session.title);
    let text = clipped(ended.text.as_deref().unwrap_or_default());
    let how = match ended.state {
        TaskState::Completed => "has completed its work",
        TaskState::Canceled => "was canceled",
        _ => "has failed",
    };
    let mut said = format!("Session {short} “{title}”, which was spawned from this one, {how}.");
    if !text.trim().is_empty() {
        said.push_str(&format!("\n\nIt says:\n{text}"));
    }
    said.push_str(&format!("\n\nIts conversation is in session {short}; go on with your own work."));
    said
}

fn answered(aside: &SessionRow, ended: &TaskRow) -> String {
    let asked = aside.session.forked_from.map(|session| session.short()).unwrap_or_default();
    let question = clipped(&ended.task.prompt);
    let text = clipped(ended.text.as_deref().unwrap_or_default());
    let word = if ended.state == TaskState::Completed { "answered" } else { "not answered" };
    format!("Session {asked} was asked: {question}\n\nIt was {word}: {text}")
}

fn clipped(text: &str) -> String {
    if text.len() <= TOLD_MAX {
        return text.to_owned();
    }
    let mut kept = text[..text.floor_char_boundary(TOLD_MAX)].to_owned();
    kept.push_str("\n… (the rest is in the session)");
    kept
}

const _: () = assert!(TOLD_MAX + TITLE_MAX * 4 + 1024 < model::PROMPT_MAX);
