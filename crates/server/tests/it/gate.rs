//! Who comes in: every route there is, against every way of not being allowed to use it.

use crate::house::House;
use crate::wire::Ask;
use protocol::{API_PREFIX, Access, Operation, operations};
use serde_json::json;

/// Every route, with something in its variable parts; and the page's own paths.
fn every_route() -> Vec<(String, String)> {
    let mut routes: Vec<(String, String)> =
        operations().iter().map(|op| (op.method.to_string(), target(op))).collect();
    for page in ["/", "/index.html", "/assets/x.js", "/s/1", "/api", "/api/v1/nothing", "/api/v2/status"] {
        routes.push(("GET".to_owned(), page.to_owned()));
    }
    routes
}

fn target(operation: &Operation) -> String {
    let path: Vec<&str> =
        operation.path.split('/').map(|part| if part.starts_with('{') { "x1x1" } else { part }).collect();
    path.join("/")
}

fn is_open(method: &str, path: &str) -> bool {
    operations().iter().any(|op| op.access == Access::Open && op.method.as_str() == method && op.path == path)
}

async fn check(house: &House, ask: Ask, expected: &[u16], why: &str) {
    let reply = ask.send(house.address).await;
    assert!(expected.contains(&reply.status), "{why}: {ask:?} gave {} {}", reply.status, reply.body);
    assert!(!reply.headers.contains_key("access-control-allow-origin"), "{why}: {reply:?}");
}

#[tokio::test]
async fn no_route_answers_without_a_credential() {
    let house = House::with(|bounds| bounds.guesses_burst = 100_000).await;
    let other = "0".repeat(64);
    for (method, path) in every_route() {
        if is_open(&method, &path) {
            continue;
        }
        let ask = || Ask::new(&method, &path);
        check(&house, ask(), &[401], "no credential").await;
        check(&house, ask().bearer(&other), &[401], "a wrong token").await;
        check(&house, ask().bearer(""), &[401], "an empty token").await;
        check(&house, ask().header("authorization", &format!("Basic {}", house.token)), &[401], "a scheme")
            .await;
        let twice = ask().bearer(&house.token).bearer(&house.token);
        check(&house, twice, &[401], "two credentials").await;
        let forged = format!("coditect_{}=9999999999999.{other}.{other}", house.address.port());
        check(&house, ask().header("cookie", &forged), &[401], "a forged cookie").await;
    }
    let asked = format!("{API_PREFIX}/status?token={}&access_token={}", house.token, house.token);
    check(&house, Ask::get(&asked), &[401], "a token in the address").await;
}

