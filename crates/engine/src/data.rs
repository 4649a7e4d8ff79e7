//! The data itself: verify, rebuild, export.

use crate::engine::Shared;
use crate::{Call, DataReport, Engine};
use model::Refusal;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

impl Engine {
    /// Checks the whole journal and the databases against it.
    pub async fn verify(&self, call: &Call) -> Result<DataReport, Refusal> {
        call.only_user()?;
        self.timed(|shared| {
            let report = shared.store.verify()?;
            let stats = shared.store.reader().stats()?;
            let mut problems: Vec<String> = report.journal.problems.iter().map(ToString::to_string).collect();
            problems.extend(report.problems);
            Ok(DataReport {
                ok: problems.is_empty(),
                events: report.journal.records,
                segments: report.journal.segments,
                blobs: report.journal.blobs,
                bytes: stats.bytes,
                problems,
                ..DataReport::default()
            })
        })
        .await
    }

    /// Folds the databases again from the journal and swaps them in; those that follow behind, and the file index, too.
    pub async fn rebuild(&self, call: &Call) -> Result<DataReport, Refusal> {
        call.only_user()?;
        let report = self
            .timed(|shared| {
                let report = shared.store.rebuild()?;
                let mut problems: Vec<String> =
                    report.changed.iter().map(|table| format!("{table} differed and was mended")).collect();
                // Nothing rests on these.
                problems.extend(
                    report.behind.map(|reason| format!("not all that follows was made anew: {reason}")),
                );
                Ok(DataReport { ok: true, events: report.records, problems, ..DataReport::default() })
            })
            .await?;
        let mut problems = report.problems;
        if let Err(refusal) = self.renew_index().await {
            problems.push(format!("the file index was not made anew: {}", refusal.message));
        }
        Ok(DataReport { problems, ..report })
    }

    /// Writes the whole journal as one archive; into the workspace's backups when no place is given.
    pub async fn export(&self, call: &Call, to: Option<PathBuf>) -> Result<DataReport, Refusal> {
        call.only_user()?;
        let now = self.shared.now();
        self.timed(move |shared| {
            let path = match to {
                Some(path) if path.is_absolute() => path,
                Some(_) => {
                    return Err(Refusal::invalid("path_not_absolute", "give the archive's absolute path"));
                }
                None => {
                    let backups = shared.workspace.backups();
                    std::fs::create_dir_all(&backups).map_err(Refusal::internal)?;
                    backups.join(format!("journal-{}.coditect", now.as_millis()))
                }
            };
            let report = write_archive(shared, &path);
            if report.is_err() {
                // A half-written archive is worse than none; one that was there before is not touched.
                let _ = std::fs::remove_file(unfinished(&path));
            }
            report
        })
        .await
    }

    async fn timed(
        &self,
        work: impl FnOnce(&Shared) -> Result<DataReport, Refusal> + Send + 'static,
    ) -> Result<DataReport, Refusal> {
        let clock = std::sync::Arc::clone(&self.shared.options.clock);
        let before = clock.uptime();
        let report = self.shared.blocking(work).await?;
        Ok(DataReport { elapsed_ms: millis(clock.uptime().saturating_sub(before)), ..report })
    }
}

fn write_archive(shared: &Shared, path: &std::path::Path) -> Result<DataReport, Refusal> {
    let fault = |error: std::io::Error| {
        Refusal::invalid("archive_not_written", format!("{}: {error}", path.display()))
            .hint("give another place")
    };
    if path.exists() {
        return Err(Refusal::conflict("archive_exists", format!("{} exists already", path.display())));
    }
    let beside = unfinished(path);
    let file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(fault)?;
    let mut out = BufWriter::new(file);
    let report = shared.store.reader().export(&mut out)?;
    out.flush().map_err(fault)?;
    let file = out.into_inner().map_err(|error| fault(error.into_error()))?;
    file.sync_all().map_err(fault)?;
    let bytes = file.metadata().map_err(fault)?.len();
    std::fs::rename(&beside, path).map_err(fault)?;
    Ok(DataReport {
        ok: true,
        events: report.records,
        blobs: report.blobs,
        bytes,
        path: Some(path.display().to_string()),
        ..DataReport::default()
    })
}

fn unfinished(path: &std::path::Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
