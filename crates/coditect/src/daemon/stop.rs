//! What can make a daemon stop from outside: signals, and the end of whoever it is tied to.

use std::io::Read;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Whether the daemon lives longer than the process that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tie {
    None,
    /// It ends when its stdin does.
    Stdin,
}

/// Why a daemon stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// By a request of its user.
    Asked,
    Terminated,
    Interrupted,
    /// The terminal it was started in is closed.
    HungUp,
    /// Whoever it was tied to is gone.
    Untied,
    Failed(String),
}

impl Reason {
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Asked => "asked to by a client",
            Self::Terminated => "SIGTERM",
            Self::Interrupted => "SIGINT",
            Self::HungUp => "SIGHUP: its terminal was closed",
            Self::Untied => "the process that started it has ended",
            Self::Failed(why) => why,
        }
    }
}

pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    /// None when whoever started it had it stay when the terminal goes, as nohup does.
    hangup: Option<Signal>,
    untied: Option<oneshot::Receiver<()>>,
}

impl StopSignals {
    /// From here on the signals are ours.
    pub(crate) fn listen(tie: Tie) -> std::io::Result<Self> {
        let untied = match tie {
            Tie::None => None,
            Tie::Stdin => Some(end_of_stdin()?),
        };
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: if stays_at_hangup() { None } else { Some(signal(SignalKind::hangup())?) },
            untied,
        })
    }

    pub(crate) async fn wait(&mut self) -> Reason {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => drop(hangup.recv().await),
                None => std::future::pending().await,
            }
        };
        let untied = async {
            match &mut self.untied {
                // Whether it says so or its thread is gone: nobody is there any more.
                Some(untied) => drop(untied.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => Reason::Terminated,
            _ = self.interrupt.recv() => Reason::Interrupted,
            () = hangup => Reason::HungUp,
            () = untied => Reason::Untied,
        }
    }
}

/// Whether the signal was being ignored when we were started.
fn stays_at_hangup() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// The signal is the first, the lowest bit of the mask.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// On a thread of its own, which nothing waits for at the end.
fn end_of_stdin() -> std::io::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new().name("stdin".to_owned()).stack_size(64 * 1024).spawn(move || {
        let mut ignored = [0u8; 256];
        let mut stdin = std::io::stdin().lock();
        while stdin.read(&mut ignored).is_ok_and(|read| read > 0) {}
        drop(ended);
    })?;
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::ignores_hangup;

    #[test]
    fn what_nohup_does_is_read_from_the_mask() {
        for (mask, ignored) in
            [("0000000000000000", false), ("0000000000000001", true), ("0000000000001006", false)]
        {
            assert_eq!(ignores_hangup(&format!("Name:\tx\nSigIgn:\t{mask}\n")), ignored, "{mask}");
        }
        assert!(!ignores_hangup(""));
    }
}
