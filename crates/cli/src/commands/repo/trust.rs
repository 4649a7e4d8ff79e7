//! `coditect repo scripts` and `trust`: what a repository may have done to its worktrees.

use super::super::Outcome;
use super::found;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Cell, Paint, Table};
use clap::Args;
use protocol::{NewTrust, ScriptQuery};

#[derive(Debug, Args)]
pub(crate) struct Scripts {
    /// Name, id, short id, or path of the repository
    repo: String,
    /// As they are in this worktree
    #[arg(long, value_name = "WORKTREE")]
    worktree: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Trust {
    /// Name, id, short id, or path of the repository
    repo: String,
    /// As they are in this worktree
    #[arg(long, value_name = "WORKTREE")]
    worktree: Option<String>,
    /// Trust none any more
    #[arg(long, conflicts_with = "worktree")]
    none: bool,
}

impl Scripts {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let scripts = context.talk("reading the scripts", async |client| {
            let id = found(context, client, &self.repo).await?;
            Ok(client.scripts(&id, &ScriptQuery { worktree: self.worktree.clone() }).await?)
        })?;
        if context.screen.json {
            context.screen.document(&scripts)?;
            return Ok(Exit::Done);
        }
        for script in &scripts.items {
            let word = if script.trusted { "trusted" } else { "not trusted" };
            context.screen.print(&format!("# {} ({word}, {})\n", script.path, &script.hash))?;
            context.screen.text(&script.text)?;
        }
        if scripts.items.is_empty() {
            context.screen.say("there are none: .coditect/setup.sh, run.sh and teardown.sh are looked for");
        }
        Ok(Exit::Done)
    }
}

impl Trust {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let (id, scripts) = context.talk("reading the scripts", async |client| {
            let id = found(context, client, &self.repo).await?;
            if self.none {
                return Ok((id, Vec::new()));
            }
            let query = ScriptQuery { worktree: self.worktree.clone() };
            let scripts = client.scripts(&id, &query).await?.items;
            Ok((id, scripts))
        })?;
        if scripts.is_empty() && !self.none {
            return Err(Failure::new(Exit::NotFound, "no_script", "the repository has no scripts to trust")
                .hint("write .coditect/setup.sh, run.sh or teardown.sh, and commit it"));
        }
        let hashes = scripts.iter().map(|script| script.hash.clone()).collect();
        let trust = NewTrust { hashes, only: self.none };
        let repo = context
            .talk("writing it down", async |client| Ok(client.trust_scripts(&id, &trust, None).await?))?;
        if context.screen.json {
            context.screen.document(&repo)?;
            return Ok(Exit::Done);
        }
        if self.none {
            context.screen.say(&format!("no script of {} is trusted any more", repo.slug));
            return Ok(Exit::Done);
        }
        let table = Table::of(&["SCRIPT", "HASH", "BEFORE"], &scripts, |script| {
            vec![
                Cell::new(&script.path).paint(Paint::Strong),
                Cell::new(script.hash.get(..12).unwrap_or_default()).piped(script.hash.clone()),
                Cell::new(if script.trusted { "trusted" } else { "new" }),
            ]
        });
        context.screen.table(&table)?;
        context.screen.say("these are trusted as they are now; one that changes is asked about again");
        Ok(Exit::Done)
    }
}
