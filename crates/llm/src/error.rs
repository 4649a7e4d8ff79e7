//! Why a call to a model gave no answer.

use crate::retry::seconds;
use model::Vendor;
use std::time::Duration;

/// Longest piece of a vendor's own error text that is kept, in characters.
pub const DETAIL_MAX: usize = 400;

/// A call that gave no answer. Texts of vendors are cut, and never contain the key we sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LlmError {
    #[error("no API key for {}: set the environment variable named by `api_key_env` of the agent", .0.as_str())]
    MissingKey(Vendor),
    #[error("`{given}` is not a base URL ({detail}): write one like https://host/v1 in the agent's base_url")]
    BaseUrl { given: String, detail: String },
    #[error("{} refused the API key ({detail}): check the key of the agent", vendor.as_str())]
    Auth { vendor: Vendor, detail: String },
    #[error("{} limits the rate of calls ({detail}){}", vendor.as_str(), seconds(*retry_after))]
    RateLimited { vendor: Vendor, retry_after: Option<Duration>, detail: String },
    #[error("the {} account has no credit left ({detail}): top it up or use another agent", vendor.as_str())]
    NoCredit { vendor: Vendor, detail: String },
    /// The vendor has trouble of its own: 5xx, 529, or an error event in the stream.
    #[error("{} is overloaded or failing ({detail})", vendor.as_str())]
    Overloaded { vendor: Vendor, detail: String },
    #[error(
        "the conversation does not fit the model's context ({detail}): start a new session or shorten it"
    )]
    ContextTooLong { detail: String },
    /// The request itself was not accepted: unknown model, parameter it does not know.
    #[error("{} did not accept the request ({detail}): check the agent's model and base_url", vendor.as_str())]
    Rejected { vendor: Vendor, detail: String },
    /// The answer is not one: no JSON, wrong shapes, a call whose arguments are no object, no end.
    #[error("the model answered nonsense: {detail}")]
    Malformed { detail: String },
    #[error("cannot reach {} ({detail}): check the network and the agent's base_url", vendor.as_str())]
    Unreachable { vendor: Vendor, detail: String },
    #[error("{} did not answer in time ({})", vendor.as_str(), phase.as_str())]
    TimedOut { vendor: Vendor, phase: Phase },
    /// The connection broke in the middle of the answer.
    #[error("the answer broke off ({detail})")]
    Interrupted { detail: String },
    #[error("canceled")]
    Canceled,
}

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    Connect,
    FirstByte,
    NextByte,
}

impl Phase {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "no connection",
            Self::FirstByte => "no answer",
            Self::NextByte => "silence in the middle of the answer",
        }
    }
}

impl LlmError {
    /// Stable, machine-readable, `snake_case`; begins with `model_` except for `canceled`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingKey(_) => "model_missing_key",
            Self::BaseUrl { .. } => "model_base_url",
            Self::Auth { .. } => "model_auth",
            Self::RateLimited { .. } => "model_rate_limited",
            Self::NoCredit { .. } => "model_no_credit",
            Self::Overloaded { .. } => "model_overloaded",
            Self::ContextTooLong { .. } => "model_context_too_long",
            Self::Rejected { .. } => "model_rejected",
            Self::Malformed { .. } => "model_malformed",
            Self::Unreachable { .. } => "model_unreachable",
            Self::TimedOut { .. } => "model_timed_out",
            Self::Interrupted { .. } => "model_interrupted",
            Self::Canceled => "canceled",
        }
    }

    /// Whether the same call may work a little later. The provider has already tried when a caller
    /// sees such an error.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::Overloaded { .. }
                | Self::Unreachable { .. }
                | Self::TimedOut { .. }
                | Self::Interrupted { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_to_do_and_has_a_code_of_its_own() {
        let vendor = Vendor::Moonshot;
        let detail = || "told".to_owned();
        let all = [
            LlmError::MissingKey(vendor),
            LlmError::BaseUrl { given: "x".into(), detail: detail() },
            LlmError::Auth { vendor, detail: detail() },
            LlmError::RateLimited { vendor, retry_after: Some(Duration::from_secs(90)), detail: detail() },
            LlmError::NoCredit { vendor, detail: detail() },
            LlmError::Overloaded { vendor, detail: detail() },
            LlmError::ContextTooLong { detail: detail() },
            LlmError::Rejected { vendor, detail: detail() },
            LlmError::Malformed { detail: detail() },
            LlmError::Unreachable { vendor, detail: detail() },
            LlmError::TimedOut { vendor, phase: Phase::FirstByte },
            LlmError::Interrupted { detail: detail() },
            LlmError::Canceled,
        ];
        let codes: std::collections::HashSet<_> = all.iter().map(LlmError::code).collect();
        assert_eq!(codes.len(), all.len());
        assert!(all[3].to_string().contains("again in 90 s"), "{}", all[3]);
        assert!(all[0].to_string().contains("api_key_env"), "{}", all[0]);
        assert!(all.iter().filter(|error| error.is_transient()).count() == 5);
    }
}
