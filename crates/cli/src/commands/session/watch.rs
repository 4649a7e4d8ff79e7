//! `coditect session watch`: a session as it happens.

use super::super::Outcome;
use crate::context::Context;
use crate::failure::Exit;
use crate::follow::{Follower, Step};
use clap::Args;
use model::{Cursor, SessionState};

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Id or short id of the session, or the start of it
    session: String,
    /// Go on after this event, written `epoch.seq`; `0.0` is from the start
    #[arg(long, value_name = "CURSOR")]
    after: Option<Cursor>,
    /// End when no task of the session is under way
    #[arg(long)]
    until_idle: bool,
}

impl Watch {
    pub(crate) fn run(self, context: &Context) -> Outcome {
        context.follow(async |client| {
            let mut follower = Follower::of_session(context, client, &self.session, self.after).await?;
            loop {
                if self.until_idle && follower.is_worth_a_look() {
                    let session = client.session(&self.session).await?.value;
                    if session.state != SessionState::Running {
                        let failed = session.state == SessionState::Failed;
                        return Ok(if failed { Exit::Failed } else { Exit::Done });
                    }
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
