//! Notices: messages on channels, to one session, a set of them, or whoever listens, with a time to live.
//!
//! There is one writer at a time, so ids rise in commit order and a cursor never skips a notice that was
//! still being written. Publishing only inserts; reading is `inbox`, answering `receipt`, clearing `purge`.

use crate::bus::Bus;
use crate::error::BusError;
use crate::outbox;
use crate::receipt;
use crate::registration;
use crate::registry;
use crate::row;
use crate::write::{self, Write, signed};
use model::{Channel, Envelope, NOTICE_PAYLOAD_MAX, Notice, RegistrationId, Timestamp};
use rusqlite::{Row, params};
use serde_json::json;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

/// Most notices in one page.
pub const NOTICE_PAGE_MAX: usize = 1000;
/// Most notices published at once.
pub const NOTICE_BATCH_MAX: usize = 1000;
/// Longest time to live of a notice, in seconds: a week.
pub const NOTICE_TTL_MAX: u32 = 7 * 24 * 3600;
/// Longest idempotency key, in bytes.
pub const NOTICE_KEY_MAX: usize = 128;
/// Longest name of a thread, in bytes.
pub const THREAD_MAX: usize = 128;
/// Most recipients of a set.
pub const RECIPIENTS_MAX: usize = 256;
/// Most times a notice is handed to somebody who does not acknowledge it.
pub const ATTEMPTS_MAX: u32 = 10;
/// Every so many notices the publisher purges once, when there is no janitor.
const PURGE_EVERY: i64 = 256;

/// What a notice survives once [`Bus::publish`] has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The death of any process (`synchronous = NORMAL`). A power cut may take it.
    #[default]
    Process,
    /// A power cut too (`synchronous = FULL`): it waits for the disk.
    Power,
}

/// What a notice expects of each of its recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckRule {
    /// Whole seconds an attempt has, 1 to [`NOTICE_TTL_MAX`].
    pub seconds: u32,
    /// How often it is handed out before it is a dead letter, 1 to [`ATTEMPTS_MAX`].
    pub attempts: u32,
}

/// What is published. [`NewNotice::new`] has the usual for everything beside sender, channel and payload.
#[derive(Debug, Clone, PartialEq)]
pub struct NewNotice {
    pub sender: RegistrationId,
    pub channel: Channel,
    /// None: a set, or everybody on the channel.
    pub recipient: Option<RegistrationId>,
    /// A set of recipients, at most [`RECIPIENTS_MAX`]; empty when it goes to one or to everybody.
    pub recipients: Vec<RegistrationId>,
    /// At most `model::NOTICE_PAYLOAD_MAX` bytes as JSON.
    pub payload: serde_json::Value,
    /// None: what the channel says. At most [`NOTICE_TTL_MAX`].
    pub ttl_seconds: Option<u32>,
    /// The same key of the same sender publishes once, for as long as the first notice lives.
    pub key: Option<String>,
    pub thread: Option<String>,
    /// Higher comes first in an inbox.
    pub priority: i32,
    /// The notice this one answers.
    pub reply_to: Option<i64>,
    pub ack: Option<AckRule>,
    pub durability: Durability,
}

impl NewNotice {
    pub fn new(sender: RegistrationId, channel: Channel, payload: serde_json::Value) -> Self {
        Self {
            sender,
            channel,
            recipient: None,
            recipients: Vec::new(),
            payload,
            ttl_seconds: None,
            key: None,
            thread: None,
            priority: 0,
            reply_to: None,
            ack: None,
            durability: Durability::Process,
        }
    }

    pub(crate) fn ttl(&self) -> u32 {
        self.ttl_seconds.unwrap_or_else(|| self.channel.default_ttl_seconds())
    }

    pub(crate) fn envelope(&self) -> Envelope {
        Envelope {
            audience: self.recipients.clone(),
            thread: self.thread.clone(),
            priority: self.priority,
            reply_to: self.reply_to,
            ack_seconds: self.ack.map(|rule| rule.seconds),
            ack_attempts: self.ack.map(|rule| rule.attempts),
        }
    }

    /// Whether this is the notice its key was used for before.
    pub(crate) fn is_again(&self, known: &Notice) -> bool {
        known.channel == self.channel
            && known.recipient == self.recipient
            && known.payload == self.payload
            && known.ttl_seconds == self.ttl()
            && known.envelope == self.envelope()
    }

    /// What its readers will see.
    pub(crate) fn sent(&self, id: i64, agent: &str, created_at: Timestamp) -> Notice {
        Notice {
            id,
            sender: self.sender,
            agent: agent.to_owned(),
            channel: self.channel.clone(),
            recipient: self.recipient,
            payload: self.payload.clone(),
            created_at,
            ttl_seconds: self.ttl(),
            envelope: self.envelope(),
        }
    }

