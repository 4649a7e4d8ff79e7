//! Which room may know which, and which library lives in which room only.
//!
//! A new arrow is a decision (docs/decisions): this table is where it is entered.

use super::Findings;
use crate::process::{cargo, output};
use serde_json::Value;

/// What each room may depend on. Everything is seen from `coditect`, and from what only measures.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("journal", &["model"]),
    ("postgresql", &[]),
    ("store", &["journal", "model", "postgresql"]),
    ("bus", &["model", "postgresql"]),
    ("git", &["model"]),
    ("llm", &["model"]),
    ("agent", &["llm", "model"]),
    ("engine", &["agent", "bus", "git", "journal", "llm", "model", "store"]),
    ("protocol", &["model"]),
    ("mcp", &["bus", "client", "model", "protocol"]),
    // The tools over HTTP are the same tools.
    ("server", &["engine", "mcp", "model", "protocol"]),
    ("client", &["model", "protocol"]),
    ("cli", &["agent", "bus", "client", "model", "protocol"]),
    ("scripted", &["model"]),
    ("testkit", &["model"]),
    ("xtask", &[]),
];
/// Rooms that see everything: the one that wires the product, and the one that measures it.
const EVERYTHING: &[&str] = &["bench", "coditect"];
/// For tests only, except where the second word says.
const TESTS_ONLY: &[(&str, &[&str])] = &[("scripted", &["bench", "coditect"]), ("testkit", &["bench"])];
/// Arrows of tests beyond the room's own and the rooms for tests: the face is tested through its real client.
const TEST_ARROWS: &[(&str, &str)] = &[("server", "bus"), ("server", "client")];
/// Libraries that stand for a decision, and the only rooms that know them.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("async-nats", &["bus"]),
    ("axum", &["scripted", "server"]),
    ("clap", &["cli", "coditect"]),
    ("genai", &["llm"]),
    ("ignore", &["agent"]),
    ("reqwest", &["llm"]),
    ("rmcp", &["mcp"]),
    ("rusqlite", &["bus", "store"]),
    ("rust-embed", &["server"]),
    ("schemars", &["mcp"]),
    ("tokio-postgres", &["bus", "postgresql", "store"]),
    ("tokio-tungstenite", &["client", "server"]),
    ("tracing-subscriber", &["coditect"]),
    ("utoipa", &["protocol"]),
    ("zstd", &["journal"]),
];
/// Rooms without an async runtime. The way to PostgreSQL has one inside, and so has the bus inside its backends between machines; it blocks all the same.
const SYNCHRONOUS: &[&str] = &["git", "journal", "model", "protocol", "store", "testkit", "xtask"];

struct Arrow<'a> {
    from: &'a str,
    to: &'a str,
    /// Of the tree, not of a registry.
    ours: bool,
    test: bool,
}

pub(crate) fn all() -> Result<Findings, String> {
    let text = output(cargo(&["metadata", "--no-deps", "--format-version", "1", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let mut findings = Findings::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let from = package["name"].as_str().unwrap_or_default();
        let known = ARROWS.iter().any(|(room, _)| *room == from) || EVERYTHING.contains(&from);
        if !known {
            findings.push(format!(
                "{from}: a new room is a decision; enter its arrows in xtask/src/tidy/arrows.rs"
            ));
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            let ours = dependency["path"].is_string();
            findings.extend(fault(&Arrow { from, to, ours, test: dependency["kind"] == "dev" }));
        }
        findings.extend(lints(from, package["manifest_path"].as_str().unwrap_or_default()));
    }
    Ok(findings)
}

fn fault(arrow: &Arrow<'_>) -> Option<String> {
    let Arrow { from, to, .. } = *arrow;
    let fault = if arrow.ours { room(arrow) } else { library(arrow) };
    fault.map(|fault| format!("{from} → {to}: {fault}"))
}

fn room(arrow: &Arrow<'_>) -> Option<&'static str> {
    let Arrow { from, to, .. } = *arrow;
    let tests_only = TESTS_ONLY.iter().find(|(room, _)| *room == to);
    if arrow.test && (tests_only.is_some() || TEST_ARROWS.contains(&(from, to))) {
        return None;
    }
    if tests_only.is_some_and(|(_, but)| !but.contains(&from)) {
        return Some("is for tests only");
    }
    let own = ARROWS.iter().find(|(room, _)| *room == from).map_or(&[][..], |(_, to)| *to);
    if own.contains(&to) || EVERYTHING.contains(&from) { None } else { Some("this arrow does not exist") }
}

fn library(arrow: &Arrow<'_>) -> Option<&'static str> {
    let Arrow { from, to, .. } = *arrow;
    if arrow.test || EVERYTHING.contains(&from) && from != "coditect" {
        return None;
    }
    if to == "tokio" && SYNCHRONOUS.contains(&from) {
        return Some("this room has no async runtime");
    }
    let homes = LIBRARIES.iter().find(|(library, _)| *library == to)?.1;
    if homes.contains(&from) { None } else { Some("this library lives in other rooms only") }
}

/// Without this line a room is under no lint at all.
fn lints(name: &str, manifest: &str) -> Option<String> {
    let text = std::fs::read_to_string(manifest).unwrap_or_default();
    let found = text.contains("[lints]\nworkspace = true");
    if found { None } else { Some(format!("{name}: Cargo.toml lacks `[lints] workspace = true`")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, test: bool, allowed: bool) {
        let ours = ARROWS.iter().any(|(room, _)| *room == to);
        assert_eq!(fault(&Arrow { from, to, ours, test }).is_none(), allowed, "{from} → {to}");
    }

    #[test]
    fn arrows_point_down() {
        check("server", "engine", false, true);
        check("engine", "server", false, false);
        check("server", "store", false, false);
        check("cli", "engine", false, false);
        check("coditect", "store", false, true);
        check("store", "bus", false, false);
    }

    #[test]
    fn rooms_for_tests_stay_there() {
        check("store", "testkit", true, true);
        check("store", "testkit", false, false);
        check("coditect", "scripted", false, true);
        check("engine", "scripted", false, false);
        check("server", "client", true, true);
        check("server", "client", false, false);
        check("journal", "store", true, false);
    }

    #[test]
    fn libraries_live_in_their_rooms() {
        check("store", "rusqlite", false, true);
        check("engine", "rusqlite", false, false);
        check("journal", "tokio", false, false);
        check("journal", "tokio", true, true);
        check("agent", "tokio", false, true);
    }
}
