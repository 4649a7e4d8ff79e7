//! What went wrong with a call, from genai's error and the vendor's own words.
//!
//! Invariant: the key never gets into a text, and an error that would be the same again is never
//! marked for a retry.

use crate::answer::malformed;
use crate::retry::retry_after;
use crate::{DETAIL_MAX, LlmError, Phase};
use genai::webc::{Error as WebError, StreamTimeout};
use genai::{BoxError, Error};
use model::Vendor;
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::error::Error as _;
use std::time::Duration;

/// A failed call.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) error: LlmError,
    /// Whether the same call may be made again.
    pub(crate) again: bool,
    /// The wait the vendor asks for.
    pub(crate) after: Option<Duration>,
}

/// Whose fault it is, and what must not be told.
pub(crate) struct Teller<'a> {
    pub(crate) vendor: Vendor,
    pub(crate) key: &'a str,
}

impl Fault {
    fn new(error: LlmError) -> Self {
        Self { again: error.is_transient(), error, after: None }
    }

    pub(crate) fn never_again(error: LlmError) -> Self {
        Self { error, again: false, after: None }
    }
}

impl Teller<'_> {
    pub(crate) fn fault(&self, error: Error) -> Fault {
        match error {
            Error::WebStream { error, cause, .. } => self.of_stream(error, &cause),
            Error::HttpError { status, body, headers, .. } => {
                self.of_status(status.as_u16(), &body, &headers)
            }
            Error::WebModelCall { webc_error, .. } | Error::WebAdapterCall { webc_error, .. } => {
                self.of_web(webc_error)
            }
            Error::ChatResponse { body, .. } => self.of_event(&body),
            // genai has no other way to say that an OpenAI response has failed.
            Error::StreamParse { serde_error, .. }
                if self.vendor == Vendor::Openai && serde_error.line() == 0 =>
            {
                self.of_words(&Told { message: serde_error.to_string(), ..Told::default() })
            }
            Error::StreamParse { serde_error, .. } | Error::SerdeJson(serde_error) => {
                Fault::new(malformed(self.cut(&format!("no JSON where an event should be: {serde_error}"))))
            }
            Error::JsonValueExt(error) => {
                Fault::new(malformed(self.cut(&format!("an event of another shape: {error}"))))
            }
            Error::InvalidJsonResponseElement { info } => Fault::new(malformed(info)),
            other => Fault::new(self.rejected(&other.to_string())),
        }
    }

    fn of_stream(&self, error: BoxError, cause: &str) -> Fault {
        let error = match error.downcast::<Error>() {
            Ok(error) => return self.fault(*error),
            Err(error) => error,
        };
        if let Some(timeout) = error.downcast_ref::<StreamTimeout>() {
            let phase = match timeout {
                StreamTimeout::Headers => Phase::FirstByte,
                StreamTimeout::Read => Phase::NextByte,
            };
            return Fault::new(LlmError::TimedOut { vendor: self.vendor, phase });
        }
        match error.downcast::<reqwest::Error>() {
            Ok(error) => self.of_transport(&error),
            // What is left is text that is no UTF-8.
            Err(_) => Fault::new(malformed(self.cut(cause))),
        }
    }

    fn of_web(&self, error: WebError) -> Fault {
        match error {
            WebError::ResponseFailedStatus { status, body, headers } => {
                self.of_status(status.as_u16(), &body, &headers)
            }
            WebError::Reqwest(error) => self.of_transport(&error),
            other => Fault::new(malformed(self.cut(&other.to_string()))),
        }
    }

    fn of_transport(&self, error: &reqwest::Error) -> Fault {
        let vendor = self.vendor;
        let detail = self.cut(&root_cause(error));
        Fault::new(if error.is_connect() && error.is_timeout() {
            LlmError::TimedOut { vendor, phase: Phase::Connect }
        } else if error.is_connect() {
            LlmError::Unreachable { vendor, detail }
        } else if error.is_builder() || error.is_redirect() {
            self.rejected(&detail)
        } else {
            LlmError::Interrupted { detail }
        })
    }

    fn of_status(&self, status: u16, body: &str, headers: &HeaderMap) -> Fault {
        let told = Told::read(body);
        let after = retry_after(headers).or(told.retry_delay);
        let mut fault = Fault::new(self.error(status, &told, after));
        fault.after = after;
        if headers.get("x-should-retry").is_some_and(|value| value == "false") {
            fault.again = false;
        }
        fault
    }

    /// An error event in the stream, after a response that began well.
    fn of_event(&self, body: &Value) -> Fault {
        let told = Told::of(body);
        if self.vendor == Vendor::Google && told.is_empty() {
            // genai says so when a Google event has no candidate; a blocked prompt looks like that.
            return Fault::new(malformed("an answer without candidates; the prompt may have been blocked"));
        }
        self.of_words(&told)
    }

    fn of_words(&self, told: &Told) -> Fault {
        let mut fault = Fault::new(self.error(told.status(), told, told.retry_delay));
        fault.after = told.retry_delay;
        fault
    }

    fn error(&self, status: u16, told: &Told, retry_after: Option<Duration>) -> LlmError {
        let vendor = self.vendor;
        let detail = self.cut(&told.sentence(status));
        match status {
            402 => LlmError::NoCredit { vendor, detail },
            _ if told.is_about(NO_CREDIT) => LlmError::NoCredit { vendor, detail },
            401 | 403 => LlmError::Auth { vendor, detail },
            400 if told.is_about(BAD_KEY) => LlmError::Auth { vendor, detail },
            413 => LlmError::ContextTooLong { detail },
            400 | 422 if told.is_about(TOO_LONG) => LlmError::ContextTooLong { detail },
            429 => LlmError::RateLimited { vendor, retry_after, detail },
            408 | 409 | 425 | 500..=599 => LlmError::Overloaded { vendor, detail },
            _ => LlmError::Rejected { vendor, detail },
        }
    }

    fn rejected(&self, detail: &str) -> LlmError {
        LlmError::Rejected { vendor: self.vendor, detail: self.cut(detail) }
    }

    /// One line, without the key, of a length a person reads.
    fn cut(&self, text: &str) -> String {
        let safe = if self.key.is_empty() { text.to_owned() } else { text.replace(self.key, "…") };
        let line = safe.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(DETAIL_MAX) {
            Some((at, _)) => format!("{}…", &line[..at]),
            None => line,
        }
    }
}

