//! `coditect daemon run`: the rooms put together, from the lock on the data root to the last line of
//! the log.
//!
//! Invariant: whatever is announced in `daemon.json` answers, and nothing of the data root is touched
//! without its lock.

mod error;
mod file_system;
mod lock;
mod log;
mod machine;
pub(crate) mod place;
mod port;
mod stop;

pub(crate) use error::DaemonError;
pub(crate) use lock::DaemonLock;
pub(crate) use machine::identify;
pub(crate) use stop::Tie;

use crate::demo;
use crate::output::{Complaint, complain, say};
use crate::process;
use cli::{DaemonRun, Host};
use engine::{Engine, EngineOptions};
use protocol::{API_REVISION, DaemonInfo};
use server::{Bounds, Running, Server, ServerOptions};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use stop::{Reason, StopSignals};

/// Threads that serve. More would not answer faster: what is slow waits on the disk, on threads of its own.
const WORKERS: usize = 2;
/// Stack of a thread, in bytes. The kernel gives memory to what is used of it only.
const THREAD_STACK: usize = 1024 * 1024;
/// How long work on blocking threads may hold up the exit once all else is over.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Runs a daemon in the foreground until it is to stop.
pub(crate) fn run(host: &Host, order: DaemonRun, tie: Tie) -> ExitCode {
    process::close_to_others();
    match serve(host, &order, tie) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error.into()),
    }
}

fn serve(host: &Host, order: &DaemonRun, tie: Tie) -> Result<(), DaemonError> {
    let started = host.clock.uptime();
    place::prepare(&order.root, &order.workspace)?;
    let lock = DaemonLock::take(&order.root, host.clock.now())?;
    // What a killed daemon announced is not so; nobody shall take our answer for its word.
    let _ = std::fs::remove_file(order.root.daemon_info());
    let log = log::begin(
        &order.root.daemon_log(),
        Arc::clone(&host.clock),
        host.environment.get(log::FILTER_VARIABLE),
    );
    machine::identify(&order.root.machine_id(), &*host.clock, &*host.entropy)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_stack_size(THREAD_STACK)
        .thread_name("coditect")
        .enable_all()
        .build()
        .map_err(DaemonError::Runtime)?;
    let ended = runtime.block_on(live(host, order, tie, started, &lock));
    if let Err(error @ DaemonError::Gone { .. }) = ended {
        tracing::error!(%error, "the daemon ends at once");
        drop(log);
        let complaint = Complaint::from(error);
        complain(&complaint);
        // As after a kill: its threads do nothing more.
        std::process::exit(i32::from(complaint.class.code()));
    }
    runtime.shutdown_timeout(LAST_WAIT);
    match &ended {
        Ok(()) => tracing::info!("the daemon has stopped"),
        Err(error) => tracing::error!(%error, "the daemon has failed"),
    }
    ended
}

async fn live(
    host: &Host,
    order: &DaemonRun,
    tie: Tie,
    started: Duration,
    lock: &DaemonLock,
) -> Result<(), DaemonError> {
    let mut signals = StopSignals::listen(tie).map_err(DaemonError::Runtime)?;
    // Opening may take long after a crash; being killed then is as good as being asked to stop.
    let (engine, running) = tokio::select! {
        opened = open(host, order) => opened?,
        reason = signals.wait() => {
            tracing::info!(reason = reason.as_str(), "stopped before it was ready");
            return Ok(());
        }
    };
    if !lock.is_in_place() {
        return Err(left_alone(engine, running, order));
    }
    announce(host, order, &running)?;
    let ready_ms = millis(host.clock.uptime().saturating_sub(started));
    let address = running.address();
    tracing::info!(%address, pid = std::process::id(), ready_ms, version = host.version, "ready");
    // A closed stdout is no reason to stop: whoever waited for the line has gone.
    let _ = say(&format!(
        "coditect daemon ready at http://{address} (pid {}, {ready_ms} ms)",
        std::process::id()
    ));
    let reason = tokio::select! {
        () = running.stop_requested() => Reason::Asked,
        why = engine.failed() => Reason::Failed(why),
        reason = signals.wait() => reason,
        () = lock.lost() => return Err(left_alone(engine, running, order)),
    };
    if !lock.is_in_place() {
        return Err(left_alone(engine, running, order));
    }
    tracing::info!(reason = reason.as_str(), "stopping");
    running.stop().await;
    engine.shutdown().await;
    server::withdraw(&order.root.daemon_info());
    match reason {
        Reason::Failed(why) => Err(DaemonError::Failed(why)),
        _ => Ok(()),
    }
}

/// Neither is ended in order: that could change what is in the data root's place now, and may be another daemon's.
fn left_alone(engine: Engine, running: Running, order: &DaemonRun) -> DaemonError {
    std::mem::forget((engine, running));
    DaemonError::Gone { root: order.root.path().to_owned() }
}

/// Opens the engine and the server before it; what a crash left behind is mended on the way.
async fn open(host: &Host, order: &DaemonRun) -> Result<(Engine, Running), DaemonError> {
    let environment = Arc::new(host.environment.clone());
    let options = EngineOptions {
        data_root: order.root.clone(),
        workspace: order.workspace.clone(),
        clock: Arc::clone(&host.clock),
        entropy: Arc::clone(&host.entropy),
        executable: host.executable.clone(),
        // A demo whose daemon was killed can go on under one that `coditect up` started.
        environment: Arc::new(move |name| environment.get(name).cloned().or_else(|| demo::key(name))),
        version: host.version,
    };
    let (engine, report) = Engine::open(options).await.map_err(DaemonError::Engine)?;
    tracing::info!(events = report.events, "the workspace is open");
    for repair in &report.repairs {
        tracing::warn!("{repair}");
    }
    let configured = engine.config().config.server.port;
    let options = ServerOptions {
        token_file: order.root.token(),
        socket: Some(order.root.daemon_dir().join("daemon.sock")),
        port: port::wanted(&order.root, order.port, configured),
        version: host.version,
        workspace: order.workspace.clone(),
        clock: Arc::clone(&host.clock),
        entropy: Arc::clone(&host.entropy),
        bounds: Bounds::default(),
    };
    match Server::bind(engine.clone(), options).await {
        Ok(running) => Ok((engine, running)),
        Err(error) => {
            // Its runs may have started already.
            engine.shutdown().await;
            Err(DaemonError::Server(error))
        }
    }
}

fn announce(host: &Host, order: &DaemonRun, running: &Running) -> Result<(), DaemonError> {
    let info = DaemonInfo {
        version: host.version.to_owned(),
        api_revision: API_REVISION,
        pid: std::process::id(),
        socket: running.socket().map(ToOwned::to_owned),
        address: running.address(),
        started_at: host.clock.now(),
    };
    let path = order.root.daemon_info();
    server::announce(&path, &info).map_err(|error| DaemonError::Io { action: "write", path, error })?;
    port::remember(&order.root, running.address().port());
    Ok(())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
