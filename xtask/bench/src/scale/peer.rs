//! Beside opencode, in turns and over HTTP: what both can do with sessions.
//!
//! opencode makes sessions one at a time, so both have few. Its home is empty, and nothing is configured in it.

use super::daemon::{connect, serve};
use super::wire::Wire;
use crate::opencode::Opencode;
use crate::process::{Served, port};
use crate::row::Row;
use crate::sample::Samples;
use crate::{Order, say, scratch, tell};
use model::DataRoot;
use std::path::Path;

const SESSIONS: usize = 1_000;
const SESSIONS_QUICK: usize = 50;

pub(super) fn bench(order: &Order, folder: &Path) -> Result<(), String> {
    let peer = if order.peers { Opencode::fetched() } else { Err("left out by --no-peers".to_owned()) };
    let peer = match peer {
        Ok(peer) => peer,
        Err(why) => {
            tell(&Row::missing("core", "peer", &format!("SKIPPED: {why}")));
            return Ok(());
        }
    };
    let count = if order.quick { SESSIONS_QUICK } else { SESSIONS };
    let (here, there) = (folder.join("ours"), folder.join("theirs"));
    for home in [&here, &there] {
        std::fs::create_dir_all(home).map_err(|error| error.to_string())?;
    }
    let config = r#"{"titles":"words"}"#;
    std::fs::write(DataRoot::new(&here).config(), config).map_err(|error| error.to_string())?;
    let ours = serve(order, &here)?;
    let theirs = peer_served(&peer, &there)?;
    let mut us = connect(&here)?;
    let mut them = Wire::connect(theirs.1, None)?;
    say(&format!("core: {count} sessions, ours and those of {}", peer.label()));
    let new = r#"{"agents":["claude"],"title":"Measured"}"#;
    let made = in_turns(
        count,
        || us.ask("POST", "/api/v1/sessions", Some(new)).map(drop),
        || them.ask("POST", "/session", Some(r#"{"title":"Measured"}"#)).map(drop),
    )?;
    told("peer_create_session", &made, &peer, count);
    let page = count.min(100);
    let listed = in_turns(
        200,
        || us.ask("GET", &format!("/api/v1/sessions?limit={page}"), None).map(drop),
        || them.ask("GET", &format!("/session?limit={page}"), None).map(drop),
    )?;
    told("peer_list_sessions", &listed, &peer, count);
    let megabytes = |served: &Served| scratch::resident(served.pid()).map(|bytes| bytes as f64 / 1e6);
    let row =
        Row::new("core", "peer_rss", "MB", "after_lists", megabytes(&ours).ok_or("the daemon is gone")?);
    tell(&row.peer("opencode", megabytes(&theirs.0)).note(&format!("{count} sessions; {}", peer.label())));
    theirs.0.stop();
    ours.stop();
    Ok(())
}

fn peer_served(peer: &Opencode, home: &Path) -> Result<(Served, u16), String> {
    let port = port()?;
    let mut command = peer.command(home);
    command.args(["serve", "--hostname", "127.0.0.1", "--port", &port.to_string()]);
    Ok((Served::start(command, port, "/doc")?, port))
}

/// One after the other, and the first one changes.
fn in_turns(
    count: usize,
    mut ours: impl FnMut() -> Result<(), String>,
    mut theirs: impl FnMut() -> Result<(), String>,
) -> Result<(Samples, Samples), String> {
    let (mut us, mut them) = (Samples::default(), Samples::default());
    for turn in 0..count {
        if turn % 2 == 0 {
            us.time(&mut ours)?;
            them.time(&mut theirs)?;
        } else {
            them.time(&mut theirs)?;
            us.time(&mut ours)?;
        }
    }
    Ok((us, them))
}

fn told(case: &str, (ours, theirs): &(Samples, Samples), peer: &Opencode, sessions: usize) {
    for (stat, share) in [("p50", 0.5), ("p95", 0.95)] {
        let row = Row::new("core", case, "ms", stat, ours.millis(share));
        let row = row.peer("opencode", Some(theirs.millis(share))).at_most(theirs.millis(share));
        tell(&row.note(&format!("{} samples each, {sessions} sessions; {}", ours.len(), peer.label())));
    }
}
