//! Vendors' programs that do anything but their work, through the whole product: each turn ends, with a failure that has a
//! name and says what to do, and nothing of it stays, in memory or as a process.

use crate::house::{descendants, until};
use crate::kill::Workplace;
use model::{Event, TaskState, TurnOutcome};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;

/// Largest the daemon may have been, in KiB; the floods are several times that.
const DAEMON_MAX: u64 = 250 * 1024;

/// A place where `claude` is this shell script.
fn place(script: &str) -> Workplace {
    let place = Workplace::within(&[], json!({ "max_attempts": 1, "stall_seconds": 5 }));
    let program = place.house.dir.path().join("claude");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let agent = json!({ "vendor": "anthropic", "driver": "claude", "model": "m", "command": [program] });
    let config = json!({
        "agents": { "claude": agent }, "limits": { "max_attempts": 1, "stall_seconds": 5 },
    });
    std::fs::write(place.house.root.config(), config.to_string()).unwrap();
    place
}

/// How the one turn with that program failed.
fn failure(script: &str) -> (String, String) {
    let place = place(script);
    let daemon = place.daemon();
    let session = place.session("claude");
    let task = place.prompt(&session, "claude", "do it");
    let (state, _) = place.over(&task);
    assert_eq!(state, TaskState::Failed, "{script}");
    until("the end of everything it started", || descendants(daemon.pid()).is_empty().then_some(()));
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.split_whitespace().next().unwrap().parse().unwrap();
    assert!(peak < DAEMON_MAX, "{script}: the daemon had {peak} KiB");
    let query = protocol::EventQuery::default();
    let page = place.house.api(async |client| client.events(&query).await.unwrap());
    let events = page.items.iter().filter_map(|record| record.event().ok());
    let mut ended =
        events.filter_map(|event| if let Event::TurnEnded(end) = event { Some(end.outcome) } else { None });
    let Some(TurnOutcome::Failed { code, message }) = ended.next() else { panic!("{script}") };
    eprintln!("{code}: {message} (daemon {} MiB)", peak / 1024);
    (code, message)
}

#[test]
fn each_way_to_be_broken_has_a_name() {
    for (script, codes) in [
        ("while :; do echo this is not json; done", vec!["vendor_garbage", "vendor_flood"]),
        ("head -c 100M /dev/zero | tr '\\0' x; echo; sleep 600", vec!["vendor_flood", "vendor_garbage"]),
        // A line without an end is none that could be judged; its silence is.
        ("cat /dev/zero", vec!["vendor_flood", "vendor_silent", "stalled"]),
        ("printf '{\"type\":\"system\",\"sub'; exit 3", vec!["vendor_died"]),
        ("echo no such account >&2; exit 1", vec!["vendor_died", "vendor_not_logged_in"]),
        ("trap '' TERM; sleep 600 & sleep 600", vec!["vendor_silent", "stalled"]),
    ] {
        let (code, message) = failure(script);
        assert!(codes.contains(&code.as_str()), "{script}: {code}: {message}");
        assert!(!message.is_empty() && message.len() < 8 * 1024, "{script}: {message}");
    }
}
