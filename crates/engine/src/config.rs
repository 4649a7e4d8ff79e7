//! Configuration: one versioned snapshot, read per request and never captured.

mod budget;
mod compaction;
mod database;
mod permission;
mod repo;

pub use budget::{AgentBudget, BudgetConfig, Usd};
pub use compaction::{CompactionConfig, Compactor};
pub use database::DatabaseConfig;
pub use permission::{PermissionConfig, PermissionPreset, Unattended};
pub use repo::RepoConfig;

use crate::places::Capacity;
use llm::Secret;
use model::{AgentName, Driver, Isolation, Vendor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

/// Largest config.json, in bytes.
const CONFIG_MAX: u64 = 1024 * 1024;
/// More often is work for nothing, and what waits for longer has lost a notice for anybody who looks on.
const SAFETY_POLL_MS: RangeInclusive<u32> = 10..=10_000;

/// `config.json` of the data root. Every field has a default; unknown ones are refused so that a
/// typing error is seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub agents: BTreeMap<AgentName, AgentConfig>,
    pub limits: Limits,
    pub server: ServerConfig,
    pub database: DatabaseConfig,
    pub bus: BusConfig,
    pub permissions: PermissionConfig,
    pub budgets: BudgetConfig,
    pub transcripts: TranscriptsConfig,
    pub repos: RepoConfig,
    /// Who names sessions the user gave no title.
    pub titles: Titles,
    pub compaction: CompactionConfig,
}

/// Who names sessions the user gave no title, after their first turn; until then it is the first words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Titles {
    /// The model of the agent that had the turn, in the background. It costs a short call.
    #[default]
    Model,
    /// Nobody: they keep their first words.
    Words,
}

/// Tasks of one session that may wait when nothing else is configured.
pub const QUEUE_DEPTH: u32 = 64;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    pub vendor: Vendor,
    #[serde(default = "native")]
    pub driver: Driver,
    pub model: String,
    /// Where the model answers; none means the vendor's own address.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Name of the environment variable that holds the key. The key itself is never in this file. Empty when the vendor's
    /// own program is driven and logs in by itself.
    #[serde(default)]
    pub api_key_env: String,
    /// The vendor's program and its first arguments; none means the driver's usual one, looked up in PATH.
    #[serde(default)]
    pub command: Vec<String>,
    /// What the vendor's program finds in its environment, besides what every run does.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Names of variables of the daemon's own that the vendor's program is given, too.
    #[serde(default)]
    pub pass_env: Vec<String>,
    #[serde(default)]
    pub isolation: Isolation,
    /// Whether an agent with `isolation` at `sandbox` may only work where a sandbox can be held.
    #[serde(default = "required")]
    pub sandbox_required: bool,
    /// Folders and files that are to be writable inside the sandbox besides the usual ones: absolute, or from `~/`.
    #[serde(default)]
    pub sandbox_writable: Vec<String>,
    /// Tokens.
    #[serde(default = "default_window")]
    pub context_window: u64,
    /// Added to the agent's system prompt.
    #[serde(default)]
    pub instructions: String,
    /// What happens to calls that no rule speaks of; none: `ask`, but our own loop's shell goes ahead.
    #[serde(default)]
    pub permissions: Option<PermissionPreset>,
    /// What becomes of a question while nobody watches.
    #[serde(default)]
    pub unattended: Unattended,
    /// What it is good at, in words a task can want.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

fn native() -> Driver {
    Driver::Native
}

fn required() -> bool {
    true
}

fn default_window() -> u64 {
    200_000
}

