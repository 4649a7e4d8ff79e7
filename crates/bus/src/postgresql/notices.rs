//! Publishing: one change, whatever the number of notices; all of them or none.

use super::transaction::{Tx, id};
use super::{BACKEND, Postgres, inbox, receipts, registry, rows};
use crate::error::BusError;
use crate::notice::{self, Durability, NewNotice};
use crate::write::nanos;
use model::{Notice, RegistrationId};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

pub(crate) fn publish_all(bus: &Postgres, batch: &[NewNotice]) -> Result<Vec<Notice>, BusError> {
    let payloads = notice::checked(batch)?;
    if bus.durability != Durability::Power && batch.iter().any(|new| new.durability == Durability::Power) {
        return Err(BusError::NotDurable { backend: BACKEND });
    }
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    bus.write(|tx| {
        let mut agents: HashMap<RegistrationId, String> = HashMap::new();
        for new in batch {
            if let Entry::Vacant(place) = agents.entry(new.sender) {
                place.insert(registry::living(tx, new.sender)?);
            }
        }
        recipients(tx, batch)?;
        publish(tx, batch, &payloads, &agents)
    })
}

/// Nobody would ever read what goes to somebody who has ended.
fn recipients(tx: &mut Tx<'_>, batch: &[NewNotice]) -> Result<(), BusError> {
    let mut named: Vec<RegistrationId> =
        batch.iter().flat_map(|new| new.recipient.iter().chain(&new.recipients).copied()).collect();
    named.sort_unstable();
    named.dedup();
    if named.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = named.iter().map(|who| id(*who)).collect();
    let found = tx.rows(
        "SELECT session_id FROM session_registry WHERE session_id = ANY ($1) AND status <> 'terminated'",
        &[&names],
    )?;
    let mut there: Vec<RegistrationId> = Vec::with_capacity(found.len());
    for row in &found {
        there.push(rows::parsed(row, 0, "a registration's id")?);
    }
    match named.into_iter().find(|who| !there.contains(who)) {
        Some(missing) => registry::present(tx, missing).map(drop),
        None => Ok(()),
    }
}

/// Rows to be inserted together, column by column.
#[derive(Default)]
struct Columns {
    ids: Vec<i64>,
    senders: Vec<String>,
    channels: Vec<String>,
    payloads: Vec<String>,
    ttls: Vec<i64>,
    agents: Vec<String>,
    recipients: Vec<Option<String>>,
    /// Arrays of arrays must all be as long in SQL, so each set travels as text.
    audiences: Vec<Option<String>>,
    keys: Vec<Option<String>>,
    expiries: Vec<i64>,
    threads: Vec<Option<String>>,
    priorities: Vec<i32>,
    replies: Vec<Option<i64>>,
    ack_ns: Vec<Option<i64>>,
    ack_attempts: Vec<Option<i64>>,
}

impl Columns {
    fn push(&mut self, tx: &Tx<'_>, notice: &Notice, new: &NewNotice, payload: &str) {
        let ttl = Duration::from_secs(new.ttl().into());
        let set = (!new.recipients.is_empty())
            .then(|| new.recipients.iter().map(|who| id(*who)).collect::<Vec<_>>().join(","));
        self.ids.push(notice.id);
        self.senders.push(id(new.sender));
        self.channels.push(new.channel.as_str().to_owned());
        self.payloads.push(payload.to_owned());
        self.ttls.push(new.ttl().into());
        self.agents.push(notice.agent.clone());
        self.recipients.push(new.recipient.map(id));
        self.audiences.push(set);
        self.keys.push(new.key.clone());
        self.expiries.push(tx.now.ns.saturating_add(nanos(ttl)));
        self.threads.push(new.thread.clone());
        self.priorities.push(new.priority);
        self.replies.push(new.reply_to);
        self.ack_ns.push(new.ack.map(|rule| nanos(Duration::from_secs(rule.seconds.into()))));
        self.ack_attempts.push(new.ack.map(|rule| rule.attempts.into()));
    }

