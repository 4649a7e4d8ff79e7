//! `coditect session show`.

use super::super::Outcome;
use super::super::task;
use super::state_paint;
use crate::context::Context;
use crate::failure::Exit;
use crate::render::{Cell, Paint, Sheet, Table, money, tokens};
use model::ParticipantStatus;
use protocol::{Participant, Session};
use serde_json::json;

pub(crate) fn run(context: &Context, given: &str) -> Outcome {
    let (session, tasks) = context.talk("asking the daemon", async |client| {
        let session = client.session(given).await?.value;
        let tasks = client.session_tasks(given).await?.value;
        Ok((session, tasks))
    })?;
    let screen = &context.screen;
    if screen.json {
        screen.document(&json!({ "session": session, "tasks": tasks.items }))?;
        return Ok(Exit::Done);
    }
    screen.sheet(&sheet(&session))?;
    screen.print("")?;
    screen.table(&participants(context, &session.participants))?;
    if !tasks.items.is_empty() {
        screen.print("")?;
        screen.table(&task::table(context, &tasks.items))?;
    }
    Ok(Exit::Done)
}

/// The session alone, for commands that changed it.
pub(crate) fn brief(context: &Context, session: &Session) -> Outcome {
    context.screen.show_sheet(session, || sheet(session))?;
    Ok(Exit::Done)
}

pub(super) fn sheet(session: &Session) -> Sheet {
    let agents: Vec<&str> = session.participants.iter().map(|one| one.agent.as_str()).collect();
    let state = if session.archived { "archived" } else { session.state.as_str() };
    let used = session.usage.input_tokens + session.usage.output_tokens;
    Sheet::new()
        .row("id", session.id.to_string())
        .painted("short id", &session.short_id, Paint::Note)
        .painted("title", &session.title, Paint::Strong)
        .painted("state", state, state_paint(session.state))
        .row("agents", agents.join(", "))
        .maybe("repo", session.repo.map(|repo| repo.to_string()))
        .maybe("spawned by", session.parent.map(|parent| parent.to_string()))
        .maybe("forked from", session.forked_from.map(|from| from.to_string()))
        .maybe("at message", session.fork_message.map(|message| message.to_string()))
        .maybe("calls back", session.callback.map(|mode| mode.as_str()))
        .maybe("tags", (!session.tags.is_empty()).then(|| session.tags.join(", ")))
        .row("used", format!("{} tokens, {}", tokens(used), money(session.usage.cost_micros)))
        .row("created", session.created_at.to_string())
}

fn participants(context: &Context, participants: &[Participant]) -> Table {
    Table::of(&["AGENT", "STATUS", "DOING", "CONTEXT", "SINCE", "HISTORY"], participants, |one| {
        let share = one.context_used.saturating_mul(100) / one.context_window.max(1);
        vec![
            Cell::new(one.agent.as_str()).paint(Paint::Strong),
            Cell::new(one.status.as_str()).paint(status_paint(one.status)),
            Cell::maybe(one.detail.as_ref()),
            Cell::new(format!("{share} %")).piped(one.context_used.to_string()),
            Cell::time(context.now(), one.since),
            Cell::maybe(one.history.map(|by| by.as_str())),
        ]
    })
}

const fn status_paint(status: ParticipantStatus) -> Paint {
    match status {
        ParticipantStatus::Idle | ParticipantStatus::Paused => Paint::Dim,
        ParticipantStatus::NeedsInput | ParticipantStatus::WaitingLock => Paint::Warm,
        ParticipantStatus::Failed | ParticipantStatus::Stale => Paint::Bad,
        ParticipantStatus::Done => Paint::Good,
        _ => Paint::Note,
    }
}
