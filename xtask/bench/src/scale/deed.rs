//! What the store is asked, as the faces ask it: each with the snapshot it is read in, and each answer looked at.

use super::corpus::{self, CHAIN, Corpus, FAMILY, Reader};
use super::told;
use crate::plain::Plain;
use crate::rest::rest;
use crate::row::Row;
use crate::sample::{P99_MIN, Samples};
use crate::{Order, say, scratch, tell};
use bus::system::{SystemClock, SystemEntropy};
use model::{Actor, Event, SessionId, SessionState};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Commit, Resolved, SessionFilter, Store, StoreOptions, View};

const SESSIONS: usize = 1_000_000;
const SESSIONS_QUICK: usize = 20_000;
/// Sessions of one page.
const PAGE: usize = 50;
/// Characters of a short id that people type.
const TYPED: usize = 8;
/// Before anything is measured.
const WARM: usize = 50;
/// The databases that follow behind take in a million sessions in two minutes.
pub(super) const REST_MOST: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Insert,
    Status,
    Family,
    Chain,
    ShortId,
    Field,
}

impl Deed {
    /// Sessions are inserted last: until then every run finds the same ones.
    pub(super) const ALL: [Self; 6] =
        [Self::Status, Self::Family, Self::Chain, Self::ShortId, Self::Field, Self::Insert];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert_session",
            Self::Status => "list_50_by_status",
            Self::Family => "family_of_1023",
            Self::Chain => "chain_of_10",
            Self::ShortId => "short_id",
            Self::Field => "json_field",
        }
    }

    /// Milliseconds, at most.
    fn target(self) -> f64 {
        match self {
            Self::Insert => 0.5,
            Self::Status => 0.1,
            Self::Family => 1.5,
            Self::Chain | Self::ShortId => 0.05,
            Self::Field => 0.02,
        }
    }

    /// Does it once; the answer is looked at, so that nothing is fast by finding nothing.
    pub(super) fn act(self, store: &Store, corpus: &Corpus, turn: usize) -> Result<(), String> {
        let one = some(corpus, turn)?;
        let found = match self {
            Self::Insert => return insert(store),
            Self::Status => {
                let filter = SessionFilter {
                    state: Some(SessionState::Failed),
                    limit: PAGE,
                    ..SessionFilter::default()
                };
                read(store, |view| Ok(view.sessions(&filter)?.rows.len() == PAGE))
            }
            Self::Family => {
                let elder = corpus.elder;
                read(store, |view| {
                    Ok(view.descendants(elder, store::GENEALOGY_DEPTH, FAMILY)?.len() == FAMILY - 1)
                })
            }
            Self::Chain => {
                let youngest = corpus.youngest;
                read(store, |view| Ok(view.ancestors(youngest)?.len() == CHAIN))
            }
            Self::ShortId => {
                let typed = typed(one);
                read(store, |view| Ok(view.resolve::<SessionId>(&typed)? == Resolved::One(one)))
            }
            // Where it was made is in the record beside the columns.
            Self::Field => read(store, |view| {
                Ok(view.session(one)?.is_some_and(|row| row.session.workspace == model::DEFAULT_WORKSPACE))
            }),
        };
        if found? { Ok(()) } else { Err(format!("{}: another answer than expected", self.name())) }
    }
}

pub(super) fn some(corpus: &Corpus, turn: usize) -> Result<SessionId, String> {
    let at = turn % corpus.some.len().max(1);
    corpus.some.get(at).copied().ok_or_else(|| "there are no sessions".to_owned())
}

/// As much of a short id as people type.
pub(super) fn typed(session: SessionId) -> String {
    session.short().chars().take(TYPED).collect()
}

