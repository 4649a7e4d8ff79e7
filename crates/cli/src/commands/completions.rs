//! `coditect completions`: what a shell needs to complete a line.

use super::Outcome;
use crate::context::Context;
use crate::failure::Exit;
use crate::line;
use clap::Args;
use clap_complete::Shell;

/// Prints the completion script of a shell. Put it where your shell looks for completions.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  coditect completions bash > ~/.local/share/bash-completion/completions/coditect\n  coditect completions zsh > ~/.zfunc/_coditect"
)]
pub(crate) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut line::command(context.host.version),
            "coditect",
            &mut script,
        );
        let script = String::from_utf8_lossy(&script).into_owned();
        if context.screen.json {
            let shell = self.shell.to_string();
            context.screen.document(&serde_json::json!({ "shell": shell, "script": script }))?;
        } else {
            context.screen.print(script.trim_end())?;
        }
        Ok(Exit::Done)
    }
}
