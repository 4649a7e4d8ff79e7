//! Opening a session: greeting the agent, and beginning, resuming or forking a conversation with it.

use super::flavor::Flavor;
use super::link::{AUTH_REQUIRED, Fault, Heard, Link};
use crate::driver::DriverError;
use crate::driver::limit::Limit;
use crate::driver::place::Place;
use crate::programs::is_at_least;
use crate::run::wire::{Begin, McpServer, Start};
use serde_json::{Value, json};
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

/// How long an agent may take to greet us, and again to open a session. Those on Node need seconds on a busy machine.
const HANDSHAKE: Duration = Duration::from_secs(60);
/// How old one of Gemini's sessions is before it may be loaded: the clock minute in which it was made is over then.
const REST: Duration = Duration::from_secs(60);
/// A session that is loaded is told once more, also after it is open; its past is over when nothing came for this long.
const SETTLED: Duration = Duration::from_millis(500);
/// The mode in which an agent asks before it acts.
const ASKING: &str = "default";
/// Codes of faults that are an HTTP status; the protocol's own are below zero.
const STATUSES: RangeInclusive<i32> = 400..=599;

/// A session, and what was learned on the way.
pub(crate) struct Opened {
    pub session: String,
    pub version: Option<String>,
    /// What the agent wrote meanwhile, for the records.
    pub lines: Vec<String>,
}

pub(crate) async fn open(
    link: &mut Link,
    flavor: Flavor,
    start: &Start,
    place: &Place,
) -> Result<Opened, DriverError> {
    let mut aside = Vec::new();
    let params = json!({
        "protocolVersion": 1,
        "clientCapabilities": {
            "fs": {"readTextFile": flavor.reads(), "writeTextFile": true},
            "terminal": flavor.runs_commands(start),
        },
        "clientInfo": {"name": "coditect", "title": "Coditect", "version": env!("CARGO_PKG_VERSION")},
    });
    let id = link.call("initialize", params).await?;
    let greeting = link.answer(id, HANDSHAKE, &mut aside).await?.map_err(|fault| match fault.code {
        AUTH_REQUIRED => refused(flavor, &fault),
        _ => DriverError::Garbage { about: flavor.about(), what: fault.message },
    })?;
    let version = greeting.pointer("/agentInfo/version").and_then(Value::as_str).map(str::to_owned);
    let about = flavor.about();
    if let Some(found) = version.as_ref().filter(|version| !is_at_least(version, about.oldest)) {
        return Err(DriverError::TooOld { about, found: found.clone() });
    }
    let (method, known) = method(flavor, &greeting, start)?;
    let mut params = json!({"cwd": place.root(), "mcpServers": servers(start.mcp.as_ref())});
    if let Some(session) = known {
        params["sessionId"] = json!(session);
    }
    let id = link.call(method, params).await?;
    let session = link.answer(id, HANDSHAKE, &mut aside).await?.map_err(|fault| match known {
        Some(session) if fault.code != AUTH_REQUIRED => gone(flavor, session),
        _ => refused(flavor, &fault),
    })?;
    // An agent that goes on with a session does not say its name again.
    let named = session.get("sessionId").and_then(Value::as_str).or(known).map(str::to_owned);
    let named =
        named.ok_or_else(|| DriverError::Garbage { about, what: "a session without an id".to_owned() })?;
    if method == "session/load" {
        let past = async {
            while let Ok(heard) = tokio::time::timeout(SETTLED, link.next()).await {
                aside.push(heard?);
            }
            Ok(())
        };
        tokio::time::timeout(HANDSHAKE, past).await.unwrap_or(Ok(()))?;
    }
    ask_first(link, &named, &session, &mut aside).await?;
    Ok(Opened { session: named, version, lines: records(aside) })
}

/// Makes the agent ask before it acts, whatever its configuration says.
async fn ask_first(
    link: &mut Link,
    name: &str,
    session: &Value,
    aside: &mut Vec<Heard>,
) -> Result<(), DriverError> {
    let current = session.pointer("/modes/currentModeId").and_then(Value::as_str);
    let modes = session.pointer("/modes/availableModes").and_then(Value::as_array);
    let offered =
        modes.into_iter().flatten().any(|mode| mode.get("id").and_then(Value::as_str) == Some(ASKING));
    if !offered || current == Some(ASKING) {
        return Ok(());
    }
    let id = link.call("session/set_mode", json!({"sessionId": name, "modeId": ASKING})).await?;
    let _ = link.answer(id, HANDSHAKE, aside).await?;
    Ok(())
}

