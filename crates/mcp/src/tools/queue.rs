//! What waits in a session, and who is at it.

use super::Tool;
use super::lineage::One;
use super::task::Task;
use crate::answer::Answer;
use crate::call::Call;
use crate::failure::Failure;
use protocol::{Detachment, InputWish, NewAttachment, Presences, TaskMove};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Queue, _>(
            "queue_list",
            "See what waits in a session",
            "Lists the tasks of a session of the studio that nobody has begun, in the order in which they will be.",
            list,
        )
        .reads()
        .of_session(),
        Tool::new::<_, Queue, _>(
            "task_move",
            "Move a waiting task",
            "Gives a waiting task of the studio another place in its session's queue: before another one, behind all, or \
             by another priority. Gives the queue as it is then.",
            move_to,
        )
        .replaces()
        .idempotent()
        .of_user(),
        Tool::new::<_, There, _>(
            "client_attach",
            "Be at a session",
            "Says for somebody who looks at a session of the studio that he is there, for 45 seconds, and what he wants of \
             its input; or that he has left.",
            attach,
        )
        .replaces()
        .idempotent()
        .of_user(),
        Tool::new::<_, There, _>(
            "client_list",
            "See who is at a session",
            "Shows which terminals and pages are at a session of the studio, and which of them has its input.",
            clients,
        )
        .reads()
        .of_user(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Move {
    /// Id or short id of the task.
    task: String,
    /// Higher goes first; among equals its place stays.
    #[serde(default)]
    priority: Option<i32>,
    /// Id or short id of a waiting task of the same session: just before it.
    #[serde(default)]
    before: Option<String>,
    /// Behind all others.
    #[serde(default)]
    last: Option<bool>,
    /// The client you act in, as client_attach was told; refused with input_owned while another one has the input.
    #[serde(default)]
    client: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Attach {
    /// Id or short id of the session, `@last` or `@parent`.
    session: String,
    /// Made at random and kept: 1 to 64 printable characters.
    client: String,
    /// What people see; needed to be there.
    #[serde(default)]
    name: Option<String>,
    /// `keep` without.
    #[serde(default)]
    input: Option<Input>,
    /// Somebody types there now.
    #[serde(default)]
    typing: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Input {
    Keep,
    Claim,
    TakeOver,
    Release,
    /// The client has left the session.
    Leave,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Queue {
    tasks: Vec<Task>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct There {
    session: String,
    clients: Vec<Client>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Client {
    client: String,
    name: String,
    owns_input: bool,
    typing: bool,
}

fn queue(tasks: Vec<protocol::Task>) -> Result<Answer, Failure> {
    let tasks: Vec<Task> = tasks.into_iter().map(Task::from).collect();
    let lines: Vec<String> = tasks.iter().map(Task::line).collect();
    let text = if lines.is_empty() { "Nothing waits.".to_owned() } else { lines.join("\n") };
    Answer::new(text, Queue { tasks })
}

fn there(found: Presences) -> Result<Answer, Failure> {
    let clients: Vec<Client> = found
        .clients
        .into_iter()
        .map(|one| Client {
            client: one.client,
            name: one.name,
            owns_input: one.owns_input,
            typing: one.typing,
        })
        .collect();
    let line = |one: &Client| {
        format!("{} ({}){}", one.name, one.client, if one.owns_input { " has the input" } else { "" })
    };
    let lines: Vec<String> = clients.iter().map(line).collect();
    let text = if lines.is_empty() { "Nobody is there.".to_owned() } else { lines.join("\n") };
    Answer::new(text, There { session: found.session.to_string(), clients })
}

async fn list(call: Call, wish: One) -> Result<Answer, Failure> {
    queue(call.daemon().queue(&wish.session).await?.items)
}

async fn move_to(call: Call, wish: Move) -> Result<Answer, Failure> {
    let Move { task, priority, before, last, client } = wish;
    let to = TaskMove { priority, before, last: last.unwrap_or(false), client };
    queue(call.daemon().move_task(&task, &to, None).await?.items)
}

async fn attach(call: Call, wish: Attach) -> Result<Answer, Failure> {
    let daemon = call.daemon();
    let input = match wish.input.unwrap_or(Input::Keep) {
        Input::Leave => {
            let gone = Detachment { client: wish.client };
            return there(daemon.detach_client(&wish.session, &gone, None).await?);
        }
        Input::Keep => InputWish::Keep,
        Input::Claim => InputWish::Claim,
        Input::TakeOver => InputWish::TakeOver,
        Input::Release => InputWish::Release,
    };
    let (client, name) = (wish.client, wish.name.unwrap_or_default());
    let new = NewAttachment { client, name, typing: wish.typing.unwrap_or(false), input };
    there(daemon.attach_client(&wish.session, &new, None).await?)
}

async fn clients(call: Call, wish: One) -> Result<Answer, Failure> {
    there(call.daemon().clients(&wish.session).await?)
}
