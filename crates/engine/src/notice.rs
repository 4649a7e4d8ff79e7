//! Notices: send and read.

use crate::{Call, Engine};
use model::{Channel, Notice, Refusal, RegistrationId};

/// Most notices in one page.
pub(crate) const PAGE_MAX: usize = 200;

#[derive(Debug, Clone)]
pub struct NewNotice {
    pub channel: Channel,
    pub recipient: Option<RegistrationId>,
    pub payload: serde_json::Value,
    /// None: what the channel says.
    pub ttl_seconds: Option<u32>,
}

impl Engine {
    /// Sends a notice in the caller's name.
    pub async fn publish_notice(&self, call: &Call, new: NewNotice) -> Result<Notice, Refusal> {
        let notice = bus::NewNotice {
            recipient: new.recipient,
            ttl_seconds: new.ttl_seconds,
            key: call.key.as_ref().map(|key| key.key.clone()),
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
}
