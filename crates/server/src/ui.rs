//! The page: files built from `web/`, carried inside the binary.
//!
//! Every path that is no file is the page itself, so that an address inside it can be opened. Without a
//! built page there is one that says how to build it.

use crate::correlate::PAGE_POLICY;
use crate::failure::Failure;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use protocol::ErrorDetail;
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Assets;

const INDEX: &str = "index.html";
/// Files below this have their content's hash in their name and never change.
const HASHED: &str = "assets/";
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Coditect</title>\
<h1>The page is not built</h1>\
<p>The daemon runs. Build its page with <code>cd web &amp;&amp; npm ci &amp;&amp; npm run build</code> \
(Node 20 or newer), then build the daemon again.</p>\
</html>\n";

pub(crate) fn serve(request: &Request) -> Response {
    let path = request.uri().path();
    if path.starts_with("/api") {
        return Failure::not_found(path).into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Failure::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "the page can only be read",
        )
        .into_response();
    }
    let name = path.trim_start_matches('/');
    let packed = request
        .headers()
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(takes_gzip);
    match find(name) {
        Some(found) => file(name, found, packed),
        // A missing script must not be answered with a page.
        None if name.starts_with(HASHED) => Failure::not_found(path).into_response(),
        None => match find(INDEX) {
            Some(found) => file(INDEX, found, packed),
            None => html(NOT_BUILT.into()),
        },
    }
}

/// Packed twins are served in place of their originals and not by their own names.
fn find(name: &str) -> Option<EmbeddedFile> {
    if name.is_empty() || name.ends_with(".gz") { None } else { Assets::get(name) }
}

fn file(name: &str, plain: EmbeddedFile, packed: bool) -> Response {
    let twin = packed.then(|| Assets::get(&format!("{name}.gz"))).flatten();
    match twin {
        Some(twin) => answer(name, twin.data.into_owned(), true),
        None => answer(name, plain.data.into_owned(), false),
    }
}

fn answer(name: &str, data: Vec<u8>, is_packed: bool) -> Response {
    let mut response = Body::from(data).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if is_packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    let caching = match name.starts_with(HASHED) {
        true => "private, max-age=31536000, immutable",
        false => "no-cache",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    response
}

fn html(text: Body) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    response
}

fn takes_gzip(accepts: &str) -> bool {
    accepts.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0"))
    })
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

/// An error for somebody who looks with a browser.
pub(crate) fn error_page(status: StatusCode, error: &ErrorDetail) -> String {
    let hint = error.hint.as_deref().map(escaped).unwrap_or_default();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Coditect: {status}</title>\
         <h1>{}</h1><p>{hint}</p><p><small>{} {}</small></p></html>\n",
        escaped(&error.message),
        escaped(&error.code),
        escaped(error.correlation.as_deref().unwrap_or_default()),
    )
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: Method, path: &str) -> Response {
        serve(&Request::builder().method(method).uri(path).body(Body::empty()).unwrap())
    }

    #[test]
    fn an_address_inside_the_page_is_the_page() {
        for path in ["/", "/s/abc", "/board"] {
            let response = ask(Method::GET, path);
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
            assert!(response.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
        }
    }

    #[test]
    fn what_is_no_page_is_not_answered_with_one() {
        for path in ["/api/v1/nothing", "/api", "/assets/gone-1234.js"] {
            assert_eq!(ask(Method::GET, path).status(), StatusCode::NOT_FOUND, "{path}");
        }
        assert_eq!(ask(Method::POST, "/").status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn hashed_files_are_kept_for_ever_and_packed_ones_say_so() {
        let script = answer("assets/index-1a2b.js", vec![0x1f, 0x8b], true);
        assert_eq!(script.headers()[header::CONTENT_ENCODING], "gzip");
        assert_eq!(script.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert!(script.headers()[header::CACHE_CONTROL].to_str().unwrap().ends_with("immutable"));
        let page = answer(INDEX, Vec::new(), false);
        assert!(!page.headers().contains_key(header::CONTENT_ENCODING));
        assert_eq!(page.headers()[header::CACHE_CONTROL], "no-cache");
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        assert!(takes_gzip("br, gzip;q=0.8"));
        assert!(!takes_gzip("br"));
        assert!(!takes_gzip("gzip;q=0"));
    }

    #[test]
    fn errors_cannot_carry_markup() {
        let error = ErrorDetail {
            code: "x".to_owned(),
            message: "no <script>alert(1)</script> & \"such\"".to_owned(),
            hint: None,
            correlation: None,
        };
        assert!(!error_page(StatusCode::NOT_FOUND, &error).contains("<script"));
    }
}
