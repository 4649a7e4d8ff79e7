//! The bus's outbox into the journal: what happened on the bus becomes events, each exactly once.
//!
//! The key of an event is (generation, row), so a row that was journaled before a crash and not yet
//! ticked off is recognised when it comes again.

#[cfg(test)]
mod tests;

use crate::engine::Shared;
use bus::{Bell, Doorbell, OutboxRow};
use model::{Actor, ContextChange, Event, Notice, Refusal, RefusalKind, RegistrationId, SessionId};
use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use store::{Commit, CommitError, Receipt};

type Verdict = Result<Receipt, CommitError>;

/// How late a row may be journaled whose ring was lost. Nobody waits for it, and an idle daemon sleeps.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Rows taken at a time.
const PAGE: usize = 256;
/// What waits is journaled before the engine counts as open, so much of it; a start does not take longer for more.
const PAGES_AT_START: usize = 16;
/// Characters of an event that are logged when it is set aside.
const SET_ASIDE_SHOWN: usize = 4096;

/// Journals what waits, and follows the outbox from then on until the engine stops.
pub(crate) async fn follow(shared: &Arc<Shared>) {
    let bell = shared.blocking(|shared| {
        let bell = shared.bus.doorbell(Bell::Daemon).map_err(|error| error.refusal())?;
        for _ in 0..PAGES_AT_START {
            match move_page(shared) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "the bus's events wait in the outbox");
                    break;
                }
            }
        }
        Ok(bell)
    });
    match bell.await {
        Ok(bell) => drop(shared.tasks.spawn(pump(Arc::clone(shared), bell))),
        Err(error) => tracing::error!(%error, "nobody hears the bus: its events wait in the outbox"),
    }
}

