//! Notices: send and read.

use crate::{Call, Caller, Engine};
use bus::{AckRule, BusError, Durability, Receipt};
use model::{Channel, Notice, Refusal, RefusalKind, RegistrationId};

/// Most notices in one page.
pub(crate) const PAGE_MAX: usize = 200;

#[derive(Debug, Clone)]
pub struct NewNotice {
    pub channel: Channel,
    pub recipient: Option<RegistrationId>,
    pub payload: serde_json::Value,
    /// None: what the channel says.
    pub ttl_seconds: Option<u32>,
    /// A set of recipients instead of one; empty when it goes to one or to everybody.
    pub recipients: Vec<RegistrationId>,
    pub thread: Option<String>,
    pub priority: i32,
    pub reply_to: Option<i64>,
    pub ack: Option<AckRule>,
    pub durability: Durability,
}

impl NewNotice {
    /// The usual for everything beside channel and payload.
    pub fn new(channel: Channel, payload: serde_json::Value) -> Self {
        Self {
            channel,
            recipient: None,
            payload,
            ttl_seconds: None,
            recipients: Vec::new(),
            thread: None,
            priority: 0,
            reply_to: None,
            ack: None,
            durability: Durability::default(),
        }
    }
}

impl Engine {
    /// Sends a notice in the caller's name.
    pub async fn publish_notice(&self, call: &Call, new: NewNotice) -> Result<Notice, Refusal> {
        let notice = bus::NewNotice {
            recipient: new.recipient,
            ttl_seconds: new.ttl_seconds,
            key: call.key.as_ref().map(|key| key.key.clone()),
            recipients: new.recipients,
            thread: new.thread,
            priority: new.priority,
            reply_to: new.reply_to,
            ack: new.ack,
            durability: new.durability,
            ..bus::NewNotice::new(self.holder(call), new.channel, new.payload)
        };
        self.shared.blocking(move |shared| shared.bus.publish(notice).map_err(|error| error.refusal())).await
    }

    /// Living notices after a position, or the newest ones; oldest of them first.
    pub fn notices(
        &self,
        channel: Option<&Channel>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Notice>, Refusal> {
        let limit = if limit == 0 { PAGE_MAX } else { limit.min(PAGE_MAX) };
        let query = bus::NoticeQuery {
            after: after.unwrap_or(0),
            channel: channel.cloned(),
            limit,
            ..bus::NoticeQuery::default()
        };
        let bus = &self.shared.bus;
        let found = match after {
            Some(_) => bus.notices(&query).map(|page| page.notices),
            None => bus.newest_notices(&query),
        };
        found.map_err(|error| error.refusal())
    }

    /// What waits for an answer of a session, or was addressed to it and is not acknowledged: the most urgent first. An
    /// agent reads its own; none is the caller's.
    pub fn inbox(
        &self,
        call: &Caller,
        registration: Option<RegistrationId>,
        limit: usize,
    ) -> Result<Vec<Notice>, Refusal> {
        let own = self.registration_of(call);
        let asked = registration.unwrap_or(own);
        if asked != own && !matches!(call, Caller::User) {
            return Err(Refusal::new(RefusalKind::Forbidden, "not_yours", "an agent reads its own inbox"));
        }
        self.shared.bus.inbox(asked, limit.clamp(1, PAGE_MAX)).map_err(|error| error.refusal())
    }

    /// The caller accepts a notice that was for it.
    pub async fn ack_notice(&self, call: &Call, notice: i64) -> Result<(), Refusal> {
        let me = self.holder(call);
        self.shared.blocking(move |shared| shared.bus.ack(notice, me).map_err(|error| error.refusal())).await
    }

    /// Who was given, saw and acknowledged a notice. An agent asks about what it sent.
    pub fn receipts(&self, caller: &Caller, notice: i64) -> Result<Vec<Receipt>, Refusal> {
        let bus = &self.shared.bus;
        let query = bus::NoticeQuery { after: notice - 1, limit: 1, ..bus::NoticeQuery::default() };
        let gone = || BusError::NoNotice(notice).refusal();
        let page = bus.notices(&query).map_err(|error| match error {
            BusError::CursorAhead { .. } => gone(),
            other => other.refusal(),
        })?;
        let found = page.notices.into_iter().find(|found| found.id == notice).ok_or_else(gone)?;
        if found.sender != self.registration_of(caller) && !matches!(caller, Caller::User) {
            return Err(gone());
        }
        bus.receipts(notice).map_err(|error| error.refusal())
    }

    /// Channels with living notices, and how many each has.
    pub fn channels(&self) -> Result<Vec<(Channel, u64)>, Refusal> {
        self.shared.bus.channels().map_err(|error| error.refusal())
    }
}
