//! Waiting for tasks: until all have ended, or one of them waits for the user.

use super::super::Outcome;
use super::{how_to_answer, show, table};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use client::Client;
use model::TaskState;
use protocol::ws::{Feed, Subscription};
use protocol::{Page, Task};
use std::time::Duration;

/// How long a daemon may be away before waiting ends.
const DAEMON_AWAY_MAX: Duration = Duration::from_secs(60);

/// Waits, then shows the tasks. The exit code is that of the worst of them.
pub(crate) fn wait_for(context: &Context, ids: Vec<String>) -> Outcome {
    let tasks = context.follow(async |client| settled(context, client, &ids).await)?;
    if let [task] = tasks.as_slice() {
        show(context, task)?;
    } else {
        let page = Page::whole(tasks.clone());
        context.screen.show(&page, || table(context, &tasks))?;
        for task in tasks.iter().filter(|task| task.state == TaskState::InputRequired) {
            context.screen.say(&how_to_answer(&task.short_id));
        }
    }
    Ok(verdict(tasks.iter().map(|task| task.state)))
}

/// The tasks once all have ended or one of them waits for the user.
pub(crate) async fn settled(
    context: &Context,
    client: &Client,
    ids: &[String],
) -> Result<Vec<Task>, Failure> {
    // The stream begins before the first look, so that no end falls in between.
    let after = Some(client.status().await?.cursor);
    let subscription = Subscription { after, session: None, feeds: vec![Feed::Events], client: None };
    let mut stream = client.watch(subscription, Some(DAEMON_AWAY_MAX));
    let mut told = false;
    loop {
        let mut tasks = Vec::with_capacity(ids.len());
        for id in ids {
            tasks.push(client.task(id).await?.value);
        }
        let asked = tasks.iter().any(|task| task.state == TaskState::InputRequired);
        if asked || tasks.iter().all(|task| task.state.is_terminal()) {
            return Ok(tasks);
        }
        if !std::mem::replace(&mut told, true) {
            context.screen.say("waiting…");
        }
        loop {
            match stream.next().await? {
                client::StreamItem::Resumed => break,
                client::StreamItem::Message(message) => match *message {
                    protocol::ws::ServerMessage::Event(event) if event.kind.starts_with("task.") => break,
                    protocol::ws::ServerMessage::Reset(_) => break,
                    _ => {}
                },
            }
        }
    }
}

pub(crate) fn verdict(states: impl Iterator<Item = TaskState>) -> Exit {
    let mut exit = Exit::Done;
    for state in states {
        match state {
            TaskState::InputRequired => return Exit::NeedsInput,
            TaskState::Failed | TaskState::Canceled | TaskState::Rejected => exit = Exit::Failed,
            TaskState::Completed | TaskState::Submitted | TaskState::Working => {}
        }
    }
    exit
}

#[cfg(test)]
mod tests {
    use super::*;
    use TaskState::{Canceled, Completed, Failed, InputRequired, Working};

    #[test]
    fn the_worst_task_decides_and_a_question_comes_first() {
        for (states, exit) in [
            (&[Completed, Completed][..], Exit::Done),
            (&[Completed, Failed], Exit::Failed),
            (&[Canceled], Exit::Failed),
            (&[Failed, InputRequired, Working], Exit::NeedsInput),
        ] {
            assert_eq!(verdict(states.iter().copied()), exit, "{states:?}");
        }
    }
}