/// Bounds of what one workspace takes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Tasks of one session that may wait; one more is refused with `queue_full`.
    pub queue_depth: u32,
    /// Seconds a turn may take, not counting the wait for an answer of the user.
    pub turn_deadline_seconds: u64,
    /// Seconds a run may say nothing at all while it waits for nobody; then its turn has failed.
    pub stall_seconds: u64,
    /// Seconds a question may wait for an answer.
    pub answer_deadline_seconds: u64,
    /// Messages of the conversation that an agent is shown as they were, tools left out, where we make its context: the last
    /// ones, when not all that was said since the last compaction fits.
    pub history_messages: u32,
    /// Model calls in one turn of the native driver.
    pub max_iterations: u32,
    /// Attempts of one task, crashes included.
    pub max_attempts: u32,
    /// Seconds an edit waits for somebody else's lock.
    pub lock_wait_seconds: u64,
    /// Seconds a lock lives without renewal.
    pub lock_ttl_seconds: u64,
    /// Runs alive at the same time in the workspace; none: as many as this machine has room for.
    pub max_runs: Option<u32>,
    /// Of them, those of one vendor; none: all.
    pub vendor_runs: Option<u32>,
    /// Seconds the repository's tests may take.
    pub test_deadline_seconds: u64,
    /// Generations of sessions that agents may spawn, their own children counted as the first.
    pub spawn_depth: u32,
    /// Children of one session that an agent may have at work at once.
    pub spawn_children: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// TCP port on 127.0.0.1; 0 lets the system choose.
    pub port: u16,
}

/// The bus: the server between machines, without which it is this machine's alone, and how it is listened to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusConfig {
    /// `postgresql://…`, `nats://…` or `tls://…`, without a password.
    pub url: Option<String>,
    /// Name of the environment variable that holds the URL, for one that has a password.
    pub url_env: Option<String>,
    /// What the machines that meet there have in common: 1 to [`bus::WORKSPACE_MAX`] lower-case letters, digits, `_` or
    /// `-`. None means the workspace's name.
    pub team: Option<String>,
    /// What this machine is called there; none means the host's name and a piece of the machine's id.
    pub machine: Option<String>,
    /// How long, in milliseconds, the daemon trusts the bells of this machine's bus before it looks by itself: within
    /// [`SAFETY_POLL_MS`], read when the daemon starts. None means [`bus::SAFETY_POLL`].
    pub safety_poll_ms: Option<u32>,
}

impl AgentConfig {
    /// The key by the environment of now: none is named, or it is there, or it is missing.
    pub(crate) fn key(&self, environment: &dyn Fn(&str) -> Option<String>) -> Option<Secret> {
        if self.api_key_env.is_empty() {
            return Some(Secret::new(String::new()));
        }
        environment(&self.api_key_env).filter(|key| !key.trim().is_empty()).map(Secret::new)
    }
}

/// What is read all the time of what the vendors' own programs write down.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TranscriptsConfig {
    /// Some of `claude`, `codex`, `gemini` and `kimi`; none without a word of yours, for all you say to them is in there.
    pub mirror: Vec<String>,
}

impl TranscriptsConfig {
    /// The vendors whose transcripts are mirrored.
    pub(crate) fn mirrored(&self) -> Vec<Vendor> {
        self.mirror.iter().filter_map(|word| agent::transcript::vendor_of(word)).collect()
    }
}

impl BusConfig {
    pub fn is_configured(&self) -> bool {
        self.url.is_some() || self.url_env.is_some()
    }

    pub(crate) fn safety_poll(&self) -> Duration {
        self.safety_poll_ms.map_or(bus::SAFETY_POLL, |millis| Duration::from_millis(millis.into()))
    }

    /// Whether the same machines are met there.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        other.is_configured()
            && (&self.url, &self.url_env, &self.team) == (&other.url, &other.url_env, &other.team)
    }

    /// The URL, wherever it is kept.
    pub(crate) fn address(&self, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
        match (&self.url_env, &self.url) {
            (Some(name), _) => environment(name).ok_or_else(|| format!("{name} is not set (bus.url_env)")),
            (None, Some(url)) => Ok(url.clone()),
            (None, None) => Err("neither bus.url nor bus.url_env is set".to_owned()),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            agents: default_agents(),
            limits: Limits::default(),
            server: ServerConfig::default(),
            database: DatabaseConfig::default(),
            bus: BusConfig::default(),
            permissions: PermissionConfig::default(),
            budgets: BudgetConfig::default(),
            transcripts: TranscriptsConfig::default(),
            repos: RepoConfig::default(),
            titles: Titles::default(),
            compaction: CompactionConfig::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_depth: QUEUE_DEPTH,
            turn_deadline_seconds: 1800,
            stall_seconds: 600,
            answer_deadline_seconds: 24 * 3600,
            history_messages: 10,
            max_iterations: 50,
            max_attempts: 3,
            lock_wait_seconds: 300,
            lock_ttl_seconds: 60,
            max_runs: None,
            vendor_runs: None,
            test_deadline_seconds: 600,
            spawn_depth: 3,
            spawn_children: 8,
        }
    }
}

