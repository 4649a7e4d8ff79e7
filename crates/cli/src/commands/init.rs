//! `coditect init`: the data root, made and explained.

use super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::Sheet;
use clap::Args;
use serde_json::json;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

/// Makes the data root if there is none and says where it is. Nothing that is there is changed; `coditect up` does the same first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  coditect init\n  coditect init --data-root ~/code/.coditect-data")]
pub(crate) struct Init {}

impl Init {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let created = ensure(context)?;
        let root = context.root.path().display().to_string();
        let config = context.root.config();
        let document = json!({
            "data_root": root,
            "found_by": context.source.words(),
            "created": created,
            "config": config,
            "configured": config.exists(),
        });
        context.screen.show_sheet(&document, || {
            Sheet::new()
                .row("data root", root)
                .row("found by", context.source.words())
                .row("state", if created { "made now" } else { "was there" })
                .row(
                    "agents",
                    match config.exists() {
                        true => config.display().to_string(),
                        false => format!("the built-in four; name others in {}", config.display()),
                    },
                )
        })?;
        context.screen.say("next: `coditect up`, or `coditect doctor` to see whether everything is there");
        Ok(Exit::Done)
    }
}

/// Makes the data root, readable for its owner only; false when it was there.
pub(crate) fn ensure(context: &Context) -> Result<bool, Failure> {
    let path = context.root.path();
    if path.is_dir() {
        return Ok(false);
    }
    // The folders above are the user's own and get the mode he gives new folders.
    let made = path
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| DirBuilder::new().recursive(true).mode(0o700).create(path));
    made.map_err(|error| {
        Failure::file(path, &error)
            .hint("give a folder you can write with --data-root DIR, or set CODITECT_PROJECTS")
    })?;
    Ok(true)
}
