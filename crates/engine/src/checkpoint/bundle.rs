//! Bundles: checkpoints in files beside the repository, so that a repository that lost its refs, or was lost, gets them back.
//!
//! They come in series: the first file of one stands alone, each other one on those before it. A file counts when git has
//! verified it, its bytes are on the disk, and the journal tells of it.
//!
//! Invariant: a file goes only when every checkpoint in it is in a newer one, or was removed by an order.

use super::open;
use crate::engine::Shared;
use git::{Oid, REF_PREFIX};
use model::{Actor, Checkpoint, CheckpointBundle, CheckpointKind, Event, Refusal, Repo};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::{BundleRow, CheckpointRow};
use tokio::sync::Notify;

/// Files in a series; the next one stands alone again.
pub const BUNDLE_SERIES_MAX: usize = 16;
/// How often it is looked for checkpoints that are in no bundle yet.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// The first look after a start: what the last daemon had no time for.
const FIRST_LOOK: Duration = Duration::from_secs(60);
/// After a checkpoint was asked for: others may follow at once.
const SETTLE: Duration = Duration::from_secs(2);
/// What the name of a file that is not finished begins with.
const UNFINISHED: &str = ".unfinished-";
/// What the names of bundles end with.
const ENDING: &str = ".bundle";

/// Rings when somebody asked for a checkpoint.
#[derive(Default)]
pub(crate) struct Bundles {
    bell: Notify,
}

pub(super) fn ring(shared: &Shared) {
    shared.bundles.bell.notify_one();
}

/// Where the bundles of a repo are.
pub(super) fn folder(shared: &Shared, repo: &Repo) -> PathBuf {
    shared.workspace.checkpoints().join(repo.id.to_string())
}

/// Writes what is in no bundle yet, and thins out, now and from time to time.
pub(crate) async fn keep(shared: Arc<Shared>) {
    let mut wait = FIRST_LOOK;
    loop {
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            () = shared.bundles.bell.notified() => tokio::time::sleep(SETTLE).await,
            () = tokio::time::sleep(wait) => wait = LOOK_EVERY,
        }
        let repos = match shared.store.read(|view| view.repos()) {
            Ok(repos) => repos,
            Err(error) => {
                tracing::warn!(%error, "nobody knows which checkpoints there are");
                continue;
            }
        };
        for repo in repos {
            if shared.stopping.is_cancelled() {
                return;
            }
            if let Err(refusal) = write(&shared, &repo).await {
                tracing::warn!(%refusal, repo = %repo.slug, "checkpoints are in no bundle");
            }
            if let Err(refusal) = super::expire::thin_out(&shared, &repo).await {
                tracing::warn!(%refusal, repo = %repo.slug, "old checkpoints stay");
            }
        }
    }
}

/// What the journal says of a repo's checkpoints and bundles.
struct Known {
    points: Vec<CheckpointRow>,
    /// Files of the series that goes on; empty when the next one stands alone.
    series: Vec<BundleRow>,
    /// How many there ever were.
    count: usize,
}

fn known(shared: &Shared, repo: &Repo) -> Result<Known, Refusal> {
    let (rows, bundles) =
        shared.store.read(|view| Ok((view.checkpoints_of_repo(repo.id)?, view.bundles(repo.id)?)))?;
    let is_point = |row: &CheckpointRow| row.checkpoint.kind != CheckpointKind::Work;
    let points = rows.into_iter().filter(is_point).collect();
    let count = bundles.len();
    let first = bundles.iter().rposition(|row| row.bundle.whole).unwrap_or(count);
    let series: Vec<BundleRow> = bundles.into_iter().skip(first).collect();
    let dir = folder(shared, repo);
    let whole = series.len() < BUNDLE_SERIES_MAX && series.iter().all(|row| is_there(&dir, &row.bundle));
    Ok(Known { points, series: if whole { series } else { Vec::new() }, count })
}

/// Whether a file is there with as many bytes as it had.
pub(super) fn is_there(dir: &Path, bundle: &CheckpointBundle) -> bool {
    dir.join(&bundle.file).metadata().is_ok_and(|meta| meta.is_file() && meta.len() == bundle.bytes)
}

/// Writes the next bundle of a repo. None when everything is in one.
pub(crate) async fn write(shared: &Arc<Shared>, repo: &Repo) -> Result<Option<CheckpointBundle>, Refusal> {
    let wanted = repo.clone();
    let written = shared.blocking(move |shared| next(shared, &wanted)).await?;
    let Some(bundle) = written else { return Ok(None) };
    let event = Event::CheckpointBundled(bundle.clone());
    shared.conclude(Actor::System, move |_| Ok(vec![event.clone()])).await?;
    if bundle.whole {
        let wanted = repo.clone();
        shared.blocking(move |shared| clear(shared, &wanted)).await?;
    }
    Ok(Some(bundle))
}

