//! Plans in the journal.

use crate::{KeptWorktree, MergedPlan, TestReport};
use utoipa::ToSchema;

payloads! {
    /// A plan as it was created.
    PlanRecord {
        id: String,
        session: String,
        repo: String,
        prompt: String,
        participants: Vec<String>,
        branch: Option<String>,
        /// Each agent does its tasks in a worktree of its own.
        worktrees: bool,
        #[schema(format = DateTime)]
        created_at: String,
    }
    PlanMerge { plan: String, session: String, merged: MergedPlan }
    PlanTest { plan: String, session: String, report: TestReport }
    PlanStall {
        plan: String,
        session: String,
        /// What stands in its way.
        text: String,
    }
    PlanEnd { plan: String, session: String, text: String }
    /// The worktrees of a plan that has ended were put away, but for those that are named.
    PlanClearing { plan: String, session: String, kept: Vec<KeptWorktree> }
}
