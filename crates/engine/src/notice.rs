//! Notices: send and read.

use crate::{Call, Engine};
use model::{Channel, Notice, Refusal, RegistrationId};

#[derive(Debug, Clone)]
pub struct NewNotice {
    pub channel: Channel,
    pub recipient: Option<RegistrationId>,
    pub payload: serde_json::Value,
    pub ttl_seconds: Option<u32>,
}

impl Engine {
    pub async fn publish_notice(&self, call: &Call, new: NewNotice) -> Result<Notice, Refusal> {
        todo!()
    }

    pub fn notices(
        &self,
        channel: Option<&Channel>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Notice>, Refusal> {
        todo!()
    }
}
