//! Plans and their proposals.

use crate::{StoreError, View};
use model::{MergedPlan, Plan, PlanId, PlanState, Proposal, SessionId, TaskId, TestReport, Timestamp};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRow {
    pub plan: Plan,
    pub state: PlanState,
    /// In the order they came.
    pub proposals: Vec<Proposal>,
    pub merged: Option<MergedPlan>,
    /// The last run of the tests.
    pub tests: Option<TestReport>,
    /// The summary or reason the plan ended with.
    pub text: Option<String>,
    /// Every task of the plan, in the order of submission.
    pub tasks: Vec<TaskId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl View<'_> {
    pub fn plan(&self, id: PlanId) -> Result<Option<PlanRow>, StoreError> {
        crate::store::unfinished(id)
    }

    /// Oldest first.
    pub fn plans(&self, session: SessionId) -> Result<Vec<PlanRow>, StoreError> {
        crate::store::unfinished(session)
    }

    /// Plans of all sessions that are neither completed nor failed, oldest first.
    pub fn open_plans(&self) -> Result<Vec<PlanRow>, StoreError> {
        crate::store::unfinished(())
    }
}
