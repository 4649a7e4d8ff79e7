//! Which error a status, a body or an event in the stream becomes.

use super::*;
use reqwest::StatusCode;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::json;

fn teller(vendor: Vendor) -> Teller<'static> {
    Teller { vendor, key: "sk-secret" }
}

fn status(vendor: Vendor, status: u16, body: &str, headers: &[(&'static str, &'static str)]) -> Fault {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    let status = StatusCode::from_u16(status).unwrap();
    let error = Error::HttpError {
        status,
        canonical_reason: String::new(),
        body: body.to_owned(),
        headers: Box::new(headers),
    };
    teller(vendor).fault(error)
}

fn event(vendor: Vendor, body: Value) -> Fault {
    let model_iden = genai::ModelIden::new(genai::adapter::AdapterKind::OpenAI, "m");
    teller(vendor).fault(Error::ChatResponse { model_iden, body })
}

/// Texts as the vendors' documentations and issue trackers show them.
#[test]
fn the_vendors_own_words_decide() {
    use Vendor::{Anthropic, Google, Moonshot, Openai};
    for (vendor, code, body, expected) in [
        (
            Anthropic,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 214302 tokens > 200000 maximum"}}"#,
            "model_context_too_long",
        ),
        (
            Openai,
            400,
            r#"{"error":{"message":"Your input exceeds the context window of this model.","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
            "model_context_too_long",
        ),
        (
            Google,
            400,
            r#"{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#,
            "model_context_too_long",
        ),
        (
            Moonshot,
            400,
            r#"{"error":{"message":"Invalid request: Your request exceeded model token limit: 262144","type":"invalid_request_error"}}"#,
            "model_context_too_long",
        ),
        (
            Anthropic,
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
            "model_no_credit",
        ),
        (
            Openai,
            429,
            r#"{"error":{"message":"You exceeded your current quota, please check your plan.","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            "model_no_credit",
        ),
        (
            Moonshot,
            429,
            r#"{"error":{"message":"Your account is suspended, please check your plan and billing details","type":"exceeded_current_quota_error"}}"#,
            "model_no_credit",
        ),
        (
            Google,
            429,
            r#"{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED"}}"#,
            "model_rate_limited",
        ),
        (
            Google,
            400,
            r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
            "model_auth",
        ),
        (
            Openai,
            404,
            r#"{"error":{"message":"The model `gpt-99` does not exist","type":"invalid_request_error","code":"model_not_found"}}"#,
            "model_rejected",
        ),
        (Openai, 502, "<html><h1>Bad gateway</h1></html>", "model_overloaded"),
        (Anthropic, 409, "", "model_overloaded"),
    ] {
        let fault = status(vendor, code, body, &[]);
        assert_eq!(fault.error.code(), expected, "{body}");
        assert_eq!(fault.again, matches!(expected, "model_rate_limited" | "model_overloaded"), "{body}");
    }
}

#[test]
fn a_wait_is_taken_from_headers_or_from_googles_body() {
    let fault = status(Vendor::Openai, 429, "", &[("retry-after", "12")]);
    assert_eq!(fault.after, Some(Duration::from_secs(12)));
    let body = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down",
        "details": [{"@type": "QuotaFailure"}, {"@type": "RetryInfo", "retryDelay": "34.5s"}]}});
    let fault = status(Vendor::Google, 429, &body.to_string(), &[]);
    assert_eq!(fault.after, Some(Duration::from_millis(34_500)));
    for broken in ["34", "s", "-1s", "NaNs", "1e999s"] {
        let body = json!({"error": {"details": [{"retryDelay": broken}]}});
        assert_eq!(status(Vendor::Google, 429, &body.to_string(), &[]).after, None, "{broken}");
    }
}

#[test]
fn a_vendor_that_says_not_to_is_not_asked_again() {
    assert!(status(Vendor::Anthropic, 529, "", &[]).again);
    assert!(!status(Vendor::Anthropic, 529, "", &[("x-should-retry", "false")]).again);
}

#[test]
fn error_events_mean_what_they_would_as_responses() {
    for (body, code) in [
        (
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            "model_overloaded",
        ),
        (
            json!({"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}),
            "model_rate_limited",
        ),
        (json!({"type": "authentication_error", "message": "x"}), "model_auth"),
        (json!({"type": "invalid_request_error", "message": "x"}), "model_rejected"),
        (
            json!({"type": "error", "code": "context_length_exceeded", "message": "x"}),
            "model_context_too_long",
        ),
        (json!({"error": {"code": 503, "status": "UNAVAILABLE", "message": "x"}}), "model_overloaded"),
        (json!({"message": "something else"}), "model_overloaded"),
        (json!("text"), "model_overloaded"),
    ] {
        assert_eq!(event(Vendor::Anthropic, body.clone()).error.code(), code, "{body}");
    }
    let empty = json!({"finishReason": null, "usageMetadata": null});
    assert_eq!(event(Vendor::Google, empty).error.code(), "model_malformed");
}

#[test]
fn details_are_one_short_line_without_the_key() {
    let body = format!("first\n  second sk-secret {}", "ä".repeat(2 * DETAIL_MAX));
    let LlmError::Overloaded { detail, .. } = status(Vendor::Openai, 500, &body, &[]).error else { panic!() };
    assert!(detail.starts_with("500: first second … ää"), "{detail}");
    assert_eq!(detail.chars().count(), DETAIL_MAX + 1);
    let page = status(Vendor::Openai, 500, "\n<!doctype html><p>long", &[]).error.to_string();
    assert!(page.contains("500: a web page instead of an answer"), "{page}");
}
