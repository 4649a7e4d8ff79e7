//! How fast history made outside the studio is in the journal: the engine on transcripts of each vendor, and in the same run the
//! same bytes read and checked to be JSON, line by line, by one thread: less than that cannot be done with them.
//!
//! The records have the shapes of real ones; the words in them are made here.

mod corpus;

use crate::Order;
use crate::rest;
use crate::row::Row;
use crate::scratch;
use crate::{say, tell};
use bus::system::{SystemClock, SystemEntropy};
use engine::{Call, Engine, EngineOptions, ImportState, ImportView, NewImport};
use model::{DEFAULT_WORKSPACE, DataRoot, Vendor};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const MEGABYTE: u64 = 1_000_000;
/// Seconds for a hundred megabytes, at most: 50 MB/s.
const TARGET: f64 = 2.0;
/// Room for the transcripts, the journal, the databases and the archive.
const ROOM: u64 = 6;
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(crate) fn bench(order: &Order) -> Result<(), String> {
    let megabytes = if order.quick { 50 } else { 200 };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    for vendor in Vendor::ALL {
        let name = vendor.as_str();
        if order.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let folder = scratch::folder(order, "import-")?;
        if scratch::free(folder.path())? < megabytes * ROOM * MEGABYTE {
            tell(&Row::missing("import", name, "the disk has no room for it"));
            continue;
        }
        let below = folder.path().join("transcripts");
        let bytes = corpus::write(vendor, &below, megabytes * MEGABYTE)?;
        say(&format!("import: {} MB of {name}", bytes / MEGABYTE));
        let floor = floor(&below)?;
        let worked = rest::worked();
        let (took, view) = runtime.block_on(import(&folder.path().join("data"), vendor, &below))?;
        let worked = rest::worked() - worked;
        if view.tally.bytes_done != bytes || view.tally.unknown + view.tally.failed > 0 {
            return Err(format!("{name}: not all was imported: {view:?}"));
        }
        let hundred = |duration: Duration| duration.as_secs_f64() * (100 * MEGABYTE) as f64 / bytes as f64;
        let seconds = hundred(took);
        let note = format!(
            "{:.0} MB/s; {} MB, {} sessions, {} messages; {:.1} s of processor time; load {}",
            100.0 / seconds,
            bytes / MEGABYTE,
            view.tally.sessions,
            view.tally.messages,
            Duration::from_nanos(worked).as_secs_f64(),
            scratch::load()
        );
        tell(
            &Row::new("import", name, "s/100MB", "once", seconds)
                .peer("read_and_check_json", Some(hundred(floor)))
                .at_most(TARGET)
                .note(&note),
        );
    }
    Ok(())
}

/// Reads every line and checks that it is JSON.
fn floor(below: &Path) -> Result<Duration, String> {
    let begun = Instant::now();
    let mut line = Vec::new();
    for path in files(below)? {
        let file = std::fs::File::open(&path).map_err(|error| error.to_string())?;
        let mut lines = BufReader::with_capacity(1 << 20, file);
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line).map_err(|error| error.to_string())? == 0 {
                break;
            }
            serde_json::from_slice::<&serde_json::value::RawValue>(&line)
                .map_err(|error| error.to_string())?;
        }
    }
    Ok(begun.elapsed())
}

fn files(below: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())?.flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => found.push(path),
            }
        }
    }
    Ok(found)
}

/// From the order to the last byte in the journal.
async fn import(root: &Path, vendor: Vendor, below: &Path) -> Result<(Duration, ImportView), String> {
    let options = EngineOptions {
        data_root: DataRoot::new(root),
        workspace: DEFAULT_WORKSPACE.to_owned(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        executable: PathBuf::from("coditect"),
        environment: Arc::new(|_| None),
        version: "bench",
    };
    let (engine, _) = Engine::open(options).await.map_err(|refusal| refusal.to_string())?;
    let begun = Instant::now();
    let new = NewImport { vendor, path: below.to_owned(), watch: false };
    let mut view =
        engine.start_import(&Call::user("bench"), new).await.map_err(|refusal| refusal.to_string())?;
    while !view.state.is_over() {
        tokio::time::sleep(LOOK_EVERY).await;
        view = engine.import(view.id).map_err(|refusal| refusal.to_string())?;
    }
    let took = begun.elapsed();
    engine.shutdown().await;
    match view.state {
        ImportState::Done => Ok((took, view)),
        state => Err(format!("the import ended as {state:?}: {:?}", view.troubles)),
    }
}
