//! Tasks, their targets, and which of them can start.

use crate::sql::{Row, params};
use crate::statement::statements;
use crate::view::limit;
use crate::{StoreError, View, column};
use model::{
    ParticipantId, PlanId, Question, SessionId, Task, TaskClaim, TaskId, TaskState, Timestamp, TurnId,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    pub task: Task,
    pub state: TaskState,
    /// Counts from 1.
    pub attempt: u32,
    /// The summary or reason the task ended with; the reason of the last resubmission until then.
    pub text: Option<String>,
    /// The oldest question that is still open.
    pub question: Option<Question>,
    /// The last answer given.
    pub answer: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Among waiting tasks of the same priority the smaller one goes first.
    pub rank: u64,
    /// Why it was not done, for programs.
    pub code: Option<String>,
    /// Not to be tried again before this.
    pub not_before: Option<Timestamp>,
    /// How often it has been claimed: the token of the last claim.
    pub claims: u64,
    /// Who does a task of the pool.
    pub claim: Option<TaskClaim>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRow {
    pub participant: ParticipantId,
    pub state: TaskState,
    /// The attempt the target is in or waits for; counts from 1.
    pub attempt: u32,
    /// The turn of this attempt, once started.
    pub turn: Option<TurnId>,
    /// The question the target waits on.
    pub question: Option<Question>,
}

macro_rules! task_columns {
    () => {
        "t.seq, t.data, t.state, t.attempt, t.text, t.answer, t.created_at, t.updated_at, t.priority, t.queue_rank, \
         t.session_id, t.task_id, t.not_before, t.end_code, t.claims, t.claim_holder, t.claim_expires_at, \
         (SELECT q.question FROM task_targets q WHERE q.task_id = t.task_id AND q.question IS NOT NULL \
          ORDER BY q.asked_seq LIMIT 1) AS question"
    };
}

statements! { QUERIES in Sessions {
    TASK = concat!("SELECT ", task_columns!(), " FROM tasks t WHERE t.task_id = ?1");
    TASKS_OF_SESSION = concat!("SELECT ", task_columns!(), " FROM tasks t WHERE t.session_id = ?1 ORDER BY t.seq");
    LAST_TASK = concat!(
        "SELECT ", task_columns!(), " FROM tasks t WHERE t.session_id = ?1 ORDER BY t.seq DESC LIMIT 1"
    );
    NEWEST_TASKS = concat!(
        "SELECT ", task_columns!(), " FROM tasks t WHERE t.session_id = ?1 ORDER BY t.seq DESC LIMIT ?2"
    );
    TASKS_BEFORE = concat!(
        "SELECT ", task_columns!(), " FROM tasks t WHERE t.session_id = ?1
            AND t.seq < (SELECT b.seq FROM tasks b WHERE b.task_id = ?2) ORDER BY t.seq DESC LIMIT ?3"
    );
    WAITING_TASKS = concat!(
        "SELECT ", task_columns!(), " FROM tasks t
         WHERE t.session_id = ?1 AND t.open = 1 AND t.state = 'submitted' ORDER BY t.priority DESC, t.queue_rank"
    );
    TASKS_OF_PLAN = concat!("SELECT ", task_columns!(), " FROM tasks t WHERE t.plan_id = ?1 ORDER BY t.seq");
    TASKS_IN_STATE = concat!(
        "SELECT ", task_columns!(), " FROM tasks t WHERE t.state = ?1 AND t.listed IS NOT NULL ORDER BY t.seq"
    );
    NEWEST_IN_STATE = concat!(
        "SELECT ", task_columns!(), " FROM tasks t WHERE t.state = ?1 AND t.listed IS NOT NULL
            ORDER BY t.seq DESC LIMIT ?2"
    );
    IN_STATE_BEFORE = concat!(
        "SELECT ", task_columns!(), " FROM tasks t WHERE t.state = ?1 AND t.listed IS NOT NULL
            AND t.seq < (SELECT b.seq FROM tasks b WHERE b.task_id = ?2) ORDER BY t.seq DESC LIMIT ?3"
    );
    READY_TASKS = concat!(
        "SELECT ", task_columns!(), " FROM tasks t
         WHERE t.session_id = ?1 AND t.open = 1 AND t.state IN ('submitted', 'working')
           AND EXISTS (SELECT 1 FROM task_targets g WHERE g.task_id = t.task_id AND g.state = 'submitted')
           AND NOT EXISTS (
               SELECT 1 FROM task_dependencies d LEFT JOIN tasks n ON n.task_id = d.depends_on
               WHERE d.task_id = t.task_id AND n.state IS DISTINCT FROM 'completed')
         ORDER BY t.priority DESC, t.queue_rank"
    );
    DEPENDENTS = concat!(
        "SELECT ", task_columns!(), " FROM task_dependencies d CROSS JOIN tasks t
         WHERE d.depends_on = ?1 AND t.task_id = d.task_id AND t.open = 1 ORDER BY t.seq"
    );
    TARGETS_OF_TASK = "SELECT participant_id, state, attempt, turn_id, question FROM task_targets
        WHERE task_id = ?1 ORDER BY position";
    POOL = concat!(
        "SELECT ", task_columns!(), " FROM tasks t
         WHERE t.open = 1 AND t.pool = 1 AND t.claim_holder IS NULL
           AND NOT EXISTS (
               SELECT 1 FROM task_dependencies d LEFT JOIN tasks n ON n.task_id = d.depends_on
               WHERE d.task_id = t.task_id AND n.state IS DISTINCT FROM 'completed')
         ORDER BY t.priority DESC, t.queue_rank LIMIT ?1 OFFSET ?2"
    );
    UNASSIGNED = concat!(
        "SELECT ", task_columns!(), " FROM tasks t
         WHERE t.session_id = ?1 AND t.open = 1 AND t.state = 'submitted' AND t.pool = 0
           AND NOT EXISTS (SELECT 1 FROM task_targets g WHERE g.task_id = t.task_id)
           AND NOT EXISTS (
               SELECT 1 FROM task_dependencies d LEFT JOIN tasks n ON n.task_id = d.depends_on
               WHERE d.task_id = t.task_id AND n.state IS DISTINCT FROM 'completed')
         ORDER BY t.priority DESC, t.queue_rank"
    );
    OPEN_TASKS_OF = "SELECT count(*) FROM tasks t
        WHERE t.session_id = ?1 AND t.open = 1 AND EXISTS (
            SELECT 1 FROM task_targets g WHERE g.task_id = t.task_id AND g.participant_id = ?2
              AND g.state IN ('submitted', 'working', 'input_required'))";
    DEPENDENCIES = "SELECT depends_on FROM task_dependencies WHERE task_id = ?1 ORDER BY depends_on";
    QUEUE_DEPTH = "SELECT count(*) FROM tasks WHERE session_id = ?1 AND open = 1";
} }

impl View<'_> {
    pub fn task(&self, id: TaskId) -> Result<Option<TaskRow>, StoreError> {
        self.row(&TASK, [id.to_string()], read_task)
    }

    /// In the order of submission.
    pub fn tasks(&self, session: SessionId) -> Result<Vec<TaskRow>, StoreError> {
        self.rows(&TASKS_OF_SESSION, [session.to_string()], read_task)
    }

    /// The newest `most` tasks of the session, or the newest before `before`; oldest of them first. Nothing is before a
    /// task that does not exist.
    pub fn tasks_page(
        &self,
        session: SessionId,
        before: Option<TaskId>,
        most: usize,
    ) -> Result<Vec<TaskRow>, StoreError> {
        let session = session.to_string();
        let mut tasks = match before {
            None => self.rows(&NEWEST_TASKS, params![session, limit(most)], read_task),
            Some(before) => {
                self.rows(&TASKS_BEFORE, params![session, before.to_string(), limit(most)], read_task)
            }
        }?;
        tasks.reverse();
        Ok(tasks)
    }

    /// The one that was submitted last.
    pub fn last_task(&self, session: SessionId) -> Result<Option<TaskRow>, StoreError> {
        self.row(&LAST_TASK, [session.to_string()], read_task)
    }

    /// Tasks of the session nobody has begun, in the order in which they will be.
    pub fn waiting_tasks(&self, session: SessionId) -> Result<Vec<TaskRow>, StoreError> {
        self.rows(&WAITING_TASKS, [session.to_string()], read_task)
    }

    /// Of all sessions that are there, in the order of submission. Only of states that few tasks are in.
    pub fn tasks_in_state(&self, states: &[TaskState]) -> Result<Vec<TaskRow>, StoreError> {
        let mut found = Vec::new();
        for state in TaskState::ALL.into_iter().filter(|state| states.contains(state)) {
            found.extend(self.rows(&TASKS_IN_STATE, [state.as_str()], read_numbered)?);
        }
        found.sort_by_key(|(seq, _)| *seq);
        Ok(found.into_iter().map(|(_, task)| task).collect())
    }

    /// The newest `most` tasks in one of these states of all sessions that are there, or the newest before `before`; oldest
    /// of them first. Nothing is before a task that does not exist.
    pub fn tasks_by_state(
        &self,
        states: &[TaskState],
        before: Option<TaskId>,
        most: usize,
    ) -> Result<Vec<TaskRow>, StoreError> {
        let mut found = Vec::new();
        for state in TaskState::ALL.into_iter().filter(|state| states.contains(state)) {
            let state = state.as_str();
            found.extend(match before {
                None => self.rows(&NEWEST_IN_STATE, params![state, limit(most)], read_numbered),
                Some(before) => {
                    let before = before.to_string();
                    self.rows(&IN_STATE_BEFORE, params![state, before, limit(most)], read_numbered)
                }
            }?);
        }
        found.sort_by_key(|(seq, _)| *seq);
        let older = found.len().saturating_sub(most);
        Ok(found.into_iter().skip(older).map(|(_, task)| task).collect())
    }

    /// In the order of submission.
    pub fn plan_tasks(&self, plan: PlanId) -> Result<Vec<TaskRow>, StoreError> {
        self.rows(&TASKS_OF_PLAN, [plan.to_string()], read_task)
    }

    /// In the order the task names them.
    pub fn task_targets(&self, task: TaskId) -> Result<Vec<TargetRow>, StoreError> {
        self.rows(&TARGETS_OF_TASK, [task.to_string()], |row| {
            Ok(TargetRow {
                participant: column::parsed(row, "participant_id")?,
                state: column::word(row, "state")?,
                attempt: column::small(row, "attempt")?,
                turn: column::parsed_or_none(row, "turn_id")?,
                question: column::json_or_none(row, "question")?,
            })
        })
    }

    /// Tasks of the session that have a target to start now: submitted or working, every dependency completed, a
    /// target in state submitted. Highest priority first, then in the order of the queue.
    pub fn ready_tasks(&self, session: SessionId) -> Result<Vec<TaskRow>, StoreError> {
        self.rows(&READY_TASKS, [session.to_string()], read_task)
    }

    /// Tasks that are not ended and depend on this one, directly.
    pub fn dependents(&self, task: TaskId) -> Result<Vec<TaskRow>, StoreError> {
        self.rows(&DEPENDENTS, [task.to_string()], read_task)
    }

    /// Tasks of all sessions that can be claimed now, the most urgent first: so many after the first ones that are passed by.
    pub fn pool(&self, most: usize, passed: usize) -> Result<Vec<TaskRow>, StoreError> {
        self.rows(&POOL, params![limit(most), limit(passed)], read_task)
    }

    /// Tasks of the session that could begin if it were known who is to do them.
    pub fn unassigned_tasks(&self, session: SessionId) -> Result<Vec<TaskRow>, StoreError> {
        self.rows(&UNASSIGNED, [session.to_string()], read_task)
    }

    /// Tasks of the session that the participant has before it.
    pub fn open_tasks_of(&self, session: SessionId, participant: ParticipantId) -> Result<u64, StoreError> {
        self.count(&OPEN_TASKS_OF, params![session.to_string(), participant.to_string()])
    }

    /// What the task depends on, directly.
    pub fn dependencies(&self, task: TaskId) -> Result<Vec<TaskId>, StoreError> {
        self.rows(&DEPENDENCIES, [task.to_string()], |row| column::parsed(row, "depends_on"))
    }

    /// Tasks of the session that are not ended.
    pub fn queue_depth(&self, session: SessionId) -> Result<u64, StoreError> {
        self.count(&QUEUE_DEPTH, [session.to_string()])
    }
}

/// With the number of its event.
fn read_numbered(row: &Row<'_>) -> Result<(i64, TaskRow), StoreError> {
    Ok((row.get("seq")?, read_task(row)?))
}

fn read_task(row: &Row<'_>) -> Result<TaskRow, StoreError> {
    let claims = column::unsigned(row, "claims")?;
    let claim = match (row.get("claim_holder")?, column::time_or_none(row, "claim_expires_at")?) {
        (Some(holder), Some(expires_at)) => Some(TaskClaim {
            session: column::parsed(row, "session_id")?,
            task: column::parsed(row, "task_id")?,
            token: claims,
            holder,
            expires_at,
        }),
        _ => None,
    };
    Ok(TaskRow {
        task: Task { priority: row.get("priority")?, ..column::json(row, "data")? },
        state: column::word(row, "state")?,
        attempt: column::small(row, "attempt")?,
        text: row.get("text")?,
        question: column::json_or_none(row, "question")?,
        answer: row.get("answer")?,
        created_at: column::time(row, "created_at")?,
        updated_at: column::time(row, "updated_at")?,
        rank: column::unsigned(row, "queue_rank")?,
        code: row.get("end_code")?,
        not_before: column::time_or_none(row, "not_before")?,
        claims,
        claim,
    })
}
