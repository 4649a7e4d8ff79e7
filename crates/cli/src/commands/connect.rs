//! `coditect connect` and `coditect disconnect`: the vendors' own terminals take part, or do not any more.

use super::Outcome;
use crate::connection::{Connection, Edit, Standing};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::worktree::Worktree;
use agent::{Cli, Scope};
use clap::Args;
use serde_json::{Value, json};
use std::io::{BufRead, Write};

/// Installs our hooks and our MCP server in a vendor's program. Shows what changes and asks first
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  coditect connect claude\n  coditect connect codex --project --yes")]
pub(crate) struct Connect {
    #[command(flatten)]
    target: Target,
}

/// Takes out what `coditect connect` put in, byte for byte where nobody has changed the file since
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  coditect disconnect claude\n  coditect disconnect codex --project --yes"
)]
pub(crate) struct Disconnect {
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
struct Target {
    /// claude, codex, gemini or kimi
    vendor: String,
    /// Only in the checkout you stand in
    #[arg(long, conflicts_with = "user")]
    project: bool,
    /// In every session of yours; so it is without a word
    #[arg(long)]
    user: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Target {
    fn connection<'a>(&self, context: &'a Context) -> Result<Connection<'a>, Failure> {
        let cli: Cli = self.vendor.parse().map_err(|error: agent::UnknownCli| {
            Failure::usage("unknown_vendor", error.to_string())
                .hint("other agents take part with `coditect join`")
        })?;
        Connection::new(context, cli, if self.project { Scope::Project } else { Scope::User })
    }

    /// Shows the changes; false when they are not to be made.
    fn agreed(&self, context: &Context, edits: &[Edit]) -> Result<bool, Failure> {
        if !context.screen.json {
            for edit in edits {
                let since = if edit.changed_since && edit.what() != "made" {
                    " (you changed it; only ours goes)"
                } else {
                    ""
                };
                context.screen.say(&format!("{} is {}{since}:", edit.path.display(), edit.what()));
                for line in edit.diff().lines() {
                    context.screen.say(line);
                }
            }
        }
        if self.dry_run || edits.is_empty() || self.yes {
            return Ok(!self.dry_run);
        }
        if context.screen.json || !context.may_ask() {
            return Err(Failure::new(Exit::NeedsInput, "not_confirmed", "nobody is there to agree to this")
                .hint("look at it with --dry-run, then give --yes"));
        }
        let _ = write!(std::io::stderr(), "write this? [y/N] ");
        let mut said = String::new();
        std::io::stdin().lock().read_line(&mut said)?;
        Ok(matches!(said.trim(), "y" | "Y" | "yes"))
    }
}

fn listed(edits: &[Edit]) -> Vec<Value> {
    let one = |edit: &Edit| {
        let target = Some(&edit.present.real).filter(|real| **real != edit.path);
        json!({ "path": edit.path, "target": target, "what": edit.what(), "diff": edit.diff() })
    };
    edits.iter().map(one).collect()
}

impl Connect {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        not_in_a_run(context)?;
        let connection = self.target.connection(context)?;
        let edits = connection.wanted()?;
        let (cli, scope) = (connection.cli, connection.scope.as_str());
        let agreed = self.target.agreed(context, &edits)?;
        let mut notes = Vec::new();
        let mut managed = None;
        if agreed {
            notes = connection.connect(&edits)?;
            managed = manage(context)?;
        }
        let changed = agreed && !edits.is_empty();
        if context.screen.json {
            context.screen.document(&json!({
                "vendor": cli.as_str(), "scope": scope, "changed": changed, "dry_run": self.target.dry_run,
                "files": listed(&edits), "notes": notes, "repository": managed,
            }))?;
            return Ok(Exit::Done);
        }
        if edits.is_empty() {
            context.screen.say(&format!("{cli} is connected ({scope}); nothing to change"));
        } else if changed {
            context.screen.say(&format!("{cli} is connected ({scope}); its next session takes part"));
        } else if !self.target.dry_run {
            context.screen.say("nothing was written");
        }
        notes.iter().for_each(|note| context.screen.say(note));
        if agreed {
            context.screen.say(&match managed {
                Some(top) => format!("sessions in {top} take part"),
                None => "sessions take part in repositories that were registered: `coditect repo add PATH`"
                    .to_owned(),
            });
        }
        Ok(Exit::Done)
    }
}

impl Disconnect {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        not_in_a_run(context)?;
        let connection = self.target.connection(context)?;
        let edits = connection.unwanted()?;
        let (cli, scope) = (connection.cli, connection.scope.as_str());
        let agreed = self.target.agreed(context, &edits)?;
        let changed = agreed && !edits.is_empty();
        if changed {
            connection.disconnect(&edits)?;
        } else if agreed {
            connection.forget()?;
        }
        let left = if agreed && connection.scope == Scope::Project { take_out(context)? } else { None };
        if context.screen.json {
            let since: Vec<_> =
                edits.iter().filter(|edit| edit.changed_since).map(|edit| &edit.path).collect();
            context.screen.document(&json!({
                "vendor": cli.as_str(), "scope": scope, "changed": changed, "dry_run": self.target.dry_run,
                "files": listed(&edits), "changed_since": since, "repository_left": left,
            }))?;
            return Ok(Exit::Done);
        }
        context.screen.say(&match (changed, edits.is_empty()) {
            (true, _) => format!("{cli} is not connected ({scope}) any more"),
            (false, true) => format!("{cli} is not connected ({scope}); nothing to change"),
            (false, false) => "nothing was written".to_owned(),
        });
        if let Some(top) = left {
            context.screen.say(&format!("sessions in {top} do not take part any more"));
        }
        Ok(Exit::Done)
    }
}

/// From now on sessions in the checkout around the user take part; which that is.
fn manage(context: &Context) -> Result<Option<String>, Failure> {
    let Ok(worktree) = Worktree::around(&context.cwd) else { return Ok(None) };
    let Some(top) = worktree.repo() else { return Ok(None) };
    super::init::ensure(context)?;
    bus::manage(&context.workspace().bus(), &top)?;
    Ok(Some(top))
}

/// Sessions in the checkout around the user take part no more, unless another program is connected there.
fn take_out(context: &Context) -> Result<Option<String>, Failure> {
    let connected = |cli| {
        Connection::new(context, cli, Scope::Project)
            .and_then(|connection| connection.standing())
            .is_ok_and(|standing| standing != Standing::Absent)
    };
    let top = Worktree::around(&context.cwd).ok().and_then(|worktree| worktree.repo());
    let Some(top) = top.filter(|_| !Cli::ALL.into_iter().any(connected)) else { return Ok(None) };
    Ok(bus::forget(&context.workspace().bus(), &top)?.then_some(top))
}

/// An agent must not change what its own program does.
fn not_in_a_run(context: &Context) -> Result<(), Failure> {
    context.not_for_agents("change the configuration of the vendors' programs")
}
