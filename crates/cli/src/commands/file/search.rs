//! `coditect file search` and `coditect file index`.

use crate::commands::Outcome;
use crate::commands::repo::{absolute, found};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::launcher;
use crate::render::{Cell, Paint, Sheet, Table};
use clap::Args;
use protocol::{FileQuery, FilesFound, FoundFile, GitStatus, IndexOrder};
use std::path::Path;

#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Words that must all be in a file's path or text, each whole or as the beginning of one
    #[arg(required = true, value_name = "WORD")]
    words: Vec<String>,
    /// Only in this repository
    #[arg(long)]
    repo: Option<String>,
    /// Only in this worktree: a folder in it, `repo/name`, name or id
    #[arg(long)]
    worktree: Option<String>,
    /// Only in this language, as in `rust`
    #[arg(long)]
    language: Option<String>,
    /// Only this file, or what is in this folder; relative to the worktree's root
    #[arg(long, value_name = "PATH")]
    under: Option<String>,
    /// Only files that differ from what is committed
    #[arg(long)]
    changed: bool,
    /// At most this many
    #[arg(long)]
    limit: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Index {
    /// Only of this repository
    #[arg(long)]
    repo: Option<String>,
    /// From nothing, whatever the index holds
    #[arg(long)]
    anew: bool,
}

impl Search {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let worktree = match self.worktree {
            Some(given) if is_folder(&given) => Some(absolute(context, Path::new(&given))?),
            given => given,
        };
        let Self { words, repo, language, under, changed, limit, .. } = self;
        let found = context.talk("looking", async |client| {
            let repo = match &repo {
                Some(repo) => Some(found(context, client, repo).await?),
                None => None,
            };
            let changed = changed.then_some(true);
            let query = FileQuery { query: words.join(" "), repo, worktree, language, under, changed, limit };
            Ok(client.search_files(&query).await?)
        })?;
        context.screen.show(&found, || table(&found))?;
        if !context.screen.json {
            told(context, &found);
        }
        Ok(Exit::Done)
    }
}

fn is_folder(given: &str) -> bool {
    given.starts_with(['.', '/'])
}

/// One row per line that was found, and one for a file that was found by its name.
fn table(found: &FilesFound) -> Table {
    let rows: Vec<(&FoundFile, Option<&protocol::FoundLine>)> = found
        .items
        .iter()
        .flat_map(|file| {
            let lines = file.lines.iter().map(move |line| (file, Some(line)));
            let alone = file.lines.is_empty().then_some((file, None));
            lines.chain(alone)
        })
        .collect();
    const HEAD: [&str; 6] = ["FILE", "LINE", "TEXT", "STATUS", "LOCKED BY", "WORKTREE"];
    Table::of(&HEAD, &rows, |(file, line)| {
        let status = Cell::new(file.git_status.as_str());
        vec![
            Cell::new(file.path.as_str()).paint(Paint::Strong),
            Cell::maybe(line.map(|line| line.number.to_string()).as_ref()),
            Cell::maybe(line.map(|line| &line.text)),
            match file.git_status {
                GitStatus::Clean => status.paint(Paint::Dim),
                GitStatus::Modified | GitStatus::Staged | GitStatus::Untracked => status.paint(Paint::Note),
            },
            Cell::maybe(file.agent_lock.as_ref()),
            Cell::new(&file.worktree).paint(Paint::Dim),
        ]
    })
}

fn told(context: &Context, found: &FilesFound) {
    if found.items.is_empty() {
        context.screen.say("no file has all of these words");
    }
    if found.more {
        context.screen.say("there are more; give more words, or a higher --limit");
    }
    if found.behind {
        context.screen.say("the worktrees are still being looked at; search again in a moment");
    }
}

impl Index {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let report = context.block(async {
            let client = context.patient_client();
            launcher::reach(context, &client).await?;
            let asked = async {
                let repo = match &self.repo {
                    Some(repo) => Some(found(context, &client, repo).await?),
                    None => None,
                };
                let order = IndexOrder { repo, anew: self.anew };
                Ok::<_, Failure>(client.index_files(&order, None).await?)
            };
            context.with_word("looking at the files", asked).await
        })?;
        context.screen.show_sheet(&report, || {
            Sheet::new()
                .row("worktrees", report.worktrees.to_string())
                .row("files", report.files.to_string())
                .row("documents", report.documents.to_string())
                .row("left out", report.left_out.to_string())
                .row("bytes", report.bytes.to_string())
        })?;
        Ok(Exit::Done)
    }
}
