//! `coditect version`: this program, and the daemon if one runs.

use super::Outcome;
use crate::context::Context;
use crate::failure::Exit;
use crate::render::Sheet;
use clap::Args;
use serde_json::json;

/// Prints the version of this program and of the running daemon. No daemon is started for it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  coditect version\n  coditect version --json")]
pub(crate) struct Version {}

impl Version {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let daemon = context.block(async { Ok(context.client().version().await.ok()) })?;
        let ours = context.host.version;
        let document = json!({ "version": ours, "api_revision": protocol::API_REVISION, "daemon": daemon });
        context.screen.show_sheet(&document, || {
            let running = daemon.as_ref().map_or_else(
                || "not running".to_owned(),
                |daemon| format!("{} (API revision {})", daemon.version, daemon.api_revision),
            );
            Sheet::new()
                .row("coditect", format!("{ours} (API revision {})", protocol::API_REVISION))
                .row("daemon", running)
        })?;
        Ok(Exit::Done)
    }
}
