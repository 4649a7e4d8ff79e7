//! How light the binary is: `--help`, the daemon's start, and the daemon doing nothing. Beside it opencode's.

use crate::opencode::Opencode;
use crate::process::{Served, command, port, timed};
use crate::row::Row;
use crate::sample::Samples;
use crate::{Order, say, scratch, tell};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Milliseconds, milliseconds, megabytes and percent of one processor.
const HELP_MOST: f64 = 20.0;
const READY_MOST: f64 = 150.0;
const RESIDENT_MOST: f64 = 40.0;
const IDLE_MOST: f64 = 0.1;
/// When the memory is read: caches are filled by then, and nobody has asked anything.
const SETTLED: Duration = Duration::from_secs(10);

pub(crate) fn bench(order: &Order) -> Result<(), String> {
    if !order.coditect.exists() {
        return Err(format!("{} is not built", order.coditect.display()));
    }
    let peer = if order.peers { Opencode::fetched() } else { Err("left out by --no-peers".to_owned()) };
    let note = match &peer {
        Ok(peer) => peer.label(),
        Err(why) => format!("no peer: {why}"),
    };
    let peer = peer.ok();
    let folder = scratch::folder(order, "daemon-")?;
    for case in [help, ready, idle] {
        case(order, peer.as_ref(), folder.path(), &note)?;
    }
    Ok(())
}

fn coditect(order: &Order, root: &Path, arguments: &[&str]) -> Command {
    let mut command = command(&order.coditect);
    command.args(arguments).env("CODITECT_DATA_ROOT", root).env("HOME", root);
    command
}

fn help(order: &Order, peer: Option<&Opencode>, folder: &Path, note: &str) -> Result<(), String> {
    let (count, every) = if order.quick { (100, 50) } else { (500, 20) };
    say(&format!("daemon: `--help` × {count}"));
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    let home = home(folder, "help")?;
    for turn in 0..count {
        ours.add(timed(coditect(order, &home, &["--help"]))?);
        if let Some(peer) = peer.filter(|_| turn % every == 0) {
            let mut command = peer.command(&home);
            command.arg("--help");
            theirs.add(timed(command)?);
        }
    }
    for (stat, share) in [("p50", 0.5), ("p95", 0.95)] {
        tell(
            &Row::new("daemon", "help", "ms", stat, ours.millis(share))
                .peer("opencode", figure(&theirs, share))
                .at_most(HELP_MOST)
                .note(&counts(&ours, &theirs))
                .note(note),
        );
    }
    Ok(())
}

fn ready(order: &Order, peer: Option<&Opencode>, folder: &Path, note: &str) -> Result<(), String> {
    let (count, every) = if order.quick { (20, 20) } else { (100, 10) };
    say(&format!("daemon: started × {count}"));
    let (mut ours, mut again, mut theirs) = (Samples::default(), Samples::default(), Samples::default());
    for turn in 0..count {
        let root = home(folder, &format!("ready-{turn}"))?;
        ours.add(started(order, &root)?);
        again.add(started(order, &root)?);
        if let Some(peer) = peer.filter(|_| turn % every == 0) {
            let served = peer_served(peer, &root)?;
            theirs.add(served.ready);
            served.stop();
        }
    }
    for (case, samples) in [("ready", &ours), ("ready_again", &again)] {
        for (stat, share) in [("p50", 0.5), ("p95", 0.95)] {
            tell(
                &Row::new("daemon", case, "ms", stat, samples.millis(share))
                    .peer("opencode", figure(&theirs, share))
                    .note(&counts(samples, &theirs))
                    .at_most(READY_MOST)
                    .note(note),
            );
        }
    }
    Ok(())
}

/// Starts the daemon; how long until it answered.
fn started(order: &Order, root: &Path) -> Result<Duration, String> {
    let served = served(order, root)?;
    let took = served.ready;
    served.stop();
    Ok(took)
}

fn served(order: &Order, root: &Path) -> Result<Served, String> {
    let port = port()?;
    let command = coditect(order, root, &["daemon", "run", "--port", &port.to_string()]);
    Served::start(command, port, "/healthz")
}

fn peer_served(peer: &Opencode, home: &Path) -> Result<Served, String> {
    let port = port()?;
    let mut command = peer.command(home);
    command.args(["serve", "--hostname", "127.0.0.1", "--port", &port.to_string()]);
    Served::start(command, port, "/doc")
}

/// Both do nothing at the same time.
fn idle(order: &Order, peer: Option<&Opencode>, folder: &Path, note: &str) -> Result<(), String> {
    let window = Duration::from_secs(if order.quick { 10 } else { 60 });
    say(&format!("daemon: idle for {} s", (SETTLED + window).as_secs()));
    let ours = served(order, &home(folder, "idle")?)?;
    let theirs = match peer {
        Some(peer) => Some(peer_served(peer, &home(folder, "idle-peer")?)?),
        None => None,
    };
    std::thread::sleep(SETTLED);
    let megabytes = |pid: u32| scratch::resident(pid).map(|bytes| bytes as f64 / 1e6);
    let resident = megabytes(ours.pid()).ok_or("the daemon is gone")?;
    let their_resident = theirs.as_ref().and_then(|served| megabytes(served.pid()));
    let worked =
        || (scratch::worked(ours.pid()), theirs.as_ref().map(|served| scratch::worked(served.pid())));
    let (begun, before) = (Instant::now(), worked());
    std::thread::sleep(window);
    let (after, took) = (worked(), begun.elapsed().as_nanos() as f64);
    let percent = |before: u64, after: u64| after.saturating_sub(before) as f64 / took * 100.0;
    tell(
        &Row::new("daemon", "idle_rss", "MB", "after_10s", resident)
            .peer("opencode", their_resident)
            .at_most(RESIDENT_MOST)
            .note(note),
    );
    tell(
        &Row::new("daemon", "idle_cpu", "percent", "mean", percent(before.0, after.0))
            .peer("opencode", before.1.zip(after.1).map(|(before, after)| percent(before, after)))
            .at_most(IDLE_MOST)
            .note(&format!("over {} s", window.as_secs()))
            .note(note),
    );
    Ok(())
}

fn home(folder: &Path, name: &str) -> Result<std::path::PathBuf, String> {
    let home = folder.join(name);
    std::fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    Ok(home)
}

fn figure(samples: &Samples, share: f64) -> Option<f64> {
    (samples.len() > 0).then(|| samples.millis(share))
}

fn counts(ours: &Samples, theirs: &Samples) -> String {
    match theirs.len() {
        0 => format!("{} samples", ours.len()),
        peer => format!("{} samples, {peer} of the peer", ours.len()),
    }
}
