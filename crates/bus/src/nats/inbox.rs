//! Reading notices. The stream is asked where it ends, and what is not in memory yet is fetched, many messages at once.
//!
//! A notice is over when its life, counted from the server's stamp, is over on the server's clock, whether its message is
//! there or not. A bell only says "look"; a reader that misses one looks again after the safety poll.

use super::bell::Bell;
use super::letter::{Letter, number};
use super::notice::end_of;
use super::reading::{Doc, Extent};
use super::receipt::{Again, again_key};
use super::registration::{self, Entry, present_in};
use super::{Nats, read, written};
use crate::error::BusError;
use crate::inbox::{NoticePage, NoticeQuery, Position, Replay};
use crate::notice::NOTICE_PAGE_MAX;
use model::{Channel, Envelope, Notice, RegistrationId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// What has been cleared away, so that a reader that asks for no gaps is told of one.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Gone {
    /// By channel, the highest position.
    pub(crate) channels: BTreeMap<String, i64>,
    /// The highest message number any of them was in.
    pub(crate) upto: u64,
}

pub(crate) const GONE: &str = "gone";

impl Nats {
    fn generation(&self, extent: &Extent) -> String {
        format!("{}-{:x}", self.birth, extent.made)
    }

    pub(super) fn newest_position(&self) -> Result<Position, BusError> {
        let extent = self.link.extent()?;
        Ok(Position { generation: self.generation(&extent), id: self.newest(&extent)? })
    }

    fn newest(&self, extent: &Extent) -> Result<i64, BusError> {
        if extent.last == 0 {
            return Ok(0);
        }
        let last = self.batches(extent.made, &[extent.last])?.pop().flatten();
        let known = last.and_then(|batch| batch.letters.last().map(|letter| letter.notice.id));
        // Of a message that is gone nobody knows how many notices it had.
        Ok(known.unwrap_or_else(|| end_of(extent.last)))
    }

    pub(super) fn notices(&self, query: &NoticeQuery) -> Result<NoticePage, BusError> {
        let me = query.recipient.map(|id| self.known(&[id])).transpose()?;
        let me = me.and_then(|known| known.into_values().next());
        self.page(query, me.as_ref())
    }

    fn page(&self, query: &NoticeQuery, me: Option<&Entry>) -> Result<NoticePage, BusError> {
        if query.channel.as_ref() == Some(&Channel::heartbeat()) {
            return self.heartbeats_as_notices(query);
        }
        let extent = self.link.extent()?;
        let generation = self.generation(&extent);
        self.check_cursor(query, &extent, &generation)?;
        let limit = if query.limit == 0 { NOTICE_PAGE_MAX } else { query.limit.min(NOTICE_PAGE_MAX) };
        let mut notices = Vec::new();
        let now = self.now()?;
        self.scan(query.after, |_, batch| {
            let now = now.not_before(batch.stamp).middle();
            let wanted = batch.letters.iter().filter(|letter| {
                letter.notice.id > query.after && batch.lives(letter, now) && asked(query, me, letter)
            });
            notices.extend(wanted.map(|letter| letter.notice.clone()).take(limit - notices.len()));
            Ok(notices.len() < limit)
        })?;
        let next = notices.last().map_or(query.after, |notice| notice.id);
        Ok(NoticePage { generation, notices, next, again: Vec::new() })
    }

    /// A cursor that belongs to another life, lies beyond the end, or (when it matters) behind a gap.
    fn check_cursor(&self, query: &NoticeQuery, extent: &Extent, generation: &str) -> Result<(), BusError> {
        if query.generation.as_ref().is_some_and(|given| given != generation) {
            return Err(BusError::GenerationChanged { generation: generation.to_owned() });
        }
        if query.after > 0 && number(query.after) >= extent.last {
            let newest = self.newest(extent)?;
            if query.after > newest {
                return Err(BusError::CursorAhead { after: query.after, newest });
            }
        }
        if query.complete {
            let gone: Gone = read(self.link.get_one(GONE)?.as_ref(), "what is gone")?.unwrap_or_default();
            let marked = match &query.channel {
                Some(channel) => gone.channels.get(channel.as_str()).copied(),
                None => gone.channels.values().max().copied(),
            };
            // What the server itself let go of by age, which nobody marked, may have been on any channel.
            let aged = (extent.first > gone.upto + 1).then(|| end_of(extent.first - 1));
            if marked.max(aged).is_some_and(|gone| gone > query.after) {
                let mut oldest = None;
                self.scan(0, |_, batch| {
                    oldest = batch.letters.first().map(|letter| letter.notice.id);
                    Ok(oldest.is_none())
                })?;
                let oldest = oldest.map_or_else(|| self.newest(extent).map(|newest| newest + 1), Ok)?;
                return Err(BusError::CursorExpired { after: query.after, oldest });
            }
        }
        Ok(())
    }

