//! Terms of tasks: what they may be, and their change while the task has not ended.
//!
//! Invariant: what tasks depend on is never a circle, over all sessions of the workspace. A new task cannot close one, for nothing
//! depends on it yet; a change is held against what is there within the commit that makes it.

use crate::message::DEPENDENCIES_MAX;
use crate::session::visible;
use crate::{Call, Engine, TaskView};
use model::{
    CAPABILITIES_MAX, CAPABILITY_MAX, DEADLINE_MAX, Event, OnFailed, RETRY_ATTEMPTS_MAX, RETRY_BACKOFF_MAX,
    Refusal, RetryPolicy, TaskChange, TaskId, TaskState, TaskTerms, Timestamp, is_capability,
};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use store::View;

/// Most tasks that are looked at to see whether a change would close a circle.
const WALK_MAX: usize = 10_000;

/// Terms as they are wished for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTerms {
    pub on_failed: OnFailed,
    pub deadline: Option<Timestamp>,
    /// Seconds from now, instead.
    pub deadline_seconds: Option<u64>,
    pub retry: Option<RetryPolicy>,
    pub wants: Vec<String>,
    pub pool: bool,
}

/// What is to be other of a task; what is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TermsChange {
    pub depends_on: Option<Vec<TaskId>>,
    pub on_failed: Option<OnFailed>,
    pub deadline: Option<Timestamp>,
    pub deadline_seconds: Option<u64>,
    pub no_deadline: bool,
    pub retry: Option<RetryPolicy>,
    pub wants: Option<Vec<String>>,
}

impl Engine {
    /// Changes what a task depends on, and its terms. Of one that has begun only the deadline can be changed, and when it is
    /// tried again.
    pub async fn change_task(
        &self,
        call: &Call,
        task: TaskId,
        change: TermsChange,
    ) -> Result<TaskView, Refusal> {
        call.only_user()?;
        let session = self.task(task)?.task.session;
        let now = self.shared.now();
        check_change(&change)?;
        let may_type = self.input_check(call, session);
        let command = move |view: &View<'_>| {
            may_type()?;
            changed(view, task, &change, now)
        };
        self.shared.commit(call.actor(), call.key.clone(), command).await?;
        self.wake(session).await;
        self.task(task)
    }
}

fn check_change(change: &TermsChange) -> Result<(), Refusal> {
    let wishes =
        [change.deadline.is_some(), change.deadline_seconds.is_some(), change.no_deadline].map(usize::from);
    if wishes.iter().sum::<usize>() > 1 {
        return Err(Refusal::invalid("deadline_unclear", "the deadline is said in more than one way")
            .hint("give one of `deadline`, `deadline_seconds` and `no_deadline`"));
    }
    if change == &TermsChange::default() {
        return Err(Refusal::invalid("nothing_to_change", "nothing is to be changed")
            .hint("name what the task depends on, its deadline or another term"));
    }
    Ok(())
}

fn changed(
    view: &View<'_>,
    task: TaskId,
    change: &TermsChange,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let row = view.task(task)?.ok_or_else(|| Refusal::not_found("task", task))?;
    if row.state.is_terminal() {
        let message = format!("the task is {} already", row.state.as_str());
        return Err(
            Refusal::conflict("task_ended", message).hint("what has ended stays as it is; submit another")
        );
    }
    let begun = row.state != TaskState::Submitted || row.attempt > 1;
    let early = change.depends_on.is_some() || change.on_failed.is_some() || change.wants.is_some();
    if begun && early {
        let message = "the task has begun; what it depends on and wants is settled";
        return Err(Refusal::conflict("task_begun", message)
            .hint("its deadline and its retries can still be changed"));
    }
    let old = row.task.terms.clone();
    let wish = NewTerms {
        on_failed: change.on_failed.unwrap_or(old.on_failed),
        deadline: change.deadline,
        deadline_seconds: change.deadline_seconds,
        retry: change.retry.clone().or_else(|| old.retry.clone()),
        wants: change.wants.clone().unwrap_or_else(|| old.wants.clone()),
        pool: old.pool,
    };
    let mut terms = checked(wish, now)?;
    if terms.deadline.is_none() && !change.no_deadline {
        terms.deadline = old.deadline;
    }
    let depends_on = match &change.depends_on {
        None => row.task.depends_on.clone(),
        Some(wished) => {
            let wished = unique(wished);
            dependencies(view, &wished, terms.on_failed)?;
            no_circle(view, task, &wished)?;
            wished
        }
    };
    if depends_on == row.task.depends_on && terms == old {
        return Ok(Vec::new());
    }
    Ok(vec![Event::TaskChanged(TaskChange { session: row.task.session, task, depends_on, terms })])
}

