//! Answers that are none.

use crate::desk::{ask, calls, fail, provider, request, server, text};
use llm::{ANSWER_MAX, LlmError};
use model::Vendor;

#[tokio::test]
async fn nonsense_is_malformed_with_every_vendor_and_not_asked_for_again() {
    for vendor in Vendor::ALL {
        for kind in ["json", "shape", "html", "empty", "args"] {
            let server = server();
            let script = format!("[[nonsense {kind}]]");
            let error = fail(&provider(&server, vendor), request(vendor, &script)).await;
            assert!(matches!(error, LlmError::Malformed { .. }), "{vendor:?} {kind}: {error:?}");
            assert_eq!(error.code(), "model_malformed");
            assert_eq!(server.requests().len(), 1, "{vendor:?} {kind}");
        }
    }
}

#[tokio::test]
async fn what_came_before_the_nonsense_was_handed_out() {
    let server = server();
    for vendor in Vendor::ALL {
        let script = "[[say before]] [[nonsense args]]";
        let (chunks, result) = ask(&provider(&server, vendor), request(vendor, script)).await;
        assert_eq!(text(&chunks), "before", "{vendor:?}");
        assert!(calls(&chunks).is_empty(), "{vendor:?}");
        assert!(matches!(result, Err(LlmError::Malformed { .. })), "{vendor:?} {result:?}");
    }
}

#[tokio::test]
async fn an_answer_has_a_limit() {
    let server = server();
    let limit_kib = ANSWER_MAX / 1024;
    let whole = format!("[[flood {limit_kib}]]");
    let vendor = Vendor::Anthropic;
    let (chunks, result) = ask(&provider(&server, vendor), request(vendor, &whole)).await;
    result.unwrap();
    assert_eq!(text(&chunks).len(), ANSWER_MAX);
    for vendor in Vendor::ALL {
        let more = format!("[[flood {}]]", limit_kib + 1);
        let error = fail(&provider(&server, vendor), request(vendor, &more)).await;
        assert!(error.to_string().contains("longer than 4 MiB"), "{vendor:?} {error}");
    }
}

#[tokio::test]
async fn a_script_with_a_mistake_is_named() {
    let server = server();
    for vendor in Vendor::ALL {
        let error = fail(&provider(&server, vendor), request(vendor, "[[wrte a|b]]")).await;
        assert!(matches!(error, LlmError::Rejected { .. }), "{vendor:?} {error:?}");
        assert!(error.to_string().contains("unknown directive `wrte`"), "{vendor:?} {error}");
    }
}
