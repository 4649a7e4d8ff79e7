//! What a start does about what was under way when the last daemon ended.
//!
//! Invariant: when the engine is open, no turn is running in the store that is not running in fact.

#[cfg(test)]
mod tests;

use crate::actor::Mail;
use crate::checkpoint;
use crate::engine::Shared;
use crate::permission;
use crate::plan;
use crate::turn::finish::Ending;
use crate::{worktree, writer};
use model::{
    Actor, Event, ParticipantStatus, Refusal, RunExit, StatusChange, TaskState, TurnEnd, TurnOutcome,
};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use store::TurnRow;

/// Ends the turns and runs of a daemon that is no more, and frees what the dead hold. Returns a
/// sentence for each.
pub(crate) async fn recover(shared: &Arc<Shared>) -> Result<Vec<String>, Refusal> {
    let mut said = Vec::new();
    let turns = shared.store.read(|view| view.running_turns())?;
    for row in turns {
        said.extend(adopt_edit(shared, &row).await?);
        said.push(end_turn(shared, row).await?);
    }
    close_permissions(shared).await?;
    end_runs(shared).await?;
    rewind_plans(shared).await;
    mend_statuses(shared).await?;
    let reaped = shared.blocking(|shared| shared.bus.reap().map_err(|error| error.refusal())).await?;
    said.extend(
        reaped.iter().filter(|dead| !dead.locks.is_empty()).map(|dead| {
            format!("{} locks of {} were freed: it {}", dead.locks.len(), dead.agent, dead.reason)
        }),
    );
    tidy_runs(shared).await?;
    said.extend(crate::repo::clone::mend(shared).await?);
    crate::repo::sweep(shared).await?;
    said.extend(worktree::trash::mend(shared).await?);
    said.extend(worktree::half_made::mend(shared).await?);
    worktree::script::mend(shared).await?;
    said.extend(checkpoint::carry::mend(shared).await?);
    said.extend(worktree::merge::mend(shared).await?);
    said.extend(crate::merge_queue::mend(shared).await?);
    Ok(said)
}

/// Wakes the sessions with open tasks or plans, and those that were not told yet what they wait for.
pub(crate) async fn resume(shared: &Arc<Shared>) -> Result<(), Refusal> {
    let open = [TaskState::Submitted, TaskState::Working, TaskState::InputRequired];
    let sessions: BTreeSet<_> = shared.store.read(|view| {
        let tasks = view.tasks_in_state(&open)?.into_iter().map(|row| row.task.session);
        let plans = view.open_plans()?.into_iter().chain(view.uncleared_plans()?);
        let plans = plans.map(|row| row.plan.session);
        let waiting = view.waiting_for_callbacks()?;
        Ok(tasks.chain(plans).chain(waiting).collect())
    })?;
    for session in sessions {
        shared.tell(session, Mail::Look).await;
    }
    Ok(())
}

/// Records the edit that was done but not recorded when the daemon ended.
async fn adopt_edit(shared: &Arc<Shared>, row: &TurnRow) -> Result<Option<String>, Refusal> {
    let (session, task) = (row.turn.session, row.turn.task);
    let (repo, recorded, plan) = shared.store.read_or_refuse(|view| {
        let repo = view.session(session)?.and_then(|row| row.session.repo);
        let plan = view.task(task)?.and_then(|row| row.task.plan);
        let plan = plan.map(|plan| view.plan(plan)).transpose()?.flatten().map(|row| row.plan);
        Ok((repo.map(|repo| view.repo(repo)).transpose()?.flatten(), view.file_changes(task)?, plan))
    })?;
    let Some(repo) = repo else { return Ok(None) };
    let intent = shared.workspace.runs().join(row.turn.run.to_string()).join(writer::INTENT);
    // The edit may have been made in the participant's own worktree.
    let agent = shared.store.read(|view| view.participant(row.turn.participant))?;
    let agent = agent.map(|row| row.participant.agent);
    let mut own: Vec<PathBuf> = agent.iter().map(|agent| worktree::folder(shared, session, agent)).collect();
    if let (Some(plan), Some(agent)) = (plan.filter(|plan| plan.worktrees), &agent) {
        own.extend(plan::worktree::of_agent(shared, &plan, agent)?.into_iter().map(|one| one.path.into()));
    }
    let named = worktree::assigned_folder(shared, session);
    let looked = shared.blocking(move |_| {
        let own = own.iter().find_map(|own| writer::unrecorded(&intent, own));
        let own = own.or_else(|| writer::unrecorded(&intent, named?.as_ref()));
        Ok(own.or_else(|| writer::unrecorded(&intent, repo.path.as_ref())))
    });
    let change = looked.await?;
    let Some(change) = change.filter(|change| recorded.iter().all(|row| row.change != *change)) else {
        return Ok(None);
    };
    let said = format!("an edit of {} was done but not yet recorded; it is now", change.path);
    conclude(shared, vec![Event::FileModified(change)]).await?;
    Ok(Some(said))
}

