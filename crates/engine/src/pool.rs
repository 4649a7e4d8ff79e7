//! The pool: tasks that no participant begins by itself, for whoever claims them, in the studio or outside.
//!
//! Invariant: one claim at a time, each with a higher token than all before it. What is said with another token than the claim's, or
//! after its lease, changes nothing: a worker that was away too long is told so, and its work is not taken for the task's.

use crate::assign;
use crate::session::visible;
use crate::task::{canceled_dependents, task_view};
use crate::terms::check_capabilities;
use crate::{Call, Caller, Engine, TaskView};
use model::{
    CLAIM_HOLDER_MAX, CLAIM_SECONDS, Event, Refusal, Resubmission, TaskClaim, TaskEnd, TaskId, TaskState,
    Timestamp,
};
use std::collections::BTreeSet;
use store::{TaskRow, View};

/// How long a claim holds when nothing is said.
const CLAIM_SECONDS_USUAL: u64 = 600;
/// Tasks of the pool that are listed, and looked at at once for one whose wishes are met.
pub const POOL_LISTED: usize = 200;
/// Longest text a claimed task ends with, in bytes.
pub const CLAIM_TEXT_MAX: usize = 32 * 1024;
/// Code of a claimed task that its worker says it could not do.
const NOT_DONE: &str = "claim_failed";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewClaim {
    /// None: the first whose wishes are met.
    pub task: Option<TaskId>,
    /// Who does it, for people.
    pub holder: Option<String>,
    pub can: Vec<String>,
    pub seconds: Option<u64>,
}

/// What became of a claimed task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimOutcome {
    Completed,
    Failed,
    Released,
}

impl Engine {
    /// Tasks that can be claimed, the most urgent first.
    pub fn pool(&self) -> Result<Vec<TaskView>, Refusal> {
        self.shared.store.read_or_refuse(|view| {
            let mut shown = Vec::new();
            for row in open(view, 0)?.rows {
                shown.push(task_view(view, row)?);
            }
            Ok(shown)
        })
    }

