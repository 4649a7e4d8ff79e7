//! `coditect data`: the journal, and the databases made from it.

use super::{Outcome, daemon};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::host::{MoveRun, MoveTo, RestoreRun};
use crate::launcher;
use crate::render::{Paint, Sheet};
use clap::{Args, Subcommand};
use client::Client;
use model::DEFAULT_WORKSPACE;
use protocol::{DataReport, NewExport};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Data {
    /// Check the journal, its blobs and the databases against each other
    #[command(after_help = "Examples:\n  coditect data verify\n  coditect data verify --json")]
    Verify,
    /// Make the databases anew from the journal
    #[command(after_help = "Examples:\n  coditect data rebuild\n  coditect data rebuild --timeout 600")]
    Rebuild,
    /// Write the whole journal into one file that checks itself
    #[command(
        after_help = "Examples:\n  coditect data export\n  coditect data export ~/backup/coditect.journal"
    )]
    Export(Export),
    /// Bring an exported journal into a data root that has none; the daemon must not run
    #[command(
        after_help = "Examples:\n  coditect data restore ~/backup/coditect.journal\n  coditect data restore coditect.journal --data-root /srv/new"
    )]
    Restore(Restore),
    /// Take the workspace to PostgreSQL, or back into files; the original stays as it is
    #[command(
        after_help = "Examples:\n  coditect data move --to postgresql://coditect@db.example/team\n  coditect data move --to sqlite"
    )]
    Move(Move),
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// A file that does not exist yet; without it, one in the workspace's backups
    to: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Move {
    /// `sqlite`, or the URL of a database without a password: postgresql://user@host/database
    #[arg(long, value_name = "URL|sqlite", required_unless_present = "to_env", conflicts_with = "to_env")]
    to: Option<String>,
    /// The environment variable that holds the URL, for one that has a password; the daemon needs it, too
    #[arg(long, value_name = "VARIABLE")]
    to_env: Option<String>,
    /// What the workspace is to be called there; its own name without it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// What `coditect data export` wrote
    archive: PathBuf,
}

impl Data {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Verify => report(context, "verifying", async |client| Ok(client.verify_data().await?)),
            Self::Rebuild => report(context, "rebuilding", async |client| Ok(client.rebuild_data().await?)),
            Self::Export(Export { to }) => {
                let to = to.map(|to| context.path(&to).display().to_string());
                report(context, "exporting", async |client| Ok(client.export_data(&NewExport { to }).await?))
            }
            Self::Restore(restore) => restore.run(context),
            Self::Move(order) => order.run(context),
        }
    }
}

/// Asks for maintenance, which may take long, and shows what came of it. Problems found are a failure.
fn report(
    context: &Context,
    what: &str,
    ask: impl AsyncFnOnce(&Client) -> Result<DataReport, Failure>,
) -> Outcome {
    let report = context.block(async {
        let client = context.patient_client();
        launcher::reach(context, &client).await?;
        context.with_word(what, ask(&client)).await
    })?;
    context.screen.show_sheet(&report, || {
        let (state, paint) = if report.ok { ("good", Paint::Good) } else { ("damaged", Paint::Bad) };
        Sheet::new()
            .painted("state", state, paint)
            .row("events", report.events.to_string())
            .row("segments", report.segments.to_string())
            .row("blobs", report.blobs.to_string())
            .row("bytes", report.bytes.to_string())
            .maybe("file", report.path.clone())
            .maybe("problems", (!report.problems.is_empty()).then(|| report.problems.join("\n")))
            .row("took", format!("{} ms", report.elapsed_ms))
    })?;
    if report.ok {
        return Ok(Exit::Done);
    }
    context.screen.say(
        "keep the data root as it is, and restore a good export into a new one: `coditect data restore`",
    );
    Ok(Exit::Failed)
}

impl Move {
    /// Stops the daemon, so that nothing is acknowledged meanwhile, and starts it again where one ran.
    fn run(self, context: &Context) -> Outcome {
        let to = match self.to.as_deref() {
            Some("sqlite") => MoveTo::Files,
            _ => MoveTo::Server { url: self.to, url_env: self.to_env, name: self.name },
        };
        let ran = daemon::is_locked(context);
        if ran {
            context.block(daemon::stop(context))?;
        }
        let order = MoveRun { root: context.root.clone(), workspace: DEFAULT_WORKSPACE.to_owned(), to };
        let moved = (context.host.move_data)(&context.host, order);
        if ran {
            context.block(async {
                let client = context.patient_client();
                launcher::reach(context, &client).await
            })?;
        }
        let moved = moved?;
        context.screen.show_sheet(&moved, || {
            Sheet::new()
                .painted("state", "moved", Paint::Good)
                .row("events", moved.records.to_string())
                .row("blobs", moved.blobs.to_string())
                .row("to", moved.to.clone())
        })?;
        context.screen.say("the original stays as it is; config.json names the copy now");
        Ok(Exit::Done)
    }
}

impl Restore {
    fn run(self, context: &Context) -> Outcome {
        if daemon::is_locked(context) {
            return Err(Failure::new(
                Exit::Conflict,
                "daemon_running",
                "the daemon of this data root is running",
            )
            .hint("stop it with `coditect daemon stop`, or restore into another root with --data-root DIR"));
        }
        let order = RestoreRun {
            root: context.root.clone(),
            workspace: DEFAULT_WORKSPACE.to_owned(),
            archive: context.path(&self.archive),
        };
        let restored = (context.host.restore)(&context.host, order)?;
        context.screen.show_sheet(&restored, || {
            Sheet::new()
                .painted("state", "restored", Paint::Good)
                .row("events", restored.records.to_string())
                .row("segments", restored.segments.to_string())
                .row("blobs", restored.blobs.to_string())
                .row("data root", context.root.path().display().to_string())
        })?;
        context.screen.say("next: `coditect up`; the databases are made from the journal at the first start");
        Ok(Exit::Done)
    }
}
