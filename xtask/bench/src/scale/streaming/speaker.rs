//! The multiplexed driver: one thread that speaks for all its sessions, through the pipes of their guards.

use super::Scale;
use agent::RunEvent;
use model::{Block, Role, TurnOutcome, Usage};
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// What the text of each event begins with; its number and its moment follow.
pub(super) const MARK: &str = "streamed";
/// Between two looks at what is due: far below what is promised.
const TICK: Duration = Duration::from_micros(500);

/// Nanoseconds on the clock that all processes of the machine share.
pub(super) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

pub(super) struct Speaker {
    pipes: Vec<File>,
}

impl Speaker {
    /// Opens the pipe of everybody who has made himself known.
    pub(super) fn of(joined: &Path) -> Result<Self, String> {
        let mut pipes = Vec::new();
        for entry in std::fs::read_dir(joined).map_err(|error| error.to_string())?.flatten() {
            let path = format!("/proc/{}/fd/1", entry.file_name().to_string_lossy());
            let pipe = File::options().write(true).open(&path);
            pipes.push(pipe.map_err(|error| format!("{path}: {error}"))?);
        }
        Ok(Self { pipes })
    }

    /// Says so many events a second, each session in its turn; gives back how many it said.
    pub(super) fn speak(&mut self, scale: Scale) -> Result<u64, String> {
        let begun = Instant::now();
        let total = (scale.rate * scale.lasting.as_secs_f64()) as u64;
        let count = self.pipes.len() as u64;
        let mut said = 0;
        while said < total && count > 0 {
            let due = ((begun.elapsed().as_secs_f64() * scale.rate) as u64).min(total);
            while said < due {
                let pipe = usize::try_from(said % count).unwrap_or(0);
                self.say(pipe, &message(said))?;
                said += 1;
            }
            std::thread::sleep(TICK);
        }
        Ok(said)
    }

    /// Every turn ends.
    pub(super) fn end(&mut self) -> Result<(), String> {
        let outcome = TurnOutcome::Completed { summary: "All was said.".to_owned() };
        let ended = RunEvent::Ended { outcome, iterations: 1, usage: Usage::default() };
        (0..self.pipes.len()).try_for_each(|pipe| self.say(pipe, &ended))
    }

    fn say(&mut self, pipe: usize, event: &RunEvent) -> Result<(), String> {
        let mut line = serde_json::to_vec(event).map_err(|error| error.to_string())?;
        line.push(b'\n');
        let pipe = self.pipes.get_mut(pipe).ok_or("there is no such session")?;
        pipe.write_all(&line).map_err(|error| format!("a session is gone: {error}"))
    }
}

fn message(number: u64) -> RunEvent {
    let text = format!("{MARK} {number} {} the lease of this file is renewed before it is over", now());
    RunEvent::Message {
        role: Role::Assistant,
        blocks: vec![Block::Text { text }],
        usage: None,
        latency_ms: None,
    }
}

/// The number and the moment of an event, from its text.
pub(super) fn stamp(text: &str) -> Option<(u64, u64)> {
    let mut words = text.strip_prefix(MARK)?.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_tells_its_number_and_its_moment() {
        let before = now();
        let RunEvent::Message { blocks, .. } = message(7) else { panic!("no message") };
        let [Block::Text { text }] = blocks.as_slice() else { panic!("{blocks:?}") };
        let (number, moment) = stamp(text).unwrap();
        assert_eq!(number, 7);
        assert!((before..=now()).contains(&moment));
        assert_eq!(stamp("another text 1 2"), None);
    }
}