/// How the conversation is begun, and the session it goes on with.
fn method<'a>(
    flavor: Flavor,
    greeting: &Value,
    start: &'a Start,
) -> Result<(&'static str, Option<&'a str>), DriverError> {
    let can = |pointer: &str| {
        greeting.pointer(pointer).is_some_and(|value| !value.is_null() && value != &json!(false))
    };
    match &start.begin {
        Begin::New => Ok(("session/new", None)),
        Begin::Resume { vendor_session } if can("/agentCapabilities/sessionCapabilities/resume") => {
            Ok(("session/resume", Some(vendor_session)))
        }
        Begin::Resume { vendor_session } if can("/agentCapabilities/loadSession") => {
            match flavor.session_files(start) {
                Some(folder) if !has_rested(&folder, vendor_session) => Err(gone(flavor, vendor_session)),
                _ => Ok(("session/load", Some(vendor_session))),
            }
        }
        Begin::Fork { vendor_session } if can("/agentCapabilities/sessionCapabilities/fork") => {
            Ok(("session/fork", Some(vendor_session)))
        }
        Begin::Resume { vendor_session } | Begin::Fork { vendor_session } => {
            Err(gone(flavor, vendor_session))
        }
    }
}

/// Whether a session of Gemini's was made long enough ago. One whose file cannot be found is not touched.
fn has_rested(folder: &Path, session: &str) -> bool {
    let Some(short) = session.get(..8) else { return false };
    let ending = format!("-{short}.jsonl");
    let projects = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut chats = projects
        .flat_map(|project| fs::read_dir(project.path().join("chats")).into_iter().flatten().flatten());
    let Some(file) = chats.find(|chat| chat.file_name().to_string_lossy().ends_with(&ending)) else {
        return false;
    };
    let made = file.metadata().and_then(|meta| meta.created().or_else(|_| meta.modified()));
    made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age >= REST))
}

fn gone(flavor: Flavor, session: &str) -> DriverError {
    DriverError::SessionGone { about: flavor.about(), session: session.to_owned() }
}

pub(crate) fn refused(flavor: Flavor, fault: &Fault) -> DriverError {
    if fault.code == AUTH_REQUIRED {
        return DriverError::NotLoggedIn { about: flavor.about() };
    }
    // No model is called before a turn: words alone are of whatever else was asked, such as an MCP server.
    match limit(fault).filter(Limit::is_own) {
        Some(limit) => limit.error(flavor.about()),
        None => DriverError::Vendor { about: flavor.about(), message: fault.message.clone() },
    }
}

/// Gemini answers with the HTTP status of its vendor as the error's code; others say it in words.
pub(crate) fn limit(fault: &Fault) -> Option<Limit> {
    let status = STATUSES.contains(&fault.code).then(|| i64::from(fault.code));
    Limit::of(status, &fault.message)
}

fn servers(mcp: Option<&McpServer>) -> Value {
    let server = |mcp: &McpServer| {
        let (program, arguments) = mcp.argv.split_first()?;
        let env: Vec<Value> =
            mcp.env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        Some(json!({"name": mcp.name, "command": program, "args": arguments, "env": env}))
    };
    json!(mcp.and_then(server).into_iter().collect::<Vec<_>>())
}

