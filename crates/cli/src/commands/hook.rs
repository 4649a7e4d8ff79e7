//! The command `hook`, as far as people see it: what vendors' programs call is carried out before the command line is read.

use super::Outcome;
use crate::failure::Failure;
use clap::Args;

/// Answers a hook of a vendor's program; not meant for people
#[derive(Debug, Args)]
pub(crate) struct Hook {
    /// claude, codex, gemini or kimi
    vendor: String,
}

impl Hook {
    pub(crate) fn run(self) -> Outcome {
        Err(match self.vendor.parse::<agent::Cli>() {
            Err(error) => Failure::usage("unknown_vendor", error.to_string()),
            Ok(cli) => Failure::usage(
                "hook_by_hand",
                format!("{cli} calls this command and writes a JSON event to its stdin"),
            ),
        }
        .hint("install the hooks with `coditect connect VENDOR`"))
    }
}
