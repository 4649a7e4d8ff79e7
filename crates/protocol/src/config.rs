//! `config.json` of the data root, as a schema. The engine reads the file; a test of the server holds
//! the engine's defaults against this, so that the two cannot drift apart.

use crate::words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Agents, limits, the server, and what joins this machine to others. Every field has a default; unknown ones are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// By name: a lower-case letter, then up to 31 letters, digits, `-` or `_`.
    pub agents: Option<BTreeMap<String, AgentConfig>>,
    pub limits: Option<Limits>,
    pub server: Option<ServerConfig>,
    pub bus: Option<BusConfig>,
    pub database: Option<DatabaseConfig>,
    pub permissions: Option<PermissionConfig>,
    pub budgets: Option<BudgetConfig>,
    pub transcripts: Option<TranscriptsConfig>,
    pub repos: Option<RepoConfig>,
    /// Who names sessions you gave no title, after their first turn: the agent's own model, by a short call in the background, or nobody, so
    /// that they keep their first words.
    #[schema(value_type = Option<words::Titles>)]
    pub titles: Option<Titles>,
    pub compaction: Option<CompactionConfig>,
}

/// When what was said is condensed, and by whom, for agents whose context the studio makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompactionConfig {
    /// A model (when absent), before a turn whose conversation would be too long for it; or nobody, unless it is ordered.
    #[schema(value_type = Option<words::Compactor>)]
    pub by: Option<Compactor>,
    /// Percent of the model's context that the conversation may fill: 5 to 80, 50 when absent.
    pub percent: Option<u32>,
    /// The agent whose model condenses; that of the agent whose turn it is, when absent.
    pub agent: Option<String>,
}

/// Who condenses a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compactor {
    Model,
    Nobody,
}

impl Compactor {
    pub const ALL: [Self; 2] = [Self::Model, Self::Nobody];
}

/// Who names sessions the user gave no title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Titles {
    Model,
    Words,
}

impl Titles {
    pub const ALL: [Self; 2] = [Self::Model, Self::Words];
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    #[schema(value_type = words::Vendor)]
    pub vendor: model::Vendor,
    #[schema(value_type = Option<words::Driver>)]
    pub driver: Option<model::Driver>,
    pub model: String,
    /// Where the model answers; none means the vendor's own address.
    pub base_url: Option<String>,
    /// Name of the environment variable that holds the key. The key itself is never in this file. Empty when the vendor's
    /// own program is driven and logs in by itself.
    pub api_key_env: Option<String>,
    /// The vendor's program and its first arguments; none means the driver's usual one, looked up in PATH.
    pub command: Option<Vec<String>>,
    /// What the vendor's program finds in its environment, besides what every run does.
    pub env: Option<BTreeMap<String, String>>,
    /// Names of variables of the daemon's own that the vendor's program is given, too.
    pub pass_env: Option<Vec<String>>,
    #[schema(value_type = Option<words::Isolation>)]
    pub isolation: Option<model::Isolation>,
    /// Whether an agent with `isolation` at `sandbox` may only work where a sandbox can be held. True when absent.
    pub sandbox_required: Option<bool>,
    /// Folders and files that are to be writable inside the sandbox besides the usual ones: absolute, or from `~/`.
    pub sandbox_writable: Option<Vec<String>>,
    /// Tokens.
    pub context_window: Option<u64>,
    /// Added to the agent's system prompt.
    pub instructions: Option<String>,
    /// What happens to calls that no rule speaks of. `ask` (the default): reads and edits go ahead, everything else
    /// asks. `edits`: reads and edits go ahead, everything else is denied and nobody is asked. `all`: everything goes
    /// ahead that does not administer agents.
    #[schema(value_type = Option<words::PermissionPreset>)]
    pub permissions: Option<PermissionPreset>,
    /// What becomes of a question while nobody watches: it waits (the default), is denied or allowed. What administers
    /// agents is denied then in any case.
    #[schema(value_type = Option<words::Unattended>)]
    pub unattended: Option<Unattended>,
    /// What it is good at, in words a task can want: at most 16, lower-case letters, digits, `_`, `-`, `.`, `:` and `/`.
    pub capabilities: Option<Vec<String>>,
}

/// What happens to calls that no rule speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionPreset {
    Ask,
    Edits,
    All,
}

impl PermissionPreset {
    pub const ALL: [Self; 3] = [Self::Ask, Self::Edits, Self::All];
}

/// What becomes of a question while nobody watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unattended {
    Deny,
    Wait,
    Allow,
}

impl Unattended {
    pub const ALL: [Self; 3] = [Self::Deny, Self::Wait, Self::Allow];
}

/// What agents may do without asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PermissionConfig {
    /// At most 256. `deny` wins; else the rule that says most about the call; of two that say as much, the one that asks.
    pub rules: Option<Vec<PermissionRuleConfig>>,
    /// By category, for calls that no rule speaks of; goes before the agents' presets.
    pub default: Option<BTreeMap<ToolCategoryName, PermissionEffectName>>,
    /// Somebody looks at the inbox even when neither a page nor a follower is connected.
    pub watched: Option<bool>,
}

