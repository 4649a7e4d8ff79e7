//! Calls that fail, and those that are made again.

use crate::desk::{Dice, ask, endpoint, fail, provider, provider_with, quick, request, server, text};
use llm::{
    Chunk, Endpoint, LlmError, Phase, Provider, ProviderOptions, RETRY_AFTER_CAP, RETRY_ATTEMPTS,
    RetryPolicy, Secret, Timeouts,
};
use model::Vendor;
use scripted::REFUSED_KEY;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_rate_limit_is_waited_out() {
    let server = server();
    for vendor in Vendor::ALL {
        let (chunks, result) =
            ask(&provider(&server, vendor), request(vendor, "[[error_once 429 0]] [[say there]]")).await;
        let Chunk::Retrying { attempt: 2, wait, reason } = &chunks[0] else {
            panic!("{vendor:?} {chunks:?}")
        };
        assert_eq!(*wait, Duration::ZERO, "{vendor:?}");
        assert!(reason.contains("limits the rate"), "{vendor:?} {reason}");
        assert_eq!(text(&chunks), "there", "{vendor:?}");
        assert_eq!(result.unwrap().retries, 1, "{vendor:?}");
    }
}

#[tokio::test]
async fn a_vendor_that_asks_for_too_long_a_wait_ends_the_call() {
    let server = server();
    let asked = RETRY_AFTER_CAP + Duration::from_secs(1);
    for vendor in Vendor::ALL {
        let script = format!("[[error 429 {}]]", asked.as_secs());
        let error = fail(&provider(&server, vendor), request(vendor, &script)).await;
        let LlmError::RateLimited { retry_after, .. } = error else { panic!("{vendor:?} {error:?}") };
        assert_eq!(retry_after, Some(asked), "{vendor:?}");
    }
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn trouble_of_the_vendor_is_tried_again_and_then_told() {
    for vendor in Vendor::ALL {
        for status in [500, 503, 529] {
            let server = server();
            let script = format!("[[error {status}]]");
            let (chunks, result) = ask(&provider(&server, vendor), request(vendor, &script)).await;
            let error = result.unwrap_err();
            assert!(matches!(error, LlmError::Overloaded { .. }), "{vendor:?} {error:?}");
            assert!(error.to_string().contains(&status.to_string()), "{vendor:?} {error}");
            assert_eq!(chunks.len(), RETRY_ATTEMPTS as usize - 1, "{vendor:?} {chunks:?}");
            assert_eq!(server.requests().len(), RETRY_ATTEMPTS as usize, "{vendor:?}");
        }
    }
}

#[tokio::test]
async fn what_would_be_the_same_again_is_not_tried_again() {
    for vendor in Vendor::ALL {
        for (status, code) in [
            (400, "model_rejected"),
            (401, "model_auth"),
            (402, "model_no_credit"),
            (403, "model_auth"),
            (404, "model_rejected"),
            (413, "model_context_too_long"),
        ] {
            let server = server();
            let script = format!("[[error {status}]]");
            let error = fail(&provider(&server, vendor), request(vendor, &script)).await;
            assert_eq!(error.code(), code, "{vendor:?} {status}");
            assert_eq!(server.requests().len(), 1, "{vendor:?} {status}");
        }
    }
}

#[tokio::test]
async fn a_wrong_key_is_an_auth_error_with_every_vendor() {
    let server = server();
    for vendor in Vendor::ALL {
        let endpoint = Endpoint { api_key: Secret::new(REFUSED_KEY), ..endpoint(&server, vendor) };
        let provider = Provider::new(endpoint, quick(), Arc::new(Dice::default())).unwrap();
        let error = fail(&provider, request(vendor, "[[say hi]]")).await;
        assert!(matches!(error, LlmError::Auth { .. }), "{vendor:?} {error:?}");
    }
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_missing_key_is_told_before_anything_is_sent() {
    let server = server();
    for vendor in Vendor::ALL {
        for none in ["", " \n"] {
            let endpoint = Endpoint { api_key: Secret::new(none), ..endpoint(&server, vendor) };
            let made = Provider::new(endpoint, quick(), Arc::new(Dice::default()));
            assert_eq!(made.err(), Some(LlmError::MissingKey(vendor)));
        }
        let endpoint = Endpoint { api_key: Secret::new("käse"), ..endpoint(&server, vendor) };
        let made = Provider::new(endpoint, quick(), Arc::new(Dice::default()));
        assert!(matches!(made.err(), Some(LlmError::Auth { .. })));
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn nothing_is_tried_again_once_text_is_out() {
    for vendor in Vendor::ALL {
        for (trouble, code) in [("[[cut]]", "model_interrupted"), ("[[fault]]", "model_overloaded")] {
            let server = server();
            let script = format!("[[say half of it]] {trouble}");
            let (chunks, result) = ask(&provider(&server, vendor), request(vendor, &script)).await;
            assert_eq!(text(&chunks), "half of it", "{vendor:?}");
            assert_eq!(result.unwrap_err().code(), code, "{vendor:?} {trouble}");
            assert_eq!(server.requests().len(), 1, "{vendor:?} {trouble}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_breaks_before_the_first_text_is_tried_again() {
    for vendor in Vendor::ALL {
        for (trouble, code) in [("[[cut]]", "model_interrupted"), ("[[fault]]", "model_overloaded")] {
            let server = server();
            let error = fail(&provider(&server, vendor), request(vendor, trouble)).await;
            assert_eq!(error.code(), code, "{vendor:?} {trouble}");
            assert_eq!(server.requests().len(), RETRY_ATTEMPTS as usize, "{vendor:?} {trouble}");
        }
    }
}

#[tokio::test]
async fn every_wait_has_a_limit() {
    let server = server();
    // A busy machine takes less from one piece to the next.
    let short = Duration::from_secs(2);
    let once = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
    for vendor in Vendor::ALL {
        let timeouts = Timeouts { first_byte: short, ..Timeouts::default() };
        let options = ProviderOptions { timeouts, retry: once, ..quick() };
        let error = fail(&provider_with(&server, vendor, options), request(vendor, "[[hold 600000]]")).await;
        assert_eq!(error, LlmError::TimedOut { vendor, phase: Phase::FirstByte });

        let timeouts = Timeouts { idle: short, ..Timeouts::default() };
        let options = ProviderOptions { timeouts, retry: once, ..quick() };
        let script = "[[say hello]] [[sleep 600000]]";
        let (chunks, result) = ask(&provider_with(&server, vendor, options), request(vendor, script)).await;
        assert_eq!(text(&chunks), "hello", "{vendor:?}");
        assert_eq!(result, Err(LlmError::TimedOut { vendor, phase: Phase::NextByte }));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for vendor in Vendor::ALL {
        let endpoint = Endpoint {
            vendor,
            base_url: Some(format!("http://{free}/v1")),
            api_key: Secret::new("test-key"),
        };
        let provider = Provider::new(endpoint, quick(), Arc::new(Dice::default())).unwrap();
        let (chunks, result) = ask(&provider, request(vendor, "hi")).await;
        let error = result.unwrap_err();
        assert!(matches!(error, LlmError::Unreachable { .. }), "{vendor:?} {error:?}");
        assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
        assert_eq!(chunks.len(), RETRY_ATTEMPTS as usize - 1);
    }
}

/// A server that says one thing to everybody.
fn says(response: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0u8; 64 * 1024];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(response.as_bytes());
        }
    });
    format!("http://{addr}/v1")
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_key() {
    let server = server();
    let to = server.base_url(Vendor::Anthropic);
    let response = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {to}/messages\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let base_url = Some(says(response.leak()));
    let endpoint = Endpoint { base_url, ..endpoint(&server, Vendor::Anthropic) };
    let provider = Provider::new(endpoint, quick(), Arc::new(Dice::default())).unwrap();
    let error = fail(&provider, request(Vendor::Anthropic, "[[say hi]]")).await;
    assert!(matches!(error, LlmError::Rejected { .. }), "{error:?}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_vendor_that_quotes_the_key_is_not_quoted() {
    let body = "{\"error\":{\"message\":\"Incorrect API key provided: sk-1234-secret.\"}}";
    let response = format!(
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let base_url = Some(says(response.leak()));
    let endpoint = Endpoint { vendor: Vendor::Openai, base_url, api_key: Secret::new("sk-1234-secret") };
    let provider = Provider::new(endpoint, quick(), Arc::new(Dice::default())).unwrap();
    let error = fail(&provider, request(Vendor::Openai, "hi")).await;
    assert!(matches!(error, LlmError::Auth { .. }), "{error:?}");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("Incorrect API key") && !shown.contains("secret"), "{shown}");
}
