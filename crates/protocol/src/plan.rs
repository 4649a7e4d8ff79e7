//! Plans on the wire.

use crate::operation::{
    Access::{Run, User},
    Method::{Get, Post},
    Operation,
};
use crate::{Task, words};
use model::{
    AgentName, ParticipantId, PlanId, PlanState, RepoId, RepoPath, SessionId, TaskId, Timestamp, TurnId,
    WorktreeId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One coordinated change of a repository, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    #[schema(value_type = String)]
    pub id: PlanId,
    pub short_id: String,
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = String)]
    pub repo: RepoId,
    pub prompt: String,
    #[schema(value_type = Vec<String>)]
    pub participants: Vec<ParticipantId>,
    /// The branch that was checked out when it began; its commits go there or nowhere.
    pub branch: Option<String>,
    /// Each agent does its tasks in a worktree of its own.
    pub worktrees: bool,
    #[schema(value_type = words::PlanState)]
    pub state: PlanState,
    /// In the order they came.
    pub proposals: Vec<Proposal>,
    pub merged: Option<MergedPlan>,
    /// The last run of the repository's tests.
    pub tests: Option<TestReport>,
    /// Summary or reason, once it has ended; until then, what stands in its way.
    pub text: Option<String>,
    pub tasks: Vec<Task>,
    /// Of a plan in worktrees that has ended: those that stay, and why. None until that is known, and of other plans.
    pub kept: Option<Vec<KeptWorktree>>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<model::Plan> for Plan {
    /// A plan as it is right after its creation.
    fn from(plan: model::Plan) -> Self {
        Self {
            short_id: plan.id.short(),
            id: plan.id,
            session: plan.session,
            repo: plan.repo,
            prompt: plan.prompt,
            participants: plan.participants,
            branch: plan.branch,
            worktrees: plan.worktrees,
            state: PlanState::Proposing,
            proposals: Vec::new(),
            merged: None,
            tests: None,
            text: None,
            tasks: Vec::new(),
            kept: None,
            created_at: plan.created_at,
        }
    }
}

/// A worktree that stays when its plan has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptWorktree {
    #[schema(value_type = String)]
    pub worktree: WorktreeId,
    pub name: String,
    pub path: String,
    /// What is in it that is nowhere else, or who is in it.
    pub reason: String,
}

impl From<model::KeptWorktree> for KeptWorktree {
    fn from(kept: model::KeptWorktree) -> Self {
        let model::KeptWorktree { worktree, name, path, reason } = kept;
        Self { worktree, name, path, reason }
    }
}

/// What one agent proposes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Proposal {
    #[schema(value_type = String)]
    pub plan: PlanId,
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = String)]
    pub participant: ParticipantId,
    #[schema(value_type = String)]
    pub agent: AgentName,
    pub tasks: Vec<PlannedTask>,
}

impl From<model::Proposal> for Proposal {
    fn from(proposal: model::Proposal) -> Self {
        let model::Proposal { plan, session, participant, agent, tasks } = proposal;
        Self { plan, session, participant, agent, tasks: tasks.into_iter().map(PlannedTask::from).collect() }
    }
}

/// A task as an agent proposes it; names are the agent's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedTask {
    /// Name other proposed tasks refer to.
    pub name: String,
    pub title: String,
    pub instructions: String,
    #[schema(value_type = Vec<String>)]
    pub files: Vec<RepoPath>,
    pub depends_on: Vec<String>,
    pub priority: i32,
}

impl From<model::PlannedTask> for PlannedTask {
    fn from(task: model::PlannedTask) -> Self {
        let model::PlannedTask { name, title, instructions, files, depends_on, priority } = task;
        Self { name, title, instructions, files, depends_on, priority }
    }
}

/// The one plan made of all proposals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MergedPlan {
    pub tasks: Vec<MergedTask>,
    /// One sentence per decision, in the order they were taken.
    pub explanation: Vec<String>,
}

impl From<model::MergedPlan> for MergedPlan {
    fn from(merged: model::MergedPlan) -> Self {
        let model::MergedPlan { tasks, explanation } = merged;
        Self { tasks: tasks.into_iter().map(MergedTask::from).collect(), explanation }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MergedTask {
    pub name: String,
    pub title: String,
    pub instructions: String,
    #[schema(value_type = Vec<String>)]
    pub files: Vec<RepoPath>,
    #[schema(value_type = String)]
    pub assignee: AgentName,
    /// Agents who wanted the same file and review instead.
    #[schema(value_type = Vec<String>)]
    pub reviewers: Vec<AgentName>,
    pub depends_on: Vec<String>,
    pub priority: i32,
}

impl From<model::MergedTask> for MergedTask {
    fn from(task: model::MergedTask) -> Self {
        let model::MergedTask { name, title, instructions, files, assignee, reviewers, depends_on, priority } =
            task;
        Self { name, title, instructions, files, assignee, reviewers, depends_on, priority }
    }
}

/// A run of the repository's tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestReport {
    pub command: Vec<String>,
    pub exit_code: Option<i32>,
    pub passed: u32,
    pub failed: u32,
    /// Last lines of the output.
    pub tail: String,
    pub elapsed_ms: u64,
}

impl From<model::TestReport> for TestReport {
    fn from(report: model::TestReport) -> Self {
        let model::TestReport { command, exit_code, passed, failed, tail, elapsed_ms } = report;
        Self { command, exit_code, passed, failed, tail, elapsed_ms }
    }
}

/// An edit the worktree's writer refused; nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedEdit {
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = String)]
    pub task: TaskId,
    #[schema(value_type = String)]
    pub turn: TurnId,
    #[schema(value_type = String)]
    pub participant: ParticipantId,
    pub claim: Claim,
    /// `lock_lost`, `stale_base`, `path_refused` or `io`.
    pub code: String,
    pub message: String,
}

impl From<model::RefusedEdit> for RefusedEdit {
    fn from(edit: model::RefusedEdit) -> Self {
        let model::RefusedEdit { session, task, turn, participant, claim, code, message } = edit;
        let model::Claim { path, token } = claim;
        Self { session, task, turn, participant, claim: Claim { path, token }, code, message }
    }
}

/// The lock under which somebody tried to edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Claim {
    #[schema(value_type = String)]
    pub path: RepoPath,
    pub token: u64,
}

/// Body of `POST /sessions/{id}/plans`: agents propose, the proposals are merged, the tasks are done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlan {
    /// At most 256 KiB.
    pub prompt: String,
    /// Agents of the session; empty: all of them.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub agents: Vec<AgentName>,
    /// Each agent does its tasks in a worktree of its own; what is done there lands on the plan's own line, is tested there as a
    /// whole, and comes to the branch at the end.
    #[serde(default)]
    pub worktrees: bool,
    /// The attached client somebody acts in; refused with `input_owned` while another one has the input.
    #[serde(default)]
    pub client: Option<String>,
}

/// What can be done with plans.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, path, access, summary| Operation::new("plans", id, method, path, access, summary);
    vec![
        op("list_plans", Get, "/sessions/{id}/plans", Run, "Lists the plans of a session, oldest first.")
            .lists::<Plan>(),
        op(
            "coordinate",
            Post,
            "/sessions/{id}/plans",
            User,
            "Lets agents plan and change the repository together.",
        )
        .body::<NewPlan>()
        .creates::<Plan>(),
        op("get_plan", Get, "/plans/{id}", Run, "Shows a plan.").returns::<Plan>(),
        op("cancel_plan", Post, "/plans/{id}/cancel", User, "Ends a plan, its tasks and its tests.")
            .returns::<Plan>(),
    ]
}