    /// Claims a task of the pool for a while. Of several who claim one at once, one gets it.
    pub async fn claim_task(&self, call: &Call, new: NewClaim) -> Result<TaskView, Refusal> {
        let until = self.lease(new.seconds)?;
        check_capabilities(&new.can)?;
        let (holder, can) = self.worker(call, &new)?;
        let wished = new.task;
        let command = move |view: &View<'_>| {
            let row = match wished {
                Some(task) => claimable(view, task, &can)?,
                None => first(view, |row| assign::meets(&can, row))?.ok_or_else(no_work)?,
            };
            let (session, task, token) = (row.task.session, row.task.id, row.claims + 1);
            Ok(vec![Event::TaskClaimed(TaskClaim { session, task, token, holder, expires_at: until })])
        };
        let receipt = self.shared.commit(call.actor(), call.key.clone(), command).await?;
        let claimed = receipt.records.iter().find_map(|record| match &record.event {
            Event::TaskClaimed(claim) => Some(claim.task),
            _ => None,
        });
        self.task(claimed.ok_or_else(|| Refusal::internal("the commit claimed no task"))?)
    }

    /// Goes on with a claimed task.
    pub async fn renew_claim(
        &self,
        call: &Call,
        task: TaskId,
        token: u64,
        seconds: Option<u64>,
    ) -> Result<TaskView, Refusal> {
        let (until, now, own) = (self.lease(seconds)?, self.shared.now(), own_name(call));
        let command = move |view: &View<'_>| {
            let (_, claim) = held(view, task, token, now, own.as_deref())?;
            Ok(vec![Event::TaskClaimRenewed(TaskClaim { expires_at: until, ..claim })])
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.task(task)
    }

    /// Ends a claimed task, or gives it back to the pool.
    pub async fn finish_claim(
        &self,
        call: &Call,
        task: TaskId,
        token: u64,
        outcome: ClaimOutcome,
        text: String,
    ) -> Result<TaskView, Refusal> {
        if text.len() > CLAIM_TEXT_MAX {
            let message = format!("the text has {} bytes; at most {CLAIM_TEXT_MAX} are taken", text.len());
            return Err(Refusal::invalid("text_too_long", message).hint("put it into a file and name it"));
        }
        let (now, own) = (self.shared.now(), own_name(call));
        let command = move |view: &View<'_>| {
            let (row, claim) = held(view, task, token, now, own.as_deref())?;
            let session = row.task.session;
            let end = |code| TaskEnd { session, task, text: text.clone(), code };
            Ok(match outcome {
                ClaimOutcome::Completed => vec![Event::TaskCompleted(end(None))],
                ClaimOutcome::Failed => {
                    let mut events = vec![Event::TaskFailed(end(Some(NOT_DONE.to_owned())))];
                    events.extend(canceled_dependents(view, task)?);
                    events
                }
                ClaimOutcome::Released => {
                    let (attempt, reason) = (row.attempt + 1, format!("{} gave it back", claim.holder));
                    vec![Event::TaskResubmitted(Resubmission {
                        session,
                        task,
                        attempt,
                        reason,
                        not_before: None,
                    })]
                }
            })
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        let ended = self.task(task)?;
        // Who waits for the session's end hears of it through its actor.
        self.wake(ended.task.session).await;
        Ok(ended)
    }

    fn lease(&self, seconds: Option<u64>) -> Result<Timestamp, Refusal> {
        let seconds = seconds.unwrap_or(CLAIM_SECONDS_USUAL);
        if !CLAIM_SECONDS.contains(&seconds) {
            let (least, most) = (CLAIM_SECONDS.start(), CLAIM_SECONDS.end());
            let message = format!("a task is claimed for {least} to {most} seconds");
            return Err(Refusal::invalid("claim_out_of_range", message).hint("renew it while you work"));
        }
        let millis = i64::try_from(seconds * 1000).unwrap_or(i64::MAX);
        Ok(Timestamp::from_millis(self.shared.now().as_millis().saturating_add(millis)))
    }

    /// Who claims, and what they are able to: an agent's run what its configuration says, too.
    fn worker(&self, call: &Call, new: &NewClaim) -> Result<(String, BTreeSet<String>), Refusal> {
        let mut can: BTreeSet<String> = new.can.iter().cloned().collect();
        let usual = match &call.caller {
            Caller::Run { agent, .. } => {
                let snapshot = self.shared.config.snapshot();
                can.extend(snapshot.config.agents.get(agent).map(assign::capabilities).into_iter().flatten());
                agent.to_string()
            }
            Caller::User => "user".to_owned(),
            Caller::Terminal { registration } => registration.short(),
        };
        let holder = match &call.caller {
            Caller::Run { .. } => usual,
            _ => new.holder.clone().unwrap_or(usual),
        };
        let length = holder.chars().count();
        if !(1..=CLAIM_HOLDER_MAX).contains(&length) || holder.chars().any(char::is_control) {
            let message =
                format!("whoever claims has a name of 1 to {CLAIM_HOLDER_MAX} printable characters");
            return Err(Refusal::invalid("holder_invalid", message).hint("give a short name in `holder`"));
        }
        Ok((holder, can))
    }
}

/// The name under which a run claims; the user may speak for whatever worker he has.
fn own_name(call: &Call) -> Option<String> {
    match &call.caller {
        Caller::Run { agent, .. } => Some(agent.to_string()),
        Caller::User | Caller::Terminal { .. } => None,
    }
}

/// A part of the pool.
struct Part {
    rows: Vec<TaskRow>,
    /// There may be more behind it.
    more: bool,
}

/// What can be claimed behind so many tasks, but for sessions that are away.
fn open(view: &View<'_>, passed: usize) -> Result<Part, Refusal> {
    let all = view.pool(POOL_LISTED, passed)?;
    let mut part = Part { rows: Vec::new(), more: all.len() == POOL_LISTED };
    for row in all.into_iter().filter(|row| row.state == TaskState::Submitted) {
        if visible(view, row.task.session).is_ok_and(|session| session.archived_at.is_none()) {
            part.rows.push(row);
        }
    }
    Ok(part)
}

/// The most urgent task that will do, however many are before it.
fn first(view: &View<'_>, will_do: impl Fn(&TaskRow) -> bool) -> Result<Option<TaskRow>, Refusal> {
    let mut passed = 0;
    loop {
        let Part { rows, more } = open(view, passed)?;
        let found = rows.into_iter().find(&will_do);
        if found.is_some() || !more {
            return Ok(found);
        }
        passed += POOL_LISTED;
    }
}

