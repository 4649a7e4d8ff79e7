//! Plans and their proposals.

use crate::sql::Row;
use crate::statement::statements;
use crate::{StoreError, View, column};
use model::{
    KeptWorktree, MergedPlan, Plan, PlanId, PlanState, Proposal, SessionId, TaskId, TestReport, Timestamp,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRow {
    pub plan: Plan,
    pub state: PlanState,
    /// In the order they came; a participant's later proposal takes the place of its earlier one.
    pub proposals: Vec<Proposal>,
    pub merged: Option<MergedPlan>,
    /// The last run of the tests.
    pub tests: Option<TestReport>,
    /// The summary or reason the plan ended with; until then, what stands in its way.
    pub text: Option<String>,
    /// Worktrees that stay after the plan's end; none until it is known.
    pub kept: Option<Vec<KeptWorktree>>,
    /// Every task of the plan, in the order of submission.
    pub tasks: Vec<TaskId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

statements! { QUERIES in Sessions {
    PLAN = "SELECT data, state, merged, tests, text, kept, created_at, updated_at FROM plans WHERE plan_id = ?1";
    PLANS_OF_SESSION = "SELECT data, state, merged, tests, text, kept, created_at, updated_at FROM plans
        WHERE session_id = ?1 ORDER BY seq";
    OPEN_PLANS = "SELECT data, state, merged, tests, text, kept, created_at, updated_at FROM plans
        WHERE open = 1 ORDER BY seq";
    UNCLEARED_PLANS = "SELECT data, state, merged, tests, text, kept, created_at, updated_at FROM plans
        WHERE uncleared = 1 ORDER BY seq";
    PROPOSALS_OF_PLAN = "SELECT data FROM plan_proposals WHERE plan_id = ?1 ORDER BY seq";
    TASK_IDS_OF_PLAN = "SELECT task_id FROM tasks WHERE plan_id = ?1 ORDER BY seq";
} }

impl View<'_> {
    pub fn plan(&self, id: PlanId) -> Result<Option<PlanRow>, StoreError> {
        self.row(&PLAN, [id.to_string()], read_plan)?.map(|plan| self.complete(plan)).transpose()
    }

    /// Oldest first.
    pub fn plans(&self, session: SessionId) -> Result<Vec<PlanRow>, StoreError> {
        let plans = self.rows(&PLANS_OF_SESSION, [session.to_string()], read_plan)?;
        plans.into_iter().map(|plan| self.complete(plan)).collect()
    }

    /// Plans of all sessions that are neither completed nor failed, oldest first.
    pub fn open_plans(&self) -> Result<Vec<PlanRow>, StoreError> {
        let plans = self.rows(&OPEN_PLANS, [], read_plan)?;
        plans.into_iter().map(|plan| self.complete(plan)).collect()
    }

    /// Plans in worktrees, ended or not, of whose worktrees nobody has said yet what became of them, oldest first.
    pub fn uncleared_plans(&self) -> Result<Vec<PlanRow>, StoreError> {
        let plans = self.rows(&UNCLEARED_PLANS, [], read_plan)?;
        plans.into_iter().map(|plan| self.complete(plan)).collect()
    }

    fn complete(&self, mut plan: PlanRow) -> Result<PlanRow, StoreError> {
        let id = plan.plan.id.to_string();
        plan.proposals = self.rows(&PROPOSALS_OF_PLAN, [&id], |row| column::json(row, "data"))?;
        plan.tasks = self.rows(&TASK_IDS_OF_PLAN, [&id], |row| column::parsed(row, "task_id"))?;
        Ok(plan)
    }
}

fn read_plan(row: &Row<'_>) -> Result<PlanRow, StoreError> {
    Ok(PlanRow {
        plan: column::json(row, "data")?,
        state: column::word(row, "state")?,
        proposals: Vec::new(),
        merged: column::json_or_none(row, "merged")?,
        tests: column::json_or_none(row, "tests")?,
        text: row.get("text")?,
        kept: column::json_or_none(row, "kept")?,
        tasks: Vec::new(),
        created_at: column::time(row, "created_at")?,
        updated_at: column::time(row, "updated_at")?,
    })
}