    pub(super) fn replay(&self, from: &Replay, query: &NoticeQuery) -> Result<NoticePage, BusError> {
        let query = match from {
            Replay::Beginning => NoticeQuery { after: 0, generation: None, complete: false, ..query.clone() },
            Replay::Since(time) => {
                let mut first = None;
                let extent = self.scan(0, |_, batch| {
                    let found = batch.letters.iter().find(|letter| letter.notice.created_at >= *time);
                    first = found.map(|letter| letter.notice.id - 1);
                    Ok(first.is_none())
                })?;
                let after = first.map_or_else(|| self.newest(&extent), Ok)?;
                NoticeQuery { after, generation: None, complete: false, ..query.clone() }
            }
            Replay::After(position) => NoticeQuery {
                after: position.id,
                generation: Some(position.generation.clone()),
                complete: true,
                ..query.clone()
            },
            Replay::Now => {
                let Position { generation, id } = self.newest_position()?;
                NoticeQuery { after: id, generation: Some(generation), complete: false, ..query.clone() }
            }
        };
        self.notices(&query)
    }

    pub(super) fn wait(&self, query: &NoticeQuery, timeout: Duration) -> Result<NoticePage, BusError> {
        let began = Instant::now();
        loop {
            // The count first: what is rung for after this look ends the wait.
            let seen = self.link.bells.count(Bell::Notices);
            let page = self.look(query)?;
            let left = timeout.saturating_sub(began.elapsed());
            if !page.is_empty() || left.is_zero() {
                return Ok(page);
            }
            self.link.bells.wait(Bell::Notices, seen, self.safety_poll.min(left));
        }
    }

    /// All that may be new: notices, those that come again, and that the reader has ended.
    fn look(&self, query: &NoticeQuery) -> Result<NoticePage, BusError> {
        let Some(id) = query.recipient else { return self.page(query, None) };
        let (known, again) = self.reader(id)?;
        let mut page = self.page(query, known.get(&id))?;
        if page.notices.is_empty() {
            present_in(&known, id)?;
        }
        if !again.is_empty() {
            page.again = self.take_again(id, query.after)?;
        }
        Ok(page)
    }

    /// A registration and what comes again for it, asked for at once.
    fn reader(&self, id: RegistrationId) -> Result<(HashMap<RegistrationId, Entry>, Vec<Again>), BusError> {
        let mut docs = self.link.get(&[registration::key(id), again_key(id)])?.into_iter();
        let entry = Entry::read(docs.next().flatten().as_ref())?;
        let again = listed(docs.next().flatten().as_ref())?;
        Ok((entry.into_iter().map(|entry| (id, entry)).collect(), again))
    }

    fn heartbeats_as_notices(&self, query: &NoticeQuery) -> Result<NoticePage, BusError> {
        let ttl = Channel::heartbeat().default_ttl_seconds();
        let now = self.now()?.early();
        let mut notices = Vec::new();
        for entry in self.entries()? {
            let fresh = now.ns.saturating_sub(entry.stamp()) <= i64::from(ttl) * 1_000_000_000;
            if entry.death(now).is_none() && fresh {
                let registration = entry.shown();
                notices.push(Notice {
                    id: 0,
                    sender: registration.id,
                    agent: registration.agent,
                    channel: Channel::heartbeat(),
                    recipient: None,
                    payload: json!({ "session_id": registration.id, "alive": true, "status": null }),
                    created_at: registration.heartbeat_at,
                    ttl_seconds: ttl,
                    envelope: Envelope::default(),
                });
            }
        }
        let generation = self.newest_position()?.generation;
        Ok(NoticePage { generation, notices, next: query.after, again: Vec::new() })
    }

    /// Takes what is to be handed out again; what the reader has not come to yet it gets by its cursor.
    fn take_again(&self, id: RegistrationId, cursor: i64) -> Result<Vec<Notice>, BusError> {
        let key = again_key(id);
        let (taken, _) = self.change(&key, |doc| {
            let again = listed(doc)?;
            let empty: Vec<Again> = Vec::new();
            Ok(((!again.is_empty()).then(|| written(&empty, "what comes again")).transpose()?, again))
        })?;
        let mut notices = Vec::new();
        for again in taken {
            if again.notice <= cursor
                && let Some((_, letter)) = self.letter(again.notice)?
                && !self.has_acked(&letter, id)?
            {
                notices.push(letter.notice);
            }
        }
        notices.sort_by_key(|notice| notice.id);
        notices.dedup_by_key(|notice| notice.id);
        Ok(notices)
    }
}

fn listed(doc: Option<&Doc>) -> Result<Vec<Again>, BusError> {
    Ok(read(doc, "what comes again")?.unwrap_or_default())
}

/// Whether a query asks for this notice; `me` is its recipient, if it is known.
fn asked(query: &NoticeQuery, me: Option<&Entry>, letter: &Letter) -> bool {
    let notice = &letter.notice;
    query.channel.as_ref().is_none_or(|channel| *channel == notice.channel)
        && query.thread.as_ref().is_none_or(|thread| notice.envelope.thread.as_ref() == Some(thread))
        && query.priority.is_none_or(|priority| notice.envelope.priority >= priority)
        && query.recipient.is_none_or(|id| heard(id, me, notice))
}

/// What is addressed to it, and what others send to everybody on a channel it listens to.
fn heard(id: RegistrationId, me: Option<&Entry>, notice: &Notice) -> bool {
    match notice.recipient {
        Some(recipient) => recipient == id,
        None if notice.sender == id => false,
        None if notice.envelope.audience.is_empty() => me.is_none_or(|me| me.hears(&notice.channel)),
        None => notice.envelope.audience.contains(&id),
    }
}
