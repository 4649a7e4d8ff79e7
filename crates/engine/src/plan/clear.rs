//! What becomes of a plan's worktrees when it has ended.
//!
//! Invariant: they go the way of every worktree, with proof and into the trash. One that holds what is nowhere else stays, and the plan
//! names it.

use super::settle;
use super::worktree::all;
use crate::Engine;
use crate::engine::Shared;
use crate::merge_queue::trial;
use model::{Actor, Event, KeptWorktree, PlanClearing, Refusal, Repo};
use std::sync::Arc;
use store::{PlanRow, TaskRow, View};

/// How often somebody who is still in a worktree is waited for.
const TRIES: u32 = 3;

/// Whether a turn of the plan has not ended yet; it has its worktree until then.
pub(super) fn is_at_work(shared: &Shared, tasks: &[TaskRow]) -> Result<bool, Refusal> {
    Ok(shared.store.read(|view| {
        for row in tasks {
            if view.turns(row.task.id)?.iter().any(|turn| turn.ended_at.is_none()) {
                return Ok(true);
            }
        }
        Ok(false)
    })?)
}

/// Puts the plan's worktrees into the trash as far as nothing is lost with them, and records which stay.
pub(super) async fn clear(
    shared: &Arc<Shared>,
    row: &PlanRow,
    repo: &Repo,
    failed_before: u32,
) -> Result<(), Refusal> {
    let engine = Engine { shared: Arc::clone(shared) };
    trial::clear(shared, repo, &trial::place(shared, &row.plan.id.short())).await;
    settle::tidy(shared, row, repo).await;
    let mut kept = Vec::new();
    for worktree in all(shared, &row.plan)? {
        let (id, name, path) = (worktree.id, worktree.name.clone(), worktree.path.clone());
        let Err(refusal) = engine.retire_worktree(worktree).await else { continue };
        let passes = refusal.passes() || (refusal.code == "worktree_in_use" && failed_before < TRIES);
        if passes {
            return Err(refusal);
        }
        kept.push(KeptWorktree {
            worktree: id,
            name: format!("{}/{name}", repo.slug),
            path,
            reason: refusal.message,
        });
    }
    let (plan, session) = (row.plan.id, row.plan.session);
    let cleared = PlanClearing { plan, session, kept };
    let still = move |view: &View<'_>| {
        let open = view.plan(plan)?.is_some_and(|now| now.kept.is_none());
        Ok(if open { vec![Event::PlanCleared(cleared)] } else { Vec::new() })
    };
    shared.commit(Actor::System, None, still).await.map(drop)
}
