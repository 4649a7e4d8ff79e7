//! `coditect demo`: a sample library with failing tests, four agents with scripted models, and everything
//! else real.
//!
//! The demo is a client like any other: it starts a daemon on a scratch data root, asks for what it wants over the
//! API, and follows the events. A daemon that dies on the way is started again, and the demo goes on.
//!
//! Invariant: every process the demo started has ended when it returns, and every figure of its summary follows from
//! the journal and the git log.

mod keeper;
mod models;
mod page;
mod sample;
mod scratch;
mod stage;
mod story;
mod summary;
mod teller;
mod tools;

pub(crate) use models::key;

use crate::output::{Complaint, complain, say};
use cli::{DemoRun, Host};
use protocol::{ErrorBody, ErrorDetail, ExitClass};
use sample::Sample;
use scratch::Scratch;
use stage::Stage;
use std::process::ExitCode;
use std::time::Duration;
use summary::Summary;
use teller::Teller;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code of a command that was interrupted.
const EXIT_INTERRUPTED: u8 = 130;

/// How a demo ended that nothing went wrong with.
enum Ending {
    Played(Summary),
    Interrupted,
}

pub(crate) fn run(host: &Host, order: DemoRun) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&Complaint::failed("demo_failed", error.to_string())),
    };
    match runtime.block_on(play(host, order)) {
        Ok(Ending::Played(summary)) if summary.ok => ExitCode::SUCCESS,
        Ok(Ending::Played(_)) => ExitCode::FAILURE,
        Ok(Ending::Interrupted) => ExitCode::from(EXIT_INTERRUPTED),
        Err(complaint) => {
            if order.json {
                print_error(&complaint);
            }
            complain(&complaint)
        }
    }
}

/// With `--json` an error is the one document on stdout.
fn print_error(complaint: &Complaint) {
    let detail = ErrorDetail {
        code: complaint.code.to_owned(),
        message: complaint.message.clone(),
        hint: complaint.hint.clone(),
        correlation: None,
    };
    if let Ok(text) = serde_json::to_string(&ErrorBody { error: detail }) {
        // Nobody to tell about a closed pipe.
        let _ = say(&text);
    }
}

async fn play(host: &Host, order: DemoRun) -> Result<Ending, Complaint> {
    let started = host.clock.uptime();
    let mut interrupts = Interrupts::listen()?;
    tools::check(host)?;
    let scratch = Scratch::make(&*host.entropy)?;
    let teller = Teller::new(std::sync::Arc::clone(&host.clock), &order);
    let played = {
        let mut stage = Stage::set(host, &scratch, !order.headless).await?;
        let played = tokio::select! {
            played = perform(host, order, &mut stage, teller, started) => played.map(Ending::Played),
            () = interrupts.wait() => Ok(Ending::Interrupted),
        };
        if let (Ok(Ending::Played(_)), false) = (&played, order.headless) {
            tokio::select! {
                () = stage.hold() => {}
                () = interrupts.wait() => {}
            }
        }
        stage.strike().await;
        played
    };
    let good = matches!(&played, Ok(Ending::Played(summary)) if summary.ok);
    let aborted = matches!(&played, Ok(Ending::Interrupted));
    // The JSON summary names what is in the folder; whoever reads it looks there.
    let named = good && order.json;
    if (good || aborted) && !order.keep && !named {
        scratch.remove();
    } else if !good {
        page::note(&order, &format!("everything is kept at {}", scratch.path().display()));
    }
    played
}

/// The play itself, from the repository to the summary.
async fn perform(
    host: &Host,
    order: DemoRun,
    stage: &mut Stage<'_>,
    mut teller: Teller,
    started: Duration,
) -> Result<Summary, Complaint> {
    let sample = Sample::make(host, stage.scratch())?;
    teller.say(&format!("the sample is at {}", sample.path().display()));
    if !order.headless {
        page::open(stage, &mut teller).await?;
    }
    let plan = story::begin(stage, &sample).await?;
    let end = story::follow(stage, &plan, &mut teller).await?;
    let elapsed = || host.clock.uptime().saturating_sub(started);
    let summary = summary::collect(host, stage, &sample, &end, elapsed).await?;
    summary.print(&order).map_err(|error| Complaint::failed("output_failed", error.to_string()))?;
    if !order.headless {
        teller.say("the page stays until you press Ctrl-C");
    }
    Ok(summary)
}

/// SIGINT and SIGTERM: both mean that the demo is over.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn listen() -> Result<Self, Complaint> {
        let listen = |kind| {
            signal(kind).map_err(|error| Complaint::new(ExitClass::Failed, "demo_failed", error.to_string()))
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