    fn insert(&self, tx: &mut Tx<'_>) -> Result<(), BusError> {
        if self.ids.is_empty() {
            return Ok(());
        }
        let created_ms = tx.now.wall.as_millis();
        tx.run(
            "INSERT INTO inter_session_messages (id, sender_id, channel, payload, created_ms, ttl_seconds, agent,
                recipient_id, audience, idem_key, expires_ns, thread_id, priority, reply_to, ack_ns, ack_attempts)
             SELECT i, s, c, p::json, $16, t, a, r, string_to_array(u, ','), k, e, h, o, y, n, m
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[],
                $8::text[], $9::text[], $10::bigint[], $11::text[], $12::integer[], $13::bigint[], $14::bigint[],
                $15::bigint[]) AS fresh (i, s, c, p, t, a, r, u, k, e, h, o, y, n, m)",
            &[
                &self.ids,
                &self.senders,
                &self.channels,
                &self.payloads,
                &self.ttls,
                &self.agents,
                &self.recipients,
                &self.audiences,
                &self.keys,
                &self.expiries,
                &self.threads,
                &self.priorities,
                &self.replies,
                &self.ack_ns,
                &self.ack_attempts,
                &created_ms,
            ],
        )?;
        Ok(())
    }
}

/// Gives each the next position. The caller has checked senders, recipients and limits.
fn publish(
    tx: &mut Tx<'_>,
    batch: &[NewNotice],
    payloads: &[String],
    agents: &HashMap<RegistrationId, String>,
) -> Result<Vec<Notice>, BusError> {
    let mut columns = Columns::default();
    let mut notices: Vec<Notice> = Vec::with_capacity(batch.len());
    let mut keyed: HashMap<(RegistrationId, &str), usize> = HashMap::new();
    for (new, payload) in batch.iter().zip(payloads) {
        if let Some(key) = &new.key {
            let here = keyed.get(&(new.sender, key.as_str())).map(|at| notices[*at].clone());
            let known = match here {
                Some(known) => Some(known),
                None => known_key(tx, new.sender, key)?,
            };
            match known {
                Some(known) if new.is_again(&known) => {
                    notices.push(known);
                    continue;
                }
                Some(_) => return Err(BusError::KeyReused { key: key.clone() }),
                None => drop(keyed.insert((new.sender, key), notices.len())),
            }
        }
        tx.newest += 1;
        let agent = agents.get(&new.sender).map_or("", String::as_str);
        let notice = new.sent(tx.newest, agent, tx.now.wall);
        columns.push(tx, &notice, new, payload);
        notices.push(notice);
    }
    columns.insert(tx)?;
    for (new, notice) in batch.iter().zip(&notices) {
        if let Some(rule) = new.ack
            && columns.ids.binary_search(&notice.id).is_ok()
        {
            receipts::expect(tx, notice.id, new, rule)?;
        }
    }
    Ok(notices)
}

/// One notice as part of another change.
pub(crate) fn say(tx: &mut Tx<'_>, new: &NewNotice, payload: &str, agent: &str) -> Result<(), BusError> {
    let agents = HashMap::from([(new.sender, agent.to_owned())]);
    publish(tx, std::slice::from_ref(new), &[payload.to_owned()], &agents).map(drop)
}

/// The notice this sender has published under this key already. An expired one gives its key back.
fn known_key(tx: &mut Tx<'_>, sender: RegistrationId, key: &str) -> Result<Option<Notice>, BusError> {
    let sender = id(sender);
    let sql =
        format!("{}, expires_ns {} WHERE sender_id = $1 AND idem_key = $2", inbox::COLUMNS, inbox::FROM);
    let Some(row) = tx.row(&sql, &[&sender, &key])? else { return Ok(None) };
    if row.try_get::<_, i64>(inbox::WIDTH)? > tx.now.ns {
        return inbox::read(&row).map(Some);
    }
    tx.run(
        "UPDATE inter_session_messages SET idem_key = NULL WHERE sender_id = $1 AND idem_key = $2",
        &[&sender, &key],
    )?;
    Ok(None)
}
