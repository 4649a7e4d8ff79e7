//! `coditect session import`: history made outside the studio.

use super::super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::Sheet;
use agent::transcript::{home, program};
use clap::{Args, ValueEnum};
use client::Client;
use model::Vendor;
use protocol::{ImportState, NewImport};
use std::path::PathBuf;
use std::time::Duration;

/// Between two looks at how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const MEGABYTE: f64 = 1e6;

/// Whose transcripts.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Program {
    Claude,
    Codex,
    Gemini,
    Kimi,
}

impl Program {
    const fn vendor(self) -> Vendor {
        match self {
            Self::Claude => Vendor::Anthropic,
            Self::Codex => Vendor::Openai,
            Self::Gemini => Vendor::Google,
            Self::Kimi => Vendor::Moonshot,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Whose program wrote the transcripts
    program: Program,
    /// A transcript, or a folder below which all are meant
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    path: Option<PathBuf>,
    /// All transcripts below the program's own folder
    #[arg(long)]
    all: bool,
    /// Go on and read what is added, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

impl Import {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let vendor = self.program.vendor();
        let path = match &self.path {
            Some(path) => context.path(path),
            None => own_folder(context, vendor)?,
        };
        let new = NewImport { vendor, path: path.display().to_string(), watch: self.watch };
        context.follow(async |client| follow(context, client, &new).await)
    }
}

fn own_folder(context: &Context, vendor: Vendor) -> Result<PathBuf, Failure> {
    let name = program(vendor);
    let folder = home(vendor, &|name| context.variable(name).map(str::to_owned)).ok_or_else(|| {
        Failure::new(Exit::Usage, "no_home", "HOME is not set").hint("name the folder of the transcripts")
    })?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let message = format!("{name} has no transcripts here: {} is not there", folder.display());
    Err(Failure::new(Exit::NotFound, "no_transcripts", message)
        .hint("name the folder of the transcripts, or set the variable that the program itself looks at"))
}

async fn follow(context: &Context, client: &Client, new: &NewImport) -> Outcome {
    let screen = &context.screen;
    let mut import = client.start_import(new, None).await?;
    let mut told = 0;
    loop {
        let over = matches!(import.state, ImportState::Done | ImportState::Canceled | ImportState::Failed);
        if over || (new.watch && import.state == ImportState::Watching && import.messages > told) {
            if screen.may_redraw() {
                screen.redraw("");
            }
            told = import.messages;
            match (screen.json, new.watch) {
                (true, true) => screen.streamed(&import)?,
                (true, false) => screen.document(&import)?,
                (false, _) => show(context, &import)?,
            }
        } else if screen.may_redraw() && import.state == ImportState::Reading {
            screen.redraw(&progress(&import));
        }
        if over {
            return Ok(ended(&import));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        import = client.import(import.id).await?;
    }
}

fn progress(import: &protocol::Import) -> String {
    format!(
        "{} of {} files, {:.1} of {:.1} MB, {} messages",
        import.files_done,
        import.files,
        import.bytes_done as f64 / MEGABYTE,
        import.bytes as f64 / MEGABYTE,
        import.messages
    )
}

fn show(context: &Context, import: &protocol::Import) -> Result<(), Failure> {
    let some = |count: u64| (count > 0).then(|| count.to_string());
    let sheet = Sheet::new()
        .row("files", import.files.to_string())
        .row("sessions", import.sessions.to_string())
        .row("messages", import.messages.to_string())
        .row("lines", import.lines.to_string())
        .maybe("lines not understood", some(import.unknown))
        .maybe("files unchanged", some(import.unchanged))
        .maybe("files read again", some(import.again))
        .maybe("files still being written", some(import.torn))
        .maybe("files of sessions led from here", some(import.linked))
        .maybe("files without a conversation", some(import.empty))
        .maybe("files that could not be read", some(import.failed));
    context.screen.sheet(&sheet)?;
    for trouble in &import.troubles {
        context.screen.say(&format!("{}: {}", trouble.path, trouble.message));
    }
    Ok(())
}

/// What could not be read is a failure, whatever else was.
fn ended(import: &protocol::Import) -> Exit {
    match import.state {
        ImportState::Failed => Exit::Failed,
        _ if import.failed > 0 => Exit::Failed,
        _ => Exit::Done,
    }
}
