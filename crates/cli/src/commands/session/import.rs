//! `coditect session import`: history made outside the studio.

use super::super::Outcome;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::launcher;
use crate::render::Sheet;
use agent::transcript::{home, program};
use clap::{Args, ValueEnum};
use client::Client;
use model::Vendor;
use protocol::{ImportState, NewImport, NewSessionImport};
use std::path::PathBuf;
use std::time::Duration;

/// Between two looks at how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const MEGABYTE: f64 = 1e6;

/// What is to be read.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Source {
    /// What `coditect session export` wrote
    Archive,
    Claude,
    Codex,
    Gemini,
    Kimi,
}

impl Source {
    /// Whose program wrote the transcripts; none for an archive of ours.
    const fn vendor(self) -> Option<Vendor> {
        match self {
            Self::Archive => None,
            Self::Claude => Some(Vendor::Anthropic),
            Self::Codex => Some(Vendor::Openai),
            Self::Gemini => Some(Vendor::Google),
            Self::Kimi => Some(Vendor::Moonshot),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// An archive, or whose program wrote the transcripts
    from: Source,
    /// An archive, a transcript, or a folder below which all transcripts are meant
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
        let Some(vendor) = self.from.vendor() else { return self.archive(context) };
        let path = match &self.path {
            Some(path) => context.path(path),
            None => own_folder(context, vendor)?,
        };
        let new = NewImport { vendor, path: path.display().to_string(), watch: self.watch };
        context.follow(async |client| follow(context, client, &new).await)
    }

    fn archive(&self, context: &Context) -> Outcome {
        let Some(path) = self.path.as_ref().filter(|_| !self.watch) else {
            return Err(Failure::usage(
                "archive_alone",
                "an archive is one file, and nothing is added to it",
            )
            .hint("name the file: `coditect session import archive FILE`"));
        };
        let new = NewSessionImport { path: context.path(path).display().to_string() };
        let import = context.block(async {
            let client = context.patient_client();
            launcher::reach(context, &client).await?;
            let asked = async { Ok::<_, Failure>(client.import_session(&new, None).await?) };
            context.with_word("reading the archive", asked).await
        })?;
        context.screen.show_sheet(&import, || {
            Sheet::new()
                .row("session", import.session.short())
                .row("sessions", import.sessions.len().to_string())
                .row("led in", import.source.workspace.clone())
                .row("exported", import.source.exported_at.to_string())
                .row("events", import.events.to_string())
                .row("read now", import.read.to_string())
                .row("archive", import.source.archive.clone())
        })?;
        if import.read == 0 {
            context.screen.say("all of it was here already");
        }
        Ok(Exit::Done)
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
