//! What a vendor's own program tells of itself: its session, its edits, its intentions, its records.
//!
//! Invariant: an edit that the program made itself is recorded as one only when the run held the file's lock; whatever
//! else changed is found as a stray.

use super::TurnDriver;
use crate::steer::Taken;
use crate::writer::{self, FILE_MAX};
use agent::RunCommand;
use model::{
    Driver, Event, FileChange, Opening, Outline, OutlineStep, Refusal, Replay, RepoPath, TaskKind,
    VendorRecords,
};
use std::path::{Path, PathBuf};

/// Bytes of records that are kept together in one event.
const RECORDS_TOGETHER: usize = 64 * 1024;
/// Most of a diff that is kept with a change, in bytes; the whole is in git.
const DIFF_MAX: usize = 64 * 1024;

/// Locked files of one turn whose content is kept; more than that is no edit by hand any more.
const KNOWN_MAX: usize = 1_000;

/// Lines of the vendor's program that are not kept yet.
#[derive(Debug, Default)]
pub(super) struct Records {
    lines: Vec<String>,
    bytes: usize,
    kept: u64,
}

impl TurnDriver {
    pub(super) async fn opened(
        &mut self,
        vendor_session: String,
        version: Option<String>,
    ) -> Result<(), Refusal> {
        let opening = Opening {
            session: self.participant.session,
            participant: self.participant.id,
            turn: self.turn,
            vendor_session,
            version,
            goes_on: self.order.task.kind == TaskKind::Prompt,
        };
        self.record(vec![Event::ParticipantOpened(opening)]).await
    }

    /// The vendor's session could not be forked after all.
    pub(super) async fn replayed(&self, reason: String) -> Result<(), Refusal> {
        let (session, turn, participant) = (self.participant.session, self.turn, self.participant.id);
        self.record(vec![Event::ParticipantReplayed(Replay { session, participant, turn, reason })]).await
    }

    /// Gives the agent words of the user. Whoever waits for an answer has none when the turn is ending.
    pub(super) fn steer(&mut self, text: String, taken: Taken) {
        let id = self.steering.keys().max().map_or(1, |last| last + 1);
        if self.verdict.is_none() && self.handle.send(RunCommand::Steer { id, text }).is_ok() {
            self.steering.insert(id, taken);
        }
    }

    pub(super) fn steered(&mut self, id: u64, taken: bool) {
        let waiting = self.steering.remove(&id);
        if let Some(waiting) = waiting.filter(|_| taken) {
            let _ = waiting.try_send(self.participant.id);
        }
    }

    pub(super) async fn outlined(&self, steps: Vec<OutlineStep>) -> Result<(), Refusal> {
        let (session, turn, participant) = (self.participant.session, self.turn, self.participant.id);
        self.record(vec![Event::TurnOutlined(Outline { session, turn, participant, steps })]).await
    }

    /// Keeps a line, with those before it when they are many.
    pub(super) async fn recorded(&mut self, line: String) -> Result<(), Refusal> {
        self.records.bytes += line.len();
        self.records.lines.push(line);
        if self.records.bytes < RECORDS_TOGETHER {
            return Ok(());
        }
        self.keep_records().await
    }

    /// Writes down what has come since the last time.
    pub(super) async fn keep_records(&mut self) -> Result<(), Refusal> {
        let lines = std::mem::take(&mut self.records.lines);
        if lines.is_empty() {
            return Ok(());
        }
        let from = self.records.kept;
        self.records.kept += lines.len() as u64;
        self.records.bytes = 0;
        let (session, turn, participant) = (self.participant.session, self.turn, self.participant.id);
        self.record(vec![Event::TurnRecorded(VendorRecords { session, turn, participant, from, lines })])
            .await
    }

    /// What is in a file the moment its lock is granted: what the vendor's edit is made from.
    pub(super) async fn note_base(&mut self, path: &RepoPath) {
        let Some(repo) = self.repo.as_ref().filter(|_| self.participant.driver != Driver::Native) else {
            return;
        };
        let root = PathBuf::from(&repo.path);
        let wanted = path.clone();
        let content = tokio::task::spawn_blocking(move || content(&root, &wanted)).await;
        self.bases.insert(path.clone(), content.unwrap_or_default().map(|content| writer::hash(&content)));
    }

