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
            Self::Untied => "the process that started it has ended",
            Self::Failed(why) => why,
        }
    }
}

pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
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
            untied,
        })
    }

    pub(crate) async fn wait(&mut self) -> Reason {
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
            () = untied => Reason::Untied,
        }
    }
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
