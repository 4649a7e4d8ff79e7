//! Sessions among each other: find them, change them, fork them, ask them, see where they came from.

use super::session::{Callback, Short, agents};
use super::task::Task;
use super::{Tool, text};
use crate::answer::{Answer, clipped};
use crate::call::{Call, wait};
use crate::failure::Failure;
use protocol::{
    Archived, FamilyQuery, NewFork, NewQuestion, RemovalQuery, SessionPatch, SessionQuery, SessionSort,
    SessionState, TaskState,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How much of an answer is given, in characters.
const ANSWER_SHOWN: usize = 16_000;
/// Between two looks whether an answer has come.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Seconds an answer is waited for when the call does not say.
const ANSWER_WAIT: u64 = 120;

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Listed, _>(
            "session_list",
            "Find sessions",
            "Lists sessions of the studio by state, agent, tag, parent or words of the title, sorted as you wish. Go on \
             with `next` as the cursor.",
            list,
        )
        .reads()
        .of_user(),
        Tool::new::<_, Short, _>(
            "session_change",
            "Change a session",
            "Gives a session of the studio another title, tags it or takes tags off, puts it away or brings it back, and \
             says whether its parent is told of its end. What is absent stays.",
            change,
        )
        .idempotent()
        .of_user(),
        Tool::new::<_, Removed, _>(
            "session_remove",
            "Remove a session",
            "Removes a session of the studio that does nothing: it is seen nowhere any more. Archive it with \
             session_change to be able to bring it back.",
            remove,
        )
        .replaces()
        .of_user(),
        Tool::new::<_, Short, _>(
            "session_fork",
            "Fork a session",
            "Starts a session whose agents know what was said in another one, up to a message or to its end. That one \
             stays as it is.",
            fork,
        )
        .of_user(),
        Tool::new::<_, Asked, _>(
            "session_ask",
            "Ask a session",
            "Asks a session of the studio something it should know, and waits for the answer. The session stays as it \
             is: a fork of it that only reads answers. You may ask sessions of your own family.",
            ask,
        )
        .of_session(),
        Tool::new::<_, Asides, _>(
            "aside_list",
            "See what was asked",
            "Lists what a session of the studio was asked with session_ask and what it asked others, with the answers.",
            asides,
        )
        .reads()
        .of_session(),
        Tool::new::<_, Family, _>(
            "family_get",
            "See a session's family",
            "Shows the sessions a session came from and those that came out of it, as forks or children.",
            family,
        )
        .reads()
        .of_session(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// `idle`, `running`, `completed` or `failed`.
    #[serde(default)]
    state: Option<State>,
    /// The agent that joined first.
    #[serde(default)]
    agent: Option<String>,
    /// A tag it has.
    #[serde(default)]
    tag: Option<String>,
    /// Id or short id of the session it was forked from or spawned by.
    #[serde(default)]
    parent: Option<String>,
    /// Words of the title, in either case.
    #[serde(default)]
    text: Option<String>,
    /// Archived sessions: `no` without, `only` or `too`.
    #[serde(default)]
    archived: Option<Put>,
    /// `created` without: the newest first.
    #[serde(default)]
    sort: Option<Sort>,
    /// The smallest first.
    #[serde(default)]
    ascending: Option<bool>,
    /// `next` of the answer before.
    #[serde(default)]
    cursor: Option<String>,
    /// 1 to 50; 20 without.
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    Idle,
    Running,
    Completed,
    Failed,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Put {
    No,
    Only,
    Too,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Sort {
    Created,
    Updated,
    Title,
    Cost,
}

/// Sessions one answer lists at most, and when the call does not say.
const LISTED_MAX: usize = 50;
const LISTED_DEFAULT: usize = 20;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// Id or short id of the session, `@last` or `@parent`.
    session: String,
    /// At most 200 characters.
    #[serde(default)]
    title: Option<String>,
    /// Tags it is to have besides.
    #[serde(default)]
    add_tags: Vec<String>,
    /// Tags it is not to have any more.
    #[serde(default)]
    remove_tags: Vec<String>,
    /// True puts it away, false brings it back.
    #[serde(default)]
    archived: Option<bool>,
    /// Whether the session that spawned it is told of its end.
    #[serde(default)]
    callback: Option<Callback>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Remove {
    /// Id or short id of the session.
    session: String,
    /// Also when others came out of it; they stay.
    #[serde(default)]
    anyway: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fork {
    /// Id or short id of the session, `@last` or `@parent`.
    session: String,
    /// Id or short id of the last message it knows; the newest without.
    #[serde(default)]
    message: Option<String>,
    /// What it is called.
    #[serde(default)]
    title: Option<String>,
    /// Who sits in it; the agents of the session without.
    #[serde(default)]
    agents: Vec<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// Id or short id of the session, `@last` or `@parent`.
    session: String,
    /// What you want to know; at most 32 KiB.
    question: String,
    /// Who answers; the session's first agent without.
    #[serde(default)]
    agent: Option<String>,
    /// Seconds to wait for the answer; 0 to 300, 120 without. What comes later is in aside_list.
    #[serde(default)]
    wait_seconds: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct One {
    /// Id or short id of the session, `@last` or `@parent`.
    pub(super) session: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Kin {
    /// Id or short id of the session, `@last` or `@parent`.
    session: String,
    /// Generations down; 1 to 64, all without.
    #[serde(default)]
    depth: Option<u32>,
    /// Everything that came out of the oldest ancestor, too.
    #[serde(default)]
    whole: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Listed {
    sessions: Vec<Short>,
    /// Where the list goes on; none at its end.
    next: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Removed {
    id: String,
    /// Ids of sessions that came out of it, which stay.
    relatives: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Asked {
    id: String,
    short_id: String,
    /// Id of the session that was asked.
    asked: String,
    question: String,
    /// None when it has not come yet, or never will: then the task says why.
    answer: Option<String>,
    task: Task,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Asides {
    /// Newest first.
    asides: Vec<Asked>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Relative {
    id: String,
    short_id: String,
    title: String,
    state: String,
    parent: Option<String>,
    forked_from: Option<String>,
    depth: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Family {
    session: String,
    /// Whose descendants these are.
    top: Relative,
    /// Nearest first.
    ancestors: Vec<Relative>,
    /// Nearest first.
    descendants: Vec<Relative>,
    /// There are more.
    more: bool,
}

impl From<protocol::Relative> for Relative {
    fn from(kin: protocol::Relative) -> Self {
        Self {
            id: kin.id.to_string(),
            short_id: kin.short_id,
            title: kin.title,
            state: kin.state.as_str().to_owned(),
            parent: kin.parent.map(|parent| parent.to_string()),
            forked_from: kin.forked_from.map(|from| from.to_string()),
            depth: kin.depth,
        }
    }
}

impl From<protocol::Aside> for Asked {
    fn from(aside: protocol::Aside) -> Self {
        Self {
            id: aside.id.to_string(),
            short_id: aside.short_id,
            asked: aside.asked.to_string(),
            question: aside.question,
            answer: aside.answer.map(|answer| clipped(&answer, ANSWER_SHOWN)),
            task: aside.task.into(),
        }
    }
}

impl Asked {
    fn line(&self) -> String {
        let answer = self.answer.as_deref().unwrap_or("(no answer yet)");
        format!("{} asked: {}\n{answer}", self.short_id, clipped(&self.question, 200))
    }
}

async fn list(call: Call, wish: List) -> Result<Answer, Failure> {
    let limit = wish.limit.unwrap_or(LISTED_DEFAULT);
    if !(1..=LISTED_MAX).contains(&limit) {
        let words = format!("1 to {LISTED_MAX} sessions are listed at once");
        return Err(Failure::new("bad_arguments", words, "ask for fewer, and go on with `next`"));
    }
    let agent =
        wish.agent.map(|name| agents(&[name])).transpose()?.and_then(|names| names.into_iter().next());
    let query = SessionQuery {
        archived: wish.archived.map(|put| match put {
            Put::No => Archived::No,
            Put::Only => Archived::Only,
            Put::Too => Archived::Too,
        }),
        state: wish.state.map(|state| match state {
            State::Idle => SessionState::Idle,
            State::Running => SessionState::Running,
            State::Completed => SessionState::Completed,
            State::Failed => SessionState::Failed,
        }),
        agent,
        tag: wish.tag,
        parent: wish.parent,
        text: wish.text,
        sort: wish.sort.map(|sort| match sort {
            Sort::Created => SessionSort::Created,
            Sort::Updated => SessionSort::Updated,
            Sort::Title => SessionSort::Title,
            Sort::Cost => SessionSort::Cost,
        }),
        ascending: wish.ascending.unwrap_or(false),
        cursor: wish.cursor,
        limit: Some(limit),
        ..SessionQuery::default()
    };
    let page = call.daemon().sessions(&query).await?.value;
    let sessions: Vec<Short> = page.items.into_iter().map(Short::from).collect();
    let lines: Vec<String> = sessions.iter().map(Short::line).collect();
    let text = if lines.is_empty() { "There are no such sessions.".to_owned() } else { lines.join("\n") };
    Answer::new(text, Listed { sessions, next: page.next })
}

async fn change(call: Call, wish: Change) -> Result<Answer, Failure> {
    let daemon = call.daemon();
    let patch = SessionPatch {
        title: wish.title,
        add_tags: wish.add_tags,
        remove_tags: wish.remove_tags,
        callback: wish.callback.map(Callback::wish),
    };
    let mut changed = daemon.change_session(&wish.session, &patch, None).await?;
    if let Some(archived) = wish.archived.filter(|archived| *archived != changed.archived) {
        let id = changed.id.to_string();
        changed = match archived {
            true => daemon.archive_session(&id, None).await?,
            false => daemon.unarchive_session(&id, None).await?,
        };
    }
    let session = Short::from(changed);
    Answer::new(session.line(), session)
}

async fn remove(call: Call, wish: Remove) -> Result<Answer, Failure> {
    let query = RemovalQuery { anyway: wish.anyway.unwrap_or(false) };
    let removed = call.daemon().remove_session(&wish.session, &query, None).await?;
    let relatives = removed.relatives.iter().map(ToString::to_string).collect();
    let id = removed.id.to_string();
    Answer::new(format!("Session {} is removed.", removed.id.short()), Removed { id, relatives })
}

async fn fork(call: Call, wish: Fork) -> Result<Answer, Failure> {
    let new = NewFork { message: wish.message, title: wish.title, agents: agents(&wish.agents)? };
    let session = Short::from(call.daemon().fork_session(&wish.session, &new, None).await?);
    Answer::new(session.line(), session)
}

async fn ask(call: Call, wish: Ask) -> Result<Answer, Failure> {
    text(&wish.question)?;
    let limit = wait(Some(wish.wait_seconds.unwrap_or(ANSWER_WAIT)))?;
    let agent =
        wish.agent.map(|name| agents(&[name])).transpose()?.and_then(|names| names.into_iter().next());
    let asker = call
        .blocking(|call| Ok(call.bus.registration(call.me())?.and_then(|own| own.session)))
        .await?
        .map(|session| session.to_string());
    let daemon = call.daemon();
    let new = NewQuestion { question: wish.question, agent, asker };
    let mut aside = daemon.ask_session(&wish.session, &new, None).await?;
    let task = aside.task.id.to_string();
    let mut waited = Duration::ZERO;
    while !aside.task.state.is_terminal() && waited < limit && !call.is_canceled() {
        tokio::time::sleep(LOOK_EVERY).await;
        waited += LOOK_EVERY;
        aside.task = daemon.task(&task).await?.value;
    }
    aside.answer = aside.task.text.clone().filter(|_| aside.task.state == TaskState::Completed);
    let asked = Asked::from(aside);
    let said = asked.answer.clone().unwrap_or_else(|| match asked.task.state() {
        state if state == TaskState::Failed.as_str() => format!("It was not answered: {}", asked.task.line()),
        _ => "It is not answered yet; look into aside_list later.".to_owned(),
    });
    Answer::new(said, asked)
}

async fn asides(call: Call, wish: One) -> Result<Answer, Failure> {
    let found = call.daemon().asides(&wish.session).await?.items;
    let asides: Vec<Asked> = found.into_iter().map(Asked::from).collect();
    let lines: Vec<String> = asides.iter().map(Asked::line).collect();
    let text = if lines.is_empty() { "Nothing was asked.".to_owned() } else { lines.join("\n\n") };
    Answer::new(text, Asides { asides })
}

async fn family(call: Call, wish: Kin) -> Result<Answer, Failure> {
    let query = FamilyQuery { depth: wish.depth, limit: Some(200), whole: wish.whole.unwrap_or(false) };
    let found = call.daemon().family(&wish.session, &query).await?;
    let relatives = |kin: Vec<protocol::Relative>| kin.into_iter().map(Relative::from).collect::<Vec<_>>();
    let family = Family {
        session: found.session.to_string(),
        top: found.top.into(),
        ancestors: relatives(found.ancestors),
        descendants: relatives(found.descendants),
        more: found.more,
    };
    let line = |kin: &Relative, sign: &str| {
        format!("{sign}{} {} [{}] {}", kin.depth, kin.short_id, kin.state, kin.title)
    };
    let mut lines: Vec<String> = family.ancestors.iter().rev().map(|kin| line(kin, "-")).collect();
    lines.push(line(&family.top, ""));
    lines.extend(family.descendants.iter().map(|kin| line(kin, "+")));
    Answer::new(lines.join("\n"), family)
}
