//! What every command works with: the host, the flags, the data root, and ways to the daemon and to the bus.
//!
//! Invariant: nothing is looked up before it is needed; a command that needs no daemon makes no runtime.

use crate::discovery::{self, Source};
use crate::failure::{Exit, Failure};
use crate::host::Host;
use crate::launcher;
use crate::line::Global;
use crate::screen::Screen;
use bus::Bus;
use client::{Client, Credential, Options};
use model::{DEFAULT_WORKSPACE, DataRoot, Timestamp, WorkspaceDir};
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Longest text read from stdin, in bytes: what a prompt may be, and one more to see that it is too long.
const STDIN_MAX: u64 = model::PROMPT_MAX as u64 + 1;
/// When a wait is worth a word.
const PATIENCE: Duration = Duration::from_secs(1);
/// Longest wait for one answer when nothing is said.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

pub(crate) struct Context {
    pub(crate) host: Host,
    pub(crate) screen: Screen,
    pub(crate) global: Global,
    pub(crate) root: DataRoot,
    /// What told where the data root is.
    pub(crate) source: Source,
    /// Where the user stands.
    pub(crate) cwd: PathBuf,
}

impl Context {
    pub(crate) fn new(host: Host, global: Global, screen: Screen) -> Result<Self, Failure> {
        let here = std::env::current_dir().map_err(|error| {
            Failure::failed("no_current_folder", format!("the current folder cannot be read: {error}"))
                .hint("go to a folder that exists, or give --cwd DIR")
        })?;
        let cwd = match &global.cwd {
            Some(wish) => here.join(wish),
            None => here,
        };
        let (root, source) = discovery::data_root(global.data_root.as_deref(), &host.environment, &cwd)
            .map_err(|message| {
                Failure::failed("data_root_unknown", message)
                    .hint("give --data-root DIR or set CODITECT_DATA_ROOT")
            })?;
        Ok(Self { host, screen, global, root, source, cwd })
    }

    pub(crate) fn workspace(&self) -> WorkspaceDir {
        self.root.workspace(DEFAULT_WORKSPACE)
    }

