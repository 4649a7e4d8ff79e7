//! Sessions of the studio: start one, prompt it, read it. The daemon does it, under its own rules.

use super::Tool;
use super::task::Task;
use crate::answer::{Answer, clipped};
use crate::call::Call;
use crate::failure::Failure;
use model::{AgentName, OnFailed, RetryOn};
use protocol::{
    Block, CallbackWish, Message, MessageQuery, NewPrompt, NewSession, NewSpawn, RetryPolicy, SessionQuery,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sessions one answer lists.
const LISTED_MAX: usize = 20;
/// Messages one answer has.
const MESSAGES_MAX: usize = 50;
/// Messages when the call does not say.
const MESSAGES_DEFAULT: usize = 20;
/// How much of a message is given, in characters.
const SHOWN_MAX: usize = 4000;
/// Failures after which a task is tried again when its prompt says how often, as on the command line.
const RETRIED: [RetryOn; 4] = [RetryOn::Crash, RetryOn::Stall, RetryOn::RateLimit, RetryOn::VendorError];

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Spawned, _>(
            "session_spawn",
            "Start a session of agents",
            "Starts a session with fresh context and gives it its first prompt, which becomes a task. It is a child of \
             your own session, or of `parent`; with callback=once you are told when its work is over, and need not wait.",
            spawn,
        )
        .of_session(),
        Tool::new::<_, Task, _>(
            "session_prompt",
            "Prompt a session",
            "Submits a prompt to a session of the studio, which becomes a task for all of its agents or those named. It may \
             wait for other tasks (`after`), or for whoever claims it (`pool`).",
            prompt,
        )
        .of_user(),
        Tool::new::<_, Reading, _>(
            "session_read",
            "Read a session",
            "Gives the tasks and the newest messages of a session of the studio; without a session it lists the \
             newest sessions.",
            read,
        )
        .reads()
        .of_session(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Spawn {
    /// What is wanted; at most 256 KiB.
    prompt: String,
    /// Names of configured agents; those of the parent without. At least one where there is no parent.
    #[serde(default)]
    agents: Vec<String>,
    /// What the session is called; named after its agents without.
    #[serde(default)]
    title: Option<String>,
    /// Id, short id or slug of a registered repository it works in; that of the parent without.
    #[serde(default)]
    repo: Option<String>,
    /// Id or short id of the session it is a child of; your own without.
    #[serde(default)]
    parent: Option<String>,
    /// Whether the parent is told when the child's work is over; never without.
    #[serde(default)]
    callback: Option<Callback>,
}

/// How often a session is told of another one's end.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Callback {
    Never,
    Once,
    Always,
}

impl Callback {
    pub(super) const fn wish(self) -> CallbackWish {
        match self {
            Self::Never => CallbackWish::Never,
            Self::Once => CallbackWish::Once,
            Self::Always => CallbackWish::Always,
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Prompt {
    /// Id or short id of the session.
    session: String,
    /// What is wanted; at most 256 KiB.
    prompt: String,
    /// Agents of the session; all of them without.
    #[serde(default)]
    to: Vec<String>,
    /// Higher goes first; 0 without.
    #[serde(default)]
    priority: Option<i32>,
    /// Ids or short ids of tasks that must be completed first.
    #[serde(default)]
    after: Vec<String>,
    /// With `after`: what becomes of the task when one of them is not completed; cancel without.
    #[serde(default)]
    on_failed: Option<Broken>,
    /// The task fails if it has not ended so many seconds from now.
    #[serde(default)]
    deadline_seconds: Option<u64>,
    /// How often it may be tried when a run crashes or stalls or its vendor fails; as the studio's configuration says without.
    #[serde(default)]
    attempts: Option<u32>,
    /// What whoever does it must be able to; without `to` one agent of the session who is able gets it.
    #[serde(default)]
    wants: Vec<String>,
    /// No agent begins it by itself: it waits for whoever calls pool_claim. Not with `to`.
    #[serde(default)]
    pool: bool,
    /// The client you act in, as client_attach was told; refused with input_owned while another one has the input.
    #[serde(default)]
    client: Option<String>,
}

/// What becomes of a task that waits in vain.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Broken {
    Cancel,
    Wait,
}

impl From<Broken> for OnFailed {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Cancel => Self::Cancel,
            Broken::Wait => Self::Wait,
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Read {
    /// Id or short id of the session; without it the newest sessions are listed.
    #[serde(default)]
    session: Option<String>,
    /// How many messages, the newest ones; 1 to 50, 20 without.
    #[serde(default)]
    messages: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Spawned {
    session: Short,
    task: Task,
}

/// A session, as far as one needs to know it to choose.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Short {
    id: String,
    short_id: String,
    title: String,
    state: String,
    archived: bool,
    agents: Vec<String>,
    tags: Vec<String>,
    /// Set for a child.
    parent: Option<String>,
    /// Set for a fork.
    forked_from: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Said {
    id: String,
    role: String,
    text: String,
    at: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Reading {
    /// The one asked for, or the newest ones.
    sessions: Vec<Short>,
    tasks: Vec<Task>,
    /// Oldest first.
    messages: Vec<Said>,
}

impl From<protocol::Session> for Short {
    fn from(session: protocol::Session) -> Self {
        Self {
            id: session.id.to_string(),
            short_id: session.short_id,
            title: session.title,
            state: session.state.as_str().to_owned(),
            archived: session.archived,
            tags: session.tags,
            parent: session.parent.map(|parent| parent.to_string()),
            forked_from: session.forked_from.map(|from| from.to_string()),
            agents: session.participants.iter().map(|one| one.agent.to_string()).collect(),
        }
    }
}

impl Short {
    pub(super) fn line(&self) -> String {
        format!("session {} [{}] {} ({})", self.short_id, self.state, self.title, self.agents.join(", "))
    }
}

fn said(message: Message) -> Said {
    let words: Vec<String> = message
        .blocks
        .iter()
        .filter_map(|block| match block {
            Block::Text { text } => Some(text.clone()),
            Block::ToolCall { tool, arguments, .. } => Some(format!("[{tool} {arguments}]")),
            Block::ToolResult { tool, output, is_error, .. } => {
                let word = if *is_error { "failed" } else { "came to" };
                Some(format!("[{tool} {word}: {output}]"))
            }
            Block::Thinking { .. } | Block::Image { .. } => None,
        })
        .collect();
    Said {
        id: message.id.to_string(),
        role: message.role.as_str().to_owned(),
        text: clipped(&words.join("\n"), SHOWN_MAX),
        at: message.created_at.to_string(),
    }
}

pub(super) fn agents(given: &[String]) -> Result<Vec<AgentName>, Failure> {
    given
        .iter()
        .map(|name| {
            name.parse().map_err(|_| {
                let words = format!("`{name}` is no agent's name");
                Failure::new("bad_agent", words, "ask the user which agents are configured")
            })
        })
        .collect()
}

fn new_prompt(text: String, to: &[String], priority: i32) -> Result<NewPrompt, Failure> {
    if text.len() > model::PROMPT_MAX {
        let words = format!("a prompt has at most {} bytes", model::PROMPT_MAX);
        return Err(Failure::new(
            "prompt_too_long",
            words,
            "put it into a file of the repository and name it",
        ));
    }
    Ok(NewPrompt { text, targets: agents(to)?, priority, ..NewPrompt::default() })
}

async fn spawn(call: Call, wish: Spawn) -> Result<Answer, Failure> {
    // Looked at before anything is made: a session without its prompt is of no use.
    let first = new_prompt(wish.prompt, &[], 0)?;
    let agents = agents(&wish.agents)?;
    // Whoever is in a session starts a child of it.
    let parent = call
        .blocking(|call| Ok(call.bus.registration(call.me())?.and_then(|own| own.session)))
        .await?
        .map(|session| session.to_string());
    let daemon = call.daemon();
    if let Some(parent) = wish.parent.or(parent) {
        let callback = wish.callback.map(Callback::wish).unwrap_or_default();
        let (prompt, title, repo) = (first.text, wish.title, wish.repo);
        let new = NewSpawn { prompt, agents, title, repo, callback, callback_to: None };
        let spawned = daemon.spawn_session(&parent, &new, None).await?;
        let (session, task) = (Short::from(spawned.session), Task::from(spawned.task));
        return Answer::new(format!("{}\n{}", session.line(), task.line()), Spawned { session, task });
    }
    let new = NewSession {
        title: wish.title.unwrap_or_default(),
        repo: wish.repo,
        agents,
        ..NewSession::default()
    };
    let session = Short::from(daemon.create_session(&new, None).await?);
    let task = Task::from(daemon.prompt(&session.id, &first, None).await?);
    Answer::new(format!("{}\n{}", session.line(), task.line()), Spawned { session, task })
}

async fn prompt(call: Call, wish: Prompt) -> Result<Answer, Failure> {
    let plain = new_prompt(wish.prompt, &wish.to, wish.priority.unwrap_or(0))?;
    let retry = |max_attempts| RetryPolicy { max_attempts, backoff_seconds: 0, on: RETRIED.to_vec() };
    let new = NewPrompt {
        depends_on: wish.after,
        on_failed: wish.on_failed.map(OnFailed::from).unwrap_or_default(),
        deadline_seconds: wish.deadline_seconds,
        retry: wish.attempts.map(retry),
        wants: wish.wants,
        pool: wish.pool,
        client: wish.client,
        ..plain
    };
    let task = Task::from(call.daemon().prompt(&wish.session, &new, None).await?);
    Answer::new(task.line(), task)
}

async fn read(call: Call, wish: Read) -> Result<Answer, Failure> {
    let wanted = wish.messages.unwrap_or(MESSAGES_DEFAULT);
    if !(1..=MESSAGES_MAX).contains(&wanted) {
        let words = format!("1 to {MESSAGES_MAX} messages are given at once");
        return Err(Failure::new("bad_arguments", words, "ask for fewer messages"));
    }
    let daemon = call.daemon();
    let Some(session) = wish.session else {
        let query = SessionQuery { limit: Some(LISTED_MAX), ..SessionQuery::default() };
        let found = daemon.sessions(&query).await?.value.items;
        let sessions: Vec<Short> = found.into_iter().map(Short::from).collect();
        let lines: Vec<String> = sessions.iter().map(Short::line).collect();
        let text = if lines.is_empty() { "There are no sessions.".to_owned() } else { lines.join("\n") };
        return Answer::new(text, Reading { sessions, tasks: Vec::new(), messages: Vec::new() });
    };
    let found = Short::from(daemon.session(&session).await?.value);
    let tasks = daemon.session_tasks(&found.id).await?.value.items;
    let query = MessageQuery { limit: Some(wanted), ..MessageQuery::default() };
    let messages = daemon.messages(&found.id, &query).await?.value.items;
    let tasks: Vec<Task> = tasks.into_iter().map(Task::from).collect();
    let messages: Vec<Said> = messages.into_iter().map(said).collect();
    let mut lines = vec![found.line()];
    lines.extend(tasks.iter().map(Task::line));
    lines.extend(messages.iter().map(|message| format!("{}: {}", message.role, message.text)));
    Answer::new(lines.join("\n"), Reading { sessions: vec![found], tasks, messages })
}
