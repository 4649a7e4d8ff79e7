//! Talks to language models: one trait, four vendors.
//!
//! [`Provider`] is the [`LanguageModel`] that speaks to a vendor over HTTP; tests and other rooms
//! may bring their own. The invariant: a stream ends with exactly one [`Chunk::Done`] or one
//! [`LlmError`], and nothing is tried again once a piece of the answer has been handed out.

mod answer;
mod call;
mod conversation;
mod endpoint;
mod error;
mod fault;
mod price;
mod provider;
mod request;
mod retry;

pub use answer::ANSWER_MAX;
pub use endpoint::{Endpoint, Secret};
pub use error::{DETAIL_MAX, LlmError, Phase};
pub use price::{PRICES_AS_OF, Price, price_of};
pub use provider::{CONNECT_TIMEOUT, FIRST_BYTE_TIMEOUT, IDLE_TIMEOUT, Provider, ProviderOptions, Timeouts};
pub use request::{Answer, BYTES_PER_TOKEN, Chunk, Request, Stop, Thinking, ToolSpec, Turn};
pub use retry::{RETRY_AFTER_CAP, RETRY_ATTEMPTS, RETRY_BASE, RETRY_CAP, RetryPolicy};
pub use tokio_util::sync::CancellationToken;

use futures_util::Stream;
use std::pin::Pin;

/// The pieces of one answer, in the order the model made them. Dropping it closes the connection.
pub type ChunkStream = Pin<Box<dyn Stream<Item = Result<Chunk, LlmError>> + Send>>;

/// Something that continues a conversation.
pub trait LanguageModel: Send + Sync {
    /// Asks for the next message. Nothing happens until the stream is polled.
    ///
    /// The stream yields pieces, then one [`Chunk::Done`] and ends; or one error and ends. When
    /// `cancel` fires it ends at once with [`LlmError::Canceled`] and the connection is closed.
    fn stream(&self, request: Request, cancel: CancellationToken) -> ChunkStream;
}
