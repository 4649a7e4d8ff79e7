//! Spending: what was used, summed by day and by task, so that nobody walks through the calls to know it.

use crate::sql::{Connection, params};
use crate::statement::{row, run, statements};
use crate::{StoreError, column};
use journal::Record;
use model::{ModelAnswer, Usage};

/// Where a sum stops growing: far above any bill, and far enough below the integer's end to add a figure to.
pub(super) const SUM_MAX: i64 = 1 << 62;

statements! { STATEMENTS in Sessions {
    WHOSE_TURN = "SELECT t.task_id AS task_id, p.agent AS agent
        FROM turns t JOIN participants p ON p.participant_id = t.participant_id WHERE t.turn_id = ?1";
    ADD_TO_DAY = "INSERT INTO spending_days (day, agent, model, calls, input_tokens, output_tokens,
            cache_read_tokens, cache_write_tokens, cost_micros, cost_sources)
        VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, ?8, ?9)
        ON CONFLICT (day, agent, model) DO UPDATE SET calls = spending_days.calls + 1,
            input_tokens = min(spending_days.input_tokens + excluded.input_tokens, ?10),
            output_tokens = min(spending_days.output_tokens + excluded.output_tokens, ?10),
            cache_read_tokens = min(spending_days.cache_read_tokens + excluded.cache_read_tokens, ?10),
            cache_write_tokens = min(spending_days.cache_write_tokens + excluded.cache_write_tokens, ?10),
            cost_micros = min(spending_days.cost_micros + excluded.cost_micros, ?10),
            cost_sources = spending_days.cost_sources | excluded.cost_sources";
    ADD_TO_TASK = "INSERT INTO spending_tasks (task_id, day, agent, model, session_id, calls, input_tokens,
            output_tokens, cache_read_tokens, cache_write_tokens, cost_micros, cost_sources)
        VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7, ?8, ?9, ?10, ?11)
        ON CONFLICT (task_id, day, agent, model) DO UPDATE SET calls = spending_tasks.calls + 1,
            input_tokens = min(spending_tasks.input_tokens + excluded.input_tokens, ?12),
            output_tokens = min(spending_tasks.output_tokens + excluded.output_tokens, ?12),
            cache_read_tokens = min(spending_tasks.cache_read_tokens + excluded.cache_read_tokens, ?12),
            cache_write_tokens = min(spending_tasks.cache_write_tokens + excluded.cache_write_tokens, ?12),
            cost_micros = min(spending_tasks.cost_micros + excluded.cost_micros, ?12),
            cost_sources = spending_tasks.cost_sources | excluded.cost_sources";
} }

/// Input, output, cache read, cache write, cost: each cut so that sums of them fit.
pub(super) fn figures(usage: &Usage) -> [i64; 5] {
    [
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cost_micros,
    ]
    .map(column::figure)
}

/// An answer of a turn nobody knows is money spent all the same; then it is nobody's.
pub(super) fn counted(db: &Connection, record: &Record, answer: &ModelAnswer) -> Result<(), StoreError> {
    let whose = row(db, &WHOSE_TURN, [answer.turn.to_string()], |row| {
        Ok((row.get::<_, String>("task_id")?, row.get::<_, String>("agent")?))
    })?;
    let (task, agent) = whose.unwrap_or_default();
    let day = record.ts.day();
    let [input, output, read, write, cost] = figures(&answer.usage);
    let sources = column::source_bits(&answer.usage);
    run(
        db,
        &ADD_TO_DAY,
        params![day, agent, answer.model, input, output, read, write, cost, sources, SUM_MAX],
    )?;
    let session = answer.session.to_string();
    run(
        db,
        &ADD_TO_TASK,
        params![task, day, agent, answer.model, session, input, output, read, write, cost, sources, SUM_MAX],
    )?;
    Ok(())
}
