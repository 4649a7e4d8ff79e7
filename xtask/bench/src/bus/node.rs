//! One session of the bench: a process with a thread that sends and a thread that receives.
//!
//! Latency is the machine's monotonic clock, which all processes share: from before the payload is made, to the moment the
//! receiver holds it.

use super::wire;
use crate::rest::{now, worked};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bytes of a payload.
const PAYLOAD: usize = 256;
/// How long receivers go on after the senders have stopped.
const AFTER: Duration = Duration::from_millis(600);

/// What a node is told on its command line.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) wire: String,
    pub(crate) dir: PathBuf,
    pub(crate) index: usize,
    pub(crate) count: usize,
    /// To all, instead of to one at random.
    pub(crate) cast: bool,
    /// Messages a second; 0 sends none.
    pub(crate) rate: f64,
    pub(crate) seconds: f64,
    pub(crate) power: bool,
    /// The safety poll.
    pub(crate) tick_ms: u64,
    /// Of the server that carries it, if one does.
    pub(crate) url: String,
    /// The number of the run, which no other has.
    pub(crate) run: u64,
}

impl Spec {
    pub(crate) fn text(&self) -> String {
        json!({
            "wire": self.wire, "dir": self.dir, "index": self.index, "count": self.count, "cast": self.cast,
            "rate": self.rate, "seconds": self.seconds, "power": self.power, "tick_ms": self.tick_ms,
            "url": self.url, "run": self.run,
        })
        .to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        Some(Self {
            wire: value["wire"].as_str()?.to_owned(),
            dir: value["dir"].as_str()?.into(),
            index: value["index"].as_u64()? as usize,
            count: value["count"].as_u64()? as usize,
            cast: value["cast"].as_bool()?,
            rate: value["rate"].as_f64()?,
            seconds: value["seconds"].as_f64()?,
            power: value["power"].as_bool()?,
            tick_ms: value["tick_ms"].as_u64()?,
            url: value["url"].as_str()?.to_owned(),
            run: value["run"].as_u64()?,
        })
    }
}

pub(crate) fn run(text: &str) -> Result<(), String> {
    let spec = Spec::parse(text).ok_or("a node is started by the bench")?;
    let wire::Wire { mut sender, mut receiver, janitor } = wire::open(&spec)?;
    // All say that they are ready, and wait for the word.
    say("ready");
    let mut word = String::new();
    std::io::stdin().read_line(&mut word).map_err(|error| error.to_string())?;
    let (begun, worked_before) = (now(), worked());
    let over = AtomicBool::new(false);
    // Who only idles is not woken by the bench itself, and nobody is before his safety poll.
    let limit = if spec.rate > 0.0 {
        AFTER.max(Duration::from_millis(spec.tick_ms))
    } else {
        Duration::from_secs_f64(spec.seconds) + AFTER
    };
    let (sent, received) = std::thread::scope(|scope| {
        let reading = scope.spawn(|| -> Result<Received, String> {
            let mut received = Received::default();
            while !over.load(Ordering::SeqCst) {
                for payload in receiver.receive(limit)? {
                    received.note(&payload, now());
                }
            }
            Ok(received)
        });
        let sent = send(&spec, &mut *sender, begun);
        let left = (begun + (spec.seconds * 1e9) as u64).saturating_sub(now());
        std::thread::sleep(Duration::from_nanos(left) + AFTER);
        over.store(true, Ordering::SeqCst);
        (sent, reading.join().unwrap_or_else(|_| Err("the receiver failed".to_owned())))
    });
    let cpu = worked() - worked_before;
    drop(janitor);
    let received = received?;
    say(&json!({
        "sent": sent?, "samples": received.samples, "again": received.again, "cpu": cpu, "wall": now() - begun,
    })
    .to_string());
    // What a server does for us is counted while we are connected: we leave when we are told to.
    std::io::stdin().read_line(&mut word).map(drop).map_err(|error| error.to_string())
}

/// What has come to a node.
#[derive(Default)]
struct Received {
    /// Latencies in ns, of first arrivals.
    samples: Vec<u64>,
    seen: HashSet<(u64, u64)>,
    again: u64,
}

impl Received {
    fn note(&mut self, payload: &Value, at: u64) {
        let figure = |key: &str| payload[key].as_u64();
        if let (Some(sent), Some(from), Some(n)) = (figure("t"), figure("from"), figure("n")) {
            if self.seen.insert((from, n)) {
                self.samples.push(at.saturating_sub(sent));
            } else {
                self.again += 1;
            }
        }
    }
}

fn send(spec: &Spec, sender: &mut dyn wire::Sender, begun: u64) -> Result<u64, String> {
    let until = begun + (spec.seconds * 1e9) as u64;
    let mut dice = 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(spec.index as u64 + 1) ^ begun;
    let mut roll = move || {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice
    };
    let mut sent = 0u64;
    let mut due = begun;
    if spec.rate <= 0.0 {
        return Ok(0);
    }
    loop {
        // Poisson: the gaps are exponential.
        let share = (roll() >> 11) as f64 / (1u64 << 53) as f64;
        due += (-(1.0 - share).ln() / spec.rate * 1e9) as u64;
        if due >= until {
            break;
        }
        std::thread::sleep(Duration::from_nanos(due.saturating_sub(now())));
        let other = (spec.index + 1 + roll() as usize % (spec.count - 1)) % spec.count;
        let at = now();
        let payload = json!({ "t": at, "from": spec.index, "n": sent, "pad": "x".repeat(PAYLOAD - 56) });
        sender.send((!spec.cast).then_some(other), payload)?;
        sent += 1;
    }
    Ok(sent)
}

/// A line to whoever started us.
pub(crate) fn say(line: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
