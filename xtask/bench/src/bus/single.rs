//! What needs no fleet: floods, locks among contenders, and the lock of a killed holder.

use super::fleet::{Crew, again};
use super::node::say;
use super::wire::{open_bus, register};
use crate::Order;
use crate::rest::now;
use crate::sample::Samples;
use crate::scratch;
use bus::{LockRequest, NewNotice, SAFETY_POLL};
use model::{Channel, LockMode, RegistrationId};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Nanoseconds per notice when one process sends as fast as it can, `batch` at a time, for this long.
pub(crate) fn flood(order: &Order, batch: usize, time: Duration) -> Result<f64, String> {
    let folder = scratch::folder(order, "bus-flood-")?;
    flood_in(folder.path(), batch, time)
}

fn flood_in(folder: &Path, batch: usize, time: Duration) -> Result<f64, String> {
    let bus = open_bus(folder, SAFETY_POLL)?;
    let _janitor = bus.keep_house().map_err(|error| error.to_string())?;
    let me = register(&bus, "writer")?;
    let new = NewNotice::new(me, Channel::task_broadcast(), json!({ "pad": "x".repeat(240) }));
    let batch = vec![new; batch];
    let begun = Instant::now();
    let mut sent = 0u64;
    while begun.elapsed() < time {
        match batch.as_slice() {
            [one] => bus.publish(one.clone()).map(drop),
            many => bus.publish_all(many).map(drop),
        }
        .map_err(|error| error.to_string())?;
        sent += batch.len() as u64;
    }
    Ok(begun.elapsed().as_nanos() as f64 / sent as f64)
}

/// One flood for a profiler to look at: `<batch> <seconds> <folder>`.
pub(crate) fn flood_here(argument: &str) -> Result<(), String> {
    let mut words = argument.split(' ');
    let batch = words.next().and_then(|word| word.parse().ok()).ok_or("how many at a time?")?;
    let seconds = words.next().and_then(|word| word.parse().ok()).ok_or("how long?")?;
    let each = flood_in(Path::new(words.next().ok_or("where?")?), batch, Duration::from_secs(seconds))?;
    say(&format!("{each:.0} ns"));
    Ok(())
}

pub(crate) fn want(holder: RegistrationId, path: &str) -> LockRequest {
    LockRequest {
        worktree: "/bench".to_owned(),
        paths: vec![path.to_owned()],
        mode: LockMode::Exclusive,
        holder,
        ttl: Duration::from_secs(60),
    }
}

/// The body of a contender: takes and gives back one of eight locks, and says how long the grants took.
pub(crate) fn contender(argument: &str) -> Result<(), String> {
    let (seconds, dir) = argument.split_once(' ').ok_or("a contender is started by the bench")?;
    let time = Duration::from_secs_f64(seconds.parse().map_err(|_| "no time")?);
    let bus = open_bus(Path::new(dir), SAFETY_POLL)?;
    let _janitor = bus.keep_house().map_err(|error| error.to_string())?;
    let me = register(&bus, "contender")?;
    say("ready");
    std::io::stdin().read_line(&mut String::new()).map_err(|error| error.to_string())?;
    let (begun, mut turn) = (Instant::now(), u64::from(std::process::id()));
    let mut grants = Vec::new();
    while begun.elapsed() < time {
        turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let request = want(me, &format!("f{}", (turn >> 33) % 8));
        let before = Instant::now();
        if let Ok(acquired) = bus.acquire(&request) {
            grants.push(before.elapsed().as_nanos() as u64);
            bus.release(acquired.locks[0].token, me).map_err(|error| error.to_string())?;
        }
        // Agents think between locks.
        std::thread::sleep(Duration::from_micros(2_000 + (turn >> 40) % 6_000));
    }
    say(&json!(grants).to_string());
    Ok(())
}

/// How long an acquire takes that is granted, among this many contenders.
pub(crate) fn acquire(order: &Order, contenders: usize, seconds: f64) -> Result<Samples, String> {
    let folder = scratch::folder(order, "bus-locks-")?;
    let argument = format!("{seconds} {}", folder.path().display());
    let mut crew = Crew(Vec::new());
    let mut lines = Vec::new();
    for _ in 0..contenders {
        let mut child = again(&["bus-contender", &argument])?;
        lines.push(BufReader::new(child.stdout.take().ok_or("no output")?).lines());
        crew.0.push(child);
    }
    for line in &mut lines {
        line.next().ok_or("a contender failed")?.map_err(|error| error.to_string())?;
    }
    for child in &mut crew.0 {
        child.stdin.as_mut().ok_or("no input")?.write_all(b"go\n").map_err(|error| error.to_string())?;
    }
    let mut samples = Samples::default();
    for line in &mut lines {
        let text = line.next().ok_or("a contender failed")?.map_err(|error| error.to_string())?;
        let grants: Vec<u64> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        grants.into_iter().for_each(|nanos| samples.add(Duration::from_nanos(nanos)));
    }
    Ok(samples)
}

/// The body of a holder that waits to be killed.
pub(crate) fn holder(dir: &str) -> Result<(), String> {
    let bus = open_bus(Path::new(dir), SAFETY_POLL)?;
    let me = register(&bus, "holder")?;
    bus.acquire(&want(me, "x")).map_err(|error| error.to_string())?;
    say("ready");
    std::io::stdin().read_line(&mut String::new()).map_err(|error| error.to_string())?;
    Ok(())
}

/// From the kill -9 of a holder to the lock in the hands of a waiter.
pub(crate) fn takeover(order: &Order, rounds: usize) -> Result<Samples, String> {
    let folder = scratch::folder(order, "bus-takeover-")?;
    let dir = folder.path().to_string_lossy().into_owned();
    let bus = open_bus(folder.path(), SAFETY_POLL)?;
    let me = register(&bus, "heir")?;
    let mut samples = Samples::default();
    for _ in 0..rounds {
        let mut crew = Crew(vec![again(&["bus-holder", &dir])?]);
        let output = crew.0[0].stdout.take().ok_or("no output")?;
        BufReader::new(output)
            .lines()
            .next()
            .ok_or("the holder failed")?
            .map_err(|error| error.to_string())?;
        let (tell, queued) = std::sync::mpsc::channel();
        let heir = bus.clone();
        let waiting = std::thread::spawn(move || {
            let took = heir.acquire_wait(&want(me, "x"), Duration::from_secs(30), &mut |_| {
                let _ = tell.send(());
            });
            (took, now())
        });
        queued.recv().map_err(|_| "the heir did not wait")?;
        std::thread::sleep(Duration::from_millis(30));
        let killed = now();
        crew.0[0].kill().map_err(|error| error.to_string())?;
        let (took, at) = waiting.join().map_err(|_| "the heir failed")?;
        let took = took.map_err(|error| error.to_string())?;
        samples.add(Duration::from_nanos(at.saturating_sub(killed)));
        bus.release(took.locks[0].token, me).map_err(|error| error.to_string())?;
    }
    Ok(samples)
}