impl Limits {
    /// How many runs there may be at once.
    pub(crate) fn capacity(&self) -> Capacity {
        let size = |runs: u32| usize::try_from(runs).unwrap_or(usize::MAX);
        let machine = self.max_runs.map_or_else(crate::places::runs_here, size);
        Capacity { machine, vendor: self.vendor_runs.map_or(machine, size) }
    }
}

#[expect(clippy::derivable_impls, reason = "0 means: the system chooses; that is worth a word here")]
impl Default for ServerConfig {
    fn default() -> Self {
        Self { port: 0 }
    }
}

fn default_agents() -> BTreeMap<AgentName, AgentConfig> {
    let table = [
        ("claude", Vendor::Anthropic, "claude-sonnet-4-5", "ANTHROPIC_API_KEY", 200_000),
        ("gemini", Vendor::Google, "gemini-2.5-pro", "GEMINI_API_KEY", 1_000_000),
        ("kimi", Vendor::Moonshot, "kimi-k2", "MOONSHOT_API_KEY", 262_144),
        ("codex", Vendor::Openai, "gpt-5.5", "OPENAI_API_KEY", 400_000),
    ];
    table
        .into_iter()
        .filter_map(|(name, vendor, model, key, context_window)| {
            let config = AgentConfig {
                vendor,
                driver: Driver::Native,
                model: model.to_owned(),
                base_url: None,
                api_key_env: key.to_owned(),
                command: Vec::new(),
                env: BTreeMap::new(),
                pass_env: Vec::new(),
                isolation: Isolation::Shared,
                sandbox_required: true,
                sandbox_writable: Vec::new(),
                context_window,
                instructions: String::new(),
                permissions: None,
                unattended: Unattended::default(),
                capabilities: Vec::new(),
            };
            Some((name.parse().ok()?, config))
        })
        .collect()
}

/// What readers hold for the length of one request.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Rises with every accepted reload.
    pub version: u64,
    pub config: Config,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path} cannot be read: {error}", path = path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{path} is larger than {CONFIG_MAX} bytes", path = path.display())]
    TooLarge { path: PathBuf },
    #[error("{path} is not valid: {error}", path = path.display())]
    Parse { path: PathBuf, error: serde_json::Error },
    #[error("{path} is not valid: {reason}", path = path.display())]
    Value { path: PathBuf, reason: String },
}

/// Hands out the current snapshot; a bad file leaves the old one in force.
#[derive(Debug)]
pub(crate) struct ConfigProvider {
    path: PathBuf,
    current: RwLock<Arc<Snapshot>>,
}

impl ConfigProvider {
    pub(crate) fn open(path: PathBuf) -> Result<Self, ConfigError> {
        let config = read(&path)?;
        Ok(Self { path, current: RwLock::new(Arc::new(Snapshot { version: 1, config })) })
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        match self.current.read() {
            Ok(current) => Arc::clone(&current),
            Err(poisoned) => Arc::clone(&poisoned.into_inner()),
        }
    }

    /// Reads the file again. The version rises only when something changed.
    pub(crate) fn reload(&self) -> Result<Arc<Snapshot>, ConfigError> {
        let config = read(&self.path)?;
        let mut current = match self.current.write() {
            Ok(current) => current,
            Err(poisoned) => poisoned.into_inner(),
        };
        if current.config != config {
            *current = Arc::new(Snapshot { version: current.version + 1, config });
        }
        Ok(Arc::clone(&current))
    }
}

