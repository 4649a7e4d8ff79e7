//! Asking the machine that offered some work: who has it is decided there, in one file, like everything claimed.
//!
//! The question is a notice to whoever offered it, which the bridges bring over; the answer comes back as a row, and
//! rings. A question asked twice has the same answer: to claim again what one has is the same claim.

use crate::bus::Bus;
use crate::claim::{self, Claim};
use crate::doorbell::Doorbell;
use crate::error::{BusError, LockLost};
use crate::ledger::Ledger;
use crate::notice::{self, NewNotice};
use crate::registration;
use crate::row;
use crate::write::{Write, nanos, signed, unsigned};
use model::RegistrationId;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long the answer of another machine is waited for.
pub const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Questions travel on this channel, and what they are about is what they reply to.
pub(crate) const CLAIM_CHANNEL: &str = "bridge.claim";
/// How long a question looks for its machine: nobody waits longer for the answer.
const ASK_TTL_SECONDS: u32 = 10;
/// Offers of other machines that are asked for in one search.
const OFFERS_MAX: i64 = 16;

/// What is asked of the machine that offered the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Ask {
    Claim { ttl_ms: u64 },
    Renew { ttl_ms: u64 },
    Finish,
    GiveBack,
}

/// A question as it travels; `token` is the one of the machine that is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Question {
    #[serde(flatten)]
    pub(crate) ask: Ask,
    #[serde(default)]
    pub(crate) token: u64,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum Answer {
    /// `offer` is the work's id on the bus between the machines.
    Granted {
        token: u64,
        attempts: u32,
        offer: i64,
    },
    Claimed {
        by: Option<RegistrationId>,
    },
    /// There is no such offer any more.
    Over,
    /// The claim is not the asker's any more.
    Lost,
    Refused {
        why: String,
    },
}

pub(crate) fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}

impl Answer {
    pub(crate) fn to(done: Result<Option<Claim>, BusError>, offer: i64) -> Self {
        match done {
            Ok(Some(claim)) => Self::Granted { token: claim.token, attempts: claim.attempts, offer },
            Ok(None) => Self::Granted { token: 0, attempts: 0, offer },
            Err(BusError::Claimed { by, .. }) => Self::Claimed { by },
            Err(BusError::NoNotice(_)) => Self::Over,
            Err(BusError::Lost(_)) => Self::Lost,
            Err(error) => Self::Refused { why: error.to_string() },
        }
    }
}

impl Bus {
    /// The machine a notice was brought from; none when it was sent here.
    pub(crate) fn offered_elsewhere(&self, notice: i64) -> Result<Option<String>, BusError> {
        self.inner.read(|conn| machine(conn, notice))
    }

    /// Offers of other machines that nobody here has taken, the most urgent first, with the machine.
    pub(crate) fn open_offers_elsewhere(
        &self,
        holder: RegistrationId,
    ) -> Result<Vec<(i64, String)>, BusError> {
        let now = nanos(self.inner.clock.uptime());
        self.inner.read(|conn| {
            let mut statement = conn.prepare_cached(
                "SELECT m.id, coalesce(r.machine, '') FROM inter_session_messages m
                 JOIN mirrors x ON x.notice = m.id AND x.imported = 1
                 JOIN session_registry r ON r.session_id = m.sender_id
                 LEFT JOIN claims c ON c.notice = m.id
                 WHERE m.channel = 'task_broadcast' AND (m.recipient_id IS NULL OR m.recipient_id = ?1)
                   AND (m.audience IS NULL OR instr(m.audience, ?1) > 0)
                   AND m.epoch = (SELECT epoch FROM bus_state WHERE id = 1) AND m.expires_ns > ?2
                   AND (c.notice IS NULL OR (c.done_at IS NULL AND c.expires_ns <= ?2))
                 ORDER BY m.priority DESC, m.id LIMIT ?3",
            )?;
            let found = statement
                .query_map(params![holder.to_string(), now, OFFERS_MAX], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect::<Result<Vec<_>, _>>()?;
            Ok(found)
        })
    }

    /// Asks for the work. The lease here ends no later than there: it counts from before the question.
    pub(crate) fn claim_elsewhere(
        &self,
        notice: i64,
        machine: &str,
        holder: RegistrationId,
        ttl: Duration,
    ) -> Result<Claim, BusError> {
        let asked_ns = nanos(self.inner.clock.uptime());
        let question = Question { ask: Ask::Claim { ttl_ms: millis(ttl) }, token: 0 };
        let (there, attempts) = self.ask(notice, machine, holder, &question)?;
        self.inner.write(|w| {
            registration::living(w, holder)?;
            let expires_ns = asked_ns.saturating_add(nanos(ttl));
            let known: Option<i64> = w
                .conn
                .prepare_cached("SELECT token FROM claims WHERE notice = ?1 AND holder = ?2 AND there = ?3")?
                .query_row(params![notice, holder.to_string(), signed(there)], |row| row.get(0))
                .optional()?;
            let token = known.map_or_else(|| w.mint(), |known| Ok(unsigned(known)))?;
            w.conn
                .prepare_cached(
                    "INSERT OR REPLACE INTO claims (notice, holder, token, expires_ns, attempts, there)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    notice,
                    holder.to_string(),
                    signed(token),
                    expires_ns,
                    attempts,
                    signed(there)
                ])?;
            Ok(Claim { notice, holder, token, expires_at: w.now.wall_at(expires_ns), attempts })
        })
    }

