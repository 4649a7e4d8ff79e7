//! What a body may be: JSON, plain, and not too much of it.
//!
//! A form or a text body is what a foreign page can send without asking first; a packed one can
//! unfold into anything. None of them has a use here.

use crate::failure::Failure;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use protocol::ARTIFACTS_PATH;
use protocol::limits::{ARTIFACT_MAX, BODY_MAX};

/// Looks at what the headers say of the body, before any of it is read.
pub(crate) fn check_content(method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Failure> {
    let artifact = *method == Method::POST && path == ARTIFACTS_PATH;
    let length = match headers.get(header::CONTENT_LENGTH) {
        None => None,
        Some(value) => {
            Some(value.to_str().ok().and_then(|text| text.parse::<u64>().ok()).ok_or_else(|| {
                Failure::new(StatusCode::BAD_REQUEST, "malformed", "the content length is no number")
            })?)
        }
    };
    if artifact && length.is_some_and(|length| length > ARTIFACT_MAX as u64) {
        return Err(artifact_too_large());
    }
    if !artifact && length.is_some_and(|length| length > BODY_MAX as u64) {
        return Err(too_large());
    }
    if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(unsupported("packed bodies are not taken").hint("send the JSON as it is"));
    }
    let has_body = length.is_some_and(|length| length > 0) || headers.contains_key(header::TRANSFER_ENCODING);
    let takes_body = !matches!(*method, Method::GET | Method::HEAD);
    let kind = headers.get(header::CONTENT_TYPE);
    match kind {
        // A foreign page cannot send these either without asking first.
        Some(kind) if artifact && kind == "application/octet-stream" => Ok(()),
        _ if artifact => {
            Err(unsupported("an artifact is sent as bytes").hint("content-type: application/octet-stream"))
        }
        Some(kind) if !is_json(kind) => {
            Err(unsupported("only JSON is taken").hint("content-type: application/json"))
        }
        None if has_body && takes_body => {
            Err(unsupported("the body has no content type").hint("content-type: application/json"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn too_large() -> Failure {
    Failure::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!("a body has at most {BODY_MAX} bytes"),
    )
    .hint("put long material into a file of the repository and name it")
}

pub(crate) fn artifact_too_large() -> Failure {
    let message = format!("an artifact has at most {ARTIFACT_MAX} bytes");
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "artifact_too_large", message)
        .hint("keep it in the repository, or put the parts that matter")
}

fn unsupported(message: &str) -> Failure {
    Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", message)
}

/// `application/json`, with no charset or with UTF-8.
fn is_json(kind: &HeaderValue) -> bool {
    let Ok(kind) = kind.to_str() else { return false };
    let mut parts = kind.split(';').map(str::trim);
    parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
        && parts.all(|parameter| parameter.eq_ignore_ascii_case("charset=utf-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, headers: &[(&'static str, &str)]) -> u16 {
        check_at(method, "/api/v1/sessions", headers)
    }

    fn check_at(method: Method, path: &str, headers: &[(&'static str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        check_content(&method, path, &map).map_or_else(|failure| failure.status.as_u16(), |()| 200)
    }

    #[test]
    fn json_and_nothing_are_taken() {
        for headers in [
            &[("content-type", "application/json"), ("content-length", "2")][..],
            &[("content-type", "Application/JSON; charset=UTF-8"), ("transfer-encoding", "chunked")],
            &[("content-length", "0")],
            &[],
        ] {
            assert_eq!(check(Method::POST, headers), 200, "{headers:?}");
        }
    }

    #[test]
    fn what_a_form_could_send_is_not() {
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/plain; a=application/json",
            "application/json-patch+json",
            "application/json; charset=utf-7",
            "application/jsonx",
            "",
        ] {
            assert_eq!(check(Method::POST, &[("content-type", kind)]), 415, "{kind}");
        }
        assert_eq!(check(Method::POST, &[("content-length", "2")]), 415);
        assert_eq!(check(Method::DELETE, &[("transfer-encoding", "chunked")]), 415);
    }

    #[test]
    fn an_artifact_is_bytes_of_its_own_limit_and_nothing_else_is() {
        let bytes = ("content-type", "application/octet-stream");
        let (most, more) = (ARTIFACT_MAX.to_string(), (ARTIFACT_MAX + 1).to_string());
        assert_eq!(check_at(Method::POST, ARTIFACTS_PATH, &[bytes, ("content-length", &most)]), 200);
        assert_eq!(check_at(Method::POST, ARTIFACTS_PATH, &[bytes, ("content-length", &more)]), 413);
        for kind in ["text/plain", "application/json", "multipart/form-data; boundary=x", ""] {
            assert_eq!(check_at(Method::POST, ARTIFACTS_PATH, &[("content-type", kind)]), 415, "{kind}");
        }
        assert_eq!(check_at(Method::POST, ARTIFACTS_PATH, &[]), 415);
        assert_eq!(check(Method::POST, &[bytes]), 415);
    }

    #[test]
    fn packed_and_oversized_bodies_are_not_even_read() {
        let json = ("content-type", "application/json");
        for coding in ["gzip", "zstd", "deflate", "br", "identity, gzip"] {
            assert_eq!(check(Method::POST, &[json, ("content-encoding", coding)]), 415, "{coding}");
        }
        let most = BODY_MAX.to_string();
        let more = (BODY_MAX + 1).to_string();
        assert_eq!(check(Method::POST, &[json, ("content-length", &most)]), 200);
        assert_eq!(check(Method::POST, &[json, ("content-length", &more)]), 413);
        assert_eq!(check(Method::POST, &[json, ("content-length", "99999999999999999999999")]), 400);
    }
}
