//! The merge queue. How an entry ended does not change any more.

use super::{at, seq};
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{Event, MergeChange, MergeEntry, MergeOrder, MergeState};

statements! { STATEMENTS in Sessions {
    INSERT_MERGE = "INSERT INTO merges
            (merge_id, short_id, repo_id, name, state, is_open, priority, rank, attempt, mode, seq, updated_at, data)
        VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7, 0, ?8, ?7, ?9, ?10)
        ON CONFLICT (merge_id) DO NOTHING";
    PLACE_MERGE = "UPDATE merges SET priority = ?2, rank = ?3, updated_at = ?4
        WHERE merge_id = ?1 AND repo_id = ?5 AND is_open = 1";
    CHANGE_MERGE = "UPDATE merges SET state = ?2, is_open = ?3, attempt = ?4, mode = coalesce(?5, mode), updated_at = ?6,
            change = ?7
        WHERE merge_id = ?1 AND is_open = 1";
} }

pub(super) fn apply(db: &Connection, record: &Record) -> Result<(), StoreError> {
    match &record.event {
        Event::MergeAdded(entry) => added(db, record, entry),
        Event::MergeMoved(order) => moved(db, record, order),
        Event::MergeChanged(change) => changed(db, record, change),
        _ => Ok(()),
    }
}

fn added(db: &Connection, record: &Record, entry: &MergeEntry) -> Result<(), StoreError> {
    let state = if entry.held { MergeState::Held } else { MergeState::Queued };
    let row = params![
        entry.id.to_string(),
        entry.id.short(),
        entry.repo.to_string(),
        entry.name,
        state.as_str(),
        entry.priority,
        seq(record),
        entry.mode.as_str(),
        at(record),
        column::to_json(entry)?
    ];
    run(db, &INSERT_MERGE, row)?;
    Ok(())
}

fn moved(db: &Connection, record: &Record, order: &MergeOrder) -> Result<(), StoreError> {
    let repo = order.repo.to_string();
    for place in &order.places {
        let rank = place.rank.cast_signed();
        run(db, &PLACE_MERGE, params![place.merge.to_string(), place.priority, rank, at(record), repo])?;
    }
    Ok(())
}

fn changed(db: &Connection, record: &Record, change: &MergeChange) -> Result<(), StoreError> {
    let row = params![
        change.merge.to_string(),
        change.state.as_str(),
        i64::from(!change.state.is_terminal()),
        i64::from(change.attempt),
        change.mode.map(|mode| mode.as_str()),
        at(record),
        column::to_json(change)?
    ];
    run(db, &CHANGE_MERGE, row)?;
    Ok(())
}
