//! Terms of tasks on the wire, and the pool of tasks that wait for whoever claims them.

use crate::operation::{
    Access::{Run, User},
    Method::{Get, Patch, Post},
    Operation,
};
use crate::{RetryPolicy, Task, words};
use model::{OnFailed, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `PATCH /tasks/{id}`: what a task that has not begun depends on, and its terms. What is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaskPatch {
    /// Ids or short ids of tasks of the workspace, in place of those it had. At most 32.
    pub depends_on: Option<Vec<String>>,
    #[schema(value_type = Option<words::OnFailed>)]
    pub on_failed: Option<OnFailed>,
    /// When the task fails if it has not ended by then. Also of a task that has begun.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deadline: Option<Timestamp>,
    /// The same as seconds from now: 1 to 31622400.
    pub deadline_seconds: Option<u64>,
    /// It has no deadline any more.
    pub no_deadline: bool,
    pub retry: Option<RetryPolicy>,
    /// In place of those it had.
    pub wants: Option<Vec<String>>,
    /// The attached client somebody acts in; refused with `input_owned` while another one has the input.
    pub client: Option<String>,
}

/// Body of `POST /pool/claim`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewClaim {
    /// Id or short id of a task of the pool; without it the first whose wishes are met.
    pub task: Option<String>,
    /// Who does it, for people: 1 to 64 printable characters. An agent's run need not say it.
    pub holder: Option<String>,
    /// What whoever claims it is able to.
    pub can: Vec<String>,
    /// How long the claim holds without renewal: 5 to 86400; 600 without.
    pub seconds: Option<u64>,
}

/// Body of `POST /tasks/{id}/renew`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRenewal {
    /// As the claim has it.
    pub token: u64,
    /// From now on: 5 to 86400; 600 without.
    #[serde(default)]
    pub seconds: Option<u64>,
}

/// Body of `POST /tasks/{id}/finish`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimEnd {
    /// As the claim has it.
    pub token: u64,
    #[schema(value_type = String)]
    pub outcome: ClaimOutcome,
    /// What was done, or why not. At most 32 KiB.
    #[serde(default)]
    pub text: String,
}

/// What became of a claimed task: `completed`, `failed`, or `released` for others to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimOutcome {
    Completed,
    Failed,
    Released,
}

/// What can be done with the terms of tasks, and with the pool.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, path, access, summary| Operation::new("tasks", id, method, path, access, summary);
    vec![
        op(
            "change_task",
            Patch,
            "/tasks/{id}",
            User,
            "Changes what a task depends on, its deadline and its other terms.",
        )
        .body::<TaskPatch>()
        .returns::<Task>(),
        op("list_pool", Get, "/pool", Run, "Lists the tasks that can be claimed, the most urgent first.")
            .lists::<Task>(),
        op("claim_task", Post, "/pool/claim", Run, "Claims a task of the pool for a while.")
            .body::<NewClaim>()
            .returns::<Task>(),
        op("renew_claim", Post, "/tasks/{id}/renew", Run, "Goes on with a claimed task.")
            .body::<ClaimRenewal>()
            .returns::<Task>(),
        op(
            "finish_claim",
            Post,
            "/tasks/{id}/finish",
            Run,
            "Ends a claimed task, or gives it back to the pool.",
        )
        .body::<ClaimEnd>()
        .returns::<Task>(),
    ]
}
