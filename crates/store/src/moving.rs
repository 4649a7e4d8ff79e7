//! Moving a workspace between files and a server. Nobody else has it open.
//!
//! Invariant: what is moved from is only read. The copy is whole, verified and folded, and its rows were found equal to
//! the original's, before anybody is told of it; where it is interrupted the original is what it was.

use crate::postgresql::{Arrival, Place};
use crate::{PostgresqlOptions, Store, StoreError, StoreOptions};
use model::{Clock, DataRoot, Entropy, WorkspaceDir};
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a workspace is put together before it takes its place.
const STAGING: &str = "arriving";

/// What was moved; all of it verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    pub records: u64,
    pub blobs: u64,
}

/// Copies a workspace from its files to a server that has none of that name.
pub fn move_to_server(
    workspace: &WorkspaceDir,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    to: &PostgresqlOptions,
) -> Result<Moved, StoreError> {
    let place = Place::read(to)?;
    let (store, _) = Store::open(workspace, clock, entropy, StoreOptions::default())?;
    let source = store.reader();
    let original = store.digests()?;
    let mut arrival = Arrival::begin(place)?;
    arrival.copy(&source)?;
    arrival.prove(&source, &original)?;
    arrival.settle()?;
    let moved = Moved { records: source.newest().cursor.seq, blobs: source.blobs().list()?.len() as u64 };
    store.close();
    Ok(moved)
}

/// Copies a workspace from a server into files. Files that are in their place are kept under another name.
pub fn move_to_files(
    workspace: &WorkspaceDir,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    from: &PostgresqlOptions,
) -> Result<Moved, StoreError> {
    let staging = workspace.path().join(STAGING);
    clear(&staging)?;
    let staged = DataRoot::new(&staging).workspace("workspace");
    make(staged.path())?;
    let options = StoreOptions { postgresql: Some(from.clone()), ..StoreOptions::default() };
    let (store, _) = Store::open(workspace, Arc::clone(clock), Arc::clone(entropy), options)?;
    let original = store.digests()?;
    let archive = staging.join("archive");
    let written = File::create(&archive).map_err(|error| StoreError::io("make", &archive, error))?;
    let mut out = BufWriter::new(written);
    store.reader().export(&mut out)?;
    out.flush().map_err(|error| StoreError::io("write", &archive, error))?;
    let read = File::open(&archive).map_err(|error| StoreError::io("open", &archive, error))?;
    let restored = journal::restore(BufReader::new(read), &staged.journal(), &staged.blobs())?;
    let (copy, _) = Store::open(&staged, Arc::clone(clock), Arc::clone(entropy), StoreOptions::default())?;
    let differences = copy.digests()?.differences(&original);
    copy.close();
    if !differences.is_empty() {
        return Err(StoreError::CopyDiffers { tables: differences.join(", ") });
    }
    for (from, to) in [
        (staged.blobs(), workspace.blobs()),
        (staged.databases(), workspace.databases()),
        (staged.journal(), workspace.journal()),
    ] {
        set_aside(&to)?;
        crate::connection::rename(&from, &to)?;
    }
    crate::connection::sync_directory(workspace.path())?;
    clear(&staging)?;
    store.close();
    Ok(Moved { records: restored.records, blobs: restored.blobs })
}

fn make(folder: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(folder).map_err(|error| StoreError::io("make", folder, error))
}

/// Removes what a move that was interrupted had put together, a copy and nothing else.
fn clear(staging: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(staging) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io("remove", staging, error))
        }
        _ => Ok(()),
    }
}

/// Keeps what is there, under a name that is free.
fn set_aside(place: &Path) -> Result<(), StoreError> {
    if !place.exists() {
        return Ok(());
    }
    let name = |n: u32| -> PathBuf { crate::connection::sibling(place, &format!(".left-{n}")) };
    let free = (1..).map(name).find(|kept| !kept.exists()).unwrap_or_else(|| name(0));
    crate::connection::rename(place, &free)
}
