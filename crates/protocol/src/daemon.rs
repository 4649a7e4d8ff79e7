//! The daemon itself on the wire: who it is, how it does, how a page gets in, what is wrong.

use crate::Usage;
use crate::operation::{
    Access::{Open, Run, User},
    Answer,
    Method::{Get, Post},
    Operation, Shape,
};
use model::{Cursor, Timestamp};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use utoipa::{IntoParams, ToSchema};

/// Revision of the API. A client and a daemon that differ in it do not talk.
pub const API_REVISION: u32 = 1;

/// The pulse: open to everybody and always the same.
pub const HEALTH_PATH: &str = "/healthz";

/// The tools of agents over HTTP. Not under the API's prefix: the API is described by OpenAPI, this by a protocol of its own.
pub const MCP_PATH: &str = "/mcp";

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// Version of the binary.
    pub version: String,
    /// Revision of the API; must be equal on both sides.
    pub api_revision: u32,
    /// Version of the event payloads.
    pub event_version: u16,
    pub pid: u32,
    pub workspace: String,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
}

/// One look at the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    pub version: String,
    pub workspace: String,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// The newest event.
    #[serde(with = "crate::event::cursor_text")]
    #[schema(value_type = String)]
    pub cursor: Cursor,
    pub sessions: u64,
    pub running_turns: u32,
    pub locks: u32,
    /// What waits for you: questions, and agents without their key or configuration.
    pub needs_input: u32,
    pub usage: Usage,
    pub config_version: u64,
    /// Connections open now.
    pub connections: u32,
    /// WebSocket clients now.
    pub watchers: u32,
    /// Watchers cut because they did not read, since start.
    pub slow_watchers_cut: u64,
    /// Wrong credentials since start.
    pub refused_credentials: u64,
    /// Messages for slow readers, refused submissions and the like since start.
    pub dropped: u64,
    /// The daemon is stopping.
    pub draining: bool,
}

/// `daemon.json`: who the daemon of a data root is and where it listens. It tells where to knock; it
/// proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonInfo {
    pub version: String,
    pub api_revision: u32,
    pub pid: u32,
    /// Unix socket, mode 0600; none where its path would be too long for the system.
    pub socket: Option<PathBuf>,
    /// `127.0.0.1:port`.
    pub address: std::net::SocketAddr,
    pub started_at: Timestamp,
}

/// A code that a browser turns into a cookie, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Launch {
    pub code: String,
    /// The address to open; it carries the code.
    pub url: String,
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LaunchQuery {
    pub code: String,
}

/// One thing the doctor looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    pub severity: Severity,
    /// `snake_case`, stable.
    pub check: String,
    pub message: String,
    pub hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Ok,
    Warning,
    Error,
}

/// What a reload of the configuration came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigVersion {
    /// Rises with every accepted change.
    pub version: u64,
}

/// The daemon heard that it shall stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stopping {
    pub pid: u32,
}

/// What can be done with the daemon itself.
pub(crate) fn operations() -> Vec<Operation> {
    let op = |id, method, path, access, summary| Operation::new("daemon", id, method, path, access, summary);
    let mut health =
        op("health", Get, "", Open, "Says `ok`, and proves on a challenge that it is the daemon.")
            .answers(200, Answer::Text);
    health.path = HEALTH_PATH.to_owned();
    vec![
        health,
        op("get_version", Get, "/version", Run, "Says who answers.").returns::<Version>(),
        op("get_status", Get, "/status", User, "Shows how the daemon does.").returns::<Status>(),
        op("doctor", Get, "/doctor", User, "Looks for what could be wrong on this machine.")
            .lists::<Finding>(),
        op("reload_config", Post, "/config/reload", User, "Reads config.json again.")
            .returns::<ConfigVersion>(),
        op("create_launch", Post, "/launch", User, "Makes a code that lets one browser in, once.")
            .creates::<Launch>(),
        op("use_launch", Get, "/launch", Open, "Turns a launch code into a cookie.")
            .query::<LaunchQuery>()
            .answers(303, Answer::Redirect),
        op("shut_down", Post, "/shutdown", User, "Stops the daemon in good order.")
            .answers(202, Answer::Json(Box::new(Shape::of::<Stopping>()))),
        op("openapi", Get, "/openapi.json", User, "This document.").answers(200, Answer::AnyJson),
    ]
}
