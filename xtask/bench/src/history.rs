//! Whether a long history makes the next step slower: use cases of the engine on a workspace with gigabytes of
//! journal, and in turns on an empty one.
//!
//! The history is written by the journal itself, and the engine folds it at its start, as after a restore. Measuring
//! begins when what follows in the background (archive, sealing, checkpoints) has come to rest.

use crate::Order;
use crate::rest::rest;
use crate::row::Row;
use crate::sample::{P99_MIN, Samples};
use crate::scratch;
use crate::story::{MESSAGES, Story};
use crate::{say, tell};
use bus::system::{SystemClock, SystemEntropy};
use engine::{Call, Engine, EngineOptions, NewNotice, NewSession, SessionChange, SessionFilter};
use journal::{Journal, Options};
use model::{DEFAULT_WORKSPACE, DataRoot, SessionId};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of a message's text: long answers, still inside the journal's lines.
const TEXT: usize = 3_000;
const GIGABYTE: u64 = 1_000_000_000;
/// Room for the journal, the databases folded from it and the archive.
const ROOM: u64 = 4;
/// How much slower the middle and the tail may be.
const P50_MOST: f64 = 1.2;
const P95_MOST: f64 = 1.5;

/// What is measured.
#[derive(Clone, Copy)]
enum Deed {
    CreateSession,
    RenameSession,
    PublishNotice,
    ListSessions,
}

impl Deed {
    /// Sessions are listed last: by then both places have as many new ones as there are samples.
    const ALL: [Deed; 4] =
        [Deed::CreateSession, Deed::RenameSession, Deed::PublishNotice, Deed::ListSessions];

    fn name(self) -> &'static str {
        match self {
            Deed::CreateSession => "create_session",
            Deed::RenameSession => "rename_session",
            Deed::PublishNotice => "publish_notice",
            Deed::ListSessions => "list_sessions",
        }
    }
}

pub(crate) fn bench(order: &Order) -> Result<(), String> {
    let gigabytes = if order.quick { 1 } else { 10 };
    let folder = scratch::folder(order, "history-")?;
    if let Err(why) = room(folder.path(), gigabytes) {
        tell(&Row::missing("history", &format!("{gigabytes}gb"), &why));
        return Ok(());
    }
    let (long, short) = (folder.path().join("long"), folder.path().join("empty"));
    let begun = Instant::now();
    let (records, bytes) = write(&long, gigabytes * GIGABYTE)?;
    say(&format!("history: {records} records written in {:.0} s", begun.elapsed().as_secs_f64()));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let note = format!("{records} records, {:.1} GB of journal as written", bytes as f64 / GIGABYTE as f64);
    runtime.block_on(measure(order, &long, &short, gigabytes, &note))
}

/// Whether the disk has room for what is to be written.
fn room(folder: &Path, gigabytes: u64) -> Result<(), String> {
    let needed = gigabytes * ROOM * GIGABYTE;
    let free = scratch::free(folder)?;
    if free >= needed {
        return Ok(());
    }
    Err(format!("needs {} GB of disk, {} GB are free", needed / GIGABYTE, free / GIGABYTE))
}

fn write(root: &Path, bytes: u64) -> Result<(u64, u64), String> {
    let workspace = DataRoot::new(root).workspace(DEFAULT_WORKSPACE);
    std::fs::create_dir_all(workspace.path()).map_err(|error| error.to_string())?;
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let opened = Journal::open(&workspace.journal(), &workspace.blobs(), clock, entropy, Options::default());
    let mut journal = opened.map_err(|error| error.to_string())?.journal;
    let mut story = Story::new(TEXT);
    let mut payloads = 0_u64;
    let (mut records, mut synced) = (0, 0);
    while payloads < bytes {
        let drafts = story.next(MESSAGES)?;
        // The header and the hashes of a line; measured, not promised.
        payloads += drafts.len() as u64 * (TEXT as u64 + 900);
        journal.write(&drafts).map_err(|error| error.to_string())?;
        records += drafts.len() as u64;
        synced += 1;
        if synced % 64 == 0 {
            journal.sync().map_err(|error| error.to_string())?;
        }
    }
    journal.sync().map_err(|error| error.to_string())?;
    Ok((records, payloads))
}

