//! `coditect board import`.

use super::super::Outcome;
use super::show;
use crate::context::Context;
use crate::failure::Failure;
use clap::Args;
use protocol::{BoardDocument, MissingWish, NewImportedBoard, limits};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// File with the document; `-` reads it from stdin
    file: PathBuf,
    /// What the board is called, instead of the name in the document
    #[arg(long)]
    name: Option<String>,
    /// What becomes of a card whose session or worktree is not here: `note` makes a note of it, `refuse` imports nothing
    #[arg(long, default_value = "note", value_parser = missing)]
    missing: MissingWish,
}

fn missing(word: &str) -> Result<MissingWish, String> {
    match word {
        "note" => Ok(MissingWish::Note),
        "refuse" => Ok(MissingWish::Refuse),
        _ => Err("note or refuse".to_owned()),
    }
}

impl Import {
    pub(super) fn run(self, context: &Context) -> Outcome {
        let text = match self.file.to_str() {
            Some("-") => context.text_within("-", limits::BODY_MAX as u64)?,
            _ => read(context, &self.file)?,
        };
        let document: BoardDocument = serde_json::from_str(&text).map_err(|error| {
            Failure::usage("board_document", format!("this is no board's document: {error}"))
                .hint("write one with `coditect board export BOARD > FILE`")
        })?;
        let new = NewImportedBoard { document, name: self.name, missing: self.missing };
        let whole = context
            .talk("importing the board", async |client| Ok(client.import_board(&new, None).await?))?;
        show(context, &whole)
    }
}

fn read(context: &Context, file: &std::path::Path) -> Result<String, Failure> {
    let path = context.cwd.join(file);
    let told = |error: std::io::Error| {
        Failure::usage("file_unreadable", format!("{}: {error}", path.display()))
            .hint("name a file that is there")
    };
    let size = std::fs::metadata(&path).map_err(told)?.len();
    if size > limits::BODY_MAX as u64 {
        let message = format!("{} has {size} bytes; at most {} are taken", path.display(), limits::BODY_MAX);
        return Err(Failure::usage("file_too_large", message).hint("take long notes out of it"));
    }
    std::fs::read_to_string(&path).map_err(told)
}
