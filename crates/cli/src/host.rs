//! The seam between the commands and the binary they are built into.
//!
//! Invariant: what the operating system says (environment, clock, dice, our own path) comes in through
//! [`Host`], so that a test decides all of it.

use model::{Clock, DataRoot, Entropy, Refusal};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// What the binary lends to the commands.
pub struct Host {
    /// Version of the binary.
    pub version: &'static str,
    /// The binary itself, to start the daemon in the background.
    pub executable: PathBuf,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// The environment as it was at start; variables that are not UTF-8 are not in it.
    pub environment: BTreeMap<String, String>,
    /// `coditect daemon run`: serves in the foreground until it is stopped.
    pub daemon: fn(&Host, DaemonRun) -> ExitCode,
    /// `coditect demo`.
    pub demo: fn(&Host, DemoRun) -> ExitCode,
    /// `coditect mcp`: serves on stdin and stdout until stdin ends.
    pub mcp: fn(&Host, McpRun) -> ExitCode,
    /// `coditect data restore`: refuses a workspace that has a journal already.
    pub restore: fn(&Host, RestoreRun) -> Result<Restored, Refusal>,
    /// `coditect data move`: the original stays as it is; config.json names the copy when all of it was verified.
    pub move_data: fn(&Host, MoveRun) -> Result<MovedData, Refusal>,
}

/// How the daemon is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonRun {
    pub root: DataRoot,
    /// Name of the workspace under the root.
    pub workspace: String,
    /// Port on 127.0.0.1; none: what config.json says, and else any free one.
    pub port: Option<u16>,
}

/// How the demo is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoRun {
    /// No browser is opened, and the demo ends when the work is done.
    pub headless: bool,
    /// One summary object on stdout and nothing else there.
    pub json: bool,
    /// The scratch folder stays when the demo has ended.
    pub keep: bool,
    /// Colour on stderr.
    pub color: bool,
    /// No progress on stderr.
    pub quiet: bool,
}

/// Where the tools work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpRun {
    pub root: DataRoot,
    /// Name of the workspace under the root.
    pub workspace: String,
    /// Where relative paths begin.
    pub cwd: PathBuf,
}

/// An exported journal to bring back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRun {
    pub root: DataRoot,
    pub workspace: String,
    /// The file `coditect data export` wrote.
    pub archive: PathBuf,
}

/// A workspace to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveRun {
    pub root: DataRoot,
    pub workspace: String,
    pub to: MoveTo,
}

/// Where the data are to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveTo {
    /// Files of this machine, SQLite among them.
    Files,
    /// A server: as `database` in config.json says it.
    Server { url: Option<String>, url_env: Option<String>, name: Option<String> },
}

/// What was moved; all of it verified.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MovedData {
    pub records: u64,
    pub blobs: u64,
    /// `sqlite`, or the server without its password.
    pub to: String,
}

/// What a restore brought back; all of it verified.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Restored {
    pub records: u64,
    pub segments: u64,
    pub blobs: u64,
}
