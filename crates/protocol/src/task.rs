//! Tasks on the wire.

use crate::operation::{
    Access::{Run, User},
    Method::{Get, Post},
    Operation,
};
use crate::{FileChange, GitState, Turn, Usage, words};
use model::{
    AgentName, MessageId, OnFailed, ParticipantId, PlanId, Refusal, RepoPath, RetryOn, SessionId, TaskId,
    TaskKind, TaskState, Timestamp, TurnId,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A prompt with its targets, priority and dependencies, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    #[schema(value_type = String)]
    pub id: TaskId,
    pub short_id: String,
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = Option<String>)]
    pub plan: Option<PlanId>,
    #[schema(value_type = words::TaskKind)]
    pub kind: TaskKind,
    pub title: String,
    pub prompt: String,
    #[schema(value_type = words::TaskState)]
    pub state: TaskState,
    /// Counts from 1; a crash resubmits the task with the next one.
    pub attempt: u32,
    pub targets: Vec<Target>,
    /// Higher goes first.
    pub priority: i32,
    /// Among waiting tasks of the same priority the smaller one goes first.
    #[serde(default)]
    pub rank: u64,
    /// Tasks that must be completed before this one starts.
    #[schema(value_type = Vec<String>)]
    pub depends_on: Vec<TaskId>,
    /// Files the task is expected to change.
    #[schema(value_type = Vec<String>)]
    pub files: Vec<RepoPath>,
    /// Files it did change.
    pub changes: Vec<FileChange>,
    /// Oldest first; one for each target and attempt that was begun.
    pub turns: Vec<Turn>,
    /// Of all its turns, the running ones too.
    pub usage: Usage,
    /// The summary when it is completed, the reason when it is not.
    pub text: Option<String>,
    /// Why it was not done, as a word for programs.
    #[serde(default)]
    pub code: Option<String>,
    /// What becomes of it when a task it depends on is not completed.
    #[serde(default)]
    #[schema(value_type = words::OnFailed)]
    pub on_failed: OnFailed,
    /// When it fails if it has not ended by then.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deadline: Option<Timestamp>,
    /// When it is tried again; none: after crashes, as often as the configuration says.
    #[serde(default)]
    pub retry: Option<RetryPolicy>,
    /// Not to be tried again before this.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub not_before: Option<Timestamp>,
    /// What whoever does it must be able to.
    #[serde(default)]
    pub wants: Vec<String>,
    /// It is for whoever claims it.
    #[serde(default)]
    pub pool: bool,
    /// Who has claimed it, until when.
    #[serde(default)]
    pub claim: Option<TaskClaim>,
    /// Where its messages are in the conversation.
    #[serde(default)]
    pub messages: Option<MessageRange>,
    /// Where the checkout stood when its first turn began; none without a repository.
    #[serde(default)]
    pub git_start: Option<GitState>,
    /// The same when its last turn had ended.
    #[serde(default)]
    pub git_end: Option<GitState>,
    /// What a participant wants to know, while the state is `input_required`.
    pub question: Option<Question>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// The messages of a task: from the prompt to the last answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessageRange {
    #[schema(value_type = String)]
    pub first: MessageId,
    #[schema(value_type = String)]
    pub last: MessageId,
    /// How many of the task's there are. Those of other tasks may stand between them.
    pub count: u64,
    #[schema(value_type = String, format = DateTime)]
    pub first_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Timestamp,
}

/// When a task that failed is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// The first one included: 1 to 20.
    pub max_attempts: u32,
    /// Seconds before the second attempt, at most a day; twice as long before each further one.
    #[serde(default)]
    pub backoff_seconds: u64,
    /// Failures after which it is tried again.
    #[schema(value_type = Vec<words::RetryOn>)]
    pub on: Vec<RetryOn>,
}

impl From<model::RetryPolicy> for RetryPolicy {
    fn from(policy: model::RetryPolicy) -> Self {
        let model::RetryPolicy { max_attempts, backoff_seconds, on } = policy;
        Self { max_attempts, backoff_seconds, on }
    }
}

impl From<RetryPolicy> for model::RetryPolicy {
    fn from(policy: RetryPolicy) -> Self {
        let RetryPolicy { max_attempts, backoff_seconds, on } = policy;
        Self { max_attempts, backoff_seconds, on }
    }
}

/// Somebody does a task of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskClaim {
    /// Needed to renew it and to end the task; a later claim makes it worthless.
    pub token: u64,
    pub holder: String,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

impl From<model::TaskClaim> for TaskClaim {
    fn from(claim: model::TaskClaim) -> Self {
        Self { token: claim.token, holder: claim.holder, expires_at: claim.expires_at }
    }
}

/// One participant's share of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Target {
    #[schema(value_type = String)]
    pub participant: ParticipantId,
    /// None in a resource event; the participant has it.
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentName>,
    #[schema(value_type = words::TaskState)]
    pub state: TaskState,
    pub attempt: u32,
}

/// A participant waits for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Question {
    #[schema(value_type = String)]
    pub session: SessionId,
    #[schema(value_type = String)]
    pub task: TaskId,
    #[schema(value_type = String)]
    pub turn: TurnId,
    #[schema(value_type = String)]
    pub participant: ParticipantId,
    pub question: String,
}

impl From<model::Question> for Question {
    fn from(asked: model::Question) -> Self {
        let model::Question { session, task, turn, participant, question } = asked;
        Self { session, task, turn, participant, question }
    }
}

