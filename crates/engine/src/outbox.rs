//! The bus's outbox into the journal: what happened on the bus becomes events, each exactly once.
//!
//! The key of an event is (generation, row), so a row that was journaled before a crash and not yet
//! ticked off is recognised when it comes again.

#[cfg(test)]
mod tests;

use crate::engine::Shared;
use bus::{Bell, Doorbell, OutboxRow, SAFETY_POLL};
use model::{Actor, Event, Refusal};
use std::sync::Arc;
use store::Commit;

/// Rows taken at a time.
const PAGE: usize = 256;

/// Follows the outbox until the engine stops.
pub(crate) async fn pump(shared: Arc<Shared>) {
    let mut bell = match shared.bus.doorbell(Bell::Daemon) {
        Ok(bell) => bell,
        Err(error) => {
            tracing::error!(%error, "nobody hears the bus: its events wait in the outbox");
            return;
        }
    };
    while !shared.stopping.is_cancelled() {
        let follower = Arc::clone(&shared);
        let waited = tokio::task::spawn_blocking(move || {
            let heard = listen(&bell).and_then(|()| move_rows(&follower));
            (bell, heard)
        });
        let Ok((returned, heard)) = waited.await else { return };
        bell = returned;
        if let Err(error) = heard {
            tracing::warn!(%error, "the bus's events wait in the outbox");
            tokio::time::sleep(SAFETY_POLL).await;
        }
    }
}

/// One last time, when everybody else has stopped.
pub(crate) fn drain(shared: &Shared) {
    if let Err(error) = move_rows(shared) {
        tracing::warn!(%error, "some of the bus's events stay in the outbox until the next start");
    }
}

fn listen(bell: &Doorbell) -> Result<(), Refusal> {
    bell.wait(SAFETY_POLL).map(drop).map_err(|error| error.refusal())
}

fn move_rows(shared: &Shared) -> Result<(), Refusal> {
    loop {
        let (generation, rows) = shared.bus.outbox(0, PAGE).map_err(|error| error.refusal())?;
        let Some(last) = rows.last().map(|row| row.id) else { return Ok(()) };
        for row in rows {
            journal_row(shared, &generation, row)?;
        }
        shared.bus.outbox_done(last).map_err(|error| error.refusal())?;
    }
}

fn journal_row(shared: &Shared, generation: &str, row: OutboxRow) -> Result<(), Refusal> {
    let key = journal::IdempotencyKey {
        key: format!("outbox:{generation}:{}", row.id),
        request_hash: generation.to_owned(),
    };
    let OutboxRow { event, .. } = row;
    let commit = Commit::new(actor_of(&event), move |_| Ok(vec![event])).key(Some(key));
    shared.judge(shared.store.commit(commit)).map(drop)
}

fn actor_of(event: &Event) -> Actor {
    let label = match event {
        Event::LockChanged(change) => &change.agent,
        Event::NoticePublished(notice) => &notice.agent,
        Event::RegistrationAnnounced(registration) => &registration.agent,
        _ => return Actor::System,
    };
    label.parse().unwrap_or(Actor::System)
}