fn read<T>(store: &Store, read: impl Fn(&View<'_>) -> Result<T, store::StoreError>) -> Result<T, String> {
    store.read(read).map_err(|error| error.to_string())
}

/// A session with one seat, durable when this returns.
fn insert(store: &Store) -> Result<(), String> {
    let session = corpus::session(&SystemClock, 0)?;
    let seat = corpus::seat(&SystemClock, session.id)?;
    let events = vec![Event::SessionCreated(session), Event::ParticipantJoined(seat)];
    let receipt = store.commit(Commit::new(Actor::User, move |_| Ok(events)));
    receipt.map(drop).map_err(|error| error.to_string())
}

pub(super) fn bench(order: &Order, folder: &Path) -> Result<(), String> {
    let count = if order.quick { SESSIONS_QUICK } else { SESSIONS };
    let (corpus, store) = made(folder, count)?;
    let wanted = |deed: &Deed| match order.only.as_deref().and_then(|only| only.strip_prefix("sqlite_")) {
        None => true,
        Some(only) => deed.name().contains(only),
    };
    for deed in Deed::ALL.into_iter().filter(wanted) {
        say(&format!("core: {} × {P99_MIN} of {count} sessions", deed.name()));
        let mut samples = Samples::default();
        let before = journaled(&store);
        for turn in 0..WARM {
            deed.act(&store, &corpus, turn)?;
        }
        let case = format!("sqlite_{}", deed.name());
        let note = format!("{count} sessions");
        if deed != Deed::Insert {
            for turn in 0..P99_MIN {
                samples.time(|| deed.act(&store, &corpus, turn))?;
            }
            told(&case, &samples, Some(deed.target()), None, &note);
            continue;
        }
        let bytes = (journaled(&store) - before) / WARM as u64;
        let (mut disk, mut plain) = (Samples::default(), Plain::open(folder)?);
        let line = "x".repeat(usize::try_from(bytes).unwrap_or(0).max(1) - 1);
        for turn in 0..P99_MIN {
            samples.time(|| deed.act(&store, &corpus, turn))?;
            disk.time(|| plain.append(&[&line])).map_err(|error| error.to_string())?;
        }
        told(&case, &samples, Some(deed.target()), None, &note);
        beside_the_disk(&case, &samples, &disk, bytes);
    }
    store.close();
    Ok(())
}

/// Bytes of the journal so far.
fn journaled(store: &Store) -> u64 {
    store.reader().stats().map_or(0, |stats| stats.bytes)
}

/// What a durable insert cannot be faster than: the same bytes written to a plain file on the same disk with one
/// `fdatasync`, in turns with the inserts, so that both meet the same disk.
fn beside_the_disk(case: &str, ours: &Samples, disk: &Samples, bytes: u64) {
    let note = format!("{} samples of {bytes} bytes, in turns; load {}", disk.len(), scratch::load());
    for (stat, against, share) in [("p50", "p50/raw_fdatasync", 0.5), ("p99", "p99/raw_fdatasync", 0.99)] {
        let (with, bare) = (ours.millis(share), disk.millis(share));
        tell(&Row::new("core", "raw_fdatasync", "ms", stat, bare).note(&note));
        tell(&Row::new("core", case, "ratio", against, with / bare));
    }
    let tail = disk.millis(0.99) / disk.millis(0.5);
    tell(&Row::new("core", "raw_fdatasync", "ratio", "p99/p50", tail));
}

/// So many sessions in files, folded and at rest.
pub(super) fn made(folder: &Path, count: usize) -> Result<(Corpus, Store), String> {
    let begun = Instant::now();
    let corpus = corpus::sessions(folder, count, Reader::Store)?;
    let written = begun.elapsed().as_secs_f64();
    let workspace = corpus::workspace(folder)?;
    corpus::without_archive(&workspace)?;
    let opened =
        Store::open(&workspace, Arc::new(SystemClock), Arc::new(SystemEntropy), StoreOptions::default());
    let (store, _) = opened.map_err(|error| error.to_string())?;
    let folded = begun.elapsed().as_secs_f64() - written;
    say(&format!("core: {} records written in {written:.0} s, folded in {folded:.0} s", corpus.records));
    let row = Row::new("core", "corpus", "s", "once", written + folded);
    tell(&row.note(&format!("{count} sessions, {} records; load {}", corpus.records, scratch::load())));
    rest(REST_MOST);
    Ok((corpus, store))
}
