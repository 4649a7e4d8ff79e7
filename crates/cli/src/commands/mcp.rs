//! `coditect mcp`: the tools of an agent, served to the program that started this one.

use crate::context::Context;
use crate::failure::Exit;
use crate::host::McpRun;
use clap::Args;
use model::DEFAULT_WORKSPACE;

#[derive(Debug, Args)]
#[command(
    after_help = "A vendor's program starts this; docs/guide/mcp.md says how to tell each of them.\n\nExamples:\n  coditect mcp\n  coditect mcp --cwd src"
)]
pub(crate) struct Mcp {}

impl Mcp {
    pub(crate) fn run(self, context: &Context) -> Exit {
        let run = McpRun {
            root: context.root.clone(),
            workspace: DEFAULT_WORKSPACE.to_owned(),
            cwd: context.cwd.clone(),
        };
        Exit::Foreign((context.host.mcp)(&context.host, run))
    }
}