async fn end_turn(shared: &Arc<Shared>, row: TurnRow) -> Result<String, Refusal> {
    let (session, participant, run) = (row.turn.session, row.turn.participant, row.turn.run);
    // The guard ends its run when its pipe closes; the sweep is for a guard that was killed too.
    let swept = shared.blocking(move |_| Ok(agent::sweep(run))).await?;
    let max_attempts = shared.config.snapshot().config.limits.max_attempts;
    let now = shared.now();
    let said = format!(
        "turn {} of task {} was cut off by the daemon's end{}; the task goes on with the next attempt",
        row.turn.id.short(),
        row.turn.task.short(),
        if swept > 0 { format!(", {swept} processes were left over") } else { String::new() }
    );
    let committed = shared.conclude(Actor::System, move |view| {
        let Some(task) = view.task(row.turn.task)? else { return Ok(Vec::new()) };
        let ending = Ending {
            task: task.task,
            end: TurnEnd {
                session,
                task: row.turn.task,
                turn: row.turn.id,
                participant,
                outcome: TurnOutcome::Failed {
                    code: "daemon_restarted".to_owned(),
                    message: "the daemon ended while the turn was running".to_owned(),
                },
                usage: view.turn_usage(row.turn.id)?,
                iterations: 0,
                git: None,
            },
            exit: Some(RunExit {
                run,
                session,
                participant,
                code: None,
                signal: None,
                reason: "daemon_restarted".to_owned(),
            }),
            checkpoint: None,
            after: None,
            max_attempts,
            now,
            pause: None,
        };
        ending.events(view)
    });
    committed.await?;
    Ok(said)
}

async fn conclude(shared: &Shared, events: Vec<Event>) -> Result<(), Refusal> {
    shared.conclude(Actor::System, move |_| Ok(events.clone())).await.map(drop)
}

/// What cannot be taken back now is left as it is: the plan's end will say what does not fit.
async fn rewind_plans(shared: &Arc<Shared>) {
    let open = match shared.store.read(|view| view.open_plans()) {
        Ok(open) => open,
        Err(error) => return tracing::warn!(%error, "cannot see which plans are open"),
    };
    for row in open {
        if let Err(error) = checkpoint::rewind(shared, &row.plan).await {
            tracing::warn!(plan = %row.plan.id, %error, "commits that were not recorded stay");
        }
    }
}

/// No turn runs, so nobody waits for an answer any more.
async fn close_permissions(shared: &Arc<Shared>) -> Result<(), Refusal> {
    let open = shared.store.read(|view| view.open_permissions(None))?;
    let events = permission::over(open, "turn_ended", "the turn that asked is over");
    if events.is_empty() { Ok(()) } else { conclude(shared, events).await }
}

/// Runs whose turn was never begun.
async fn end_runs(shared: &Arc<Shared>) -> Result<(), Refusal> {
    let runs = shared.store.read(|view| view.running_runs())?;
    let mut events = Vec::new();
    for row in runs {
        let run = row.run.id;
        shared.blocking(move |_| Ok(agent::sweep(run))).await?;
        let (session, participant) = (row.run.session, row.run.participant);
        let reason = "daemon_restarted".to_owned();
        events.push(Event::RunExited(RunExit {
            run,
            session,
            participant,
            code: None,
            signal: None,
            reason,
        }));
    }
    if events.is_empty() { Ok(()) } else { conclude(shared, events).await }
}

/// A participant without a turn does nothing, whatever was said of it last.
async fn mend_statuses(shared: &Arc<Shared>) -> Result<(), Refusal> {
    let events: Vec<Event> = shared.store.read(|view| {
        let idle = |row: store::ParticipantRow| {
            let (session, participant) = (row.participant.session, row.participant.id);
            Event::ParticipantStatusChanged(StatusChange {
                session,
                participant,
                status: ParticipantStatus::Idle,
                detail: None,
            })
        };
        Ok(view.live_participants()?.into_iter().map(idle).collect())
    })?;
    if events.is_empty() { Ok(()) } else { conclude(shared, events).await }
}

/// Folders of runs that are no more; nobody else starts runs here while we hold the data root.
async fn tidy_runs(shared: &Arc<Shared>) -> Result<(), Refusal> {
    shared
        .blocking(|shared| {
            let entries = std::fs::read_dir(shared.workspace.runs()).map_err(Refusal::internal)?;
            for entry in
                entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("run_"))
            {
                if let Err(error) = std::fs::remove_dir_all(entry.path()) {
                    tracing::warn!(%error, "a dead run's folder stays behind");
                }
            }
            Ok(())
        })
        .await
}
