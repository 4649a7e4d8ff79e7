//! Writing an archive: record by record, so that a session of any length needs no more room than its longest record.

use super::line::{BLOB_PIECE, BlobPiece, End, EventLine, Manifest, Written, hash_of, named_blobs, to_hex};
use super::{KIND, VERSION};
use crate::engine::Shared;
use crate::session::visible;
use journal::{Chain, Position, Reader};
use model::{Cursor, Event, Refusal, SessionId};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// A session that can be written out, as it was when this was made.
#[derive(Debug)]
pub struct SessionArchive {
    journal: Reader,
    manifest: Manifest,
    sessions: BTreeSet<SessionId>,
    /// The record before the first of any of the sessions, and the last one there is.
    after: Cursor,
    through: Position,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveTally {
    pub lines: u64,
    pub events: u64,
    pub blobs: u64,
    /// The hash of the last line, in hex.
    pub archive: String,
}

impl SessionArchive {
    pub(super) fn of(
        shared: &Shared,
        session: SessionId,
        sessions: BTreeSet<SessionId>,
        family: bool,
    ) -> Result<Self, Refusal> {
        let journal = shared.store.reader();
        let (title, first, through) = shared.store.read_or_refuse(|view| {
            let title = visible(view, session)?.session.title;
            let mut first = u64::MAX;
            for session in &sessions {
                first = first.min(view.session_number(*session)?.unwrap_or(u64::MAX));
            }
            Ok((title, first, view.position()?))
        })?;
        let position = |seq: u64| {
            let found = crate::aside::aside(|| journal.position_at(seq))?;
            found.ok_or_else(|| Refusal::internal(format!("the journal has no record {seq}")))
        };
        let after = position(first.saturating_sub(1))?.cursor;
        let through = position(through.seq)?;
        let manifest = Manifest {
            format: KIND.to_owned(),
            version: VERSION,
            workspace: shared.options.workspace.clone(),
            session,
            title,
            family,
            sessions: sessions.iter().copied().collect(),
            exported_at: shared.now(),
            through: through.cursor.to_string(),
        };
        Ok(Self { journal, manifest, sessions, after, through })
    }

    /// What a file of it may be called.
    pub fn file_name(&self) -> String {
        format!("session_{}.jsonl", self.manifest.session.short())
    }

    /// Writes all of it. Text that ends before the last line is no archive.
    ///
    /// # Errors
    /// The place cannot be written to, or the journal cannot be read.
    pub fn write_to(&self, out: &mut impl Write) -> Result<ArchiveTally, Refusal> {
        let mut writing =
            Writing { out, chain: Chain::new(KIND), blobs: BTreeSet::new(), journal: &self.journal };
        writing.put(&Written::Manifest(&self.manifest))?;
        let mut events = 0;
        for record in self.journal.replay_of(self.after, self.sessions.clone())? {
            let record = record?;
            if record.position.cursor.seq > self.through.cursor.seq {
                break;
            }
            writing.blobs_of(&record.event)?;
            writing.put(&Written::Event(EventLine::of(&record)?))?;
            events += 1;
        }
        let blobs = writing.blobs.len() as u64;
        let end = End {
            lines: writing.chain.lines(),
            events,
            blobs,
            through: self.through.cursor.to_string(),
            journal: to_hex(&self.through.hash),
        };
        writing.put(&Written::End(&end))?;
        writing.out.flush().map_err(|error| unwritten(&error))?;
        Ok(ArchiveTally { lines: end.lines + 1, events, blobs, archive: writing.chain.head() })
    }
}

struct Writing<'a, W> {
    out: &'a mut W,
    chain: Chain,
    /// Those that were written.
    blobs: BTreeSet<[u8; 32]>,
    journal: &'a Reader,
}

impl<W: Write> Writing<'_, W> {
    fn put(&mut self, line: &Written<'_>) -> Result<(), Refusal> {
        self.chain.put(&mut self.out, line).map_err(|error| unwritten(&error))
    }

    fn blobs_of(&mut self, event: &Event) -> Result<(), Refusal> {
        for named in named_blobs(event) {
            // What somebody else's transcript calls a hash may be none.
            let Some(hash) = hash_of(named) else { continue };
            if !self.blobs.insert(hash) {
                continue;
            }
            let content = match self.journal.blobs().get(&hash) {
                Ok(content) => content,
                // An artifact is named only when its content is durable: without it this is not the session.
                Err(error) if matches!(event, Event::ArtifactCreated(_)) => return Err(error.into()),
                Err(_) => {
                    self.blobs.remove(&hash);
                    continue;
                }
            };
            let bytes = content.len() as u64;
            let mut at = 0;
            // An empty one has a piece, too.
            for piece in content.chunks(BLOB_PIECE).chain(content.is_empty().then_some(&[][..])) {
                let data = to_hex(piece).into();
                self.put(&Written::Blob(BlobPiece { hash: named.into(), bytes, at, data }))?;
                at += piece.len() as u64;
            }
        }
        Ok(())
    }
}

fn unwritten(error: &io::Error) -> Refusal {
    Refusal::invalid("archive_not_written", format!("the archive cannot be written: {error}"))
        .hint("look whether there is room, and begin again")
}
