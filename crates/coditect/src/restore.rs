//! `coditect data restore`: an exported journal back into a workspace that has none.
//!
//! Invariant: nothing that is there is written over; the databases follow from the journal at the next start.

use crate::daemon::{DaemonLock, place};
use cli::{Host, RestoreRun, Restored};
use journal::JournalError;
use model::{Refusal, RefusalKind};

pub(crate) fn run(host: &Host, order: RestoreRun) -> Result<Restored, Refusal> {
    let archive = std::fs::File::open(&order.archive).map_err(|error| {
        Refusal::invalid("archive_unreadable", format!("{}: {error}", order.archive.display()))
            .hint("give the path of a file that `coditect data export` wrote")
    })?;
    place::prepare(&order.root, &order.workspace).map_err(|error| error.refusal())?;
    // A daemon that starts meanwhile would make a journal of its own.
    let _lock = DaemonLock::take(&order.root, host.clock.now()).map_err(|error| error.refusal())?;
    let workspace = order.root.workspace(&order.workspace);
    let report = journal::restore(archive, &workspace.journal(), &workspace.blobs()).map_err(refusal)?;
    let segments = std::fs::read_dir(workspace.journal())
        .map_err(Refusal::internal)?
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.ends_with(".jsonl") || name.ends_with(".jsonl.zst")
        })
        .count();
    Ok(Restored { records: report.records, segments: segments as u64, blobs: report.blobs })
}

fn refusal(error: JournalError) -> Refusal {
    match error {
        JournalError::NotEmpty(path) => Refusal::conflict(
            "journal_exists",
            format!("{} holds something already; nothing was restored", path.display()),
        )
        .hint("restore into another data root (`--data-root`), or another workspace"),
        JournalError::Full => {
            Refusal::new(RefusalKind::Full, "disk_full", "the disk is full; nothing was restored")
                .hint("make room and run the command again")
        }
        other => Refusal::invalid("archive_invalid", format!("the archive was not restored: {other}"))
            .hint("nothing was changed; try another archive"),
    }
}
