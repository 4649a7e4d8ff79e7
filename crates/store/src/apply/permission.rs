//! Permissions and the rules that decisions leave behind. A question is decided once.

use super::{at, seq};
use crate::sql::{Connection, params};
use crate::statement::{run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{Event, Permission, PermissionDecision, PermissionRule, PermissionRuleRemoval, PermissionScope};

statements! { STATEMENTS in Sessions {
    INSERT_PERMISSION = "INSERT INTO permissions (permission_id, short_id, session_id, turn_id, open, seq,
            requested_at, data)
        VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7) ON CONFLICT (permission_id) DO NOTHING";
    DECIDE_PERMISSION = "UPDATE permissions SET open = 0, decided_at = ?2, decision = ?3
        WHERE permission_id = ?1 AND open = 1";
    INSERT_RULE = "INSERT INTO permission_rules (rule_id, short_id, place, seq, data)
        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (rule_id) DO NOTHING";
    DELETE_RULE = "DELETE FROM permission_rules WHERE rule_id = ?1";
} }

pub(super) fn apply(db: &Connection, record: &Record) -> Result<(), StoreError> {
    match &record.event {
        Event::PermissionRequested(asked) => requested(db, record, asked),
        Event::PermissionDecided(decision) => decided(db, record, decision),
        Event::PermissionRuleAdded(rule) => rule_added(db, record, rule),
        Event::PermissionRuleRemoved(removal) => rule_removed(db, removal),
        _ => Ok(()),
    }
}

fn requested(db: &Connection, record: &Record, asked: &Permission) -> Result<(), StoreError> {
    run(
        db,
        &INSERT_PERMISSION,
        params![
            asked.id.to_string(),
            asked.id.short(),
            asked.session.to_string(),
            asked.turn.to_string(),
            seq(record),
            at(record),
            column::to_json(asked)?
        ],
    )?;
    Ok(())
}

fn decided(db: &Connection, record: &Record, decision: &PermissionDecision) -> Result<(), StoreError> {
    let row = params![decision.permission.to_string(), at(record), column::to_json(decision)?];
    run(db, &DECIDE_PERMISSION, row)?;
    Ok(())
}

fn rule_added(db: &Connection, record: &Record, rule: &PermissionRule) -> Result<(), StoreError> {
    let place = match rule.scope {
        PermissionScope::Once => None,
        PermissionScope::Session => rule.session.map(|session| session.to_string()),
        PermissionScope::Repo => rule.repo.map(|repo| repo.to_string()),
        PermissionScope::Always => Some(crate::permission::EVERYWHERE.to_owned()),
    };
    // A rule that holds nowhere is none.
    let Some(place) = place else { return Ok(()) };
    let row = params![rule.id.to_string(), rule.id.short(), place, seq(record), column::to_json(rule)?];
    run(db, &INSERT_RULE, row)?;
    Ok(())
}

fn rule_removed(db: &Connection, removal: &PermissionRuleRemoval) -> Result<(), StoreError> {
    run(db, &DELETE_RULE, [removal.rule.to_string()])?;
    Ok(())
}
