//! Who is there, as others see it: alive, suspect or dead, doing what, with which files.
//!
//! Dead is only who shows a positive sign of it. Who has not moved for long while the kernel still vouches for it is
//! *suspect* (a laptop asleep, a stopped process): it keeps its place and its locks until their leases end.

use crate::bus::{Bus, Inner};
use crate::error::BusError;
use crate::registration::{self, LABEL_MAX};
use crate::registry::{self, Entry};
use crate::row;
use crate::write::{Moment, unsigned};
use model::{ParticipantStatus, Presence, RegistrationId, Vitality};
use rusqlite::params;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// Without a sign of life for this long (or half its lease, if that is longer) a living session is suspect.
pub const SUSPECT_AFTER: Duration = Duration::from_secs(30);

/// The same for a session of another machine, whose heartbeats come by the bridge.
pub const SUSPECT_ELSEWHERE_AFTER: Duration = Duration::from_secs(60);

/// What a session says about itself beside who it is. What is none stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    pub tty: Option<String>,
    /// Its process, when its life is not proven by it anyway.
    pub pid: Option<u32>,
    pub repo: Option<String>,
    pub task: Option<String>,
    /// Files it works on beside those it has locked.
    pub status: Option<ParticipantStatus>,
    /// The session this one was started from, by its vendor's id or ours.
    pub parent: Option<String>,
    /// Which of its parent's agents it is.
    pub sub_agent: Option<String>,
}

impl Bus {
    /// Adds to what the bus knows about a session.
    pub fn describe(&self, id: RegistrationId, details: &Details) -> Result<(), BusError> {
        let texts = [&details.tty, &details.repo, &details.task, &details.parent, &details.sub_agent];
        let fits =
            |text: &String| (1..=8 * LABEL_MAX).contains(&text.len()) && !text.contains(char::is_control);
        if !texts.into_iter().flatten().all(fits) {
            return Err(BusError::Invalid(format!(
                "what describes a session has 1 to {} bytes and no control characters",
                8 * LABEL_MAX
            )));
        }
        self.inner.write(|w| {
            registration::living(w, id)?;
            w.conn
                .prepare_cached(
                    "UPDATE session_registry SET tty = coalesce(?2, tty), project_id = coalesce(?3, project_id),
                        task_id = coalesce(?4, task_id), parent_session = coalesce(?5, parent_session),
                        sub_agent = coalesce(?6, sub_agent), activity = coalesce(?7, activity),
                        pid = CASE liveness WHEN 'process' THEN pid ELSE coalesce(?8, pid) END
                     WHERE session_id = ?1",
                )?
                .execute(params![
                    id.to_string(),
                    details.tty,
                    details.repo,
                    details.task,
                    details.parent,
                    details.sub_agent,
                    details.status.map(ParticipantStatus::as_str),
                    details.pid,
                ])?;
            Ok(())
        })?;
        if let Some(status) = details.status {
            self.show(id, status)?;
        }
        Ok(())
    }

    /// Shows what the session is doing, and that it lives. One number in shared memory; without slots it is written.
    pub fn show(&self, id: RegistrationId, status: ParticipantStatus) -> Result<(), BusError> {
        self.heartbeat(id)?;
        if let Some(slot) = self.inner.known(id)?.and_then(|known| known.seat.take()) {
            let place = ParticipantStatus::ALL.iter().position(|known| *known == status).unwrap_or(0);
            slot.status.store(place as u32 + 1, SeqCst);
            return Ok(());
        }
        self.inner.write(|w| {
            w.conn
                .prepare_cached("UPDATE session_registry SET activity = ?2 WHERE session_id = ?1")?
                .execute([id.to_string().as_str(), status.as_str()])?;
            Ok(())
        })
    }

    /// Everybody who has not ended, oldest first, with what the bus makes of their signs of life.
    pub fn sessions(&self) -> Result<Vec<Presence>, BusError> {
        self.inner.read(|conn| {
            let sql = registry::COLUMNS.replacen(
                "machine\n",
                "machine, tty, project_id, task_id, parent_session, sub_agent, activity, active_files\n",
                1,
            );
            let sql = format!("{sql} WHERE status IN ('active', 'idle') ORDER BY rowid");
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows = statement.query([])?;
            let now = Moment::read(&*self.inner.clock);
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let entry = registry::read(row)?;
                let flushed: Option<String> = row.get(25)?;
                let files: Option<String> = row.get(26)?;
                all.push(Presence {
                    vitality: vitality(&entry, &self.inner, now),
                    beat_age: Duration::from_nanos(unsigned(now.ns - entry.last_beat_ns(&self.inner))),
                    status: shown(&entry, &self.inner, flushed),
                    tty: row.get(20)?,
                    repo: row.get(21)?,
                    task: row.get(22)?,
                    parent: row.get(23)?,
                    sub_agent: row.get(24)?,
                    active_files: match files {
                        Some(files) => row::json(&files, "a session's files")?,
                        None => Vec::new(),
                    },
                    machine: entry.proof.machine().map(str::to_owned),
                    registration: entry.shown(&self.inner, now),
                });
            }
            Ok(all)
        })
    }
}

fn vitality(entry: &Entry, inner: &Inner, now: Moment) -> Vitality {
    if entry.death(inner, now).is_some() {
        return Vitality::Dead;
    }
    let age = Duration::from_nanos(unsigned(now.ns - entry.last_beat_ns(inner)));
    let patience = match (&entry.proof.machine(), entry.lease()) {
        (Some(_), _) => SUSPECT_ELSEWHERE_AFTER,
        (None, Some(lease)) => SUSPECT_AFTER.max(lease / 2),
        (None, None) => SUSPECT_AFTER,
    };
    if age > patience { Vitality::Suspect } else { Vitality::Alive }
}

fn shown(entry: &Entry, inner: &Inner, flushed: Option<String>) -> Option<ParticipantStatus> {
    let place = entry.seat(inner).and_then(|seat| seat.occupied()).map_or(0, |slot| slot.status.load(SeqCst));
    match place {
        0 => {
            let flushed = flushed?;
            ParticipantStatus::ALL.into_iter().find(|status| status.as_str() == flushed)
        }
        place => ParticipantStatus::ALL.get(place as usize - 1).copied(),
    }
}
