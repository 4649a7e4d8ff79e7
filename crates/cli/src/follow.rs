//! Following a session: its events, and what they mean in words.
//!
//! Invariant: nothing is missed between the look at the present and the first event: the stream begins at the cursor of that look.

use crate::context::Context;
use crate::failure::Failure;
use crate::render::{Narrator, Saying};
use client::{Client, EventStream, StreamItem};
use model::Cursor;
use protocol::EventRecord;
use protocol::ws::{Feed, ServerMessage, Subscription};
use std::time::Duration;

/// How long a daemon may be away before following ends.
const DAEMON_AWAY_MAX: Duration = Duration::from_secs(60);

/// A session's events with the names of who is in them.
pub(crate) struct Follower<'a> {
    context: &'a Context,
    client: &'a Client,
    session: String,
    stream: EventStream,
    pub(crate) narrator: Narrator,
    /// Something ended or was asked since this was last looked at; at the start it may have been before.
    turned: bool,
}

/// What came.
pub(crate) enum Step {
    Event {
        record: Box<EventRecord>,
        /// In words; none when there is nothing worth saying.
        saying: Option<Saying>,
    },
    Nothing,
}

impl<'a> Follower<'a> {
    /// From now on, or from after the given event.
    pub(crate) async fn of_session(
        context: &'a Context,
        client: &'a Client,
        session: &str,
        after: Option<Cursor>,
    ) -> Result<Self, Failure> {
        let seen = client.session(session).await?;
        let mut narrator = Narrator::default();
        narrator.meet(client, session).await?;
        let from = match after {
            Some(after) => after,
            None => match seen.cursor {
                Some(cursor) => cursor,
                None => client.status().await?.cursor,
            },
        };
        let subscription = Subscription {
            after: Some(from),
            session: Some(seen.value.id.to_string()),
            feeds: vec![Feed::Events],
            client: None,
        };
        let stream = client.watch(subscription, Some(DAEMON_AWAY_MAX));
        Ok(Self { context, client, session: session.to_owned(), stream, narrator, turned: true })
    }

    /// Whether it is worth looking if everything has ended, or if somebody waits for the user.
    pub(crate) fn is_worth_a_look(&mut self) -> bool {
        std::mem::take(&mut self.turned)
    }

    /// The next thing. May be dropped at any await and called again.
    pub(crate) async fn next(&mut self) -> Result<Step, Failure> {
        let message = match self.stream.next().await? {
            StreamItem::Message(message) => *message,
            StreamItem::Resumed => {
                self.context.screen.say("the daemon was away and is back; nothing was missed");
                self.turned = true;
                return Ok(Step::Nothing);
            }
        };
        match message {
            ServerMessage::Event(record) => {
                let saying = match record.event() {
                    Ok(event) => {
                        self.turned |= turns(record.kind.as_str());
                        self.narrator.tell(&event)
                    }
                    // A daemon of a later version knows more kinds than this one.
                    Err(_) => None,
                };
                Ok(Step::Event { record: Box::new(record), saying })
            }
            ServerMessage::Reset(_) => {
                self.context.screen.say("the history before this moment was cut off; going on from now");
                self.narrator.meet(self.client, &self.session).await?;
                self.turned = true;
                Ok(Step::Nothing)
            }
            ServerMessage::Error(complaint) => Err(Failure::failed(&complaint.code, complaint.message)),
            _ => Ok(Step::Nothing),
        }
    }
}

fn turns(kind: &str) -> bool {
    matches!(
        kind,
        "task.input_requested"
            | "permission.requested"
            | "permission.decided"
            | "task.completed"
            | "task.failed"
            | "task.canceled"
            | "task.rejected"
            | "plan.completed"
            | "plan.failed"
            | "session.archived"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worth_a_look_is_a_kind_of_event() {
        let known = model::Event::KINDS.iter().filter(|kind| turns(kind)).count();
        assert_eq!(known, 10, "a name above is not one of the journal's");
    }
}
