//! `coditect up` and `coditect open`: from nothing to the page.

use super::{Outcome, init};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::{launcher, program};
use clap::Args;
use serde_json::json;

/// Makes the data root if there is none, starts the daemon if none runs, and opens the page in your browser with a
/// code that lets it in once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  coditect up\n  coditect up --headless --json")]
pub(crate) struct Up {
    /// Print the address and open no browser
    #[arg(long)]
    headless: bool,
    /// Port on 127.0.0.1 for a daemon that is started now
    #[arg(long)]
    port: Option<u16>,
}

/// Opens the page of the daemon in your browser with a new code that lets it in once. The daemon is started when none runs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  coditect open\n  coditect open --headless")]
pub(crate) struct Open {
    /// Print the address and open no browser
    #[arg(long)]
    headless: bool,
}

impl Up {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        if init::ensure(context)? {
            context.screen.say(&format!("made the data root {}", context.root.path().display()));
        }
        page(context, self.headless, self.port)
    }
}

impl Open {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        page(context, self.headless, None)
    }
}

fn page(context: &Context, headless: bool, port: Option<u16>) -> Outcome {
    let (version, launch, started) = context.block(async {
        let client = context.client();
        let (version, started) = match client.version().await {
            Ok(version) => (launcher::agree(context, version)?, false),
            Err(error)
                if launcher::is_absent(&error) && !context.global.no_autostart && !context.in_run() =>
            {
                (launcher::start(context, &client, port).await?, true)
            }
            Err(error) => return Err(error.into()),
        };
        let launch = client.launch().await.map_err(Failure::from)?;
        Ok((version, launch, started))
    })?;
    let opened = !headless && !context.screen.json && context.has_display() && program::browser(&launch.url);
    if context.screen.json {
        context.screen.document(&json!({
            "url": launch.url,
            "expires_at": launch.expires_at,
            "opened": opened,
            "started": started,
            "pid": version.pid,
            "version": version.version,
            "data_root": context.root.path(),
        }))?;
        return Ok(Exit::Done);
    }
    let verb = if started { "started" } else { "running" };
    context.screen.say(&format!("daemon {} {verb} (pid {})", version.version, version.pid));
    context.screen.say(match opened {
        true => "opening the page; the code in this address works once and for a minute:",
        false => "open this address within a minute; its code works once (`coditect open` makes another):",
    });
    context.screen.text(&launch.url)?;
    Ok(Exit::Done)
}

impl Context {
    /// Whether a browser could be shown here.
    pub(crate) fn has_display(&self) -> bool {
        let window = cfg!(target_os = "macos")
            || self.variable("DISPLAY").is_some()
            || self.variable("WAYLAND_DISPLAY").is_some();
        window && self.variable("CI").is_none()
    }
}
