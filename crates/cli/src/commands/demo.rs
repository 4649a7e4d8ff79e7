//! `coditect demo`: told to the binary, which has everything the demo is made of.

use crate::context::Context;
use crate::failure::Exit;
use crate::host::DemoRun;
use clap::Args;

/// Makes a small library with failing tests in a scratch folder and lets four agents repair it: real daemon,
/// real locks, real git, scripted models. Nothing of yours is touched.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  coditect demo\n  coditect demo --headless --json")]
pub(crate) struct Demo {
    /// Open no browser, and end when the work is done
    #[arg(long)]
    headless: bool,
    /// Keep the scratch folder; with --json, whose summary names what is in it, it is kept always
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(crate) fn run(self, context: &Context) -> Exit {
        let screen = &context.screen;
        let order = DemoRun {
            headless: self.headless || !context.has_display(),
            json: screen.json,
            keep: self.keep,
            color: screen.color_err(),
            quiet: screen.quiet(),
        };
        Exit::Foreign((context.host.demo)(&context.host, order))
    }
}
