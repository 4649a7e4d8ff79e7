//! Steering: words of the user for a task that is being worked on.
//!
//! Invariant: words that were accepted reach the agent: in the turn under way, or, when that ended before they were taken up, as
//! a task of their own. Words for a task that is canceled meanwhile stay in the conversation: nothing begins by them.

use crate::actor::Mail;
use crate::engine::Shared;
use crate::message::{prompt_text, user_message};
use crate::plan::title_of;
use crate::{Call, Engine, TaskView};
use model::{
    Driver, Event, Participant, ParticipantId, Refusal, SessionId, Task, TaskId, TaskKind, TaskState,
};
use std::sync::Arc;
use std::time::Duration;
use store::{StoreError, View};
use tokio::sync::mpsc;

/// How long the caller waits for the agents to take the words. They are not lost after that: an agent that is still starting
/// takes them when it can.
const PATIENCE: Duration = Duration::from_secs(10);
/// Answers that may wait to be read: a task has fewer targets.
const ANSWERS: usize = 64;

/// Where a turn says whether its agent took the words. Dropped without a word, it did not.
pub(crate) type Taken = mpsc::Sender<ParticipantId>;

impl Engine {
    /// Gives the agents who work on the task words of the user without ending their turns. Gives the task in which the words are
    /// now: the same, or the one that was made of them because the turns had just ended.
    pub async fn steer_task(&self, call: &Call, task: TaskId, text: &str) -> Result<TaskView, Refusal> {
        call.only_user()?;
        let text = prompt_text(text)?;
        let session = self.task(task)?.task.session;
        let message = user_message(&self.shared, session, Some(task), &text);
        let may_type = self.input_check(call, session);
        let command = move |view: &View<'_>| {
            may_type()?;
            steerable(view, task)?;
            Ok(vec![Event::MessageAppended(message)])
        };
        let receipt = self.shared.commit(call.actor(), call.key.clone(), command).await?;
        if receipt.replayed {
            return self.task(task);
        }
        let addressed = self.shared.store.read(|view| addressed(view, task))?;
        let shared = Arc::clone(&self.shared);
        let actor = call.actor();
        // It goes on when the caller leaves.
        let delivering = self.shared.tasks.spawn(async move {
            let (taken, mut answers) = mpsc::channel(ANSWERS);
            shared.tell(session, Mail::Steer { task, text: text.clone(), taken }).await;
            let mut unheard = addressed;
            while let Some(participant) = answers.recv().await {
                unheard.retain(|waiting| *waiting != participant);
            }
            follow_up(&shared, actor, session, task, text, unheard).await
        });
        match tokio::time::timeout(PATIENCE, delivering).await {
            Ok(delivered) => self.task(delivered.map_err(Refusal::internal)??.unwrap_or(task)),
            Err(_) => self.task(task),
        }
    }
}

/// Whether agents are at work on the task who take words meanwhile.
fn steerable(view: &View<'_>, task: TaskId) -> Result<(), Refusal> {
    let row = view.task(task)?.ok_or_else(|| Refusal::not_found("task", task))?;
    if !matches!(row.state, TaskState::Working | TaskState::InputRequired) {
        let message =
            format!("the task is {}; only one that is being worked on is steered", row.state.as_str());
        return Err(Refusal::conflict("task_not_running", message)
            .hint("send the words as a prompt: `coditect session prompt SESSION \"…\"`"));
    }
    for seat in seats(view, &row.task)? {
        if !takes_words(seat.driver) {
            let message =
                format!("`{}` takes no words while it works ({})", seat.agent, seat.driver.as_str());
            return Err(Refusal::conflict("cannot_steer", message).hint(
                "prompt it again when its turn is over, or end the turn: `coditect task cancel TASK`",
            ));
        }
    }
    Ok(())
}

/// Whether agents of this driver can be told something in the middle of a turn.
const fn takes_words(driver: Driver) -> bool {
    match driver {
        Driver::Claude | Driver::Codex => true,
        Driver::Native | Driver::Acp => false,
    }
}

fn seats(view: &View<'_>, task: &Task) -> Result<Vec<Participant>, Refusal> {
    let mut seats = Vec::new();
    for target in view.task_targets(task.id)? {
        let seat = view.participant(target.participant)?;
        seats.extend(seat.map(|row| row.participant).filter(|_| target.state != TaskState::Completed));
    }
    Ok(seats)
}

/// Whom words for the task are for: those who work on it now, or else those who are to.
fn addressed(view: &View<'_>, task: TaskId) -> Result<Vec<ParticipantId>, StoreError> {
    let targets = view.task_targets(task)?;
    let of = |wanted: fn(TaskState) -> bool| -> Vec<ParticipantId> {
        targets.iter().filter(|target| wanted(target.state)).map(|target| target.participant).collect()
    };
    let working = of(|state| matches!(state, TaskState::Working | TaskState::InputRequired));
    Ok(if working.is_empty() { of(|state| !state.is_terminal()) } else { working })
}

/// Makes a task of the words for those whose turns ended before they took them up; none when all have, or the user has canceled
/// what they were about.
async fn follow_up(
    shared: &Arc<Shared>,
    actor: model::Actor,
    session: SessionId,
    steered: TaskId,
    text: String,
    unheard: Vec<ParticipantId>,
) -> Result<Option<TaskId>, Refusal> {
    if unheard.is_empty() {
        return Ok(None);
    }
    let (id, now) = (shared.new_id(), shared.now());
    let command = move |view: &View<'_>| {
        let row = view.task(steered)?.ok_or_else(|| Refusal::not_found("task", steered))?;
        if row.state == TaskState::Canceled {
            return Ok(Vec::new());
        }
        let task = Task {
            id,
            session,
            plan: None,
            kind: TaskKind::Prompt,
            title: title_of(&text),
            prompt: text,
            targets: unheard,
            priority: row.task.priority,
            depends_on: Vec::new(),
            files: Vec::new(),
            terms: model::TaskTerms::default(),
            created_at: now,
        };
        Ok(vec![Event::TaskSubmitted(task)])
    };
    let receipt = shared.commit(actor, None, command).await?;
    if receipt.records.is_empty() {
        return Ok(None);
    }
    shared.tell(session, Mail::Look).await;
    Ok(Some(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_known_of_every_driver_whether_it_takes_words() {
        let taking: Vec<Driver> = Driver::ALL.into_iter().filter(|driver| takes_words(*driver)).collect();
        assert_eq!(taking, [Driver::Claude, Driver::Codex]);
    }
}