#[tokio::test]
async fn the_open_routes_give_nothing_away() {
    let house = House::open().await;
    let pulse = Ask::get("/healthz").send(house.address).await;
    assert_eq!((pulse.status, pulse.body.as_str()), (200, "ok"));
    assert!(!pulse.headers.contains_key("x-coditect-cursor"));
    let launch = Ask::get(&format!("{API_PREFIX}/launch?code={}", "0".repeat(64))).send(house.address).await;
    assert_eq!(launch.status, 401);
    assert!(!launch.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn no_route_answers_to_another_host() {
    let house = House::open().await;
    let port = house.address.port();
    let hosts = [
        "evil.test".to_owned(),
        format!("evil.test:{port}"),
        format!("127.0.0.1.evil.test:{port}"),
        format!("127.evil.com:{port}"),
        format!("127.0.0.1.:{port}"),
        format!("localhost.:{port}"),
        "127.0.0.1".to_owned(),
        format!("0.0.0.0:{port}"),
    ];
    for (method, path) in every_route() {
        let ask = || Ask::new(&method, &path).bearer(&house.token);
        for host in &hosts {
            check(&house, ask().header("host", host), &[421], host).await;
        }
        check(&house, ask().without_host(), &[421], "no host").await;
        let ours = house.address.to_string();
        check(&house, ask().header("host", &ours).header("host", &ours), &[400, 421], "two hosts").await;
    }
    let absolute = Ask::get(&format!("http://evil.test{API_PREFIX}/status")).bearer(&house.token);
    check(&house, absolute, &[421], "another host in the request line").await;
}

#[tokio::test]
async fn no_route_answers_to_another_page() {
    let house = House::open().await;
    let port = house.address.port();
    let origins = [
        "http://evil.test".to_owned(),
        "null".to_owned(),
        format!("http://localhost.evil.com:{port}"),
        format!("http://localhost:{}", port.wrapping_add(1)),
        format!("https://127.0.0.1:{port}"),
    ];
    for (method, path) in every_route() {
        for origin in &origins {
            let ask = Ask::new(&method, &path).bearer(&house.token).header("origin", origin);
            check(&house, ask, &[403], origin).await;
            let preflight = Ask::new("OPTIONS", &path)
                .header("origin", origin)
                .header("access-control-request-method", &method);
            check(&house, preflight, &[403], "a preflight").await;
        }
        let fetched = Ask::new(&method, &path).bearer(&house.token).header("sec-fetch-site", "same-site");
        check(&house, fetched, &[403], "a page at another port").await;
    }
    let ours = format!("http://127.0.0.1:{port}");
    check(&house, house.ask("GET", "/status").header("origin", &ours), &[200], "our own page").await;
}

#[tokio::test]
async fn a_link_of_somebody_else_leads_to_the_page_and_nowhere_else() {
    let house = House::open().await;
    let followed = |path: &str| {
        Ask::get(path)
            .bearer(&house.token)
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
    };
    check(&house, followed("/"), &[200], "the page").await;
    check(&house, followed(&format!("{API_PREFIX}/status")), &[403], "the API").await;
}

#[tokio::test]
async fn only_json_changes_anything() {
    let house = House::open().await;
    for operation in operations().iter().filter(|op| op.is_mutation()) {
        let path = target(operation);
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"] {
            let ask = Ask::new(operation.method.as_str(), &path).bearer(&house.token).raw(kind, "{}");
            check(&house, ask, &[415], kind).await;
        }
        let packed = Ask::new(operation.method.as_str(), &path)
            .bearer(&house.token)
            .header("content-encoding", "gzip")
            .raw("application/json", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
        check(&house, packed, &[415], "a packed body").await;
    }
}

#[tokio::test]
async fn a_read_cannot_be_made_a_change() {
    let house = House::open().await;
    let paths = protocol::by_path();
    for (path, there) in &paths {
        let path: Vec<&str> =
            path.split('/').map(|part| if part.starts_with('{') { "x1x1" } else { part }).collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if there.iter().any(|op| op.method.as_str() == method) {
                continue;
            }
            let ask = Ask::new(method, &path.join("/")).bearer(&house.token);
            check(&house, ask, &[405], "another method").await;
        }
    }
}

#[tokio::test]
async fn errors_have_one_form_and_say_which_request() {
    let house = House::open().await;
    let asked =
        house.ask("GET", "/sessions/nope1").header("x-correlation-id", "test-17").send(house.address).await;
    assert_eq!(asked.status, 404, "{asked:?}");
    assert_eq!(asked.headers["x-correlation-id"], "test-17");
    assert_eq!(asked.json()["error"]["correlation"], json!("test-17"));
    assert_eq!(asked.code(), "not_found");
    for (method, path) in [("GET", "/nothing"), ("PUT", "/status"), ("GET", "/sessions?limit=zero")] {
        let reply = house.ask(method, path).send(house.address).await;
        assert!(reply.status >= 400 && !reply.code().is_empty(), "{reply:?}");
        assert_eq!(reply.json()["error"]["correlation"], json!(reply.headers["x-correlation-id"]));
    }
}

#[tokio::test]
async fn every_answer_keeps_browsers_honest() {
    let house = House::open().await;
    for path in ["/", "/healthz", "/api/v1/status", "/api/v1/nothing"] {
        let reply = Ask::get(path).bearer(&house.token).send(house.address).await;
        let policy = &reply.headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        assert_eq!(reply.headers["cross-origin-resource-policy"], "same-origin");
        assert_eq!(reply.headers["referrer-policy"], "no-referrer");
    }
}
