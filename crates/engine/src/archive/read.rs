//! Reading an archive in, piece by piece.
//!
//! It is read twice: once to see that all of it is good, and once to take it in. Invariant: a piece and how far it reaches are one
//! commit, which is refused unless it begins where the last one ended. So an import that was cut short goes on there, whoever
//! begins it again, and one that is done changes nothing.

use super::survey::{Item, Noun, Reading, Survey, acted_on, brought, open, survey, unreadable};
use crate::engine::Shared;
use model::{Actor, Event, Refusal, SessionId, SessionImport, SessionSource};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use store::{Commit, Past, View};

/// Events of one commit, and bytes of their lines after which one ends.
const PIECE_EVENTS: usize = 256;
const PIECE_BYTES: usize = 2 * 1024 * 1024;

/// What came of reading an archive in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedSession {
    pub session: SessionId,
    /// All that were in the archive.
    pub sessions: Vec<SessionId>,
    pub source: SessionSource,
    /// What the archive holds.
    pub lines: u64,
    pub events: u64,
    pub blobs: u64,
    /// Events that were read in now; none when all of it was here already.
    pub read: u64,
}

pub(super) fn import(shared: &Shared, path: &Path) -> Result<ImportedSession, Refusal> {
    let file = open(path)?;
    let again = file.try_clone().map_err(|error| unreadable(&error))?;
    let survey = Arc::new(survey(file)?);
    // Looked at before anything is committed, so that nothing of a refused archive is here.
    let known = shared.store.read_or_refuse(|view| {
        let known = known(view, &survey)?;
        if known.is_none() {
            survey.nouns.iter().try_for_each(|noun| free(view, *noun))?;
        }
        Ok(known)
    })?;
    let read = match &known {
        Some(known) if known.whole => 0,
        known => take_in(shared, again, &survey, known.as_ref().map_or(0, |known| known.lines))?,
    };
    let Survey { session, sessions, source, end, lines, .. } = &*survey;
    Ok(ImportedSession {
        session: *session,
        sessions: sessions.clone(),
        source: source.clone(),
        lines: *lines,
        events: end.events,
        blobs: end.blobs,
        read,
    })
}

/// How far this very archive was read in; none when nothing of it is here. Sessions of another origin are in its way.
fn known(view: &View<'_>, survey: &Survey) -> Result<Option<SessionImport>, Refusal> {
    let known =
        view.session_import(survey.session)?.filter(|known| known.source.archive == survey.source.archive);
    for session in &survey.sessions {
        let Some(row) = view.session_ever(*session)? else { continue };
        let same = row.imported.is_some_and(|source| source.archive == survey.source.archive);
        if known.is_none() || !same {
            let message = format!("session {} is here already, and not from this archive", session.short());
            return Err(Refusal::conflict("session_exists", message)
                .hint("nothing is ever written over: read the archive into another workspace"));
        }
    }
    Ok(known)
}

fn take_in(shared: &Shared, file: File, survey: &Arc<Survey>, from: u64) -> Result<u64, Refusal> {
    let mut reading = Reading::begin(file)?;
    let mut piece = Piece { from, ..Piece::default() };
    let mut read = 0;
    loop {
        if shared.stopping.is_cancelled() {
            return Err(Refusal::new(model::RefusalKind::Unavailable, "stopping", "the daemon is stopping")
                .hint("begin the import again: it goes on where it was"));
        }
        let item = reading.next()?;
        let lines = reading.lines();
        match item {
            // It was in the archive when it was looked through, so it still is.
            Item::End(_) if reading.head() == survey.source.archive => {
                read += piece.commit(shared, survey, lines, true)?;
                return Ok(read);
            }
            Item::End(_) => {
                return Err(Refusal::conflict(
                    "archive_changed",
                    "the archive was changed while it was read",
                )
                .hint("read it in again when nobody writes to it"));
            }
            _ if lines <= from => {}
            Item::Blob(content) => {
                shared.store.reader().blobs().put(&[&content])?;
            }
            Item::Piece => {}
            Item::Event(one) => {
                piece.bytes += one.bytes;
                piece.past.push(one.past);
                piece.events.push(one.event);
                if piece.events.len() >= PIECE_EVENTS || piece.bytes >= PIECE_BYTES {
                    read += piece.commit(shared, survey, lines, false)?;
                    piece = Piece { from: lines, ..Piece::default() };
                }
            }
        }
    }
}

/// Events that are committed together.
#[derive(Default)]
struct Piece {
    from: u64,
    past: Vec<Past>,
    events: Vec<Event>,
    bytes: usize,
}

impl Piece {
    fn commit(
        &mut self,
        shared: &Shared,
        survey: &Arc<Survey>,
        lines: u64,
        whole: bool,
    ) -> Result<u64, Refusal> {
        let (mut events, from) = (std::mem::take(&mut self.events), self.from);
        let count = events.len() as u64;
        let import = SessionImport {
            session: survey.session,
            sessions: survey.sessions.clone(),
            source: survey.source.clone(),
            from,
            lines,
            whole,
        };
        let survey = Arc::clone(survey);
        let command = move |view: &View<'_>| {
            if known(view, &survey)?.map_or(0, |known| known.lines) != from {
                return Err(Refusal::conflict("archive_moved", "somebody else reads this archive in")
                    .hint("wait until that is done; it is the same archive"));
            }
            for event in &events {
                check(view, &survey.nouns, event)?;
            }
            events.push(Event::SessionImported(import));
            Ok(events)
        };
        let commit = Commit::new(Actor::User, command).past(std::mem::take(&mut self.past));
        shared.judge(shared.store.commit(commit))?;
        Ok(count)
    }
}

/// What an event brings must be new here, and what it acts on must have come with it.
fn check(view: &View<'_>, nouns: &BTreeSet<Noun>, event: &Event) -> Result<(), Refusal> {
    if let Some(noun) = acted_on(event).into_iter().find(|noun| !nouns.contains(noun)) {
        let message =
            format!("a {} event of the archive is about {noun:?}, which it does not bring", event.kind());
        return Err(Refusal::invalid("archive_malformed", message).hint("export the session again"));
    }
    brought(event).map_or(Ok(()), |noun| free(view, noun))
}

fn free(view: &View<'_>, noun: Noun) -> Result<(), Refusal> {
    let taken = match noun {
        Noun::Participant(id) => view.participant(id)?.is_some(),
        Noun::Task(id) => view.task(id)?.is_some(),
        Noun::Turn(id) => view.turn(id)?.is_some(),
        Noun::Run(id) => view.run(id)?.is_some(),
    };
    if taken {
        let message = format!("{noun:?} of the archive is here already");
        return Err(Refusal::conflict("session_exists", message)
            .hint("nothing is ever written over: read the archive into another workspace"));
    }
    Ok(())
}
