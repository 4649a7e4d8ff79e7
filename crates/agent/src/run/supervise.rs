//! What the daemon does for a run as long as it lives: writes its commands, reads what it says,
//! waits for its end.
//!
//! Invariant: [`RunEvent::Exited`] is said once, last, and only when no process of the run is left.

use model::RunId;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::handle::RunExitStatus;
use super::launch::sweep;
use super::lines::{EXCERPT_MAX, Line, Lines, STDERR_LINE_MAX, excerpt};
use super::queue::Inlet;
use super::wire::RunEvent;
use crate::guard::{EXIT_GUARD_FAILED, EXIT_SIGNAL_BASE};

/// Lines without meaning that are reported before the run is ended as broken.
pub(super) const MALFORMED_MAX: usize = 20;
/// How long what a dead run said last is still read.
const DRAIN: Duration = Duration::from_secs(2);

pub(super) struct Supervised<R> {
    pub run: RunId,
    pub guard: Child,
    pub stdin: ChildStdin,
    pub stdout: Lines<R>,
    pub stderr: ChildStderr,
    pub commands: mpsc::Receiver<Vec<u8>>,
    pub events: Inlet<RunEvent>,
    pub stop: watch::Sender<bool>,
    pub exit: watch::Sender<Option<RunExitStatus>>,
}

impl<R: AsyncBufRead + Unpin + Send + 'static> Supervised<R> {
    /// Runs until every process of the run is dead. Dropping it closes the pipe.
    pub(super) async fn supervise(mut self) {
        let mut pipes = JoinSet::new();
        pipes.spawn(write_commands(self.stdin, self.commands, self.stop.subscribe()));
        let mut readers = JoinSet::new();
        readers.spawn(read_events(self.stdout, self.events.clone(), self.stop.clone()));
        readers.spawn(read_stderr(self.stderr, self.events.clone()));
        let waited = self.guard.wait().await;
        // From here on nobody reads what we say; commands are refused from now.
        pipes.abort_all();
        let status = waited.map_or_else(|_| RunExitStatus { guard_lost: true, ..Default::default() }, decode);
        if status.guard_lost {
            let run = self.run;
            let _ = tokio::task::spawn_blocking(move || sweep(run)).await;
        }
        // A listener that is slow holds the readers up, not the news that the run is dead.
        self.exit.send_replace(Some(status));
        let draining = async { while readers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(DRAIN, draining).await;
        readers.abort_all();
        self.events.put(RunEvent::Exited(status), 0).await;
    }
}

/// What the guard's own end says about the driver's.
pub(super) fn decode(status: ExitStatus) -> RunExitStatus {
    match status.code() {
        Some(code) if code > EXIT_SIGNAL_BASE => {
            RunExitStatus { code: None, signal: Some(code - EXIT_SIGNAL_BASE), guard_lost: false }
        }
        Some(code) => {
            RunExitStatus { code: Some(code), signal: None, guard_lost: code == i32::from(EXIT_GUARD_FAILED) }
        }
        None => RunExitStatus { code: None, signal: status.signal(), guard_lost: true },
    }
}

