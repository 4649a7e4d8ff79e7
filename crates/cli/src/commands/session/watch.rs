//! `coditect session watch`: a session as it happens.

use super::super::{Outcome, permission, task};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::follow::{Follower, Step};
use clap::Args;
use client::Client;
use model::{Cursor, PlanState, SessionState, TaskState};
use protocol::PermissionQuery;

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Id or short id of the session, or the start of it
    session: String,
    /// Go on after this event, written `epoch.seq`; `0.0` is from the start
    #[arg(long, value_name = "CURSOR")]
    after: Option<Cursor>,
    /// End when no task or plan of the session is under way, or when an agent waits for you (exit code 8)
    #[arg(long)]
    until_idle: bool,
}

impl Watch {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        context.follow(async |client| {
            let mut follower = Follower::of_session(context, client, &self.session, self.after).await?;
            loop {
                if self.until_idle
                    && follower.is_worth_a_look()
                    && let Some(exit) = idle(context, client, &self.session).await?
                {
                    return Ok(exit);
                }
                match follower.next().await? {
                    Step::Event { record, saying } => match (context.screen.json, saying) {
                        (true, _) => context.screen.streamed(&record)?,
                        (false, Some(saying)) => saying.print(&context.screen)?,
                        (false, None) => {}
                    },
                    Step::Nothing => {}
                }
            }
        })
    }
}

/// How the session stands when there is nothing to wait for; none while work is under way.
async fn idle(context: &Context, client: &Client, session: &str) -> Result<Option<Exit>, Failure> {
    let found = client.session(session).await?.value;
    if found.needs_input > 0 {
        let tasks = client.session_tasks(session).await?.value.items;
        for asking in tasks.iter().filter(|task| task.state == TaskState::InputRequired) {
            context.screen.say(&task::how_to_answer(&asking.short_id));
        }
        let query = PermissionQuery { session: Some(session.to_owned()), ..PermissionQuery::default() };
        for waiting in client.permissions(&query).await?.items {
            context.screen.say(&permission::how_to_decide(&waiting.short_id));
        }
        return Ok(Some(Exit::NeedsInput));
    }
    // Between its last task and its end a plan runs the tests and commits.
    let plans = client.plans(session).await?.items;
    if plans.iter().any(|plan| !matches!(plan.state, PlanState::Completed | PlanState::Failed)) {
        return Ok(None);
    }
    let failed = plans.last().is_some_and(|plan| plan.state == PlanState::Failed);
    Ok(match found.state {
        SessionState::Running => None,
        _ if failed => Some(Exit::Failed),
        SessionState::Failed => Some(Exit::Failed),
        SessionState::Idle | SessionState::Completed => Some(Exit::Done),
    })
}
