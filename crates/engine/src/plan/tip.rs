//! The tip of a plan in worktrees: what its tasks have landed so far, and where that begins.
//!
//! Invariant: the commits between [`begun`] and [`tip`] are the plan's, all of them and no others. To another commit of the branch both
//! move at once, so that what the user takes off the branch is never taken for the plan's work.

use crate::checkpoint;
use git::{GitError, Landing, Oid, REF_PREFIX, Repository};
use model::{Plan, PlanId, Refusal, Timestamp};

/// The commit of the branch on which the plan's work stands.
pub(super) fn begun_ref(plan: PlanId) -> String {
    format!("{REF_PREFIX}begun/{plan}")
}

/// What the plan's tasks have landed so far; at first, where its branch stands. On the writer's thread of the checkout.
pub(super) fn tip(main: &Repository, plan: &Plan) -> Result<Oid, Refusal> {
    if let Some(tip) = main.resolve_ref(&checkpoint::plan_ref(plan.id))? {
        return Ok(tip);
    }
    let base = branch_tip(main, plan)?;
    move_to(main, plan.id, &base, &base)?;
    Ok(base)
}

/// Where the plan's work begins. The branch may not have this commit any more. A plan of an older version has not written it down: what
/// the branch has not is taken for its work.
pub(super) fn begun(main: &Repository, plan: &Plan) -> Result<Oid, Refusal> {
    match main.resolve_ref(&begun_ref(plan.id))? {
        Some(begun) => Ok(begun),
        None => branch_tip(main, plan),
    }
}

/// The plan's work is what `tip` has and `begun` has not.
pub(super) fn move_to(main: &Repository, plan: PlanId, begun: &Oid, tip: &Oid) -> Result<(), Refusal> {
    let (tips, begins) = (checkpoint::plan_ref(plan), begun_ref(plan));
    Ok(main.update_refs(&[(&tips, tip), (&begins, begun)])?)
}

/// Where the branch stands to which the plan's work is to come.
pub(super) fn branch_tip(main: &Repository, plan: &Plan) -> Result<Oid, Refusal> {
    match &plan.branch {
        Some(branch) => match main.branch_tip(branch)? {
            Some(tip) => Ok(tip),
            None => Err(GitError::NoBranch(branch.clone()).into()),
        },
        None => main.head()?.ok_or_else(no_commit),
    }
}

pub(super) fn no_commit() -> Refusal {
    let message = "a worktree is made from a commit, and the repository has none";
    Refusal::invalid("no_commit", message)
        .hint("make a first commit, or let all work in the checkout: leave `worktrees` out")
}

/// Work that is made again on top of something else.
pub(super) fn forward<'a>(commit: &'a Oid, author: &'a git::Author, at: Timestamp) -> Landing<'a> {
    Landing { commit, message: "", author, at, forward_only: true }
}
