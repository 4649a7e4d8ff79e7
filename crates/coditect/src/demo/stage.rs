//! What a demo plays on: the models, the daemon and a client of it.
//!
//! Invariant: after [`Stage::strike`] no process of the stage is left.

use super::keeper::{Keeper, Place};
use super::models::Models;
use super::scratch::Scratch;
use crate::output::Complaint;
use bus::system::process_start;
use cli::Host;
use client::{Client, ClientError, Options};
use protocol::ExitClass;
use std::sync::Arc;
use std::time::Duration;

/// How long something is tried again while the daemon comes and goes.
const STEADY_MAX: Duration = Duration::from_secs(120);
/// How long a daemon of somebody else may take to stop.
const STOP_MAX: Duration = Duration::from_secs(30);
/// Pause before something is tried again.
const NAP: Duration = Duration::from_millis(50);

pub(crate) struct Stage<'a> {
    scratch: &'a Scratch,
    models: Models,
    keeper: Keeper,
    client: Client,
    /// Somebody looks at the page.
    watched: bool,
}

impl<'a> Stage<'a> {
    pub(crate) async fn set(host: &Host, scratch: &'a Scratch, watched: bool) -> Result<Self, Complaint> {
        let models = Models::start(host, scratch, watched).await?;
        let root = scratch.data_root();
        let config = models.config().to_string();
        let written =
            std::fs::create_dir_all(root.path()).and_then(|()| std::fs::write(root.config(), config));
        written.map_err(|error| Complaint::failed("scratch_failed", error.to_string()))?;
        let place = Place {
            executable: host.executable.clone(),
            root: root.clone(),
            output: scratch.daemon_output(),
        };
        let keeper = Keeper::begin(place).await?;
        let client = Client::new(Options::user(root, Arc::clone(&host.entropy)));
        Ok(Self { scratch, models, keeper, client, watched })
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watched
    }

    pub(crate) fn scratch(&self) -> &'a Scratch {
        self.scratch
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Resolves when the daemon was started again; gives how often that was so far.
    pub(crate) async fn restarted(&mut self) -> Result<u32, Complaint> {
        self.keeper.restarted().await
    }

    /// Asks until there is an answer, through deaths of the daemon. What is asked must bear being asked twice.
    pub(crate) async fn steadily<T>(
        &mut self,
        ask: impl AsyncFn(&Client) -> Result<T, ClientError>,
    ) -> Result<T, Complaint> {
        let asking = async {
            loop {
                match ask(&self.client).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) if is_passing(&error) => tokio::time::sleep(NAP).await,
                    Err(error) => return Err(complaint(&error)),
                }
            }
        };
        let late = || Complaint::new(ExitClass::TimedOut, "timed_out", "the demo's daemon does not answer");
        tokio::select! {
            answer = tokio::time::timeout(STEADY_MAX, asking) => answer.unwrap_or_else(|_| Err(late())),
            failure = self.keeper.failed() => Err(failure),
        }
    }

    /// Keeps everything alive for as long as it is polled, until the daemon cannot be started any more.
    pub(crate) async fn hold(&mut self) {
        drop(self.keeper.failed().await);
    }

    /// Ends everything: the daemon with its runs, then the models.
    pub(crate) async fn strike(self) {
        self.keeper.end().await;
        // Mostly there is none left. One that somebody else started in this place is the demo's all the same.
        if let Ok(stopping) = self.client.shut_down().await {
            let gone = async {
                while process_start(stopping.pid).is_some() {
                    tokio::time::sleep(NAP).await;
                }
            };
            // Whoever started it has to end it then.
            let _ = tokio::time::timeout(STOP_MAX, gone).await;
        }
        self.models.stop().await;
    }
}

/// Whether the daemon may answer in a moment.
pub(crate) fn is_passing(error: &ClientError) -> bool {
    matches!(error.exit_class(), ExitClass::Unreachable | ExitClass::TimedOut)
}

pub(crate) fn complaint(error: &ClientError) -> Complaint {
    let complaint = Complaint::new(error.exit_class(), "demo_refused", format!("{error} [{}]", error.code()));
    Complaint { hint: error.hint(), ..complaint }
}
