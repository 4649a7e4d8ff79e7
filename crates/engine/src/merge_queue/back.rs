//! Handing back: whoever made what does not land is told what is wrong: as a task in its own session, or by a notice when it was
//! started by hand.

use super::{change, stands};
use crate::actor::Mail;
use crate::engine::Shared;
use crate::message::{check_queue, new_task, user_message};
use crate::plan::title_of;
use crate::session::visible;
use model::{
    Actor, Block, Channel, Event, MERGE_PATHS_MAX, MERGE_TRIES, MergeChange, MergeState, Message,
    ParticipantId, Refusal, RegistrationId, RepoPath, SessionId, Task, TestReport,
};
use std::path::Path;
use std::sync::Arc;
use store::{MergeRow, View};

/// Files named in a sentence.
const NAMED_MAX: usize = 10;
/// How long word of what does not land waits for whoever it is for, in seconds: a turn may be long.
const NOTICE_TTL: u32 = 3600;
/// Kind of the notices, in their payload.
const MERGE_RETURNED: &str = "merge_returned";

/// Why an entry does not land.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Files that are not committed.
    NotCommitted(Vec<RepoPath>),
    /// Files in which it and its branch are in each other's way.
    Conflict(Vec<RepoPath>),
    /// What the checks said of it on top of its branch.
    Failed(TestReport),
}

impl Trouble {
    /// In one line.
    fn text(&self, row: &MergeRow) -> String {
        let into = &row.entry.into;
        match self {
            Self::NotCommitted(paths) => format!("not committed: {}", named(paths)),
            Self::Conflict(paths) => format!("does not go together with {into}: {}", named(paths)),
            Self::Failed(report) => match report.exit_code {
                Some(code) => {
                    format!("its checks fail on top of {into}: {} ended with {code}", words(report))
                }
                None => format!("its checks did not end well on top of {into}: {}", words(report)),
            },
        }
    }

    fn paths(&self) -> Vec<RepoPath> {
        match self {
            Self::NotCommitted(paths) | Self::Conflict(paths) => {
                paths.iter().take(MERGE_PATHS_MAX).cloned().collect()
            }
            Self::Failed(_) => Vec::new(),
        }
    }

    /// What is to be done about it.
    fn prompt(&self, row: &MergeRow) -> String {
        let (name, into, path) = (&row.entry.name, &row.entry.into, &row.entry.path);
        let (text, left) = (self.text(row), MERGE_TRIES.saturating_sub(row.attempt));
        let todo = match self {
            Self::NotCommitted(_) => {
                "Commit there what belongs to your work, and remove what does not.".to_owned()
            }
            Self::Conflict(_) => format!(
                "Run `git merge {into}` there. Settle the files it names so that what both sides wanted holds, and commit the \
                 merge."
            ),
            Self::Failed(report) => format!(
                "Run `git merge {into}` there to have what it was checked with, repair it, run the checks yourself and commit. \
                 The end of what they said:\n\n{}",
                report.tail.trim_end()
            ),
        };
        format!(
            "Your work in the worktree {path} ({name}) was to land on {into} and did not: {text}.\n\n{todo}\n\nWhen your turn \
             is over the merge queue tries again, {left} more times."
        )
    }
}

/// Gives it to whoever made it, once more, or ends it.
pub(super) async fn hand_back(shared: &Arc<Shared>, row: &MergeRow, trouble: Trouble) -> Result<(), Refusal> {
    let prompt = trouble.prompt(row);
    let report = match &trouble {
        Trouble::Failed(report) => Some(report.clone()),
        _ => None,
    };
    let said = MergeChange {
        paths: trouble.paths(),
        report,
        ..change(row, MergeState::Returned, trouble.text(row))
    };
    let session = row.entry.session.filter(|_| row.attempt < MERGE_TRIES);
    let Some(session) = session else { return tell(shared, row, said).await };
    let limit = shared.config.snapshot().config.limits.queue_depth;
    // Made beforehand: a command has neither clock nor dice.
    let task = Task { title: title_of(&said.text), ..new_task(shared, session, &prompt, Vec::new()) };
    let message = user_message(shared, session, Some(task.id), &prompt);
    let (agent, ended) = (row.entry.agent.clone(), said.clone());
    let given = shared
        .commit(Actor::System, None, move |view| {
            let agent = agent.as_ref().map(model::AgentName::as_str);
            given(view, session, agent, limit, (task, message), said)
        })
        .await;
    match given {
        Ok(_) => {
            shared.tell(session, Mail::Look).await;
            Ok(())
        }
        // It is tried again, and handed back when there is room.
        Err(refusal) if refusal.passes() => Err(refusal),
        // Its session is gone.
        Err(refusal) => {
            tracing::info!(%refusal, "what did not land could not be handed back");
            tell(shared, row, ended).await
        }
    }
}