fn next(shared: &Shared, repo: &Repo) -> Result<Option<CheckpointBundle>, Refusal> {
    let Known { points, series, count } = known(shared, repo)?;
    let begun = series.first().map(|row| row.seq);
    let in_series = |row: &&CheckpointRow| begun.is_some_and(|seq| row.bundle >= Some(seq));
    let inside: BTreeSet<&str> =
        points.iter().filter(in_series).map(|row| row.checkpoint.commit.as_str()).collect();
    let waiting: Vec<&Checkpoint> =
        points.iter().filter(|row| !in_series(row)).map(|row| &row.checkpoint).collect();
    // A series that stands and has everything needs no other file; neither does a repo without points.
    if waiting.is_empty() {
        return Ok(None);
    }
    let repository = open(shared, &repo.path)?;
    let refs = repository.refs_below(&format!("{REF_PREFIX}checkpoints/"))?;
    let there = |one: &&&Checkpoint| refs.get(&one.git_ref).is_some_and(|at| at.as_str() == one.commit);
    let waiting: Vec<&Checkpoint> = waiting.iter().filter(there).copied().collect();
    if waiting.is_empty() {
        return Ok(None);
    }
    let new: BTreeSet<&str> = waiting.iter().map(|one| one.commit.as_str()).collect();
    let parents = waiting.iter().filter_map(|one| one.point.as_ref()?.parent.as_deref());
    let prerequisites: BTreeSet<&str> =
        parents.filter(|parent| inside.contains(parent) && !new.contains(parent)).collect();
    let without: Vec<Oid> = prerequisites.iter().filter_map(|commit| commit.parse().ok()).collect();
    let names: Vec<String> = waiting.iter().map(|one| one.git_ref.clone()).collect();
    let whole = series.is_empty();
    let file = format!("{:06}-{}{ENDING}", count + 1, if whole { "whole" } else { "next" });
    let (bytes, hash) = place(shared, repo, &repository, (&file, &names, &without))?;
    Ok(Some(CheckpointBundle {
        repo: repo.id,
        file,
        bytes,
        hash,
        whole,
        checkpoints: waiting.iter().map(|one| one.id).collect(),
        prerequisites: prerequisites.into_iter().map(str::to_owned).collect(),
    }))
}

/// Writes a file beside, has git verify it, brings it to the disk, and gives it its name.
fn place(
    shared: &Shared,
    repo: &Repo,
    repository: &git::Repository,
    (file, names, without): (&str, &[String], &[Oid]),
) -> Result<(u64, String), Refusal> {
    let dir = folder(shared, repo);
    std::fs::create_dir_all(&dir).map_err(crate::writer::io)?;
    sweep(&dir);
    let unfinished = dir.join(format!("{UNFINISHED}{file}"));
    let written = repository.bundle(&unfinished, names, without).map_err(Refusal::from).and_then(|()| {
        let header = repository.verify_bundle(&unfinished)?;
        if header.heads.len() != names.len() {
            return Err(Refusal::internal("git left checkpoints out of a bundle"));
        }
        let opened = File::open(&unfinished).map_err(crate::writer::io)?;
        opened.sync_all().map_err(crate::writer::io)?;
        let mut hasher = blake3::Hasher::new();
        let bytes = std::io::copy(&mut &opened, &mut hasher).map_err(crate::writer::io)?;
        std::fs::rename(&unfinished, dir.join(file)).map_err(crate::writer::io)?;
        File::open(&dir).and_then(|dir| dir.sync_all()).map_err(crate::writer::io)?;
        Ok((bytes, hasher.finalize().to_hex().to_string()))
    });
    if written.is_err() {
        sweep(&dir);
    }
    written
}

/// Removes what was not finished.
fn sweep(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED)
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::warn!(%error, "an unfinished bundle stays behind");
        }
    }
}

/// Removes the files of older series in which nothing is that is in no newer one.
fn clear(shared: &Shared, repo: &Repo) -> Result<(), Refusal> {
    let bundles = shared.store.read(|view| view.bundles(repo.id))?;
    let Some(first) = bundles.iter().rposition(|row| row.bundle.whole) else { return Ok(()) };
    let dir = folder(shared, repo);
    let mut older = &bundles[..first];
    while let Some(begin) = older.iter().rposition(|row| row.bundle.whole) {
        let series = &older[begin..];
        older = &older[..begin];
        let mut needed = false;
        for row in series {
            let inside = shared.store.read(|view| view.checkpoints_in(repo.id, row.seq))?;
            needed |= inside.iter().any(|one| one.removed.as_deref() != Some(super::expire::ASKED));
        }
        for row in series.iter().filter(|_| !needed) {
            match std::fs::remove_file(dir.join(&row.bundle.file)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::warn!(%error, file = row.bundle.file, "a bundle that is not needed stays");
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Files of a repo's folder that are named as bundles are, in their order.
pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let named = |name: &str| name.ends_with(ENDING) && !name.starts_with(UNFINISHED);
    let mut files: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(named))
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}