    /// A variable of the environment; an empty one is absent.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.host.environment.get(name).filter(|value| !value.is_empty()).map(String::as_str)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.host.clock.now()
    }

    /// A path as the user gave it, from where he stands.
    pub(crate) fn path(&self, given: &Path) -> PathBuf {
        self.cwd.join(given)
    }

    /// Whether a question may be asked: somebody is there, and did not say no.
    pub(crate) fn may_ask(&self) -> bool {
        !self.global.no_input && std::io::stdin().is_terminal()
    }

    /// How long to wait for something that may take long; none: as long as it takes.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.global.timeout.map(Duration::from_secs)
    }

    /// Opens the bus, making it when it is not there.
    pub(crate) fn bus(&self) -> Result<Bus, Failure> {
        self.bus_with(bus::Options { brief: Some(bus::BRIEF_FRAMES), ..bus::Options::default() })
    }

    pub(crate) fn bus_with(&self, options: bus::Options) -> Result<Bus, Failure> {
        let (clock, entropy) = (Arc::clone(&self.host.clock), Arc::clone(&self.host.entropy));
        Ok(Bus::open_with(&self.workspace().bus(), clock, entropy, options)?)
    }

    /// Opens the bus for looking; none when there is none yet, since looking makes nothing.
    pub(crate) fn present_bus(&self) -> Result<Option<Bus>, Failure> {
        if self.workspace().messaging_db().exists() { self.bus().map(Some) } else { Ok(None) }
    }

    /// Whether an agent's run started this command: it acts for that agent then, and never for the user.
    pub(crate) fn in_run(&self) -> bool {
        self.variable("CODITECT_RUN").is_some() || self.variable("CODITECT_TOKEN_FILE").is_some()
    }

    /// Refuses inside a run what only the user may do where no daemon decides that.
    pub(crate) fn not_for_agents(&self, what: &str) -> Result<(), Failure> {
        if !self.in_run() {
            return Ok(());
        }
        Err(Failure::new(Exit::Authentication, "not_for_agents", format!("an agent may not {what}"))
            .hint("ask the user to do it"))
    }

    /// A client that has not talked yet.
    pub(crate) fn client(&self) -> Client {
        self.client_within(TIMEOUT_DEFAULT)
    }

    /// As [`Context::client`], for answers that may take an hour.
    pub(crate) fn patient_client(&self) -> Client {
        self.client_within(Duration::from_secs(3600))
    }

    fn client_within(&self, limit: Duration) -> Client {
        let mut options = Options::user(self.root.clone(), Arc::clone(&self.host.entropy));
        options.timeout = self.patience().unwrap_or(limit);
        if self.in_run() {
            options.credential = Credential::RunFile(self.run_token());
        }
        Client::new(options)
    }

    /// The run's own credential. Where it should be is known even if nobody says so.
    fn run_token(&self) -> PathBuf {
        match (self.variable("CODITECT_TOKEN_FILE"), self.variable("CODITECT_RUN")) {
            (Some(file), _) => self.path(Path::new(file)),
            (None, run) => self.workspace().runs().join(run.unwrap_or_default()).join("token"),
        }
    }

    /// Runs something asynchronous to its end.
    pub(crate) fn block<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::failed("runtime", format!("no event loop: {error}")))?;
        let outcome = runtime.block_on(work);
        // A thread that still waits for the keyboard is not waited for.
        runtime.shutdown_background();
        outcome
    }

    /// Talks to the daemon, which is started when none runs. A word is said when it takes over a second.
    pub(crate) fn talk<T>(
        &self,
        what: &str,
        talk: impl AsyncFnOnce(&Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.block(async {
            let client = self.client();
            launcher::reach(self, &client).await?;
            self.with_word(what, talk(&client)).await
        })
    }

    /// As [`Context::talk`], for what may take as long as it takes and shows its own progress.
    pub(crate) fn follow<T>(
        &self,
        talk: impl AsyncFnOnce(&Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.block(async {
            let client = self.client();
            launcher::reach(self, &client).await?;
            match self.patience() {
                None => talk(&client).await,
                Some(limit) => tokio::time::timeout(limit, talk(&client))
                    .await
                    .unwrap_or_else(|_| Err(Failure::timed_out("what was waited for", limit))),
            }
        })
    }

    /// Says what is being waited for when it takes over a second, and for how long.
    pub(crate) async fn with_word<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut waited = Duration::ZERO;
        let outcome = loop {
            match tokio::time::timeout(PATIENCE, &mut work).await {
                Ok(outcome) => break outcome,
                Err(_) => waited += PATIENCE,
            }
            if self.screen.may_redraw() {
                self.screen.redraw(&format!("{what}… {} s", waited.as_secs()));
            } else if waited == PATIENCE {
                self.screen.say(&format!("{what}…"));
            }
        };
        if !waited.is_zero() && self.screen.may_redraw() {
            self.screen.redraw("");
        }
        outcome
    }

    /// A text argument; `-` reads stdin.
    pub(crate) fn text(&self, given: &str) -> Result<String, Failure> {
        self.text_within(given, STDIN_MAX)
    }

    /// The same, of which no more than `most` bytes are read: one more than are allowed shows that it is too long.
    pub(crate) fn text_within(&self, given: &str, most: u64) -> Result<String, Failure> {
        if given != "-" {
            return Ok(given.to_owned());
        }
        let mut bytes = Vec::new();
        let unreadable = |error: String| {
            Failure::new(Exit::Usage, "stdin_unreadable", format!("stdin cannot be read as text: {error}"))
        };
        std::io::stdin().take(most).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            // Cut in the middle of a character: that it is too long is said by whoever asked.
            Err(error)
                if error.as_bytes().len() as u64 == most && error.utf8_error().error_len().is_none() =>
            {
                String::from_utf8_lossy(error.as_bytes()).into_owned()
            }
            Err(error) => return Err(unreadable(error.to_string())),
        };
        Ok(text.trim_end().to_owned())
    }
}