async fn pump(shared: Arc<Shared>, mut bell: Doorbell) {
    while !shared.stopping.is_cancelled() {
        let follower = Arc::clone(&shared);
        let waited = tokio::task::spawn_blocking(move || {
            let heard = listen(&bell).and_then(|rung| {
                let moved = move_rows(&follower)?;
                if rung || moved {
                    follower.bridge.poke();
                }
                Ok(())
            });
            // The user is there as long as the daemon is. A number in shared memory, as good as always.
            if let Err(error) = follower.bus.heartbeat(follower.user) {
                tracing::debug!(%error, "the user's sign of life");
            }
            (bell, heard)
        });
        let Ok((returned, heard)) = waited.await else { return };
        bell = returned;
        if let Err(error) = heard {
            tracing::warn!(%error, "the bus's events wait in the outbox");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// One last time, when everybody else has stopped.
pub(crate) fn drain(shared: &Shared) {
    if let Err(error) = move_rows(shared) {
        tracing::warn!(%error, "some of the bus's events stay in the outbox until the next start");
    }
}

/// True when somebody rang.
fn listen(bell: &Doorbell) -> Result<bool, Refusal> {
    bell.wait(LOOK_EVERY).map_err(|error| error.refusal())
}

/// True when there were any.
fn move_rows(shared: &Shared) -> Result<bool, Refusal> {
    let mut moved = false;
    while move_page(shared)? {
        moved = true;
    }
    Ok(moved)
}

/// True when there were any.
fn move_page(shared: &Shared) -> Result<bool, Refusal> {
    let (generation, rows) = shared.bus.outbox(0, PAGE).map_err(|error| error.refusal())?;
    if rows.is_empty() {
        return Ok(false);
    }
    let page = journal_page(shared, &generation, rows)?;
    if let Some(done) = page.done {
        shared.bus.outbox_done(&generation, done).map_err(|error| error.refusal())?;
    }
    page.waits.map_or(Ok(true), Err)
}

/// What became of the rows of a page.
#[derive(Debug, Default)]
struct Page {
    /// All rows up to this one can go.
    done: Option<i64>,
    /// Why the others are to come again.
    waits: Option<Refusal>,
}

/// Hands the whole page in before it waits, so that one sync serves it all.
fn journal_page(shared: &Shared, generation: &str, rows: Vec<OutboxRow>) -> Result<Page, Refusal> {
    let actors = actors(shared, &rows)?;
    let (reply, answers) = mpsc::channel();
    let mut verdicts: Vec<Option<Verdict>> = Vec::new();
    for (row, actor) in rows.iter().zip(actors) {
        let (at, reply, event) = (verdicts.len(), reply.clone(), row.event.clone());
        let key = journal::IdempotencyKey {
            key: format!("outbox:{generation}:{}", row.id),
            request_hash: generation.to_owned(),
        };
        verdicts.push(None);
        let commit = Commit::new(actor, move |_| Ok(vec![event])).key(Some(key));
        shared.store.submit(commit, move |verdict| drop(reply.send((at, verdict))));
        let answered: Vec<(usize, Verdict)> = answers.try_iter().collect();
        let waits = answered.iter().any(|(_, verdict)| comes_again(verdict));
        verdicts_in(&mut verdicts, answered);
        // What follows is not to overtake a row that found no room.
        if waits {
            break;
        }
    }
    drop(reply);
    verdicts_in(&mut verdicts, answers);
    let mut page = Page::default();
    for (row, verdict) in rows.into_iter().zip(verdicts) {
        let verdict = verdict.unwrap_or_else(|| Err(CommitError::Stopped("it did not answer".to_owned())));
        let comes_again = comes_again(&verdict);
        match shared.judge(verdict) {
            Ok(_) => shared.radar.hear(&row.event),
            Err(refusal) if comes_again => {
                page.waits = Some(refusal);
                return Ok(page);
            }
            // It would be refused for ever, and everything behind it would wait for it.
            Err(refusal) => {
                let event: String = format!("{:?}", row.event).chars().take(SET_ASIDE_SHOWN).collect();
                tracing::error!(row = row.id, %refusal, event, "an event of the bus is set aside: it is in no journal");
                shared.count_dropped(1);
            }
        }
        page.done = Some(row.id);
    }
    Ok(page)
}

fn verdicts_in(verdicts: &mut [Option<Verdict>], answered: impl IntoIterator<Item = (usize, Verdict)>) {
    for (at, verdict) in answered {
        if let Some(place) = verdicts.get_mut(at) {
            *place = Some(verdict);
        }
    }
}

/// Whether the row may be taken another time, as it is.
fn comes_again(verdict: &Verdict) -> bool {
    match verdict {
        Ok(_) => false,
        Err(CommitError::Refused(refusal)) => {
            !matches!(refusal.kind, RefusalKind::Invalid | RefusalKind::Conflict)
        }
        Err(_) => true,
    }
}

/// Whose doing each row is. A label on the bus is a name that anybody may give himself. It is believed where the
/// session it names has a seat of that name; everything else is told by the system.
fn actors(shared: &Shared, rows: &[OutboxRow]) -> Result<Vec<Actor>, Refusal> {
    let found = shared.store.read(|view| {
        let mut sessions: HashMap<RegistrationId, Option<SessionId>> = HashMap::new();
        let mut seats: HashMap<(SessionId, String), Actor> = HashMap::new();
        let mut actors = Vec::new();
        for row in rows {
            let (session, label) = match &row.event {
                Event::RegistrationAnnounced(registration) => {
                    sessions.insert(registration.id, registration.session);
                    (registration.session, &registration.agent)
                }
                Event::LockChanged(change) => (change.session, &change.agent),
                Event::NoticePublished(Notice { sender, agent, .. })
                | Event::ContextChanged(ContextChange { author: sender, agent, .. }) => {
                    let session = match sessions.get(sender) {
                        Some(session) => *session,
                        None => view.registration(*sender)?.and_then(|row| row.registration.session),
                    };
                    (session, agent)
                }
                _ => (None, &String::new()),
            };
            let Some(session) = session else {
                actors.push(Actor::System);
                continue;
            };
            let name = (session, label.clone());
            if !seats.contains_key(&name) {
                let named = view.participants(session)?.into_iter().map(|row| row.participant.agent);
                let agent = named.into_iter().find(|agent| agent.as_str() == label);
                seats.insert(name.clone(), agent.map_or(Actor::System, Actor::Agent));
            }
            actors.push(seats.get(&name).cloned().unwrap_or(Actor::System));
        }
        Ok(actors)
    })?;
    Ok(found)
}