    /// Checks every limit and gives the payload as it is stored.
    pub(crate) fn checked(&self) -> Result<String, BusError> {
        let invalid = |what: String| Err(BusError::Invalid(what));
        let payload = serde_json::to_string(&self.payload)
            .map_err(|error| BusError::Malformed { what: "a payload", detail: error.to_string() })?;
        if payload.len() > NOTICE_PAYLOAD_MAX {
            return Err(BusError::PayloadTooLarge { bytes: payload.len(), most: NOTICE_PAYLOAD_MAX });
        }
        if self.ttl() == 0 || self.ttl() > NOTICE_TTL_MAX {
            return invalid(format!("a notice lives 1 to {NOTICE_TTL_MAX} seconds"));
        }
        if self.key.as_ref().is_some_and(|key| key.is_empty() || key.len() > NOTICE_KEY_MAX) {
            return invalid(format!("an idempotency key has 1 to {NOTICE_KEY_MAX} bytes"));
        }
        if self.thread.as_ref().is_some_and(|name| name.is_empty() || name.len() > THREAD_MAX) {
            return invalid(format!("the name of a thread has 1 to {THREAD_MAX} bytes"));
        }
        if self.recipients.len() > RECIPIENTS_MAX {
            return invalid(format!("a notice goes to at most {RECIPIENTS_MAX} named recipients"));
        }
        if self.recipient.is_some() && !self.recipients.is_empty() {
            return invalid("a notice goes to one recipient or to a set, not to both".to_owned());
        }
        if let Some(rule) = self.ack
            && !(1..=NOTICE_TTL_MAX).contains(&rule.seconds)
        {
            return invalid(format!("an answer is due within 1 to {NOTICE_TTL_MAX} seconds"));
        }
        if self.ack.is_some_and(|rule| !(1..=ATTEMPTS_MAX).contains(&rule.attempts)) {
            return invalid(format!("a notice is handed out 1 to {ATTEMPTS_MAX} times"));
        }
        Ok(payload)
    }
}

/// Checks a batch and gives its payloads as they are stored.
pub(crate) fn checked(batch: &[NewNotice]) -> Result<Vec<String>, BusError> {
    if batch.len() > NOTICE_BATCH_MAX {
        return Err(BusError::Invalid(format!("a batch has at most {NOTICE_BATCH_MAX} notices")));
    }
    if batch.iter().any(|new| new.channel == Channel::heartbeat()) {
        return Err(BusError::Invalid("heartbeats are not sent in batches".to_owned()));
    }
    batch.iter().map(NewNotice::checked).collect()
}

impl Bus {
    /// Publishes a notice and wakes who should hear it; [`Durability`] says what it survives. On the channel
    /// `heartbeat` nothing is written: the beat goes into the sender's slot, and the notice has the id 0.
    pub fn publish(&self, new: NewNotice) -> Result<Notice, BusError> {
        if new.channel == Channel::heartbeat() {
            return self.beat_as_notice(&new);
        }
        let payload = new.checked()?;
        let change = |w: &mut Write<'_>| {
            let agent = registration::living(w, new.sender)?.registration.agent;
            publish(w, &new, &payload, &agent)
        };
        let notice = match new.durability {
            Durability::Process => self.inner.write(change)?,
            Durability::Power => self.inner.write_through(change)?,
        };
        if notice.id % PURGE_EVERY == 0 && !self.has_janitor() {
            self.purge_once()?;
        }
        Ok(notice)
    }

    /// Publishes up to [`NOTICE_BATCH_MAX`] notices in one transaction: all or none. One with
    /// [`Durability::Power`] makes all of them so. Each recipient is rung once.
    pub fn publish_all(&self, batch: &[NewNotice]) -> Result<Vec<Notice>, BusError> {
        let payloads = checked(batch)?;
        let change = |w: &mut Write<'_>| {
            let mut agents: HashMap<RegistrationId, String> = HashMap::new();
            let mut notices = Vec::with_capacity(batch.len());
            for (new, payload) in batch.iter().zip(&payloads) {
                let agent = match agents.entry(new.sender) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(slot) => {
                        slot.insert(registration::living(w, new.sender)?.registration.agent)
                    }
                };
                notices.push(publish(w, new, payload, agent)?);
            }
            Ok(notices)
        };
        let power = batch.iter().any(|new| new.durability == Durability::Power);
        let notices = if power { self.inner.write_through(change)? } else { self.inner.write(change)? };
        if notices.iter().any(|notice| notice.id % PURGE_EVERY == 0) && !self.has_janitor() {
            self.purge_once()?;
        }
        Ok(notices)
    }

    fn beat_as_notice(&self, new: &NewNotice) -> Result<Notice, BusError> {
        new.checked()?;
        self.heartbeat(new.sender)?;
        let (agent, _) = self.inner.read(|conn| registry::label(conn, new.sender))?;
        Ok(Notice {
            id: 0,
            sender: new.sender,
            agent,
            channel: new.channel.clone(),
            recipient: None,
            payload: json!({ "session_id": new.sender, "alive": true }),
            created_at: self.inner.clock.now(),
            ttl_seconds: new.ttl(),
            envelope: Envelope::default(),
        })
    }
}