fn given(
    view: &View<'_>,
    session: SessionId,
    agent: Option<&str>,
    limit: u32,
    (task, message): (Task, Message),
    said: MergeChange,
) -> Result<Vec<Event>, Refusal> {
    if view.merge(said.merge)?.is_none_or(|row| row.state.is_terminal()) {
        return Ok(Vec::new());
    }
    if visible(view, session)?.archived_at.is_some() {
        return Err(Refusal::conflict("session_archived", "its session is archived"));
    }
    let seats = view.participants(session)?.into_iter().map(|row| row.participant);
    let seats: Vec<ParticipantId> = seats
        .filter(|seat| agent.is_none_or(|agent| seat.agent.as_str() == agent))
        .map(|seat| seat.id)
        .take(1)
        .collect();
    if seats.is_empty() {
        return Err(Refusal::not_found("participant", agent.unwrap_or("of its session")));
    }
    check_queue(view, session, 1, limit)?;
    let said = MergeChange { task: Some(task.id), ..said };
    let task = Task { targets: seats, ..task };
    let message = Message { blocks: vec![Block::Text { text: task.prompt.clone() }], ..message };
    Ok(vec![Event::MessageAppended(message), Event::TaskSubmitted(task), Event::MergeChanged(said)])
}

/// Tells those who were started by hand in its worktree; it waits for their word that it is to be tried again. Where there is
/// nobody, or it was tried often enough, it is over.
async fn tell(shared: &Arc<Shared>, row: &MergeRow, said: MergeChange) -> Result<(), Refusal> {
    if row.attempt >= MERGE_TRIES {
        return over(shared, said, row.attempt).await;
    }
    let (row_, text) = (row.clone(), said.text.clone());
    let told = shared.blocking(move |shared| publish(shared, &row_, &text)).await?;
    if told == 0 {
        return over(shared, said, row.attempt).await;
    }
    stands(shared, said).await.map(drop)
}

/// Says it to everybody who lives in the worktree. How many were told.
fn publish(shared: &Shared, row: &MergeRow, text: &str) -> Result<usize, Refusal> {
    let entry = &row.entry;
    let (id, left) = (entry.id.short(), MERGE_TRIES.saturating_sub(row.attempt));
    let words = format!(
        "your work in {} was to land on {} and did not: {text}. Mend and commit it there, then have it tried again, {left} \
         more times, with `coditect merge run {id}`",
        entry.path, entry.into
    );
    let mut told = 0;
    for one in people(shared, row)? {
        let payload = serde_json::json!({
            "type": MERGE_RETURNED, "merge": entry.id, "worktree": entry.path, "into": entry.into, "text": words,
        });
        let notice = bus::NewNotice {
            recipient: Some(one),
            ttl_seconds: Some(NOTICE_TTL),
            key: Some(format!("merge:{}:{}:{one}", entry.id, row.attempt)),
            ..bus::NewNotice::new(shared.user, Channel::state(), payload)
        };
        match shared.bus.publish(notice) {
            Ok(_) => told += 1,
            Err(error) => tracing::debug!(%error, "somebody was not told of what does not land"),
        }
    }
    Ok(told)
}

/// Those who were started by hand in the worktree of an entry and live.
fn people(shared: &Shared, row: &MergeRow) -> Result<Vec<RegistrationId>, Refusal> {
    let all = shared.bus.registrations().map_err(|error| error.refusal())?;
    let there = all.into_iter().filter(|one| {
        let by_hand = one.session.is_none() && one.id != shared.user;
        by_hand && one.worktree.as_ref().is_some_and(|at| Path::new(at).starts_with(&row.entry.path))
    });
    Ok(there.filter(|one| shared.bus.is_alive(one.id).unwrap_or(true)).map(|one| one.id).collect())
}

/// Those of which everybody who was told has left: nobody will say that they are to be tried again.
pub(super) async fn left(shared: &Arc<Shared>, open: &[MergeRow]) -> Result<Vec<MergeRow>, Refusal> {
    let told = |row: &&MergeRow| {
        row.state == MergeState::Returned && row.change.as_ref().is_some_and(|said| said.task.is_none())
    };
    let told: Vec<MergeRow> = open.iter().filter(told).cloned().collect();
    if told.is_empty() {
        return Ok(told);
    }
    let look = move |shared: &Shared| {
        let mut left = Vec::new();
        for row in told {
            if people(shared, &row)?.is_empty() {
                left.push(row);
            }
        }
        Ok(left)
    };
    shared.blocking(look).await
}

/// Nobody repairs it.
pub(super) async fn over(shared: &Arc<Shared>, said: MergeChange, attempt: u32) -> Result<(), Refusal> {
    let text = match attempt >= MERGE_TRIES {
        true => format!("given up after {attempt} tries: {}", said.text),
        false => said.text,
    };
    stands(shared, MergeChange { state: MergeState::Failed, text, ..said }).await.map(drop)
}

/// The first of them, and how many more there are.
pub(crate) fn named(paths: &[RepoPath]) -> String {
    let (named, more) = paths.split_at(paths.len().min(NAMED_MAX));
    match named.is_empty() {
        true => "files without a name for us".to_owned(),
        false => model::named(named, more.len()),
    }
}

fn words(report: &TestReport) -> String {
    format!("`{}`", report.command.join(" "))
}