fn no_work() -> Refusal {
    Refusal::new(model::RefusalKind::NotFound, "no_work", "no task of the pool is for you now")
        .hint("`coditect task pool` shows what can be claimed, and what it wants")
}

fn claimable(view: &View<'_>, task: TaskId, can: &BTreeSet<String>) -> Result<TaskRow, Refusal> {
    let row = view.task(task)?.ok_or_else(|| Refusal::not_found("task", task))?;
    visible(view, row.task.session).map_err(|_| Refusal::not_found("task", task))?;
    if row.state.is_terminal() {
        let message = format!("the task is {} already", row.state.as_str());
        return Err(Refusal::conflict("task_ended", message).hint("look for another in the pool"));
    }
    if !row.task.terms.pool {
        return Err(Refusal::conflict("not_in_pool", "the task is its participants' own")
            .hint("`coditect task pool` shows what can be claimed"));
    }
    if let Some(claim) = &row.claim {
        let message = format!("{} has claimed the task until {}", claim.holder, claim.expires_at);
        return Err(Refusal::conflict("task_claimed", message).hint("look for another in the pool"));
    }
    if row.state != TaskState::Submitted {
        let message = format!("the task is {}", row.state.as_str());
        return Err(Refusal::conflict("task_begun", message).hint("look for another in the pool"));
    }
    for dependency in view.dependencies(task)? {
        if view.task(dependency)?.is_none_or(|row| row.state != TaskState::Completed) {
            let message = format!("the task waits for {}", dependency.short());
            return Err(Refusal::conflict("dependency_open", message).hint("look for another in the pool"));
        }
    }
    if !assign::meets(can, &row) {
        let message = format!("the task wants {}", row.task.terms.wants.join(", "));
        return Err(Refusal::conflict("capability_missing", message).hint("say what you can with `can`"));
    }
    Ok(row)
}

/// The task and its claim, if this is the one that holds.
///
/// A token is a number, not a secret; so a run of ours speaks only for its own claims.
fn held(
    view: &View<'_>,
    task: TaskId,
    token: u64,
    now: Timestamp,
    own: Option<&str>,
) -> Result<(TaskRow, TaskClaim), Refusal> {
    let row = view.task(task)?.ok_or_else(|| Refusal::not_found("task", task))?;
    let theirs = |claim: &TaskClaim| claim.token != token || own.is_some_and(|own| own != claim.holder);
    let holds = |claim: &TaskClaim| !theirs(claim) && claim.expires_at > now;
    match row.claim.clone().filter(|claim| holds(claim)) {
        Some(claim) => Ok((row, claim)),
        None => {
            let message = match &row.claim {
                Some(claim) if theirs(claim) => format!("the task is {}'s by now", claim.holder),
                Some(_) => "the claim was not renewed in time".to_owned(),
                None => format!("the task is {}, and claimed by nobody", row.state.as_str()),
            };
            Err(Refusal::conflict("claim_lost", message)
                .hint("stop this work; claim the task again if it is still open"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;
    use model::{TaskKind, TaskTerms};
    use std::sync::Arc;

    /// A task of the pool that wants this.
    fn pooled(stage: &Stage, wants: &str) -> TaskId {
        let (session, seats) = stage.session(&["claude"]);
        let task = stage.task(session.id, TaskKind::Prompt, seats[0].id);
        let terms = TaskTerms { pool: true, wants: vec![wants.to_owned()], ..task.terms.clone() };
        let id = task.id;
        stage.commit(vec![Event::TaskSubmitted(model::Task { terms, targets: Vec::new(), ..task })]);
        id
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_can_do_one_thing_finds_it_behind_all_that_he_cannot_do() {
        let stage = Stage::new();
        for _ in 0..=POOL_LISTED {
            pooled(&stage, "rust");
        }
        let last = pooled(&stage, "python");
        let engine = Engine { shared: Arc::clone(&stage.shared) };
        let claim = |can: &str| NewClaim { can: vec![can.to_owned()], ..NewClaim::default() };
        let call = Call::user("test");
        assert_eq!(engine.claim_task(&call, claim("python")).await.unwrap().task.id, last);
        assert_eq!(engine.claim_task(&call, claim("python")).await.unwrap_err().code, "no_work");
        assert_ne!(engine.claim_task(&call, claim("rust")).await.unwrap().task.id, last);
        assert_eq!(engine.pool().unwrap().len(), POOL_LISTED);
    }
}
