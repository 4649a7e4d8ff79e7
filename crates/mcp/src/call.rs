//! One call of a tool: who asks, where, and how it ends early.

use crate::caller::Seat;
use crate::failure::Failure;
use crate::server::{Place, Shared, WAIT_MAX};
use bus::{Bus, Worktree};
use client::{Client, Credential, Options};
use model::RegistrationId;
use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::Peer;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a waiting call says that it still waits.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// Longest answer waited for from the daemon.
const DAEMON_WAIT: Duration = Duration::from_secs(30);

/// Whom a waiting call tells that it still waits.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) peer: Peer<RoleServer>,
    pub(crate) token: ProgressToken,
}

#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) bus: Bus,
    pub(crate) seat: Seat,
    /// Ended when the client takes the call back.
    pub(crate) canceled: CancellationToken,
    pub(crate) listener: Option<Listener>,
}

impl Call {
    pub(crate) fn me(&self) -> RegistrationId {
        self.seat.registration
    }

    /// Whether the caller is a driven agent: its run has locks of its own then.
    pub(crate) fn is_driven(&self) -> bool {
        matches!(self.seat.credential, Credential::Run(_) | Credential::RunFile(_))
    }

    /// Whether anybody still waits for what comes of it.
    pub(crate) fn is_canceled(&self) -> bool {
        self.canceled.is_cancelled() || self.shared.closing.is_cancelled()
    }

    fn place(&self) -> &Place {
        &self.shared.place
    }

    /// Asks the bus, which blocks, beside the thread that serves. A call that is taken back is not waited for.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let call = self.clone();
        let mut working = tokio::task::spawn_blocking(move || work(&call));
        let mut waited = Duration::ZERO;
        loop {
            tokio::select! {
                done = &mut working => {
                    return done.unwrap_or_else(|_| Err(Failure::internal("the call broke off")));
                }
                () = self.canceled.cancelled() => return Err(Failure::canceled()),
                () = tokio::time::sleep(PROGRESS_EVERY) => waited += PROGRESS_EVERY,
            }
            self.say(waited).await;
        }
    }

    async fn say(&self, waited: Duration) {
        let Some(listener) = &self.listener else { return };
        let told = ProgressNotificationParam::new(listener.token.clone(), waited.as_secs_f64())
            .with_message(format!("waiting, {} s", waited.as_secs()));
        // Whoever does not listen any more needs no progress.
        let _ = listener.peer.notify_progress(told).await;
    }

    /// The worktree that is meant: the one given, else the one this server or its caller stands in.
    pub(crate) fn worktree(&self, given: Option<&str>) -> Result<Worktree, Failure> {
        if let Some(given) = given {
            let path = Path::new(given);
            if !path.is_absolute() {
                let words = format!("`{given}` is no absolute path");
                return Err(Failure::new("path_relative", words, "give `worktree` as an absolute path"));
            }
            return Ok(Worktree::around(path)?);
        }
        let own = || -> Option<PathBuf> {
            self.bus.registration(self.me()).ok().flatten()?.worktree.map(PathBuf::from)
        };
        match self.place().stands() {
            true => Worktree::around(&self.place().cwd)
                .or_else(|error| own().map_or(Err(error), |own| Worktree::around(&own)))
                .map_err(Failure::from),
            false => {
                let words = "it is not known which worktree you work in";
                let own = own().ok_or_else(|| {
                    Failure::new("no_worktree", words, "give `worktree`: the absolute path of a folder in it")
                })?;
                Ok(Worktree::around(&own)?)
            }
        }
    }

    /// The daemon, asked in the caller's own name.
    pub(crate) fn daemon(&self) -> Client {
        let place = self.place();
        let mut options = Options::user(place.root.clone(), Arc::clone(&place.entropy));
        options.timeout = DAEMON_WAIT;
        options.credential = self.seat.credential.clone();
        Client::new(options)
    }
}

/// How long a call may wait.
pub(crate) fn wait(seconds: Option<u64>) -> Result<Duration, Failure> {
    let wait = Duration::from_secs(seconds.unwrap_or(0));
    if wait > WAIT_MAX {
        let words = format!("a call waits at most {} s", WAIT_MAX.as_secs());
        return Err(Failure::new("wait_too_long", words, "wait for less, and call again"));
    }
    Ok(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_a_limit() {
        assert_eq!(wait(None).unwrap(), Duration::ZERO);
        assert_eq!(wait(Some(WAIT_MAX.as_secs())).unwrap(), WAIT_MAX);
        assert_eq!(wait(Some(WAIT_MAX.as_secs() + 1)).unwrap_err().code, "wait_too_long");
        assert_eq!(wait(Some(u64::MAX)).unwrap_err().code, "wait_too_long");
    }
}
