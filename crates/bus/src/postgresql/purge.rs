//! Clearing away: the dead, what is due, and what is over; in small changes, so that nobody waits long behind one.

use super::transaction::Tx;
use super::{Postgres, locks, receipts, registry};
use crate::error::BusError;
use crate::ledger::Ledger;
use crate::purge::{ENDED_KEPT, PURGE_ROWS};
use crate::queue;
use crate::scene::Scope;
use crate::write::nanos;

pub(crate) fn clear(bus: &Postgres) -> Result<(), BusError> {
    let buried = bus.read(has_dead).and_then(|dead| if dead { bus.write(bury_dead) } else { Ok(()) });
    let due = bus.read(has_due).and_then(|due| if due { bus.write(receipts::redeliver) } else { Ok(()) });
    // What is over goes, whatever became of the rest: else the tables grow for ever.
    while bus.read(has_over)? {
        bus.write(purge)?;
    }
    buried.and(due)
}

fn has_dead(tx: &mut Tx<'_>) -> Result<bool, BusError> {
    let now = tx.now;
    let scene = tx.load(Scope::All)?;
    Ok(scene.needs_settling(now, |waiting| locks::is_heard(waiting, now))
        || !registry::dead_all(tx)?.is_empty())
}

fn bury_dead(tx: &mut Tx<'_>) -> Result<(), BusError> {
    let mut freed = Vec::new();
    for dead in registry::dead_all(tx)? {
        freed.extend(registry::bury(tx, dead, registry::EXPIRED)?);
    }
    queue::settle(tx, Scope::All, freed).map(drop)
}

fn has_due(tx: &mut Tx<'_>) -> Result<bool, BusError> {
    Ok(tx.row("SELECT 1 FROM receipts WHERE due_ns <= $1 LIMIT 1", &[&{ tx.now.ns }])?.is_some())
}

/// Nothing of theirs is left that names them.
const ENDED: &str = "SELECT session_id FROM session_registry r WHERE status = 'terminated' AND ended_ns <= $1
       AND NOT EXISTS (SELECT 1 FROM inter_session_messages m WHERE m.sender_id = r.session_id)
       AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.holder = r.session_id)
       AND NOT EXISTS (SELECT 1 FROM locks l WHERE l.holder = r.session_id)
       AND NOT EXISTS (SELECT 1 FROM lock_waits w WHERE w.holder = r.session_id)";

fn long_ago(tx: &Tx<'_>) -> i64 {
    tx.now.ns.saturating_sub(nanos(ENDED_KEPT))
}

fn has_over(tx: &mut Tx<'_>) -> Result<bool, BusError> {
    let over =
        tx.row("SELECT 1 FROM inter_session_messages WHERE expires_ns <= $1 LIMIT 1", &[&{ tx.now.ns }])?;
    let long_ago = long_ago(tx);
    Ok(over.is_some() || tx.row(&format!("{ENDED} LIMIT 1"), &[&long_ago])?.is_some())
}

/// Deletes notices that are over, with what hangs on them, and notes per channel how far it went.
fn purge(tx: &mut Tx<'_>) -> Result<(), BusError> {
    let most = PURGE_ROWS as i64;
    tx.run(
        "WITH gone AS (
            DELETE FROM inter_session_messages WHERE id IN
                (SELECT id FROM inter_session_messages WHERE expires_ns <= $1 ORDER BY expires_ns LIMIT $2)
            RETURNING id, channel)
         INSERT INTO purged AS p (channel, upto) SELECT channel, max(id) FROM gone GROUP BY channel
         ON CONFLICT (channel) DO UPDATE SET upto = greatest(p.upto, excluded.upto)",
        &[&{ tx.now.ns }, &most],
    )?;
    let long_ago = long_ago(tx);
    tx.run(
        &format!(
            "WITH gone AS (DELETE FROM session_registry WHERE session_id IN ({ENDED} LIMIT $2) RETURNING session_id)
             DELETE FROM cursors WHERE consumer IN (SELECT session_id FROM gone)"
        ),
        &[&long_ago, &most],
    )?;
    Ok(())
}