/// The terms, or why they cannot be.
pub(crate) fn checked(wish: NewTerms, now: Timestamp) -> Result<TaskTerms, Refusal> {
    let NewTerms { on_failed, deadline, deadline_seconds, retry, wants, pool } = wish;
    let deadline = deadline_of(deadline, deadline_seconds, now)?;
    if let Some(retry) = &retry {
        check_retry(retry)?;
    }
    check_capabilities(&wants)?;
    Ok(TaskTerms { on_failed, deadline, retry, wants, pool })
}

fn deadline_of(
    at: Option<Timestamp>,
    seconds: Option<u64>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Refusal> {
    let far = || {
        Refusal::invalid("deadline_out_of_range", format!("a deadline is 1 to {DEADLINE_MAX} seconds away"))
            .hint("leave it out for a task that may take as long as it takes")
    };
    let later = |seconds: u64| {
        let millis = i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
        Timestamp::from_millis(now.as_millis().saturating_add(millis))
    };
    match (at, seconds) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => {
            Err(Refusal::invalid("deadline_unclear", "the deadline is said in more than one way")
                .hint("give either `deadline` or `deadline_seconds`"))
        }
        (None, Some(seconds)) if (1..=DEADLINE_MAX).contains(&seconds) => Ok(Some(later(seconds))),
        (Some(at), None) if at <= now => {
            let message = format!("the deadline {at} has passed; it is {now}");
            Err(Refusal::invalid("deadline_passed", message).hint("give a time to come, in UTC"))
        }
        (Some(at), None) if at <= later(DEADLINE_MAX) => Ok(Some(at)),
        _ => Err(far()),
    }
}

fn check_retry(policy: &RetryPolicy) -> Result<(), Refusal> {
    if !(1..=RETRY_ATTEMPTS_MAX).contains(&policy.max_attempts) {
        let message = format!("a task is tried 1 to {RETRY_ATTEMPTS_MAX} times");
        return Err(Refusal::invalid("retry_out_of_range", message).hint("lower `max_attempts`"));
    }
    if policy.backoff_seconds > RETRY_BACKOFF_MAX {
        let message = format!("the pause before another attempt is at most {RETRY_BACKOFF_MAX} seconds");
        return Err(Refusal::invalid("retry_out_of_range", message).hint("lower `backoff_seconds`"));
    }
    if policy.on.is_empty() && policy.max_attempts > 1 {
        return Err(Refusal::invalid("retry_unclear", "after which failures it is tried again is not said")
            .hint("name some of crash, stall, rate_limit and vendor_error in `on`"));
    }
    Ok(())
}

pub(crate) fn check_capabilities(words: &[String]) -> Result<(), Refusal> {
    if words.len() > CAPABILITIES_MAX {
        let message = format!("a task wants at most {CAPABILITIES_MAX} capabilities");
        return Err(Refusal::invalid("too_many_capabilities", message).hint("name the ones that matter"));
    }
    match words.iter().find(|word| !is_capability(word)) {
        None => Ok(()),
        Some(word) => {
            let shown: String = word.chars().take(CAPABILITY_MAX).collect();
            let message = format!("`{shown}` is no word for a capability");
            Err(Refusal::invalid("capability_invalid", message).hint(format!(
                "lower-case letters, digits, `_`, `-`, `.`, `:` and `/`, 1 to {CAPABILITY_MAX} bytes"
            )))
        }
    }
}

/// Refuses dependencies there are too many of, that nobody knows, or that will never be completed.
pub(crate) fn dependencies(view: &View<'_>, wished: &[TaskId], on_failed: OnFailed) -> Result<(), Refusal> {
    if wished.len() > DEPENDENCIES_MAX {
        let message = format!("a task waits for at most {DEPENDENCIES_MAX} others");
        return Err(
            Refusal::invalid("too_many_dependencies", message).hint("let one of them wait for the rest")
        );
    }
    for dependency in wished {
        let row = view.task(*dependency)?.ok_or_else(|| Refusal::not_found("task", dependency))?;
        visible(view, row.task.session).map_err(|_| Refusal::not_found("task", dependency))?;
        let broken = row.state.is_terminal() && row.state != TaskState::Completed;
        if broken && on_failed == OnFailed::Cancel {
            let message = format!("task {} is {}", dependency.short(), row.state.as_str());
            return Err(Refusal::conflict("dependency_ended", message)
                .hint("leave it out, or submit that task again first"));
        }
    }
    Ok(())
}

/// Each once, in the order given.
pub(crate) fn unique(wished: &[TaskId]) -> Vec<TaskId> {
    let mut once = Vec::new();
    for task in wished {
        if !once.contains(task) {
            once.push(*task);
        }
    }
    once
}

