//! Notices: messages on channels, with a time to live and a cursor to read by.

use crate::bus::Bus;
use crate::error::BusError;
use model::{Channel, Notice, RegistrationId};
use std::time::Duration;

/// Most notices in one page.
pub const NOTICE_PAGE_MAX: usize = 1000;
/// Longest time to live of a notice, in seconds: a week.
pub const NOTICE_TTL_MAX: u32 = 7 * 24 * 3600;
/// Longest idempotency key, in bytes.
pub const NOTICE_KEY_MAX: usize = 128;

#[derive(Debug, Clone, PartialEq)]
pub struct NewNotice {
    pub sender: RegistrationId,
    pub channel: Channel,
    /// None: everybody.
    pub recipient: Option<RegistrationId>,
    /// At most `model::NOTICE_PAYLOAD_MAX` bytes as JSON.
    pub payload: serde_json::Value,
    /// None: what the channel says.
    pub ttl_seconds: Option<u32>,
    /// The same key of the same sender publishes once.
    pub key: Option<String>,
}

/// Which notices to read. The default is the first page of everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NoticeQuery {
    /// Read after this id; 0 is the start.
    pub after: i64,
    /// The generation `after` belongs to; when given, another one is an error instead of a silent gap.
    pub generation: Option<String>,
    pub channel: Option<Channel>,
    /// Only what this registration should hear: addressed to it, or to everybody and not by itself.
    pub recipient: Option<RegistrationId>,
    /// 0 means [`NOTICE_PAGE_MAX`].
    pub limit: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NoticePage {
    pub generation: String,
    pub notices: Vec<Notice>,
    /// Where to read on: the id of the last notice, or `after` when there was none.
    pub next: i64,
}

impl Bus {
    /// Publishes a notice and wakes who should hear it. Durable against a crash of any process.
    pub fn publish(&self, new: NewNotice) -> Result<Notice, BusError> {
        let _ = new;
        todo!()
    }

    /// Notices still alive, in commit order.
    pub fn notices(&self, query: &NoticeQuery) -> Result<NoticePage, BusError> {
        let _ = query;
        todo!()
    }

    /// Blocks until something for this registration comes after `after`, or the time is over (an empty page). One
    /// caller per registration at a time.
    pub fn wait_notices(
        &self,
        registration: RegistrationId,
        after: i64,
        timeout: Duration,
    ) -> Result<NoticePage, BusError> {
        let _ = (registration, after, timeout);
        todo!()
    }

    /// Deletes notices whose time is over, in small transactions; returns how many.
    pub fn purge(&self) -> Result<usize, BusError> {
        todo!()
    }
}
