//! Agents on the wire.

use crate::event::cursor_text;
use crate::operation::{
    Access::{Run, User},
    Method::{Get, Post},
    Operation,
};
use crate::words;
use model::{AgentName, Cursor, Driver, Isolation, Timestamp, Vendor};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A configured agent, and whether it could work now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    #[schema(value_type = String)]
    pub name: AgentName,
    #[schema(value_type = words::Vendor)]
    pub vendor: Vendor,
    #[schema(value_type = words::Driver)]
    pub driver: Driver,
    pub model: String,
    /// Where its model answers; none means the vendor's own address.
    pub base_url: Option<String>,
    /// Tokens the model can hold.
    pub context_window: u64,
    /// Name of the environment variable that holds its key.
    pub api_key_env: String,
    /// Whether the daemon found a key there. The key itself is never sent.
    pub key_present: bool,
    /// What a task can want of it.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Its vendor takes no calls for a while, as it said itself.
    #[serde(default)]
    pub paused: Option<VendorPause>,
    /// Whether it can start agents of its own within a turn.
    pub sub_agents: bool,
    #[schema(value_type = words::Isolation)]
    pub isolation: Isolation,
    /// How its sandbox is held; none for an agent that works without one.
    pub sandbox: Option<Sandbox>,
}

/// How a sandbox is held on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sandbox {
    /// `bubblewrap` or `landlock`; none when nothing holds it: the agent is UNSANDBOXED, or does not work.
    pub held_by: Option<String>,
    /// Why nothing does.
    pub reason: Option<String>,
}

/// A vendor takes no calls until then; work for its agents waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VendorPause {
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// What it said.
    pub reason: String,
}

/// Body of `POST /agents/resume`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewResumption {
    #[schema(value_type = words::Vendor)]
    pub vendor: Vendor,
}

/// Whose turns to count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AgentStatsQuery {
    /// Id or short id of a session; all without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Only turns that ended at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub since: Option<Timestamp>,
}

/// What agents' turns came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentStats {
    /// Who did most comes first.
    pub items: Vec<AgentFigures>,
    /// The last event that is counted.
    #[serde(with = "cursor_text")]
    #[schema(value_type = String)]
    pub through: Cursor,
    /// Why no more are counted until the daemon is restarted.
    pub stopped: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentFigures {
    /// As it was called when it joined.
    pub agent: String,
    /// Turns that ended.
    pub turns: u64,
    pub completed: u64,
    pub failed: u64,
    pub canceled: u64,
    /// From a turn's start to its end, on average, in milliseconds.
    pub latency_ms: u64,
    pub latency_max_ms: u64,
    pub tokens: u64,
    /// Millionths of a US dollar.
    pub cost_micros: u64,
    pub model_calls: u64,
    /// Of calls, before an answer came.
    pub retries: u64,
    pub tool_calls: u64,
    pub tool_errors: u64,
}

/// What can be done with agents.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("agents", "list_agents", Get, "/agents", Run, "Lists the configured agents.")
            .lists::<Agent>(),
        Operation::new(
            "agents",
            "resume_vendor",
            Post,
            "/agents/resume",
            User,
            "Tries a vendor that said it takes no calls for a while; returns its agents.",
        )
        .body::<NewResumption>()
        .lists::<Agent>(),
        Operation::new(
            "agents",
            "get_agent_stats",
            Get,
            "/agents/stats",
            User,
            "Shows what agents' turns came to: how many, how they ended, how long they took, what they used.",
        )
        .query::<AgentStatsQuery>()
        .returns::<AgentStats>(),
    ]
}
