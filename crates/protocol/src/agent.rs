//! Agents on the wire.

use crate::operation::{
    Access::{Run, User},
    Method::{Get, Post},
    Operation,
};
use crate::words;
use model::{AgentName, Driver, Isolation, Timestamp, Vendor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
    ]
}
