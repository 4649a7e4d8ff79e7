//! The same deeds on PostgreSQL, and beside each the bare statement, prepared, on a connection of its own: what a driver and a
//! server cost without us. In turns, so that both meet the same machine.
//!
//! The bare side gets the same columns of the same rows and throws them away; ours makes records of them. Bare values are
//! written into the statement where ours are parameters, which the server plans anew each time where it finds that worth while.

use super::corpus::{self, CHAIN, Corpus, FAMILY, Reader};
use super::deed::{self, Deed};
use crate::rest::rest;
use crate::row::Row;
use crate::sample::{P99_MIN, Samples};
use crate::{Order, say, scratch, tell};
use bus::system::{SystemClock, SystemEntropy};
use model::DataRoot;
use postgresql::{Address, Client};
use servers::{Disk, Server, Servers};
use std::path::Path;
use std::sync::Arc;
use store::{PostgresqlOptions, Store, StoreOptions};

const SESSIONS: usize = 100_000;
const SESSIONS_QUICK: usize = 5_000;
/// How much dearer than the bare statement ours may be.
const RATIO_MOST: f64 = 1.5;
/// Before anything is measured.
const WARM: usize = 50;

pub(super) fn bench(order: &Order, folder: &Path) -> Result<(), String> {
    if Server::Postgres.program().is_none() {
        let why = "SKIPPED: install the package `postgresql`, or run `cargo xtask bench core --install`";
        tell(&Row::missing("core", "postgresql", why));
        return Ok(());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let servers = Servers::start(&own, &[Server::Postgres], folder, Disk::Synced)?;
    let url = servers.running().first().ok_or("no server runs")?.url.clone();
    let count = if order.quick { SESSIONS_QUICK } else { SESSIONS };
    let options = PostgresqlOptions::new(&url, "bench", "this-machine");
    let (corpus, store) = moved(folder, count, &options)?;
    let mut bare = bare(&url, &options)?;
    for deed in Deed::ALL {
        say(&format!("core: {} × {P99_MIN} of {count} sessions on PostgreSQL", deed.name()));
        beside(deed, &store, &mut bare, &corpus, count)?;
    }
    store.close();
    Ok(())
}

fn told(deed: Deed, count: usize, ours: &Samples, theirs: &Samples) {
    let case = format!("postgresql_{}", deed.name());
    let note = format!("{} samples each, {count} sessions; load {}", ours.len(), scratch::load());
    for (stat, share) in [("p50", 0.5), ("p99", 0.99)] {
        let (with, without) = (ours.millis(share), theirs.millis(share));
        let row = Row::new("core", &case, "ms", stat, with).peer("prepared_statement", Some(without));
        tell(&row.note(&note));
        let ratio = Row::new("core", &case, "ratio", stat, with / without);
        tell(&if stat == "p50" { ratio.at_most(RATIO_MOST) } else { ratio });
    }
}

/// The sessions, made in files and moved to the server.
fn moved(folder: &Path, count: usize, options: &PostgresqlOptions) -> Result<(Corpus, Store), String> {
    let files = folder.join("files");
    let corpus = corpus::sessions(&files, count, Reader::Store)?;
    let workspace = corpus::workspace(&files)?;
    corpus::without_archive(&workspace)?;
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    store::move_to_server(&workspace, Arc::clone(&clock) as _, Arc::clone(&entropy) as _, options)
        .map_err(|error| error.to_string())?;
    let here = DataRoot::new(folder.join("server")).workspace(model::DEFAULT_WORKSPACE);
    std::fs::create_dir_all(here.path()).map_err(|error| error.to_string())?;
    corpus::without_archive(&here)?;
    let opened = Store::open(
        &here,
        clock,
        entropy,
        StoreOptions { postgresql: Some(options.clone()), ..StoreOptions::default() },
    );
    let (store, _) = opened.map_err(|error| error.to_string())?;
    rest(deed::REST_MOST);
    Ok((corpus, store))
}

/// What an inserted row has of one that is there.
const INHERITED: &str =
    "workspace_id, status, title, created_at, updated_at, data, kind, named_by, listed, sort_title";

/// What a session's row is read by, as the store reads it.
const COLUMNS: &str = "data, title, named_by, status, agent, archived_at, updated_at, tags, callback, input_tokens, output_tokens, \
    cache_read_tokens, cache_write_tokens, cost_micros, cost_sources, seq, sort_title, repo_id, board_id, source_id, imported";

/// A connection with nothing of ours but the URL, and a table like ours, with its indexes, for what is inserted there.
fn bare(url: &str, options: &PostgresqlOptions) -> Result<Client, String> {
    let address = Address::read(url, "bench").map_err(|error| error.to_string())?;
    let mut client = Client::connect(&address).map_err(|error| error.to_string())?;
    let rows = options.rows_schema();
    client
        .batch_execute(&format!(
            "SET search_path TO \"{rows}\"; SET jit = off;
             CREATE TABLE public.bare_sessions (LIKE \"{rows}\".sessions INCLUDING ALL); ANALYZE"
        ))
        .map_err(|error| error.to_string())?;
    Ok(client)
}

fn beside(deed: Deed, store: &Store, bare: &mut Client, corpus: &Corpus, count: usize) -> Result<(), String> {
    let statement = bare.prepare(&question(deed)).map_err(|error| error.to_string())?;
    let mut ask = |turn: usize| {
        let one = deed::some(corpus, turn)?;
        let typed = deed::typed(one);
        let (one, end) = (one.to_string(), format!("{typed}{{"));
        let (elder, youngest) = (corpus.elder.to_string(), corpus.youngest.to_string());
        let found = match deed {
            Deed::Status => bare.query(&statement, &[]),
            Deed::Family => bare.query(&statement, &[&elder]),
            Deed::Chain => bare.query(&statement, &[&youngest]),
            Deed::ShortId => bare.query(&statement, &[&typed, &end]),
            Deed::Field => bare.query(&statement, &[&one]),
            Deed::Insert => {
                let new = corpus::session(&SystemClock, 0)?.id;
                let (id, short, number) = (new.to_string(), new.short(), i64::try_from(turn).unwrap_or(0));
                bare.query(&statement, &[&id, &short, &number, &one])
            }
        };
        let found = found.map_err(|error| error.to_string())?.len();
        if found == rows(deed) { Ok(()) } else { Err(format!("{}: {found} rows", deed.name())) }
    };
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    for turn in 0..WARM + P99_MIN {
        let (mut took, mut bare_took) = (Samples::default(), Samples::default());
        // Whoever asks second finds the rows where the first one has just read them: so they take turns in that too.
        let bare_first = turn % 2 == 1;
        if bare_first {
            bare_took.time(|| ask(turn))?;
        }
        took.time(|| deed.act(store, corpus, turn))?;
        if !bare_first {
            bare_took.time(|| ask(turn))?;
        }
        if turn >= WARM {
            ours.append(took);
            theirs.append(bare_took);
        }
    }
    told(deed, count, &ours, &theirs);
    Ok(())
}

/// How many rows the bare side is to get.
fn rows(deed: Deed) -> usize {
    match deed {
        Deed::Status => 50,
        Deed::Family => FAMILY - 1,
        Deed::Chain => CHAIN,
        Deed::ShortId | Deed::Field | Deed::Insert => 1,
    }
}

/// The statement in PostgreSQL's own words.
fn question(deed: Deed) -> String {
    let family = |from: &str, to: &str| {
        format!(
            "WITH RECURSIVE kin (session_id, title, status, source_id, archived_at, seq, depth) AS (
                SELECT session_id, title, status, source_id, archived_at, seq, 0 FROM sessions WHERE session_id = $1
                UNION ALL
                SELECT s.session_id, s.title, s.status, s.source_id, s.archived_at, s.seq, kin.depth + 1
                FROM kin JOIN sessions s ON s.{from} = kin.{to} WHERE kin.depth < 64)
             SELECT * FROM kin WHERE depth > 0"
        )
    };
    match deed {
        Deed::Status => format!(
            "SELECT {COLUMNS} FROM sessions WHERE listed = 0 AND status = 'failed' ORDER BY seq DESC LIMIT 50"
        ),
        Deed::Family => family("source_id", "session_id"),
        Deed::Chain => family("session_id", "source_id"),
        Deed::ShortId => "SELECT session_id AS id, title FROM sessions WHERE short_id >= $1 AND short_id < $2
            AND removed_at IS NULL ORDER BY seq DESC LIMIT 10"
            .to_owned(),
        Deed::Field => format!("SELECT {COLUMNS} FROM sessions WHERE session_id = $1"),
        Deed::Insert => format!(
            "INSERT INTO public.bare_sessions (session_id, short_id, seq, rowid, {INHERITED})
             SELECT $1, $2, $3, $3, {INHERITED} FROM sessions WHERE session_id = $4 RETURNING seq"
        ),
    }
}