impl From<model::Task> for Task {
    /// A task as it is right after its submission.
    fn from(task: model::Task) -> Self {
        let target =
            |&participant| Target { participant, agent: None, state: TaskState::Submitted, attempt: 1 };
        Self {
            short_id: task.id.short(),
            id: task.id,
            session: task.session,
            plan: task.plan,
            kind: task.kind,
            title: task.title,
            prompt: task.prompt,
            state: TaskState::Submitted,
            attempt: 1,
            targets: task.targets.iter().map(target).collect(),
            priority: task.priority,
            rank: 0,
            depends_on: task.depends_on,
            files: task.files,
            changes: Vec::new(),
            turns: Vec::new(),
            usage: Usage::default(),
            text: None,
            code: None,
            on_failed: task.terms.on_failed,
            deadline: task.terms.deadline,
            retry: task.terms.retry.map(RetryPolicy::from),
            not_before: None,
            wants: task.terms.wants,
            pool: task.terms.pool,
            claim: None,
            messages: None,
            git_start: None,
            git_end: None,
            question: None,
            created_at: task.created_at,
            updated_at: task.created_at,
        }
    }
}

/// Body of `POST /tasks/{id}/answer`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAnswer {
    pub answer: String,
    /// The attached client somebody acts in; refused with `input_owned` while another one has the input.
    #[serde(default)]
    pub client: Option<String>,
}

/// Body of `POST /tasks/{id}/steer`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSteer {
    /// Words for the agents who work on the task, as long as a prompt may be.
    pub text: String,
    /// The attached client somebody acts in; refused with `input_owned` while another one has the input.
    #[serde(default)]
    pub client: Option<String>,
}

/// Body of `POST /tasks/{id}/move`: one of the three ways.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaskMove {
    /// Higher goes first; among equals the task's place stays.
    pub priority: Option<i32>,
    /// Id or short id of a waiting task of the same session: just before it, with its priority.
    pub before: Option<String>,
    /// Behind all others, with the priority of the last.
    pub last: bool,
    /// The attached client somebody acts in; refused with `input_owned` while another one has the input.
    pub client: Option<String>,
}

/// Which tasks of a session to list: the newest page, or the newest before one. Oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct SessionTaskQuery {
    /// `next` of the page after: tasks older than this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub before: Option<TaskId>,
    /// 1 to 200; 200 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Which tasks of the workspace to list: the newest page, or the newest before one. Oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct TaskQuery {
    /// One state, or several with commas between; without it the ones that have not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `next` of the page after: tasks older than this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub before: Option<TaskId>,
    /// 1 to 200; 200 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

impl TaskQuery {
    /// The states wished for.
    pub fn states(&self) -> Result<Vec<TaskState>, Refusal> {
        let Some(given) = &self.state else {
            return Ok(TaskState::ALL.into_iter().filter(|state| !state.is_terminal()).collect());
        };
        given
            .split(',')
            .map(|word| {
                TaskState::ALL.into_iter().find(|state| state.as_str() == word.trim()).ok_or_else(|| {
                    let words: Vec<&str> = TaskState::ALL.iter().map(|state| state.as_str()).collect();
                    let shown: String = word.chars().take(40).collect();
                    Refusal::invalid("unknown_state", format!("`{shown}` is no state of a task"))
                        .hint(format!("one of {}", words.join(", ")))
                })
            })
            .collect()
    }
}

/// What can be done with tasks.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, path, access, summary| Operation::new("tasks", id, method, path, access, summary);
    vec![
        op(
            "list_session_tasks",
            Get,
            "/sessions/{id}/tasks",
            Run,
            "Lists the newest tasks of a session, oldest of them first.",
        )
        .query::<SessionTaskQuery>()
        .lists::<Task>(),
        op("list_queue", Get, "/sessions/{id}/queue", Run, "Lists what waits in a session, in the order it will be done.")
            .lists::<Task>(),
        op(
            "move_task",
            Post,
            "/tasks/{id}/move",
            User,
            "Gives a waiting task another place in its session's queue; returns the queue.",
        )
        .body::<TaskMove>()
        .lists::<Task>(),
        op("list_tasks", Get, "/tasks", User, "Lists the newest tasks of the workspace by state, oldest of them first.")
            .query::<TaskQuery>()
            .lists::<Task>(),
        op("get_task", Get, "/tasks/{id}", Run, "Shows a task.").returns::<Task>(),
        op("cancel_task", Post, "/tasks/{id}/cancel", User, "Cancels a task and stops its turns, whoever has the input.")
            .returns::<Task>(),
        op("answer_task", Post, "/tasks/{id}/answer", User, "Answers what a participant asked.")
            .body::<NewAnswer>()
            .returns::<Task>(),
        op(
            "steer_task",
            Post,
            "/tasks/{id}/steer",
            User,
            "Gives the agents who work on a task words without ending their turns; returns the task in which the words are.",
        )
        .body::<NewSteer>()
        .returns::<Task>(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(given: &str) -> Result<Vec<TaskState>, String> {
        TaskQuery { state: Some(given.to_owned()), ..TaskQuery::default() }
            .states()
            .map_err(|refusal| refusal.code.into_owned())
    }

    #[test]
    fn states_are_words_with_commas() {
        assert_eq!(states("working, failed"), Ok(vec![TaskState::Working, TaskState::Failed]));
        assert_eq!(states("working,"), Err("unknown_state".to_owned()));
        assert_eq!(states("done"), Err("unknown_state".to_owned()));
    }

    #[test]
    fn without_a_wish_it_is_the_open_ones() {
        let open = TaskQuery::default().states().unwrap();
        assert_eq!(open, vec![TaskState::Submitted, TaskState::Working, TaskState::InputRequired]);
    }
}