    /// Keeps what the file holds as its lock is granted; before that word gets to whoever asked for it.
    pub(super) async fn keep_known(&self, path: &RepoPath, token: u64) {
        let Some(root) = self.repo.as_ref().map(|repo| PathBuf::from(&repo.path)) else { return };
        // In a worktree of its own nobody writes over it.
        if self.lent || self.tokens.len() > KNOWN_MAX {
            return;
        }
        let (shared, path) = (std::sync::Arc::clone(&self.shared), path.clone());
        let (at, shown) = (root.clone(), path.clone());
        let kept = self
            .shared
            .writers
            .run(&root, move || shared.known.locked(&at, path.as_str(), token).map_err(Refusal::internal));
        if let Err(error) = kept.await {
            tracing::warn!(%error, path = %shown, "what a file held before its lock is not known");
        }
    }

    /// What was known of files long ago goes when it has become too much.
    pub(super) async fn thin_what_is_known(&self) {
        let thinned = self.shared.blocking(|shared| {
            let living = || shared.bus.locks(None).unwrap_or_default().into_iter().map(|lock| lock.token);
            shared.known.thin_when_grown(|| living().collect()).map_err(Refusal::internal)
        });
        match thinned.await {
            Ok(0) => {}
            Ok(bytes) => tracing::info!(bytes, "what files held long ago is kept no longer"),
            Err(error) => tracing::warn!(%error, "what files held long ago could not be thinned out"),
        }
    }

    /// The vendor's program changed a file. Under a lock of the run that is an edit; else the next look finds a stray.
    pub(super) async fn wrote(&mut self, path: RepoPath, diff: Option<String>) -> Result<(), Refusal> {
        let (Some(token), Some(repo)) = (self.tokens.get(&path).copied(), &self.repo) else {
            tracing::warn!(run = %self.run, %path, "an edit without a lock");
            return Ok(());
        };
        let root = PathBuf::from(&repo.path);
        let (shared, wanted) = (std::sync::Arc::clone(&self.shared), path.clone());
        let after = self
            .shared
            .writers
            .run(&root.clone(), move || {
                let after = content(&root, &wanted).map(|content| writer::hash(&content));
                shared.strays.wrote(&root, &wanted, after.as_deref());
                if let Err(error) = shared.known.edited(&root, wanted.as_str()) {
                    tracing::warn!(%error, path = %wanted, "what an edit made is not known");
                }
                Ok(after)
            })
            .await?;
        let before = self.bases.insert(path.clone(), after.clone()).flatten();
        if after == before {
            return Ok(());
        }
        let (lines_added, lines_removed) = diff.as_deref().map_or((0, 0), lines);
        let change = FileChange {
            session: self.participant.session,
            task: self.order.task.id,
            turn: self.turn,
            participant: self.participant.id,
            path,
            before,
            after: after.unwrap_or_default(),
            lines_added,
            lines_removed,
            token,
            diff: diff.map(cut),
        };
        self.changed(change).await
    }
}

fn content(root: &Path, path: &RepoPath) -> Option<Vec<u8>> {
    let path = root.join(path.as_str());
    let meta = std::fs::symlink_metadata(&path).ok()?;
    (meta.is_file() && meta.len() <= FILE_MAX).then(|| std::fs::read(&path).ok())?
}

/// Lines added and removed by a unified diff.
fn lines(diff: &str) -> (u32, u32) {
    let count = |sign: char, header: &str| {
        let changed = diff.lines().filter(|line| line.starts_with(sign) && !line.starts_with(header));
        u32::try_from(changed.count()).unwrap_or(u32::MAX)
    };
    (count('+', "+++ "), count('-', "--- "))
}

fn cut(mut diff: String) -> String {
    if diff.len() > DIFF_MAX {
        diff.truncate(diff.floor_char_boundary(DIFF_MAX));
        diff.push_str("\n… (the rest is in git)\n");
    }
    diff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_says_how_many_lines_changed() {
        assert_eq!(lines("--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n+3\n"), (2, 1));
        assert_eq!(lines(""), (0, 0));
    }

    #[test]
    fn a_long_diff_is_cut_between_characters() {
        let whole = "ä".repeat(DIFF_MAX);
        let kept = cut(whole);
        assert!(kept.len() < DIFF_MAX + 64 && kept.ends_with("in git)\n"), "{}", kept.len());
        assert_eq!(cut("short".to_owned()), "short");
    }
}
