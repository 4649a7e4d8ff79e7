//! The daemon's binary on a workspace of many sessions: how soon it answers, a page of its list for many clients at once, and the
//! memory it then has.

use super::corpus::{self, Reader};
use super::wire::Wire;
use super::{settled, told};
use crate::process::{Served, command, port};
use crate::row::Row;
use crate::sample::{P99_MIN, Samples};
use crate::{Order, say, scratch, tell};
use bus::system::{SystemClock, SystemEntropy};
use model::DataRoot;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Store, StoreOptions};

const SESSIONS: usize = 100_000;
const SESSIONS_QUICK: usize = 5_000;
const CLIENTS: usize = 16;
const PAGE: usize = 50;
/// Questions of each client before any is counted.
const WARM: usize = 5;
/// Between two questions of one client: together they stay below what one credential may ask in a second.
const PAUSE: Duration = Duration::from_millis(20);
/// Milliseconds, milliseconds and megabytes.
const LIST_MOST: f64 = 5.0;
const START_MOST: f64 = 300.0;
const RESIDENT_MOST: f64 = 120.0;
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(10);
/// How long the archive of the sessions and the databases that follow behind may take to be written.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(600);

pub(super) fn bench(order: &Order, folder: &Path) -> Result<(), String> {
    let count = if order.quick { SESSIONS_QUICK } else { SESSIONS };
    let corpus = corpus::sessions(folder, count, Reader::Daemon)?;
    say(&format!("core: {} records of {count} sessions written", corpus.records));
    prepared(folder)?;
    settled();
    // Only what a person types, so that no model is asked for anything.
    std::fs::write(DataRoot::new(folder).config(), r#"{"titles":"words"}"#)
        .map_err(|error| error.to_string())?;
    let note = format!("{count} sessions");
    started(order, folder, &note)?;
    let served = serve(order, folder)?;
    let samples = listed(folder, &served, if order.quick { P99_MIN / 2 } else { 2 * P99_MIN })?;
    told("http_list_50", &samples, None, Some(LIST_MOST), &format!("{CLIENTS} clients; {note}"));
    let resident = scratch::resident(served.pid()).ok_or("the daemon is gone")? as f64 / 1e6;
    tell(&Row::new("core", "http_rss", "MB", "after_lists", resident).at_most(RESIDENT_MOST).note(&note));
    served.stop();
    Ok(())
}

/// Folds the databases and writes what follows behind, so that the daemon finds a workspace as it left it.
fn prepared(root: &Path) -> Result<(), String> {
    let workspace = corpus::workspace(root)?;
    let opened =
        Store::open(&workspace, Arc::new(SystemClock), Arc::new(SystemEntropy), StoreOptions::default());
    let (store, _) = opened.map_err(|error| error.to_string())?;
    let begun = Instant::now();
    let behind = |status: store::FollowerStatus| status.position < store.durable();
    while behind(store.archive_position()) || behind(store.side_position()) {
        if begun.elapsed() > FOLLOWED_WITHIN {
            return Err("what follows behind did not come up in time".to_owned());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    store.close();
    Ok(())
}

fn started(order: &Order, root: &Path, note: &str) -> Result<(), String> {
    // Its own first start makes what only a daemon makes: token, lock, bus.
    serve(order, root)?.stop();
    let mut samples = Samples::default();
    for _ in 0..if order.quick { 5 } else { 30 } {
        let served = serve(order, root)?;
        samples.add(served.ready);
        served.stop();
    }
    for (stat, share) in [("p50", 0.5), ("max", 1.0)] {
        let row = Row::new("core", "http_daemon_start", "ms", stat, samples.millis(share));
        let row = row.note(&format!("{} starts; {note}", samples.len()));
        tell(&if stat == "p50" { row.at_most(START_MOST) } else { row });
    }
    Ok(())
}

/// The daemon on that data root, answering.
pub(super) fn serve(order: &Order, root: &Path) -> Result<Served, String> {
    serve_with(order, root, &[])
}

pub(super) fn serve_with(order: &Order, root: &Path, env: &[(&str, &str)]) -> Result<Served, String> {
    let port = port()?;
    let mut daemon = command(&order.coditect);
    daemon
        .args(["daemon", "run", "--port", &port.to_string()])
        .env("CODITECT_DATA_ROOT", root)
        .env("HOME", root);
    daemon.envs(env.iter().copied());
    let served = Served::start(daemon, port, "/healthz")?;
    // It answers a moment before it writes down where.
    let (info, begun) = (DataRoot::new(root).daemon_info(), Instant::now());
    while !info.exists() {
        if begun.elapsed() > ANNOUNCED_WITHIN {
            return Err(format!("{} was not written", info.display()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(served)
}

/// A connection to the daemon of a data root, as its user.
pub(super) fn connect(root: &Path) -> Result<Wire, String> {
    let root = DataRoot::new(root);
    let read = |path: std::path::PathBuf| {
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let info: Value = serde_json::from_str(&read(root.daemon_info())?).map_err(|error| error.to_string())?;
    let port = info["address"].as_str().and_then(|address| address.rsplit(':').next()?.parse().ok());
    Wire::connect(port.ok_or("the daemon has no address")?, Some(read(root.token())?.trim()))
}

/// Each client asks, waits for the answer and a little more; how long the answers took. They begin one after the other, as clients
/// that know nothing of each other, and their first answers are not counted: there the daemon opens what it reads with.
fn listed(root: &Path, served: &Served, most: usize) -> Result<Samples, String> {
    say(&format!("core: {CLIENTS} clients list {PAGE} sessions {most} times (daemon {})", served.pid()));
    let clients: Vec<_> = (0..CLIENTS).map(|_| connect(root)).collect::<Result<_, _>>()?;
    let asking = clients.into_iter().zip(0u32..).map(|(mut wire, number)| {
        std::thread::spawn(move || {
            std::thread::sleep(PAUSE / CLIENTS as u32 * number);
            let mut took = Vec::new();
            for turn in 0..WARM + most / CLIENTS {
                let begun = Instant::now();
                let page = wire.ask("GET", &format!("/api/v1/sessions?limit={PAGE}"), None)?;
                if turn >= WARM {
                    took.push(begun.elapsed());
                }
                let page: Value = serde_json::from_slice(&page).map_err(|error| error.to_string())?;
                if page["items"].as_array().is_none_or(|items| items.len() != PAGE) {
                    return Err("that page is not full".to_owned());
                }
                std::thread::sleep(PAUSE);
            }
            Ok::<Vec<Duration>, String>(took)
        })
    });
    let asking: Vec<_> = asking.collect();
    let mut samples = Samples::default();
    for client in asking {
        let took = client.join().map_err(|_| "a client died")??;
        took.into_iter().for_each(|took| samples.add(took));
    }
    Ok(samples)
}