/// How the vendors say that the account is empty, that the key is not one, and that the prompt is
/// too long. Google's "exceeded your current quota" is a rate limit and not among them.
const NO_CREDIT: &[&str] =
    &["insufficient_quota", "exceeded_current_quota", "insufficient balance", "credit balance is too low"];
const BAD_KEY: &[&str] = &["api key not valid", "api_key_invalid", "invalid_api_key"];
const TOO_LONG: &[&str] = &[
    "prompt is too long",
    "context_length_exceeded",
    "maximum context length",
    "context window",
    "exceeds the maximum number of tokens",
    "exceeded model token limit",
];

/// What a vendor says about an error, out of any of their shapes.
#[derive(Debug, Default, PartialEq)]
struct Told {
    message: String,
    /// Type, code and status, in lower case.
    kind: String,
    number: Option<u16>,
    retry_delay: Option<Duration>,
}

impl Told {
    fn read(body: &str) -> Self {
        match serde_json::from_str::<Value>(body) {
            Ok(body) => Self::of(&body),
            Err(_) if body.trim_start().starts_with('<') => {
                Self { message: "a web page instead of an answer".into(), ..Self::default() }
            }
            Err(_) => Self { message: body.into(), ..Self::default() },
        }
    }

    fn of(body: &Value) -> Self {
        let body = body.get(0).unwrap_or(body);
        let error = body.get("error").filter(|error| error.is_object()).unwrap_or(body);
        let text = |field: &str| error.get(field).and_then(Value::as_str).unwrap_or_default();
        let kind = ["type", "code", "status"].map(text).join(" ").trim().to_lowercase();
        let number = error.get("code").and_then(Value::as_u64);
        let delay = error.get("details").and_then(Value::as_array).and_then(|details| {
            details.iter().find_map(|detail| detail.get("retryDelay")).and_then(Value::as_str)
        });
        Self {
            message: text("message").into(),
            kind,
            number: number.and_then(|number| u16::try_from(number).ok()),
            retry_delay: delay
                .and_then(|delay| delay.strip_suffix('s'))
                .and_then(|seconds| seconds.parse().ok())
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        }
    }

    fn is_empty(&self) -> bool {
        self.message.is_empty() && self.kind.is_empty()
    }

    fn is_about(&self, phrases: &[&str]) -> bool {
        let message = self.message.to_lowercase();
        phrases.iter().any(|phrase| self.kind.contains(phrase) || message.contains(phrase))
    }

    fn sentence(&self, status: u16) -> String {
        match (self.message.is_empty(), self.kind.is_empty()) {
            (false, _) => format!("{status}: {}", self.message),
            (true, false) => format!("{status}: {}", self.kind),
            (true, true) => format!("status {status}"),
        }
    }

    /// The status an error event would have had as a response.
    fn status(&self) -> u16 {
        if let Some(number) = self.number.filter(|number| (400..600).contains(number)) {
            return number;
        }
        let says = |word: &str| self.kind.contains(word);
        if says("rate_limit") || says("resource_exhausted") {
            429
        } else if says("authentication") || says("permission") || says("invalid_api_key") {
            401
        } else if says("invalid") || says("not_found") || self.is_about(TOO_LONG) {
            400
        } else if says("overloaded") {
            529
        } else {
            500
        }
    }
}

/// The innermost reason, without the URL reqwest puts before it.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.source().is_some() { cause.to_string() } else { "the connection broke".into() }
}

#[cfg(test)]
#[path = "tests/fault.rs"]
mod tests;