async fn write_commands(
    mut stdin: ChildStdin,
    mut commands: mpsc::Receiver<Vec<u8>>,
    mut stop: watch::Receiver<bool>,
) {
    let writing = async {
        while let Some(line) = commands.recv().await {
            if stdin.write_all(&line).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = writing => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

async fn read_events<R: AsyncBufRead + Unpin>(
    mut lines: Lines<R>,
    events: Inlet<RunEvent>,
    stop: watch::Sender<bool>,
) {
    let mut malformed = 0;
    // After the last one allowed the pipe is only drained, so that the run cannot block on it.
    while let Ok(Some(line)) = lines.next().await {
        let (event, bytes) = match &line {
            Line::Whole(line) if line.is_empty() => continue,
            Line::Whole(line) => {
                let event =
                    serde_json::from_slice(line).unwrap_or_else(|_| RunEvent::Malformed(excerpt(line)));
                (event, line.len())
            }
            Line::TooLong { head, bytes } => {
                let words = format!("{} ({bytes} bytes in one line)", excerpt(head));
                (RunEvent::Malformed(words), head.len())
            }
        };
        if matches!(event, RunEvent::Malformed(_)) {
            malformed += 1;
            if malformed > MALFORMED_MAX {
                stop.send_replace(true);
                continue;
            }
        }
        if malformed <= MALFORMED_MAX {
            events.put(event, bytes).await;
        }
    }
}

async fn read_stderr(stderr: ChildStderr, events: Inlet<RunEvent>) {
    let mut lines = Lines::new(BufReader::new(stderr), STDERR_LINE_MAX, STDERR_LINE_MAX);
    while let Ok(Some(line)) = lines.next().await {
        let (text, cut) = match &line {
            Line::Whole(line) if line.is_empty() => continue,
            Line::Whole(line) => (line, false),
            Line::TooLong { head, .. } => (head, true),
        };
        let mut text = String::from_utf8_lossy(text).into_owned();
        if cut {
            text.push('…');
        }
        let bytes = text.len();
        events.put(RunEvent::Stderr(text), bytes).await;
    }
}

/// The first lines of stderr of a guard that did not come up.
pub(super) async fn last_words(stderr: ChildStderr) -> String {
    let mut lines = Lines::new(BufReader::new(stderr), STDERR_LINE_MAX, EXCERPT_MAX);
    let reading = async {
        let mut words = Vec::new();
        while let Ok(Some(Line::Whole(line) | Line::TooLong { head: line, .. })) = lines.next().await {
            words.push(excerpt(&line));
            if words.len() == 5 {
                break;
            }
        }
        words.join("; ")
    };
    tokio::time::timeout(DRAIN, reading).await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::queue::queue;
    use super::*;

    #[test]
    fn the_exit_code_of_the_guard_tells_how_the_driver_ended() {
        let exited = |code: i32| decode(ExitStatus::from_raw(code << 8));
        assert!(exited(0).is_clean());
        assert_eq!(exited(2), RunExitStatus { code: Some(2), signal: None, guard_lost: false });
        assert_eq!(exited(128 + 9), RunExitStatus { code: None, signal: Some(9), guard_lost: false });
        assert!(exited(i32::from(EXIT_GUARD_FAILED)).guard_lost);
        let killed = decode(ExitStatus::from_raw(9));
        assert_eq!(killed, RunExitStatus { code: None, signal: Some(9), guard_lost: true });
    }

    #[tokio::test]
    async fn nonsense_from_a_run_is_bounded_and_ends_it() {
        let mut said = Vec::new();
        for n in 0..MALFORMED_MAX + 50 {
            said.extend_from_slice(format!("{{\"event\":\"exited\",\"n\":{n}}}\n").as_bytes());
        }
        said.extend_from_slice(b"{\"event\":\"ready\"}\n");
        let (events, mut heard) = queue(1000, 1_000_000);
        let (stop, stopped) = watch::channel(false);
        read_events(Lines::new(BufReader::new(said.as_slice()), 100, 10), events, stop).await;
        let mut count = 0;
        while let Some(event) = heard.recv().await {
            assert!(matches!(event, RunEvent::Malformed(_)), "{event:?}");
            count += 1;
        }
        assert_eq!(count, MALFORMED_MAX);
        assert!(*stopped.borrow());
    }

    #[tokio::test]
    async fn one_bad_line_does_not_hide_the_next_good_one() {
        let long = "x".repeat(500);
        let said = format!("\n\u{0}\u{1}\n{long}\n{{\"event\":\"ready\"}}\n{{\"event\":");
        let (events, mut heard) = queue(1000, 1_000_000);
        let (stop, stopped) = watch::channel(false);
        read_events(Lines::new(BufReader::new(said.as_bytes()), 100, 10), events, stop).await;
        assert_eq!(heard.recv().await, Some(RunEvent::Malformed("\u{0}\u{1}".into())));
        assert_eq!(
            heard.recv().await,
            Some(RunEvent::Malformed("xxxxxxxxxx (500 bytes in one line)".into()))
        );
        assert_eq!(heard.recv().await, Some(RunEvent::Ready));
        assert_eq!(heard.recv().await, Some(RunEvent::Malformed("{\"event\":".into())));
        assert_eq!(heard.recv().await, None);
        assert!(!*stopped.borrow());
    }
}