fn read(path: &Path) -> Result<Config, ConfigError> {
    let fault = |error| ConfigError::Read { path: path.to_owned(), error };
    let text = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Config::default()),
        Err(error) => return Err(fault(error)),
        Ok(meta) if meta.len() > CONFIG_MAX => return Err(ConfigError::TooLarge { path: path.to_owned() }),
        Ok(_) => std::fs::read_to_string(path).map_err(fault)?,
    };
    let config: Config =
        serde_json::from_str(&text).map_err(|error| ConfigError::Parse { path: path.to_owned(), error })?;
    check(&config).map_err(|reason| ConfigError::Value { path: path.to_owned(), reason })?;
    Ok(config)
}

fn check(config: &Config) -> Result<(), String> {
    let limits = &config.limits;
    for (name, value) in [
        ("queue_depth", u64::from(limits.queue_depth)),
        ("turn_deadline_seconds", limits.turn_deadline_seconds),
        ("stall_seconds", limits.stall_seconds),
        ("answer_deadline_seconds", limits.answer_deadline_seconds),
        ("history_messages", u64::from(limits.history_messages)),
        ("max_iterations", u64::from(limits.max_iterations)),
        ("max_attempts", u64::from(limits.max_attempts)),
        ("lock_wait_seconds", limits.lock_wait_seconds),
        ("lock_ttl_seconds", limits.lock_ttl_seconds),
        ("max_runs", u64::from(limits.max_runs.unwrap_or(1))),
        ("vendor_runs", u64::from(limits.vendor_runs.unwrap_or(1))),
        ("test_deadline_seconds", limits.test_deadline_seconds),
        ("spawn_depth", u64::from(limits.spawn_depth)),
        ("spawn_children", u64::from(limits.spawn_children)),
    ] {
        if value == 0 || value > 10_000_000 {
            return Err(format!("limits.{name} must be between 1 and 10000000"));
        }
    }
    let longest = agent::PATIENCE_MAX.as_secs();
    if limits.answer_deadline_seconds + limits.lock_wait_seconds > longest {
        return Err(format!(
            "limits.answer_deadline_seconds and limits.lock_wait_seconds are together at most {longest}"
        ));
    }
    for (name, agent) in &config.agents {
        if agent.model.is_empty() {
            return Err(format!("agents.{name}.model is empty"));
        }
        crate::terms::check_capabilities(&agent.capabilities)
            .map_err(|refusal| format!("agents.{name}.capabilities: {}", refusal.message))?;
        if agent.driver == Driver::Native && agent.api_key_env.is_empty() {
            return Err(format!("agents.{name}.api_key_env is empty, and the native driver needs a key"));
        }
        for path in &agent.sandbox_writable {
            if !path.starts_with('/') && !path.starts_with("~/") {
                return Err(format!(
                    "agents.{name}.sandbox_writable: `{path}` must be absolute or begin with ~/"
                ));
            }
        }
        if let Some(url) = &agent.base_url
            && !url.starts_with("http://")
            && !url.starts_with("https://")
        {
            return Err(format!("agents.{name}.base_url must start with http:// or https://"));
        }
    }
    config.permissions.check()?;
    config.budgets.check()?;
    config.database.check()?;
    config.repos.check()?;
    config.compaction.check(&config.agents)?;
    if let Some(word) =
        config.transcripts.mirror.iter().find(|word| agent::transcript::vendor_of(word).is_none())
    {
        return Err(format!("transcripts.mirror has `{word}`; it takes claude, codex, gemini and kimi"));
    }
    check_bus(&config.bus)
}

