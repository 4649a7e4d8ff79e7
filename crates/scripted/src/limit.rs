//! An account whose limit is used up, as each vendor says it: with the time at which calls are taken again, and in a way that no
//! program waits over by itself.

use crate::dialect::Dialect;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use model::Timestamp;
use serde_json::{Value, json};

/// HTTP status of all of them.
pub(crate) const STATUS: u16 = 429;

/// What is answered for so many seconds from now on.
pub(crate) fn answer(dialect: Dialect, seconds: u32, now: Timestamp) -> (HeaderMap, Value) {
    let at = now.as_millis() / 1000 + i64::from(seconds);
    let (headers, body) = match dialect {
        Dialect::Anthropic => (
            vec![("retry-after", i64::from(seconds)), ("anthropic-ratelimit-unified-reset", at)],
            dialect.error(
                STATUS,
                "This request would exceed your account's rate limit. Please try again later.",
            ),
        ),
        Dialect::Google => {
            let words = "You exceeded your current quota, please check your plan and billing details.";
            (Vec::new(), dialect.error(STATUS, &format!("{words} Please retry in {seconds}s.")))
        }
        Dialect::Chat => {
            let message =
                format!("Your account has used up its quota, please try again after {seconds} seconds");
            let kind = "exceeded_current_quota_error";
            (Vec::new(), json!({"error": {"message": message, "type": kind, "code": null, "param": null}}))
        }
        Dialect::Responses => {
            let headers = vec![
                ("x-codex-primary-used-percent", 100),
                ("x-codex-primary-window-minutes", 300),
                ("x-codex-primary-reset-at", at),
            ];
            let error = json!({
                "type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": "plus",
                "resets_at": at, "resets_in_seconds": seconds,
            });
            (headers, json!({ "error": error }))
        }
    };
    let named =
        |(name, value): (&'static str, i64)| (HeaderName::from_static(name), HeaderValue::from(value));
    (headers.into_iter().map(named).collect(), body)
}
