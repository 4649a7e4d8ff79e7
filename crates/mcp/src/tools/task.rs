//! Tasks: work that is offered on the bus and claimed by one session at a time, and the studio's own.

use super::notice::{addressed, living, recipients, said};
use super::{Tool, text};
use crate::answer::{Answer, clipped};
use crate::call::Call;
use crate::failure::Failure;
use bus::{BusError, LockLost, NewNotice, NoticeQuery};
use client::Credential;
use model::{Channel, Notice};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// Seconds an offer stays when the call does not say.
const OFFER_TTL_DEFAULT: u32 = 3600;
/// Seconds a claim is good when the call does not say.
const CLAIM_TTL_DEFAULT: u64 = 3600;
/// Seconds the word that work is done lives.
const REPORT_TTL: u32 = 3600;
/// Most tasks one answer lists.
const LISTED_MAX: usize = 50;
/// How much of a task a list shows, in characters.
const SHOWN_MAX: usize = 300;

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Offered, _>(
            "task_offer",
            "Offer a piece of work",
            "Offers a piece of work to the other agents; exactly one of them can claim it. Say what is wanted, in \
             which files, and how it is known to be done.",
            offer,
        ),
        Tool::new::<_, Claimed, _>(
            "task_claim",
            "Claim offered work",
            "Claims a piece of offered work, by its id, or without one the most urgent that nobody has. It is yours \
             until task_done, or until the claim runs out. no_work means there is none.",
            claim,
        ),
        Tool::new::<_, Ended, _>(
            "task_done",
            "End a claim",
            "Says that claimed work is done, or gives it back for others with give_back=true. The text goes to \
             whoever offered it.",
            done,
        )
        .replaces(),
        Tool::new::<_, Table, _>(
            "task_list",
            "See what work there is",
            "Lists the work offered here and who has claimed it; with a daemon also the studio's tasks that have \
             not ended.",
            list,
        )
        .reads(),
        Tool::new::<_, Task, _>(
            "task_cancel",
            "Cancel a task of the studio",
            "Cancels a task of the studio that has not ended, and stops its turns. Offered work is not canceled; it \
             runs out.",
            cancel,
        )
        .replaces()
        .idempotent()
        .of_daemon(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Offer {
    /// What is wanted; at most 32 KiB.
    text: String,
    /// Files it is about, so that others keep out of the way.
    #[serde(default)]
    files: Vec<String>,
    /// Sessions it is offered to, by name or short id; everybody without. At most 32.
    #[serde(default)]
    to: Vec<String>,
    /// Higher goes first; 0 without.
    #[serde(default)]
    priority: Option<i32>,
    /// Seconds the offer stays; 1 to 604800, 3600 without.
    #[serde(default)]
    ttl_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Claim {
    /// Id of the offer; without it the most urgent that nobody has.
    #[serde(default)]
    id: Option<i64>,
    /// Seconds it is yours; 1 to 86400, 3600 without.
    #[serde(default)]
    ttl_seconds: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Done {
    /// Token of the claim, as task_claim gave it.
    token: u64,
    /// It is not done: let others claim it.
    #[serde(default)]
    give_back: Option<bool>,
    /// What was done, or why not; for whoever offered it. At most 32 KiB.
    #[serde(default)]
    text: Option<String>,
    /// Id of the offer the text is about, as task_claim gave it.
    #[serde(default)]
    id: Option<i64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Cancel {
    /// Id or short id of the task, or an unambiguous start of it.
    task: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Offered {
    /// Id of the offer.
    id: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Claimed {
    /// Id of the offer.
    id: i64,
    /// Give it to task_done.
    token: u64,
    /// What is wanted.
    text: String,
    files: Vec<String>,
    /// Who offers it.
    from: String,
    expires_at: String,
    /// How often it has been claimed, this time included.
    attempts: u32,
    /// What to do now.
    next: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Ended {
    token: u64,
    /// False when it was given back.
    done: bool,
    /// Whoever offered it was told.
    told: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Open {
    /// Id of the offer.
    id: i64,
    text: String,
    from: String,
    /// Id of who has claimed or done it.
    claimed_by: Option<String>,
    priority: i32,
}

/// A task of the studio.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Task {
    id: String,
    short_id: String,
    session: String,
    title: String,
    state: String,
    agents: Vec<String>,
    /// What it came to, once it has ended.
    text: Option<String>,
    /// What an agent wants to know from the user.
    question: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Table {
    offers: Vec<Open>,
    /// Of the studio; none without a daemon, and for an agent that may not list them.
    tasks: Option<Vec<Task>>,
}

impl From<protocol::Task> for Task {
    fn from(task: protocol::Task) -> Self {
        Self {
            id: task.id.to_string(),
            short_id: task.short_id,
            session: task.session.to_string(),
            title: task.title,
            state: task.state.as_str().to_owned(),
            agents: task.targets.iter().filter_map(|one| Some(one.agent.as_ref()?.to_string())).collect(),
            text: task.text,
            question: task.question.map(|asked| asked.question),
        }
    }
}

impl Task {
    pub(super) fn state(&self) -> &str {
        &self.state
    }

    pub(super) fn line(&self) -> String {
        let text =
            self.text.as_ref().map(|text| format!(": {}", clipped(text, SHOWN_MAX))).unwrap_or_default();
        format!("task {} [{}] {}{text}", self.short_id, self.state, self.title)
    }
}

fn files(notice: &Notice) -> Vec<String> {
    let given = notice.payload["files"].as_array().into_iter().flatten();
    given.filter_map(|file| file.as_str().map(str::to_owned)).collect()
}

async fn offer(call: Call, wish: Offer) -> Result<Answer, Failure> {
    text(&wish.text)?;
    if wish.files.len() > bus::LOCK_PATHS_MAX {
        let words = format!("an offer names at most {} files", bus::LOCK_PATHS_MAX);
        return Err(Failure::new("too_many_files", words, "name folders instead"));
    }
    let sending = call.blocking(move |call| {
        let to = recipients(call, &wish.to)?;
        let payload = json!({ "text": wish.text, "files": wish.files });
        let new = NewNotice {
            ttl_seconds: Some(wish.ttl_seconds.unwrap_or(OFFER_TTL_DEFAULT)),
            priority: wish.priority.unwrap_or(0),
            ..NewNotice::new(call.me(), Channel::task_broadcast(), payload)
        };
        Ok(call.bus.publish(addressed(to, new))?)
    });
    let id = sending.await?.id;
    Answer::new(format!("Offered as {id}. One agent can claim it with task_claim."), Offered { id })
}

async fn claim(call: Call, wish: Claim) -> Result<Answer, Failure> {
    let ttl = Duration::from_secs(wish.ttl_seconds.unwrap_or(CLAIM_TTL_DEFAULT));
    let claiming = call.blocking(move |call| {
        let claim = match wish.id {
            Some(id) => Some(call.bus.claim(id, call.me(), ttl)?),
            None => call.bus.claim_next(call.me(), ttl)?,
        };
        let claim = claim.ok_or_else(|| {
            Failure::new(
                "no_work",
                "no work is offered that nobody has",
                "notice_wait wakes you when some comes",
            )
        })?;
        let notice = living(call, claim.notice)?;
        Ok((claim, notice))
    });
    let (claim, notice) = claiming.await?;
    let claimed = Claimed {
        id: claim.notice,
        token: claim.token,
        text: said(&notice.payload),
        files: files(&notice),
        from: notice.agent,
        expires_at: claim.expires_at.to_string(),
        attempts: claim.attempts,
        next: "Lock the files before you change them; end with task_done.".to_owned(),
    };
    let text = format!(
        "Yours until {} (token {}): {}\nOffered by {}. {}",
        claimed.expires_at, claimed.token, claimed.text, claimed.from, claimed.next
    );
    Answer::new(text, claimed)
}

async fn done(call: Call, wish: Done) -> Result<Answer, Failure> {
    text(wish.text.as_deref().unwrap_or_default())?;
    let (token, give_back) = (wish.token, wish.give_back.unwrap_or(false));
    let ending = call.blocking(move |call| {
        let ended = match give_back {
            true => call.bus.give_back_claim(token, call.me()),
            false => call.bus.finish_claim(token, call.me()),
        };
        ended.map_err(|error| match error {
            BusError::Lost(LockLost::NotYours { .. } | LockLost::Gone { .. } | LockLost::Expired { .. }) => {
                let words =
                    format!("claim {token} is not yours any more; somebody else may be doing the work");
                Failure::new("claim_lost", words, "stop this work, and look for other with task_claim")
            }
            other => other.into(),
        })?;
        let (Some(text), Some(id)) = (wish.text, wish.id) else { return Ok(false) };
        let Ok(offer) = living(call, id) else { return Ok(false) };
        let payload = json!({ "text": text, "done": !give_back });
        let new = NewNotice {
            ttl_seconds: Some(REPORT_TTL),
            reply_to: Some(id),
            recipient: Some(offer.sender),
            ..NewNotice::new(call.me(), Channel::state(), payload)
        };
        // The claim has ended whether or not anybody is there to hear it.
        Ok(call.bus.publish(new).is_ok())
    });
    let told = ending.await?;
    let word = if give_back { "given back" } else { "done" };
    Answer::new(format!("Claim {token}: {word}."), Ended { token, done: !give_back, told })
}

async fn list(call: Call, _: List) -> Result<Answer, Failure> {
    let offers = call.blocking(|call| {
        let query = NoticeQuery {
            channel: Some(Channel::task_broadcast()),
            limit: LISTED_MAX,
            ..NoticeQuery::default()
        };
        let mut open = Vec::new();
        for notice in call.bus.newest_notices(&query)? {
            let claimed_by = call.bus.claim_of(notice.id)?.map(|id| id.to_string());
            open.push(Open {
                id: notice.id,
                text: clipped(&said(&notice.payload), SHOWN_MAX),
                from: notice.agent,
                claimed_by,
                priority: notice.envelope.priority,
            });
        }
        Ok(open)
    });
    let offers = offers.await?;
    // The list of all tasks is the user's; an agent's run would be refused.
    let asks =
        matches!(call.seat.credential, Credential::User) && call.shared.place.root.daemon_info().exists();
    let tasks = match asks {
        true => {
            let newest = protocol::TaskQuery { limit: Some(LISTED_MAX), ..protocol::TaskQuery::default() };
            call.daemon().tasks(&newest).await.ok()
        }
        false => None,
    };
    let tasks: Option<Vec<Task>> = tasks.map(|page| page.items.into_iter().map(Task::from).collect());
    let mut lines: Vec<String> = offers
        .iter()
        .map(|offer| {
            let state = if offer.claimed_by.is_some() { "claimed" } else { "open" };
            format!("offer {} [{state}] from {}: {}", offer.id, offer.from, offer.text)
        })
        .collect();
    lines.extend(tasks.iter().flatten().map(Task::line));
    let text = if lines.is_empty() { "No work is offered.".to_owned() } else { lines.join("\n") };
    Answer::new(text, Table { offers, tasks })
}

async fn cancel(call: Call, wish: Cancel) -> Result<Answer, Failure> {
    let task = Task::from(call.daemon().cancel_task(&wish.task, None).await?);
    Answer::new(task.line(), task)
}
