//! Model calls: each one in messages.db, their sums with the session and the participant in sessions.db.

use super::spending::{self, SUM_MAX};
use super::{at, seq};
use crate::sql::{Connection, params};
use crate::statement::{row, run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{ModelAnswer, ModelCall, SessionId, Usage};

statements! { SESSION_STATEMENTS in Sessions {
    ADD_USAGE = "UPDATE sessions
        SET input_tokens = min(input_tokens + ?2, ?7), output_tokens = min(output_tokens + ?3, ?7),
            cache_read_tokens = min(cache_read_tokens + ?4, ?7),
            cache_write_tokens = min(cache_write_tokens + ?5, ?7), cost_micros = min(cost_micros + ?6, ?7),
            cost_sources = cost_sources | ?8
        WHERE session_id = ?1";
    ADD_SPENT = "UPDATE spent
        SET input_tokens = min(input_tokens + ?1, ?6), output_tokens = min(output_tokens + ?2, ?6),
            cache_read_tokens = min(cache_read_tokens + ?3, ?6),
            cache_write_tokens = min(cache_write_tokens + ?4, ?6), cost_micros = min(cost_micros + ?5, ?6),
            cost_sources = cost_sources | ?7
        WHERE \"only\" = 1";
    SET_CONTEXT = "UPDATE participants SET context_used = ?2
        WHERE participant_id = (SELECT participant_id FROM turns WHERE turn_id = ?1)";
} }

statements! { MESSAGE_STATEMENTS in Messages {
    INSERT_CALL = "INSERT INTO model_calls (seq, session_id, turn_id, run_id, vendor, model, prompt_tokens,
            estimated_cost_micros, called_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    OPEN_CALL = "SELECT seq FROM model_calls WHERE run_id = ?1 AND answered_at IS NULL ORDER BY seq DESC LIMIT 1";
    ANSWER_CALL = "UPDATE model_calls
        SET answered_at = ?2, usage = ?3, cost_micros = ?4, latency_ms = ?5, retries = ?6 WHERE seq = ?1";
    // An answer without a call is still money spent.
    INSERT_ANSWER = "INSERT INTO model_calls (seq, session_id, turn_id, run_id, vendor, model) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
} }

/// Adds to the session's sums, and notes how full the participant's context is: what went in, cached or not, and
/// what came out.
pub(super) fn counted(db: &Connection, record: &Record, answer: &ModelAnswer) -> Result<(), StoreError> {
    let [input, output, read, write, cost] = spending::figures(&answer.usage);
    add_usage(db, answer.session, &answer.usage)?;
    let sources = column::source_bits(&answer.usage);
    run(db, &ADD_SPENT, params![input, output, read, write, cost, SUM_MAX, sources])?;
    spending::counted(db, record, answer)?;
    // A figure of the cost alone says nothing of the context.
    let context = input + output + read + write;
    if context > 0 {
        run(db, &SET_CONTEXT, params![answer.turn.to_string(), context])?;
    }
    Ok(())
}

/// Adds to the session's sums alone.
pub(super) fn add_usage(db: &Connection, session: SessionId, usage: &Usage) -> Result<(), StoreError> {
    let [input, output, read, write, cost] = spending::figures(usage);
    let sources = column::source_bits(usage);
    run(db, &ADD_USAGE, params![session.to_string(), input, output, read, write, cost, SUM_MAX, sources])?;
    Ok(())
}

pub(super) fn called(db: &Connection, record: &Record, call: &ModelCall) -> Result<(), StoreError> {
    run(
        db,
        &INSERT_CALL,
        params![
            seq(record),
            call.session.to_string(),
            call.turn.to_string(),
            call.run.to_string(),
            call.vendor.as_str(),
            call.model,
            column::figure(call.prompt_tokens),
            column::figure(call.estimated_cost_micros),
            at(record)
        ],
    )?;
    Ok(())
}

pub(super) fn answered(db: &Connection, record: &Record, answer: &ModelAnswer) -> Result<(), StoreError> {
    let run_id = answer.run.to_string();
    let open = row(db, &OPEN_CALL, [&run_id], |row| row.get::<_, i64>("seq"))?;
    let call = match open {
        Some(call) => call,
        None => {
            let (session, turn) = (answer.session.to_string(), answer.turn.to_string());
            let vendor = answer.vendor.as_str();
            run(db, &INSERT_ANSWER, params![seq(record), session, turn, run_id, vendor, answer.model])?;
            seq(record)
        }
    };
    run(
        db,
        &ANSWER_CALL,
        params![
            call,
            at(record),
            column::to_json(&answer.usage)?,
            column::figure(answer.usage.cost_micros),
            answer.latency_ms.cast_signed(),
            answer.retries
        ],
    )?;
    Ok(())
}
