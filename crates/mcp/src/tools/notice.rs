//! Notices: send, read, wait.

use super::{Tool, meant, text};
use crate::answer::{Answer, clipped};
use crate::call::{Call, wait};
use crate::failure::Failure;
use bus::{BusError, NewNotice, NoticeQuery, Position, Replay};
use model::{Channel, Notice};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// Name of the cursor that is moved. `coditect msg wait` moves it, too: what was read once is not read again.
const CURSOR: &str = "wait";
/// Most notices one answer has.
const PAGE: usize = 20;
/// How much of a notice the text shows, in characters; the data has all of it.
const SHOWN_MAX: usize = 2000;
/// How soon a wait that was taken back ends.
const ROUND: Duration = Duration::from_millis(250);
/// Most sessions one notice is addressed to.
const TO_MAX: usize = 32;

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new::<_, Sent, _>(
            "notice_send",
            "Tell other agents something",
            "Sends a short notice to everybody on a channel, or to the sessions named in `to`. Use channel `state` to \
             say what you begin and end, and reply_to to answer a notice. It reaches the others at their next step, \
             not at once.",
            send,
        ),
        Tool::new::<_, Mail, _>(
            "notice_read",
            "Read what others told you",
            "Gives the notices for you that you have not read yet, oldest first, and marks them read. Call it when \
             you start, between steps and before you end.",
            read,
        ),
        Tool::new::<_, Mail, _>(
            "notice_wait",
            "Wait for a notice",
            "As notice_read, but when there is none it waits until one comes or the time is over. Use it when you \
             cannot go on without an answer.",
            await_one,
        ),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Send {
    /// What to say; at most 32 KiB.
    text: String,
    /// 1 to 64 letters, digits, `_`, `-`, `.` or `:`; `state` without.
    #[serde(default)]
    channel: Option<String>,
    /// Sessions it is for, by name or short id as who shows them; everybody on the channel without. At most 32.
    #[serde(default)]
    to: Vec<String>,
    /// Id of the notice this one answers; it goes to its sender when `to` is empty.
    #[serde(default)]
    reply_to: Option<i64>,
    /// Seconds it lives, at most 604800; without, what the channel says.
    #[serde(default)]
    ttl_seconds: Option<u32>,
    /// Higher is more urgent; 0 without.
    #[serde(default)]
    priority: Option<i32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Read {}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wait {
    /// How long to wait at most; 1 to 300, 30 without.
    #[serde(default)]
    wait_seconds: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Sent {
    /// Id of the notice.
    id: i64,
    channel: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Letter {
    id: i64,
    channel: String,
    /// What its sender is called.
    from: String,
    /// The sender's id.
    sender: String,
    /// What it says: a text, or the fields of a notice a program sent.
    payload: Value,
    /// It is addressed to you.
    to_me: bool,
    reply_to: Option<i64>,
    sent_at: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Mail {
    notices: Vec<Letter>,
    /// There are more: read again.
    more: bool,
    /// Older notices were over before you read them.
    missed: bool,
}

/// The text of a notice, or its fields.
pub(super) fn said(payload: &Value) -> String {
    match payload["text"].as_str() {
        Some(text) => text.to_owned(),
        None => payload.to_string(),
    }
}

fn letter(notice: Notice, call: &Call) -> Letter {
    let mine = notice.recipient == Some(call.me()) || notice.envelope.audience.contains(&call.me());
    Letter {
        id: notice.id,
        channel: notice.channel.to_string(),
        from: notice.agent,
        sender: notice.sender.to_string(),
        payload: notice.payload,
        to_me: mine,
        reply_to: notice.envelope.reply_to,
        sent_at: notice.created_at.to_string(),
    }
}

/// The notice of this id, while it lives.
pub(super) fn living(call: &Call, id: i64) -> Result<Notice, Failure> {
    let query = NoticeQuery { after: id.saturating_sub(1), limit: 1, ..NoticeQuery::default() };
    let found = match call.bus.notices(&query) {
        Ok(page) => page.notices.into_iter().find(|notice| notice.id == id),
        Err(BusError::CursorAhead { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    found.ok_or_else(|| BusError::NoNotice(id).into())
}

pub(super) fn channel(given: &str) -> Result<Channel, Failure> {
    given.parse().map_err(|words: String| Failure::new("bad_channel", words, "`state` is a channel"))
}

/// The sessions that are named.
pub(super) fn recipients(call: &Call, to: &[String]) -> Result<Vec<model::RegistrationId>, Failure> {
    if to.len() > TO_MAX {
        let words = format!("a notice is addressed to at most {TO_MAX} sessions");
        return Err(Failure::new("too_many_recipients", words, "leave `to` out to reach everybody"));
    }
    let mut found = Vec::new();
    for name in to {
        let id = meant(&call.bus, name)?;
        if !found.contains(&id) {
            found.push(id);
        }
    }
    Ok(found)
}

/// Puts one recipient or a set of them where the bus has them.
pub(super) fn addressed(mut to: Vec<model::RegistrationId>, new: NewNotice) -> NewNotice {
    let one = (to.len() == 1).then(|| to.remove(0));
    NewNotice { recipient: one, recipients: to, ..new }
}

async fn send(call: Call, wish: Send) -> Result<Answer, Failure> {
    text(&wish.text)?;
    let channel = channel(wish.channel.as_deref().unwrap_or("state"))?;
    if channel == Channel::heartbeat() || channel == Channel::task_broadcast() {
        let words = format!("channel `{channel}` is not for words");
        return Err(Failure::new("bad_channel", words, "offer work with task_offer; say things on `state`"));
    }
    let sending = call.blocking(move |call| {
        let mut to = recipients(call, &wish.to)?;
        if let (Some(id), true) = (wish.reply_to, to.is_empty()) {
            to.push(living(call, id)?.sender);
        }
        let new = NewNotice {
            ttl_seconds: wish.ttl_seconds,
            priority: wish.priority.unwrap_or(0),
            reply_to: wish.reply_to,
            ..NewNotice::new(call.me(), channel, json!({ "text": wish.text }))
        };
        Ok(call.bus.publish(addressed(to, new))?)
    });
    let notice = sending.await?;
    let sent = Sent { id: notice.id, channel: notice.channel.to_string() };
    Answer::new(format!("Sent as notice {} on {}.", sent.id, sent.channel), sent)
}

async fn read(call: Call, _: Read) -> Result<Answer, Failure> {
    mail(call, Duration::ZERO).await
}

async fn await_one(call: Call, wish: Wait) -> Result<Answer, Failure> {
    let patience = wait(Some(wish.wait_seconds.unwrap_or(30)))?;
    mail(call, patience).await
}

async fn mail(call: Call, patience: Duration) -> Result<Answer, Failure> {
    let (notices, missed) = call.blocking(move |call| unread(call, patience)).await?;
    let more = notices.len() == PAGE;
    let lines: Vec<String> = notices
        .iter()
        .map(|notice| {
            let said = clipped(&said(&notice.payload), SHOWN_MAX);
            format!("[{}] {} on {}: {said}", notice.id, notice.agent, notice.channel)
        })
        .collect();
    let text = if lines.is_empty() { "No new notices.".to_owned() } else { lines.join("\n") };
    let notices = notices.into_iter().map(|notice| letter(notice, &call)).collect();
    Answer::new(text, Mail { notices, more, missed })
}

/// The next page of what this session has not read. It counts as read once it is on its way.
fn unread(call: &Call, patience: Duration) -> Result<(Vec<Notice>, bool), Failure> {
    let (me, bus) = (call.me(), &call.bus);
    let consumer = me.to_string();
    let fresh = || NoticeQuery { recipient: Some(me), limit: PAGE, ..NoticeQuery::default() };
    let known = bus.cursor(&consumer, CURSOR)?;
    let anew = || -> Result<NoticeQuery, BusError> {
        let since = bus.registration(me)?.map_or(Replay::Now, |one| Replay::Since(one.registered_at));
        bus.from(&since, fresh())
    };
    let (mut query, mut missed) = match known {
        Some(at) => (bus.from(&Replay::After(at), fresh())?, false),
        None => (anew()?, false),
    };
    let clock = &call.shared.place.clock;
    let deadline = clock.uptime() + patience;
    loop {
        let left = deadline.saturating_sub(clock.uptime());
        let page = match bus.wait(&query, left.min(ROUND)) {
            Ok(page) => page,
            // What was between is over; the reader goes on with what there is.
            Err(BusError::CursorExpired { .. }) => {
                missed = true;
                query.complete = false;
                continue;
            }
            Err(BusError::GenerationChanged { .. } | BusError::CursorAhead { .. }) if !missed => {
                missed = true;
                bus.forget_cursor(&consumer, CURSOR)?;
                query = bus.from(&Replay::Beginning, fresh())?;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if call.is_canceled() {
            return Err(Failure::canceled());
        }
        if !page.is_empty() || left.is_zero() {
            if !page.notices.is_empty() {
                let read = Position { generation: page.generation, id: page.next };
                bus.move_cursor(&consumer, CURSOR, &read)?;
            }
            return Ok((page.again.into_iter().chain(page.notices).collect(), missed));
        }
    }
}