/// Refuses what would make the task wait for itself; the refusal names the circle.
fn no_circle(view: &View<'_>, task: TaskId, wished: &[TaskId]) -> Result<(), Refusal> {
    // From which task each was reached, to tell the way back.
    let mut from: HashMap<TaskId, TaskId> = HashMap::new();
    let mut next: Vec<TaskId> = Vec::new();
    for dependency in wished {
        from.insert(*dependency, task);
        next.push(*dependency);
    }
    while let Some(at) = next.pop() {
        if at == task {
            return Err(circle(task, &from));
        }
        if from.len() > WALK_MAX {
            let message = format!("more than {WALK_MAX} tasks depend on each other here");
            return Err(Refusal::invalid("too_many_dependencies", message).hint("let it wait for fewer"));
        }
        for dependency in view.dependencies(at)? {
            if let Entry::Vacant(unseen) = from.entry(dependency) {
                unseen.insert(at);
                next.push(dependency);
            }
        }
    }
    Ok(())
}

fn circle(task: TaskId, from: &HashMap<TaskId, TaskId>) -> Refusal {
    let (mut way, mut at) = (vec![task.short()], task);
    while let Some(before) = from.get(&at) {
        way.push(before.short());
        at = *before;
        if at == task {
            break;
        }
    }
    way.reverse();
    let message = format!("the tasks would wait for each other: {}", way.join(" → "));
    Refusal::conflict("dependency_cycle", message).hint("leave one of them out; `→` means waits for")
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::RetryOn;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn code(wish: NewTerms) -> String {
        checked(wish, NOW).map_or_else(|refusal| refusal.code.into_owned(), |_| String::new())
    }

    #[test]
    fn deadlines_are_ahead_and_within_a_year() {
        let seconds =
            |deadline_seconds| NewTerms { deadline_seconds: Some(deadline_seconds), ..NewTerms::default() };
        let at = |millis| NewTerms { deadline: Some(Timestamp::from_millis(millis)), ..NewTerms::default() };
        assert_eq!(checked(seconds(7), NOW).unwrap().deadline, Some(Timestamp::from_millis(1_007_000)));
        assert_eq!((code(seconds(DEADLINE_MAX)), code(at(1_000_001))), (String::new(), String::new()));
        for wish in [seconds(0), seconds(DEADLINE_MAX + 1), seconds(u64::MAX), at(i64::MAX)] {
            assert_eq!(code(wish), "deadline_out_of_range");
        }
        assert_eq!(code(at(1_000_000)), "deadline_passed");
        assert_eq!(code(NewTerms { deadline: at(2_000_000).deadline, ..seconds(7) }), "deadline_unclear");
    }

    #[test]
    fn retries_are_bounded() {
        let policy = |max_attempts, backoff_seconds, on: &[RetryOn]| NewTerms {
            retry: Some(RetryPolicy { max_attempts, backoff_seconds, on: on.to_vec() }),
            ..NewTerms::default()
        };
        assert_eq!(code(policy(RETRY_ATTEMPTS_MAX, RETRY_BACKOFF_MAX, &[RetryOn::Crash])), "");
        assert_eq!(code(policy(1, 0, &[])), "", "once means never again");
        assert_eq!(code(policy(0, 0, &[])), "retry_out_of_range");
        assert_eq!(code(policy(RETRY_ATTEMPTS_MAX + 1, 0, &[RetryOn::Crash])), "retry_out_of_range");
        assert_eq!(code(policy(2, RETRY_BACKOFF_MAX + 1, &[RetryOn::Crash])), "retry_out_of_range");
        assert_eq!(code(policy(2, 0, &[])), "retry_unclear");
    }

    #[test]
    fn wishes_are_few_and_plain() {
        let wants = |words: &[&str]| NewTerms {
            wants: words.iter().map(|word| (*word).to_owned()).collect(),
            ..NewTerms::default()
        };
        assert_eq!(code(wants(&["rust"; CAPABILITIES_MAX])), "");
        assert_eq!(code(wants(&["rust"; CAPABILITIES_MAX + 1])), "too_many_capabilities");
        assert_eq!(code(wants(&["Rust and Go"])), "capability_invalid");
    }

    #[test]
    fn a_change_says_one_thing_about_the_deadline_and_something_at_all() {
        let twice = TermsChange { deadline_seconds: Some(3), no_deadline: true, ..TermsChange::default() };
        assert_eq!(check_change(&twice).unwrap_err().code, "deadline_unclear");
        assert_eq!(check_change(&TermsChange::default()).unwrap_err().code, "nothing_to_change");
    }
}
