//! agent_metrics.db: one row per turn that ended.

use super::figure;
use crate::StoreError;
use journal::Record;
use model::{Block, Event, ModelAnswer, SessionId, Timestamp, TurnEnd, TurnOutcome};
use rusqlite::{Connection, params};

/// What an agent's turns came to.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentFigures {
    pub agent: String,
    pub turns: u64,
    pub completed: u64,
    pub failed: u64,
    pub canceled: u64,
    /// From start to end, on average and at most, in milliseconds.
    pub latency_ms: u64,
    pub latency_max_ms: u64,
    pub tokens: u64,
    pub cost_micros: u64,
    pub model_calls: u64,
    pub retries: u64,
    pub tool_calls: u64,
    pub tool_errors: u64,
}

pub(super) fn apply(db: &Connection, record: &Record) -> Result<(), StoreError> {
    // What was done elsewhere says nothing of how agents do here.
    if record.imported.is_some() {
        return Ok(());
    }
    match &record.event {
        Event::ParticipantJoined(one) => {
            db.prepare_cached(
                "INSERT INTO seats (participant_id, agent) VALUES (?1, ?2) ON CONFLICT (participant_id) DO NOTHING",
            )?
            .execute([one.id.to_string().as_str(), one.agent.as_str()])?;
        }
        Event::TaskSubmitted(task) => {
            db.prepare_cached(
                "INSERT INTO kinds (task_id, kind) VALUES (?1, ?2) ON CONFLICT (task_id) DO NOTHING",
            )?
            .execute([task.id.to_string().as_str(), task.kind.as_str()])?;
        }
        Event::TurnStarted(turn) => {
            db.prepare_cached(
                "INSERT INTO open_turns (turn_id, started_at) VALUES (?1, ?2) ON CONFLICT (turn_id) DO NOTHING",
            )?
            .execute(params![turn.id.to_string(), turn.started_at.as_millis()])?;
        }
        Event::ModelAnswered(answer) => answered(db, answer)?,
        Event::MessageAppended(message) => {
            if let Some(turn) = message.turn {
                let count = |wanted: fn(&Block) -> bool| {
                    message.blocks.iter().filter(|block| wanted(block)).count() as u64
                };
                let calls = count(|block| matches!(block, Block::ToolCall { .. }));
                let errors = count(|block| matches!(block, Block::ToolResult { is_error: true, .. }));
                if calls + errors > 0 {
                    db.prepare_cached(
                        "UPDATE open_turns SET tool_calls = tool_calls + ?2, tool_errors = tool_errors + ?3
                         WHERE turn_id = ?1",
                    )?
                    .execute(params![
                        turn.to_string(),
                        figure(calls),
                        figure(errors)
                    ])?;
                }
            }
        }
        Event::TurnEnded(end) => ended(db, record, end)?,
        _ => {}
    }
    Ok(())
}

fn answered(db: &Connection, answer: &ModelAnswer) -> Result<(), StoreError> {
    db.prepare_cached(
        "UPDATE open_turns SET model_calls = model_calls + 1, retries = retries + ?2 WHERE turn_id = ?1",
    )?
    .execute(params![answer.turn.to_string(), answer.retries])?;
    Ok(())
}

/// A turn ends once. One whose start is not known took no time.
fn ended(db: &Connection, record: &Record, end: &TurnEnd) -> Result<(), StoreError> {
    let cost = figure(end.usage.cost_micros);
    db.prepare_cached(
        "INSERT INTO agent_metrics (agent_id, session_id, task_type, success, latency_ms, tokens_used, cost, timestamp,
            turn_id, task_id, outcome, cost_micros, iterations, model_calls, retries, tool_calls, tool_errors)
         SELECT coalesce((SELECT agent FROM seats WHERE participant_id = ?1), ''), ?2,
            coalesce((SELECT kind FROM kinds WHERE task_id = ?3), ''), ?4,
            max(0, ?5 - coalesce((SELECT started_at FROM open_turns WHERE turn_id = ?6), ?5)), ?7, ?8, ?5, ?6, ?3, ?9,
            ?10, ?11, coalesce((SELECT model_calls FROM open_turns WHERE turn_id = ?6), 0),
            coalesce((SELECT retries FROM open_turns WHERE turn_id = ?6), 0),
            coalesce((SELECT tool_calls FROM open_turns WHERE turn_id = ?6), 0),
            coalesce((SELECT tool_errors FROM open_turns WHERE turn_id = ?6), 0)
         WHERE true ON CONFLICT (turn_id) DO NOTHING",
    )?
    .execute(params![
        end.participant.to_string(),
        end.session.to_string(),
        end.task.to_string(),
        matches!(end.outcome, TurnOutcome::Completed { .. }),
        record.ts.as_millis(),
        end.turn.to_string(),
        figure(end.usage.tokens()),
        cost as f64 / 1_000_000.0,
        end.outcome.as_str(),
        cost,
        end.iterations
    ])?;
    db.prepare_cached("DELETE FROM open_turns WHERE turn_id = ?1")?.execute([end.turn.to_string()])?;
    Ok(())
}

/// Who did most comes first.
pub(super) fn figures(
    db: &Connection,
    session: Option<SessionId>,
    since: Option<Timestamp>,
) -> Result<Vec<AgentFigures>, StoreError> {
    let which = if session.is_some() { "session_id = ?2 AND " } else { "?2 IS NULL AND " };
    let mut prepared = db.prepare(&format!(
        "SELECT agent_id, count(*), sum(outcome = 'completed'), sum(outcome = 'failed'), sum(outcome = 'canceled'),
            CAST(avg(latency_ms) AS INT), max(latency_ms), sum(tokens_used), sum(cost_micros), sum(model_calls),
            sum(retries), sum(tool_calls), sum(tool_errors)
         FROM agent_metrics WHERE {which} timestamp >= ?1 GROUP BY agent_id ORDER BY 2 DESC, 1"
    ))?;
    let since = since.map_or(i64::MIN, Timestamp::as_millis);
    let rows = prepared.query_map(params![since, session.map(|session| session.to_string())], |row| {
        let figure = |column: usize| row.get::<_, i64>(column).map(i64::cast_unsigned);
        Ok(AgentFigures {
            agent: row.get(0)?,
            turns: figure(1)?,
            completed: figure(2)?,
            failed: figure(3)?,
            canceled: figure(4)?,
            latency_ms: figure(5)?,
            latency_max_ms: figure(6)?,
            tokens: figure(7)?,
            cost_micros: figure(8)?,
            model_calls: figure(9)?,
            retries: figure(10)?,
            tool_calls: figure(11)?,
            tool_errors: figure(12)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
