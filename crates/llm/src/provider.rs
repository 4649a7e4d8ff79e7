//! The model behind a vendor's HTTP API.

use crate::{CancellationToken, ChunkStream, Endpoint, LanguageModel, LlmError, Request, RetryPolicy};
use futures_util::stream;
use model::Entropy;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for the head of the response after the request was sent. Models that think say
/// nothing for minutes.
pub const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(300);
/// Longest silence between two pieces of an answer.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Duration,
    pub first_byte: Duration,
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: CONNECT_TIMEOUT, first_byte: FIRST_BYTE_TIMEOUT, idle: IDLE_TIMEOUT }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProviderOptions {
    pub retry: RetryPolicy,
    pub timeouts: Timeouts,
}

/// A vendor's API with a key. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Provider {
    #[expect(dead_code, reason = "the calls are not written yet")]
    inner: Arc<(Endpoint, ProviderOptions, Arc<dyn Entropy>)>,
}

impl Provider {
    /// Makes no connection yet. Fails when the base URL is not one, or no key is configured.
    pub fn new(
        endpoint: Endpoint,
        options: ProviderOptions,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, LlmError> {
        Ok(Self { inner: Arc::new((endpoint, options, entropy)) })
    }
}

impl LanguageModel for Provider {
    fn stream(&self, _request: Request, _cancel: CancellationToken) -> ChunkStream {
        Box::pin(stream::once(async { Err(LlmError::Canceled) }))
    }
}