/// `read`, `edit`, `shell`, `network`, `mcp` or `admin`.
pub type ToolCategoryName = String;
/// `allow`, `ask` or `deny`.
pub type PermissionEffectName = String;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PermissionRuleConfig {
    /// A category, or a glob over the vendor's names of tools, as in `mcp__github__*`; none: every tool.
    pub tool: Option<String>,
    /// Globs over paths of the worktree. To allow, every path of the call must be among them; to deny or ask, one.
    pub paths: Option<Vec<String>>,
    /// Of a shell command, its first words, as in `cargo test`; or a glob over the whole, as in `git log*`; or `=` and the
    /// exact line.
    pub command: Option<String>,
    /// Only calls of this agent.
    pub agent: Option<String>,
    #[schema(value_type = words::PermissionEffect)]
    pub decision: model::PermissionEffect,
}

/// What work may cost. An amount is dollars as text, as in `"2.50"`; days are those of UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetConfig {
    pub task_usd: Option<String>,
    pub session_usd: Option<String>,
    pub day_usd: Option<String>,
    pub task_tokens: Option<u64>,
    pub session_tokens: Option<u64>,
    pub day_tokens: Option<u64>,
    /// The share of a budget, in percent, from which on one is warned: 1 to 100. None means 80.
    pub warn_percent: Option<u32>,
    /// By name.
    pub agents: Option<BTreeMap<String, AgentBudget>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentBudget {
    pub day_usd: Option<String>,
    pub day_tokens: Option<u64>,
}

/// Bounds of what one workspace takes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Tasks of one session that may wait; one more is refused with `queue_full`.
    pub queue_depth: Option<u32>,
    /// Seconds a turn may take, not counting the wait for an answer of the user.
    pub turn_deadline_seconds: Option<u64>,
    /// Seconds a run may say nothing at all while it waits for nobody; then its turn has failed.
    pub stall_seconds: Option<u64>,
    /// Seconds a question may wait for an answer.
    pub answer_deadline_seconds: Option<u64>,
    /// Messages of the conversation that an agent is shown as they were, tools left out, where we make its context: the last
    /// ones, when not all that was said since the last compaction fits.
    pub history_messages: Option<u32>,
    /// Model calls in one turn of the native driver.
    pub max_iterations: Option<u32>,
    /// Attempts of one task, crashes included.
    pub max_attempts: Option<u32>,
    /// Seconds an edit waits for somebody else's lock.
    pub lock_wait_seconds: Option<u64>,
    /// Seconds a lock lives without renewal.
    pub lock_ttl_seconds: Option<u64>,
    /// Runs alive at the same time in the workspace. Absent: 16 for each core, one for each 256 MiB of memory, whichever
    /// is less; 8 to 64.
    pub max_runs: Option<u32>,
    /// Of them, those of one vendor. Absent: all.
    pub vendor_runs: Option<u32>,
    /// Seconds the repository's tests may take.
    pub test_deadline_seconds: Option<u64>,
    /// Generations of sessions that agents may spawn; 3.
    pub spawn_depth: Option<u32>,
    /// Children of one session that an agent may have at work at once; 8.
    pub spawn_children: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// TCP port on 127.0.0.1; 0 lets the system choose.
    pub port: Option<u16>,
}

/// What is read all the time of what the vendors' own programs write down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TranscriptsConfig {
    /// Some of `claude`, `codex`, `gemini` and `kimi`; none without a word of yours, for all you say to them is in there.
    pub mirror: Option<Vec<String>>,
}

/// Where the workspace's data are. None of it: in files of this machine. Read when the daemon starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgresql://…`, without a password.
    pub url: Option<String>,
    /// Name of the environment variable that holds the URL, for one that has a password.
    pub url_env: Option<String>,
    /// What the workspace is called there: 1 to 48 lower-case letters, digits, `_` or `-`. None means the workspace's name.
    pub name: Option<String>,
}

/// The bus: the server between machines, without which it is this machine's alone, and how it is listened to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BusConfig {
    /// `postgresql://…`, `nats://…` or `tls://…`, without a password.
    pub url: Option<String>,
    /// Name of the environment variable that holds the URL, for one that has a password.
    pub url_env: Option<String>,
    /// What the machines that meet there have in common: 1 to 48 lower-case letters, digits, `_` or `-`. None means the
    /// workspace's name.
    pub team: Option<String>,
    /// What this machine is called there; none means the host's name and a piece of the machine's id.
    pub machine: Option<String>,
    /// How long, in milliseconds, the daemon trusts the bells of this machine's bus before it looks by itself: 10 to
    /// 10000, read when the daemon starts. None means 250.
    pub safety_poll_ms: Option<u32>,
}

/// Repositories and worktrees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RepoConfig {
    /// Days a worktree stays in the trash before it goes for good: 1 to 3650, 14 when absent.
    pub trash_days: Option<u32>,
    /// Days after which the automatic checkpoints of a session that is over are thinned out: 0 to 3650, 14 when absent; 0 keeps them all.
    pub checkpoint_days: Option<u32>,
    /// Whether `file://` addresses may be cloned from. False when absent.
    pub clone_files: Option<bool>,
}
