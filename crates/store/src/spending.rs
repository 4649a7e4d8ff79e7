//! Spending: what was used, by whom, for what and when.
//!
//! Days are those of UTC. Every question is answered from sums, in the order of the model calls' number of days and tasks at most.

use crate::sql::{Row, params};
use crate::statement::{Statement, statements};
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{AgentName, SessionId, TaskId, Usage};

/// By what spending is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpendingBy {
    Session,
    Task,
    Agent,
    Model,
    Day,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendingRow {
    /// Id of the session or task, name of the agent or model, or the day.
    pub key: String,
    /// Title of the session or task.
    pub title: Option<String>,
    pub calls: u64,
    pub usage: Usage,
}

macro_rules! sums {
    () => {
        "sum(calls) AS calls, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
            sum(cache_read_tokens) AS cache_read_tokens, sum(cache_write_tokens) AS cache_write_tokens,
            sum(cost_micros) AS cost_micros,
            max(cost_sources & 1) | max(cost_sources & 2) | max(cost_sources & 4) AS cost_sources"
    };
}

/// `?1` is the session or ignored, `?2` the first day, `?3` the number of rows.
macro_rules! by {
    ($key:literal, $title:expr, $from:literal, $order:literal) => {
        concat!(
            "SELECT ",
            $key,
            " AS key, ",
            $title,
            " AS title, ",
            sums!(),
            " FROM ",
            $from,
            " AND day >= ?2 GROUP BY ",
            $key,
            " ORDER BY ",
            $order,
            " LIMIT ?3"
        )
    };
}

macro_rules! session_title {
    () => {
        "(SELECT s.title FROM sessions s WHERE s.session_id = spending_tasks.session_id)"
    };
}
macro_rules! task_title {
    () => {
        "(SELECT t.title FROM tasks t WHERE t.task_id = spending_tasks.task_id)"
    };
}

statements! { QUERIES in Sessions {
    ALL_BY_SESSION = by!("session_id", session_title!(), "spending_tasks INDEXED BY spending_tasks_day WHERE CAST(?1 AS TEXT) IS NULL", "cost_micros DESC, key");
    ALL_BY_TASK = by!("task_id", task_title!(), "spending_tasks INDEXED BY spending_tasks_day WHERE CAST(?1 AS TEXT) IS NULL", "cost_micros DESC, key");
    ALL_BY_AGENT = by!("agent", "NULL", "spending_days WHERE CAST(?1 AS TEXT) IS NULL", "cost_micros DESC, key");
    ALL_BY_MODEL = by!("model", "NULL", "spending_days WHERE CAST(?1 AS TEXT) IS NULL", "cost_micros DESC, key");
    ALL_BY_DAY = by!("day", "NULL", "spending_days WHERE CAST(?1 AS TEXT) IS NULL", "key DESC");
    ONE_BY_SESSION = by!("session_id", session_title!(), "spending_tasks INDEXED BY spending_tasks_session WHERE session_id = ?1", "key");
    ONE_BY_TASK = by!("task_id", task_title!(), "spending_tasks INDEXED BY spending_tasks_session WHERE session_id = ?1", "cost_micros DESC, key");
    ONE_BY_AGENT = by!("agent", "NULL", "spending_tasks INDEXED BY spending_tasks_session WHERE session_id = ?1", "cost_micros DESC, key");
    ONE_BY_MODEL = by!("model", "NULL", "spending_tasks INDEXED BY spending_tasks_session WHERE session_id = ?1", "cost_micros DESC, key");
    ONE_BY_DAY = by!("day", "NULL", "spending_tasks INDEXED BY spending_tasks_session WHERE session_id = ?1", "key DESC");
    TOTAL_OF_ALL = concat!("SELECT ", sums!(), " FROM spending_days WHERE CAST(?1 AS TEXT) IS NULL AND day >= ?2");
    TOTAL_OF_ONE = concat!("SELECT ", sums!(), " FROM spending_tasks WHERE session_id = ?1 AND day >= ?2");
    SPENT_ON_TASK = concat!("SELECT ", sums!(), " FROM spending_tasks WHERE task_id = ?1");
    SPENT_ON_DAY = concat!("SELECT ", sums!(), " FROM spending_days WHERE day = ?1");
    SPENT_BY_AGENT = concat!("SELECT ", sums!(), " FROM spending_days WHERE day = ?1 AND agent = ?2");
} }

impl View<'_> {
    /// What was used since the beginning of `since` (as in `2026-01-31`), the costliest first; days, the newest first.
    pub fn spending(
        &self,
        by: SpendingBy,
        session: Option<SessionId>,
        since: &str,
        size: usize,
    ) -> Result<Vec<SpendingRow>, StoreError> {
        let statement = match (by, session.is_some()) {
            (SpendingBy::Session, false) => &ALL_BY_SESSION,
            (SpendingBy::Task, false) => &ALL_BY_TASK,
            (SpendingBy::Agent, false) => &ALL_BY_AGENT,
            (SpendingBy::Model, false) => &ALL_BY_MODEL,
            (SpendingBy::Day, false) => &ALL_BY_DAY,
            (SpendingBy::Session, true) => &ONE_BY_SESSION,
            (SpendingBy::Task, true) => &ONE_BY_TASK,
            (SpendingBy::Agent, true) => &ONE_BY_AGENT,
            (SpendingBy::Model, true) => &ONE_BY_MODEL,
            (SpendingBy::Day, true) => &ONE_BY_DAY,
        };
        let wanted = params![session.map(|session| session.to_string()), since, limit(size)];
        self.rows(statement, wanted, |row| {
            Ok(SpendingRow {
                key: row.get("key")?,
                title: row.get("title")?,
                calls: column::unsigned(row, "calls")?,
                usage: column::usage(row)?,
            })
        })
    }

    /// All that was used since the beginning of `since`.
    pub fn spending_total(&self, session: Option<SessionId>, since: &str) -> Result<Usage, StoreError> {
        let statement: &Statement = if session.is_some() { &TOTAL_OF_ONE } else { &TOTAL_OF_ALL };
        let wanted = params![session.map(|session| session.to_string()), since];
        Ok(self.row(statement, wanted, sum)?.unwrap_or_default())
    }

    pub fn spent_on_task(&self, task: TaskId) -> Result<Usage, StoreError> {
        Ok(self.row(&SPENT_ON_TASK, [task.to_string()], sum)?.unwrap_or_default())
    }

    pub fn spent_on_day(&self, day: &str) -> Result<Usage, StoreError> {
        Ok(self.row(&SPENT_ON_DAY, [day], sum)?.unwrap_or_default())
    }

    pub fn spent_by_agent(&self, agent: &AgentName, day: &str) -> Result<Usage, StoreError> {
        Ok(self.row(&SPENT_BY_AGENT, [day, agent.as_str()], sum)?.unwrap_or_default())
    }
}

/// A sum of no rows has no figures.
fn sum(row: &Row<'_>) -> Result<Usage, StoreError> {
    match row.get::<_, Option<i64>>("calls")? {
        None => Ok(Usage::default()),
        Some(_) => column::usage(row),
    }
}