async fn measure(order: &Order, long: &Path, short: &Path, gigabytes: u64, note: &str) -> Result<(), String> {
    let begun = Instant::now();
    let full = Place::open(long).await?;
    let folded = begun.elapsed().as_secs_f64();
    say(&format!("history: folded in {folded:.0} s"));
    tell(&Row::new("history", &format!("fold_{gigabytes}gb"), "s", "once", folded).note(note));
    let empty = Place::open(short).await?;
    let most = if order.quick { Duration::from_secs(15) } else { Duration::from_secs(300) };
    tokio::task::spawn_blocking(move || rest(most)).await.map_err(|error| error.to_string())?;
    let samples = if order.quick { P99_MIN } else { 2 * P99_MIN };
    for deed in Deed::ALL {
        say(&format!("history: {} × {samples}", deed.name()));
        let (mut ours, mut base) = (Samples::default(), Samples::default());
        for turn in 0..samples {
            // Whoever goes second finds the disk busy with the first one's work: so they take turns in that too.
            let pair: [(&Place, &mut Samples); 2] = if turn % 2 == 0 {
                [(&full, &mut ours), (&empty, &mut base)]
            } else {
                [(&empty, &mut base), (&full, &mut ours)]
            };
            for (place, samples) in pair {
                let begun = Instant::now();
                place.act(deed, turn).await?;
                samples.add(begun.elapsed());
            }
        }
        told(deed, gigabytes, &ours, &base);
    }
    full.engine.shutdown().await;
    empty.engine.shutdown().await;
    Ok(())
}

fn told(deed: Deed, gigabytes: u64, ours: &Samples, base: &Samples) {
    let case = format!("{}_{gigabytes}gb", deed.name());
    for (stat, share, most) in
        [("p50", 0.5, Some(P50_MOST)), ("p95", 0.95, Some(P95_MOST)), ("p99", 0.99, None)]
    {
        let (with, without) = (ours.micros(share), base.micros(share));
        let row = Row::new("history", &case, "us", stat, with)
            .peer("empty", Some(without))
            .note(&format!("{} samples each", ours.len()));
        let Some(most) = most else {
            tell(&row);
            continue;
        };
        tell(&row.at_most(most * without));
        tell(&Row::new("history", &case, "ratio", stat, with / without).at_most(most));
    }
}

/// A workspace and its engine.
struct Place {
    engine: Engine,
    session: SessionId,
}

impl Place {
    async fn open(root: &Path) -> Result<Place, String> {
        std::fs::create_dir_all(root).map_err(|error| error.to_string())?;
        let options = EngineOptions {
            data_root: DataRoot::new(root),
            workspace: DEFAULT_WORKSPACE.to_owned(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            executable: std::env::current_exe().map_err(|error| error.to_string())?,
            environment: Arc::new(|_| None),
            version: env!("CARGO_PKG_VERSION"),
        };
        let (engine, _) = Engine::open(options).await.map_err(|refusal| refusal.message)?;
        let session = session(&engine).await?;
        Ok(Place { engine, session })
    }

    async fn act(&self, deed: Deed, turn: usize) -> Result<(), String> {
        let call = Call::user("bench");
        let done = match deed {
            Deed::CreateSession => return session(&self.engine).await.map(drop),
            Deed::RenameSession => {
                let change =
                    SessionChange { title: Some(format!("Turn {turn}")), ..SessionChange::default() };
                self.engine.change_session(&call, self.session, change).await.map(drop)
            }
            Deed::PublishNotice => self.engine.publish_notice(&call, notice(turn)?).await.map(drop),
            Deed::ListSessions => {
                let filter = SessionFilter { limit: 20, ..SessionFilter::default() };
                self.engine.sessions(filter, None).map(drop)
            }
        };
        done.map_err(|refusal| refusal.message)
    }
}

async fn session(engine: &Engine) -> Result<SessionId, String> {
    let agent = "claude".parse().map_err(|error| format!("{error}"))?;
    let new = NewSession { title: "Measured".to_owned(), agents: vec![agent], ..NewSession::default() };
    let view = engine.create_session(&Call::user("bench"), new).await.map_err(|refusal| refusal.message)?;
    Ok(view.session.id)
}

fn notice(turn: usize) -> Result<NewNotice, String> {
    let channel = "bench".parse::<model::Channel>()?;
    let payload = serde_json::json!({ "turn": turn });
    Ok(NewNotice { ttl_seconds: Some(60), ..NewNotice::new(channel, payload) })
}
