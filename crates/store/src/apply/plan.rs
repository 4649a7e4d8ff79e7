//! Plans and proposals. A plan that has ended stays as it is.

use super::{at, seq};
use crate::sql::{Connection, params};
use crate::statement::{run, statements, touched};
use crate::{StoreError, column};
use journal::Record;
use model::{Event, Plan, PlanClearing, PlanEnd, PlanMerge, PlanStall, PlanState, PlanTest, Proposal};

statements! { STATEMENTS in Sessions {
    INSERT_PLAN = "INSERT INTO plans (plan_id, short_id, session_id, repo_id, state, open, seq, created_at,
            updated_at, data, uncleared)
        VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (plan_id) DO NOTHING";
    // A participant that proposes again, after a crash, means the later proposal.
    UPSERT_PROPOSAL = "INSERT INTO plan_proposals (plan_id, participant_id, seq, data) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (plan_id, participant_id) DO UPDATE SET seq = excluded.seq, data = excluded.data";
    TOUCH_PLAN = "UPDATE plans SET updated_at = ?2 WHERE plan_id = ?1 AND open = 1";
    // Whoever takes a step is not stalled any more.
    MERGE_PLAN = "UPDATE plans SET state = ?2, merged = ?3, text = NULL, updated_at = ?4 WHERE plan_id = ?1 AND open = 1";
    TEST_PLAN = "UPDATE plans SET state = ?2, tests = ?3, text = NULL, updated_at = ?4 WHERE plan_id = ?1 AND open = 1";
    STALL_PLAN = "UPDATE plans SET text = ?2, updated_at = ?3 WHERE plan_id = ?1 AND open = 1";
    END_PLAN = "UPDATE plans SET state = ?2, open = 0, text = ?3, updated_at = ?4
        WHERE plan_id = ?1 AND open = 1";
    CLEAR_PLAN = "UPDATE plans SET uncleared = 0, kept = ?2, updated_at = ?3 WHERE plan_id = ?1 AND uncleared = 1";
} }

pub(super) fn apply(db: &Connection, record: &Record) -> Result<(), StoreError> {
    match &record.event {
        Event::PlanCreated(plan) => created(db, record, plan),
        Event::PlanProposed(proposal) => proposed(db, record, proposal),
        Event::PlanMerged(merge) => merged(db, record, merge),
        Event::PlanTested(test) => tested(db, record, test),
        Event::PlanStalled(stall) => stalled(db, record, stall),
        Event::PlanCompleted(end) => completed(db, record, end),
        Event::PlanFailed(end) => failed(db, record, end),
        Event::PlanCleared(cleared) => self::cleared(db, record, cleared),
        _ => Ok(()),
    }
}

fn created(db: &Connection, record: &Record, plan: &Plan) -> Result<(), StoreError> {
    run(
        db,
        &INSERT_PLAN,
        params![
            plan.id.to_string(),
            plan.id.short(),
            plan.session.to_string(),
            plan.repo.to_string(),
            PlanState::Proposing.as_str(),
            seq(record),
            plan.created_at.as_millis(),
            at(record),
            column::to_json(plan)?,
            i64::from(plan.worktrees)
        ],
    )?;
    Ok(())
}

fn proposed(db: &Connection, record: &Record, proposal: &Proposal) -> Result<(), StoreError> {
    let plan = proposal.plan.to_string();
    if touched(db, &TOUCH_PLAN, params![plan, at(record)])? > 0 {
        let row = params![plan, proposal.participant.to_string(), seq(record), column::to_json(proposal)?];
        run(db, &UPSERT_PROPOSAL, row)?;
    }
    Ok(())
}

fn merged(db: &Connection, record: &Record, merge: &PlanMerge) -> Result<(), StoreError> {
    let state = PlanState::Executing.as_str();
    let row = params![merge.plan.to_string(), state, column::to_json(&merge.merged)?, at(record)];
    run(db, &MERGE_PLAN, row)?;
    Ok(())
}

fn tested(db: &Connection, record: &Record, test: &PlanTest) -> Result<(), StoreError> {
    let state = PlanState::Testing.as_str();
    let row = params![test.plan.to_string(), state, column::to_json(&test.report)?, at(record)];
    run(db, &TEST_PLAN, row)?;
    Ok(())
}

fn stalled(db: &Connection, record: &Record, stall: &PlanStall) -> Result<(), StoreError> {
    run(db, &STALL_PLAN, params![stall.plan.to_string(), stall.text, at(record)])?;
    Ok(())
}

fn completed(db: &Connection, record: &Record, end: &PlanEnd) -> Result<(), StoreError> {
    ended(db, record, end, PlanState::Completed)
}

fn failed(db: &Connection, record: &Record, end: &PlanEnd) -> Result<(), StoreError> {
    ended(db, record, end, PlanState::Failed)
}

fn cleared(db: &Connection, record: &Record, cleared: &PlanClearing) -> Result<(), StoreError> {
    run(db, &CLEAR_PLAN, params![cleared.plan.to_string(), column::to_json(&cleared.kept)?, at(record)])?;
    Ok(())
}

fn ended(db: &Connection, record: &Record, end: &PlanEnd, state: PlanState) -> Result<(), StoreError> {
    run(db, &END_PLAN, params![end.plan.to_string(), state.as_str(), end.text, at(record)])?;
    Ok(())
}