/// Inserts, tells the outbox, and has the recipients rung. The caller has checked the sender and the limits.
pub(crate) fn publish(
    w: &mut Write<'_>,
    new: &NewNotice,
    payload: &str,
    agent: &str,
) -> Result<Notice, BusError> {
    for recipient in new.recipient.iter().chain(&new.recipients) {
        // Nobody would ever read it.
        registry::present(w.conn, *recipient)?;
    }
    if let Some(known) = known_key(w, new)? {
        return Ok(known);
    }
    let ttl = new.ttl();
    let audience = match new.recipients.as_slice() {
        [] => None,
        some => Some(json!(some).to_string()),
    };
    let id = w.next_notice()?;
    let told = outbox::announce(w, id)?;
    w
        .conn
        .prepare_cached(
            "INSERT INTO inter_session_messages (sender_id, channel, payload, created_at, ttl_seconds, agent,
                recipient_id, idem_key, epoch, expires_ns, expires_ms, audience, thread_id, priority, reply_to,
                ack_ns, ack_attempts, outbox, id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
        )?
        .execute(params![
            new.sender.to_string(),
            new.channel.as_str(),
            payload,
            w.wall_text(),
            ttl,
            agent,
            new.recipient.map(|recipient| recipient.to_string()),
            new.key,
            signed(w.epoch),
            w.now.ns.saturating_add(write::nanos(Duration::from_secs(ttl.into()))),
            w.now.wall.as_millis().saturating_add(i64::from(ttl) * 1000),
            audience,
            new.thread,
            new.priority,
            new.reply_to,
            new.ack.map(|rule| write::nanos(Duration::from_secs(rule.seconds.into()))),
            new.ack.map(|rule| rule.attempts),
            told,
            id,
        ])?;
    if let Some(rule) = new.ack {
        receipt::expect(w, id, new, rule)?;
    }
    match (new.recipient, new.recipients.as_slice()) {
        (Some(recipient), _) => w.ring(recipient),
        (None, []) => w.cast(new.channel.as_str(), new.sender),
        (None, some) => some.iter().for_each(|recipient| w.ring(*recipient)),
    }
    Ok(new.sent(id, agent, w.now.wall))
}

/// The notice this sender has published under this key already. An expired one gives its key back.
fn known_key(w: &Write<'_>, new: &NewNotice) -> Result<Option<Notice>, BusError> {
    let Some(key) = &new.key else { return Ok(None) };
    w.conn
        .prepare_cached(
            "UPDATE inter_session_messages SET idem_key = NULL WHERE sender_id = ?1 AND idem_key = ?2
             AND ((epoch = ?3 AND expires_ns <= ?4) OR (epoch <> ?3 AND expires_ms <= ?5))",
        )?
        .execute(params![new.sender.to_string(), key, signed(w.epoch), w.now.ns, w.now.wall.as_millis()])?;
    let mut statement =
        w.conn.prepare_cached(&format!("{COLUMNS} WHERE sender_id = ?1 AND idem_key = ?2"))?;
    let mut rows = statement.query([new.sender.to_string(), key.clone()])?;
    let Some(known) = rows.next()?.map(read).transpose()? else { return Ok(None) };
    if new.is_again(&known) { Ok(Some(known)) } else { Err(BusError::KeyReused { key: key.clone() }) }
}

pub(crate) const COLUMNS: &str =
    "SELECT id, sender_id, agent, channel, recipient_id, payload, created_at, ttl_seconds,
            audience, thread_id, priority, reply_to, ack_ns, ack_attempts
     FROM inter_session_messages";

pub(crate) fn read(row: &Row<'_>) -> Result<Notice, BusError> {
    let audience = match row.get_ref(8)? {
        rusqlite::types::ValueRef::Null => Vec::new(),
        _ => row::json(&row.get::<_, String>(8)?, "a notice's audience")?,
    };
    Ok(Notice {
        id: row.get(0)?,
        sender: row::parsed(row, 1, "a notice's sender")?,
        agent: row.get(2)?,
        channel: row::parsed(row, 3, "a notice's channel")?,
        recipient: row::parsed_or_none(row, 4, "a notice's recipient")?,
        payload: row::json(&row.get::<_, String>(5)?, "a notice's payload")?,
        created_at: row::time(row, 6)?,
        ttl_seconds: row.get::<_, Option<u32>>(7)?.unwrap_or(0),
        envelope: Envelope {
            audience,
            thread: row.get(9)?,
            priority: row.get(10)?,
            reply_to: row.get(11)?,
            ack_seconds: row
                .get::<_, Option<i64>>(12)?
                .map(|ns| u32::try_from(ns / 1_000_000_000).unwrap_or(u32::MAX)),
            ack_attempts: row.get(13)?,
        },
    })
}