fn check_bus(config: &BusConfig) -> Result<(), String> {
    if config.url.is_some() && config.url_env.is_some() {
        return Err("bus.url and bus.url_env say the same thing; keep one of them".to_owned());
    }
    if config.safety_poll_ms.is_some_and(|millis| !SAFETY_POLL_MS.contains(&millis)) {
        let (least, most) = (SAFETY_POLL_MS.start(), SAFETY_POLL_MS.end());
        return Err(format!("bus.safety_poll_ms must be between {least} and {most}"));
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    if config
        .team
        .as_ref()
        .is_some_and(|team| team.is_empty() || team.len() > bus::WORKSPACE_MAX || !team.chars().all(plain))
    {
        return Err(format!(
            "bus.team has 1 to {} lower-case letters, digits, `_` or `-`",
            bus::WORKSPACE_MAX
        ));
    }
    if let Some(machine) = &config.machine {
        bus::check_machine(machine).map_err(|why| format!("bus.machine: {why}"))?;
    }
    let Some(url) = &config.url else { return Ok(()) };
    let schemes = ["postgresql://", "postgres://", "nats://", "tls://"];
    let Some(rest) = schemes.iter().find_map(|scheme| url.strip_prefix(scheme)) else {
        return Err(format!("bus.url must start with {}", schemes.join(", ")));
    };
    let authority = rest.split('?').next().unwrap_or_default();
    // NATS takes what stands alone before the host for a token.
    let token = url.starts_with("nats") || url.starts_with("tls");
    let secret = authority.rsplit_once('@').is_some_and(|(user, _)| token || user.contains(':'));
    if secret || rest.contains("password=") {
        return Err(
            "bus.url holds a password; put the URL into an environment variable and name it in bus.url_env"
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(text: &str) -> (tempfile::TempDir, Result<ConfigProvider, ConfigError>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        std::fs::write(&path, text).unwrap();
        let provider = ConfigProvider::open(path);
        (dir, provider)
    }

    #[test]
    fn a_server_between_machines_is_named_without_its_password() {
        for (text, says) in [
            (r#"{"bus":{"url":"postgresql://me:secret@db/x"}}"#, "bus.url_env"),
            (r#"{"bus":{"url":"postgresql://db/x?password=secret"}}"#, "bus.url_env"),
            (r#"{"bus":{"url":"nats://secret@a"}}"#, "bus.url_env"),
            (r#"{"bus":{"url":"redis://db"}}"#, "must start with"),
            (r#"{"bus":{"url":"nats://a","url_env":"B"}}"#, "keep one of them"),
            (r#"{"bus":{"url":"nats://a","team":"Us"}}"#, "bus.team"),
            (r#"{"bus":{"url":"nats://a","machine":"a b"}}"#, "bus.machine"),
            (r#"{"bus":{"url":"postgresql://me:sec/ret@db/x"}}"#, "bus.url_env"),
        ] {
            let (_dir, opened) = provider(text);
            let error = opened.unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("secret"), "{error}");
        }
        let (_dir, opened) = provider(r#"{"bus":{"url":"postgresql://me@db:5432/x"}}"#);
        assert!(opened.unwrap().snapshot().config.bus.is_configured());
    }

    #[test]
    fn the_safety_poll_is_set_within_bounds() {
        for millis in [9, 10_001] {
            let (_dir, opened) = provider(&format!(r#"{{"bus":{{"safety_poll_ms":{millis}}}}}"#));
            let error = opened.unwrap_err().to_string();
            assert!(error.contains("bus.safety_poll_ms must be between 10 and 10000"), "{error}");
        }
        for millis in [10, 10_000] {
            let (_dir, opened) = provider(&format!(r#"{{"bus":{{"safety_poll_ms":{millis}}}}}"#));
            let poll = opened.unwrap().snapshot().config.bus.safety_poll();
            assert_eq!(poll, Duration::from_millis(millis));
        }
        assert_eq!(BusConfig::default().safety_poll(), bus::SAFETY_POLL);
    }

    #[test]
    fn no_file_means_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let provider = ConfigProvider::open(dir.path().join("config.json")).unwrap();
        assert_eq!(provider.snapshot().config.agents.len(), 4);
    }

    #[test]
    fn a_bad_reload_keeps_the_old_snapshot() {
        let (dir, provider) = provider(r#"{"limits":{"queue_depth":7}}"#);
        let provider = provider.unwrap();
        assert_eq!(provider.snapshot().config.limits.queue_depth, 7);
        for bad in
            ["{", r#"{"limit":{}}"#, r#"{"limits":{"queue_depth":0}}"#, r#"{"agents":{"Bad Name":{}}}"#]
        {
            std::fs::write(dir.path().join("config.json"), bad).unwrap();
            assert!(provider.reload().is_err(), "{bad}");
            assert_eq!(provider.snapshot().config.limits.queue_depth, 7);
            assert_eq!(provider.snapshot().version, 1);
        }
        std::fs::write(dir.path().join("config.json"), r#"{"limits":{"queue_depth":9}}"#).unwrap();
        assert_eq!(provider.reload().unwrap().version, 2);
        assert_eq!(provider.reload().unwrap().version, 2);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, place, word) in [
            ("{\n  \"limits\": {\n    \"queue_depth\": \"many\"\n  }\n}", "line 3", "invalid type"),
            ("{\n  \"limitz\": {}\n}", "line 2", "unknown field `limitz`"),
            ("{\n  \"agents\": {},\n", "line 3", "EOF"),
            ("{\"agents\":{\"Bad Name\":{}}}", "line 1", "is not an agent name"),
            ("", "line 1", "EOF"),
        ] {
            let (dir, provider) = provider(text);
            let error = provider.unwrap_err();
            assert!(matches!(error, ConfigError::Parse { .. }), "{error:?}");
            let said = error.to_string();
            let path = dir.path().join("config.json").display().to_string();
            assert!(said.contains(place) && said.contains(word) && said.contains(&path), "{said}");
        }
        let agent = |fields: &str| format!(r#"{{"agents":{{"claude":{{"vendor":"anthropic",{fields}}}}}}}"#);
        for (text, what) in [
            (r#"{"limits":{"max_runs":0}}"#.to_owned(), "limits.max_runs must be between"),
            (r#"{"limits":{"lock_ttl_seconds":10000001}}"#.to_owned(), "limits.lock_ttl_seconds"),
            (r#"{"limits":{"answer_deadline_seconds":2000000}}"#.to_owned(), "together at most 2000000"),
            (
                r#"{"permissions":{"rules":[{"paths":["../x"],"decision":"allow"}]}}"#.to_owned(),
                "permissions.rules[0]",
            ),
            (r#"{"budgets":{"warn_percent":0}}"#.to_owned(), "budgets.warn_percent must be between"),
            (r#"{"budgets":{"agents":{"kimi":{"day_tokens":0}}}}"#.to_owned(), "more than 0"),
            (agent(r#""model":"","api_key_env":"K""#), "agents.claude.model is empty"),
            (agent(r#""model":"m","api_key_env":"K","base_url":"ftp://x""#), "base_url must start with http"),
        ] {
            let (_dir, provider) = provider(&text);
            let error = provider.unwrap_err();
            assert!(matches!(&error, ConfigError::Value { reason, .. } if reason.contains(what)), "{error}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_keeps_the_old_snapshot_and_one_that_is_gone_means_defaults() {
        let (dir, provider) = provider(r#"{"limits":{"queue_depth":7}}"#);
        let (provider, path) = (provider.unwrap(), dir.path().join("config.json"));
        std::fs::write(&path, b"{\"agents\": \"\xff\"}").unwrap();
        assert!(matches!(provider.reload(), Err(ConfigError::Read { .. })));
        assert_eq!(provider.snapshot().config.limits.queue_depth, 7);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(provider.reload(), Err(ConfigError::Read { .. })));
        assert_eq!(provider.snapshot().version, 1);
        std::fs::remove_dir(&path).unwrap();
        let held = provider.snapshot();
        assert_eq!(provider.reload().unwrap().config, Config::default());
        assert_eq!(held.config.limits.queue_depth, 7, "a request keeps what it began with");
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let (_dir, provider) = provider(&" ".repeat(CONFIG_MAX as usize + 1));
        assert!(matches!(provider, Err(ConfigError::TooLarge { .. })));
    }
}