    /// Has the other machine do first what is about to be done here, when the claim is on its work.
    pub(crate) fn settle_elsewhere(
        &self,
        token: u64,
        holder: RegistrationId,
        ask: &Ask,
    ) -> Result<(), BusError> {
        let Ok(key) = i64::try_from(token) else { return Ok(()) };
        let found: Option<(i64, i64, String)> = self.inner.read(|conn| {
            let found = conn
                .prepare_cached(
                    "SELECT c.notice, c.there, coalesce(r.machine, '') FROM claims c
                     JOIN inter_session_messages m ON m.id = c.notice
                     JOIN session_registry r ON r.session_id = m.sender_id
                     WHERE c.token = ?1 AND c.there IS NOT NULL",
                )?
                .query_row([key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            Ok(found)
        })?;
        let Some((notice, there, machine)) = found else { return Ok(()) };
        self.inner.write(|w| claim::own(w, token, holder))?;
        match self.ask(notice, &machine, holder, &Question { ask: ask.clone(), token: unsigned(there) }) {
            Err(BusError::Lost(_)) => Err(LockLost::Expired { token }.into()),
            done => done.map(drop),
        }
    }

    /// Sends the question and waits for its answer: the token there, and how often the work was claimed.
    fn ask(
        &self,
        offer: i64,
        machine: &str,
        asker: RegistrationId,
        question: &Question,
    ) -> Result<(u64, u32), BusError> {
        let bell = self.inner.one_bell("wait-");
        let listen = Doorbell::listen_once(&self.inner.bell(&bell))?;
        let request = self.inner.write(|w| put(w, offer, asker, question, &bell))?;
        let deadline = self.inner.clock.uptime().saturating_add(ANSWER_WAIT);
        let answer = loop {
            if let Some(answer) = self.inner.read(|conn| answer(conn, request))? {
                break Some(answer);
            }
            let left = deadline.saturating_sub(self.inner.clock.uptime());
            if left.is_zero() {
                break None;
            }
            listen.wait(self.inner.safety_poll.min(left))?;
        };
        self.inner.write(|w| {
            w.conn.prepare_cached("DELETE FROM asks WHERE notice = ?1")?.execute([request])?;
            Ok(())
        })?;
        match answer {
            None => Err(BusError::NoAnswer { notice: offer, machine: machine.to_owned() }),
            Some(Answer::Granted { token, attempts, .. }) => Ok((token, attempts)),
            Some(Answer::Claimed { by }) => Err(BusError::Claimed { notice: offer, by }),
            Some(Answer::Over) => Err(BusError::NoNotice(offer)),
            Some(Answer::Lost) => Err(LockLost::Gone { token: question.token }.into()),
            Some(Answer::Refused { why }) => Err(BusError::Invalid(format!("{machine} refused: {why}"))),
        }
    }

    /// The answer has come, and whoever asked is rung; false when he waits no longer.
    pub(crate) fn answered(&self, request: i64, answer: &Answer) -> Result<bool, BusError> {
        let text = serde_json::to_string(answer)
            .map_err(|error| BusError::Malformed { what: "an answer", detail: error.to_string() })?;
        self.inner.write(|w| {
            let bell: Option<String> = w
                .conn
                .prepare_cached("UPDATE asks SET answer = ?2 WHERE notice = ?1 RETURNING bell")?
                .query_row(params![request, text], |row| row.get(0))
                .optional()?;
            let waits = bell.is_some();
            if let Some(bell) = bell {
                w.ring_named(bell);
            }
            Ok(waits)
        })
    }
}

fn machine(conn: &Connection, notice: i64) -> Result<Option<String>, BusError> {
    let found = conn
        .prepare_cached(
            "SELECT coalesce(r.machine, '') FROM mirrors x JOIN inter_session_messages m ON m.id = x.notice
             JOIN session_registry r ON r.session_id = m.sender_id WHERE x.notice = ?1 AND x.imported = 1",
        )?
        .query_row([notice], |row| row.get(0))
        .optional()?;
    Ok(found)
}

fn put(
    w: &mut Write<'_>,
    offer: i64,
    asker: RegistrationId,
    question: &Question,
    bell: &str,
) -> Result<i64, BusError> {
    let agent = registration::living(w, asker)?.registration.agent;
    let sender: Option<RegistrationId> = {
        let mut statement =
            w.conn.prepare_cached("SELECT sender_id FROM inter_session_messages WHERE id = ?1")?;
        let mut rows = statement.query([offer])?;
        rows.next()?.map(|row| row::parsed(row, 0, "a notice's sender")).transpose()?
    };
    let sender = sender.ok_or(BusError::NoNotice(offer))?;
    let payload = serde_json::to_value(question)
        .map_err(|error| BusError::Malformed { what: "a question", detail: error.to_string() })?;
    let text = payload.to_string();
    let channel = CLAIM_CHANNEL.parse().map_err(BusError::Invalid)?;
    let new = NewNotice {
        recipients: vec![sender],
        reply_to: Some(offer),
        ttl_seconds: Some(ASK_TTL_SECONDS),
        ..NewNotice::new(asker, channel, payload)
    };
    let request = notice::publish(w, &new, &text, &agent)?.id;
    w.conn
        .prepare_cached("INSERT INTO asks (notice, bell) VALUES (?1, ?2)")?
        .execute(params![request, bell])?;
    Ok(request)
}

fn answer(conn: &Connection, request: i64) -> Result<Option<Answer>, BusError> {
    let mut statement =
        conn.prepare_cached("SELECT answer FROM asks WHERE notice = ?1 AND answer IS NOT NULL")?;
    let mut rows = statement.query([request])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    row::json(&row.get::<_, String>(0)?, "an answer").map(Some)
}