/// Lines that are kept: a session that goes on is told once more from its beginning, and that is known already.
fn records(aside: Vec<Heard>) -> Vec<String> {
    let kept = |heard| match heard {
        Heard::Line { line, update: None } => Some(line),
        _ => None,
    };
    aside.into_iter().filter_map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::fixture::start;
    use crate::run::wire::{Program, RunEvent};
    use model::Vendor;

    fn resuming(begin: Begin) -> Start {
        Start { begin, ..start() }
    }

    #[test]
    fn a_session_goes_on_as_far_as_the_agent_can() {
        let session = || "s1".to_owned();
        let (resume, fork) = (
            resuming(Begin::Resume { vendor_session: session() }),
            resuming(Begin::Fork { vendor_session: session() }),
        );
        let all = json!({"agentCapabilities": {"loadSession": true, "sessionCapabilities": {"resume": {}, "fork": {}}}});
        let some = json!({"agentCapabilities": {"loadSession": true}});
        let none =
            json!({"agentCapabilities": {"loadSession": false, "sessionCapabilities": {"fork": null}}});
        let how = |greeting: &Value, start: &Start| {
            method(Flavor::Other, greeting, start).ok().map(|(name, _)| name)
        };
        assert_eq!(how(&all, &start()), Some("session/new"));
        assert_eq!(how(&all, &resume), Some("session/resume"));
        assert_eq!(how(&all, &fork), Some("session/fork"));
        assert_eq!(how(&some, &resume), Some("session/load"));
        assert_eq!((how(&some, &fork), how(&none, &resume), how(&none, &fork)), (None, None, None));
    }

    #[test]
    fn a_session_of_gemini_is_not_loaded_while_it_is_fresh() {
        let home = tempfile::tempdir().unwrap();
        let chats = home.path().join(".gemini/tmp/project/chats");
        fs::create_dir_all(&chats).unwrap();
        fs::write(chats.join("session-2026-11-21T12-35-5c47ebbf.jsonl"), "").unwrap();
        let mut start =
            resuming(Begin::Resume { vendor_session: "5c47ebbf-7a2d-463e-8b3c-379c5c11a475".into() });
        start.endpoint.vendor = Vendor::Google;
        let env = vec![("GEMINI_CLI_HOME".to_owned(), home.path().display().to_string())];
        start.program = Some(Program { argv: Vec::new(), env });
        let greeting = json!({"agentCapabilities": {"loadSession": true}});
        let error = method(Flavor::Gemini, &greeting, &start).unwrap_err();
        assert_eq!(error.code(), "vendor_session_gone");
        // And one that is not where it should be is left alone.
        assert!(!has_rested(&home.path().join(".gemini/tmp"), "00000000-7a2d"));
        assert!(!has_rested(&home.path().join(".gemini/tmp"), "x"));
    }

    #[test]
    fn what_an_agent_refuses_is_told_apart() {
        let fault = |code: i32| Fault { code, message: "no".into() };
        assert_eq!(refused(Flavor::Kimi, &fault(AUTH_REQUIRED)).code(), "vendor_not_logged_in");
        assert_eq!(refused(Flavor::Kimi, &fault(-32603)).code(), "vendor_error");
        assert_eq!(refused(Flavor::Gemini, &fault(429)).code(), "model_rate_limited");
        let quoted = "MCP server `forge`: API rate limit exceeded, try again in 42 minutes";
        assert_eq!(
            refused(Flavor::Gemini, &Fault { code: -32603, message: quoted.into() }).code(),
            "vendor_error"
        );
    }

    #[test]
    fn how_long_a_vendor_takes_no_calls_is_read_where_its_agent_says_it() {
        let waits = |code: i32, message: &str| {
            limit(&Fault { code, message: message.to_owned() }).map(|limit| match limit.event() {
                RunEvent::Limited { retry_after_ms, .. } => retry_after_ms,
                other => panic!("{other:?}"),
            })
        };
        // As Gemini CLI answered when its model had answered 429 with a quota of the day, and with a long delay.
        assert_eq!(waits(429, "You have exhausted your daily quota on this model."), Some(None));
        let long = "You exceeded your current quota, please check your plan and billing details. Please retry in 3600s.";
        assert_eq!(waits(429, long), Some(Some(3_600_000)));
        assert_eq!(waits(-32603, "Internal error: RESOURCE_EXHAUSTED: retry in 2m"), Some(Some(120_000)));
        assert_eq!(waits(-32603, "Internal error"), None);
        assert_eq!(waits(-32603, "tool: API rate limit exceeded, try again in 42 minutes"), Some(None));
        assert_eq!(waits(500, "tool: API rate limit exceeded, try again in 42 minutes"), None);
    }

    #[test]
    fn our_server_is_offered_as_the_protocol_wants() {
        let mcp = McpServer {
            name: "coditect".into(),
            argv: vec!["/x".into(), "mcp".into()],
            env: vec![("A".into(), "b".into())],
        };
        assert_eq!(
            servers(Some(&mcp)),
            json!([{"name": "coditect", "command": "/x", "args": ["mcp"], "env": [{"name": "A", "value": "b"}]}])
        );
        assert_eq!(servers(None), json!([]));
    }
}
