//! What agents ask, one after the other, answered at the keyboard: questions, and what they have to be allowed.
//!
//! Invariant: a line that was typed answers what was shown when it was typed, or nothing.

use crate::commands::permission;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Narrator, Paint};
use client::Client;
use model::{ParticipantId, PermissionId, PermissionScope, TurnId};
use protocol::{NewAnswer, NewDecision, Permission, PermissionQuery, Plan, Question};
use std::collections::VecDeque;
use tokio::task::JoinHandle;

/// Something that waits for the user.
#[derive(Debug, Clone)]
pub(in crate::commands) enum Asked {
    Question(Question),
    Permission(Box<Permission>),
}

/// What makes one of them the same as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Question(TurnId),
    Permission(PermissionId),
}

impl Asked {
    fn mark(&self) -> Mark {
        match self {
            Self::Question(question) => Mark::Question(question.turn),
            Self::Permission(permission) => Mark::Permission(permission.id),
        }
    }

    fn participant(&self) -> ParticipantId {
        match self {
            Self::Question(question) => question.participant,
            Self::Permission(permission) => permission.participant,
        }
    }
}

/// All that waits for the user in the plan's session.
pub(super) async fn all(client: &Client, plan: &Plan) -> Result<Vec<Asked>, Failure> {
    let query = PermissionQuery { session: Some(plan.session.to_string()), ..PermissionQuery::default() };
    let permissions = client.permissions(&query).await?.items;
    let questions = plan.tasks.iter().filter_map(|task| task.question.clone()).map(Asked::Question);
    Ok(questions.chain(permissions.into_iter().map(|one| Asked::Permission(Box::new(one)))).collect())
}

#[derive(Default)]
pub(super) struct Desk {
    waiting: VecDeque<Asked>,
    /// What is shown now, and the line that is being typed.
    open: Option<(Asked, JoinHandle<Option<String>>)>,
}

impl Desk {
    /// All that is asked at this moment; what is no longer asked was answered elsewhere.
    pub(super) fn take(&mut self, asked: Vec<Asked>) {
        let shown = self.open.as_ref().map(|(asked, _)| asked.mark());
        self.waiting = asked.into_iter().filter(|one| Some(one.mark()) != shown).collect();
    }

    /// Shows the next question if none is shown.
    pub(super) fn ask(&mut self, context: &Context, narrator: &Narrator) {
        if self.open.is_some() {
            return;
        }
        let Some(asked) = self.waiting.pop_front() else { return };
        let who = format!("{:<10}", narrator.agent(asked.participant()));
        match &asked {
            Asked::Question(question) => {
                context.screen.say_of(&who, Paint::Warm, &format!("asks: {}", question.question));
                context.screen.say("your answer, in one line:");
            }
            Asked::Permission(permission) => {
                let text = format!("asks for permission: {}", permission.summary);
                context.screen.say_of(&who, Paint::Warm, &text);
                context.screen.say(&permission::exactly(permission));
                context
                    .screen
                    .say("y, or n and why; `y session`, `y repo` and `y always` also allow what is like it:");
            }
        }
        let typing = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            let read = std::io::stdin().read_line(&mut line).unwrap_or(0);
            (read > 0).then(|| line.trim().to_owned())
        });
        self.open = Some((asked, typing));
    }

    /// The answer to what is shown; none when the keyboard is closed. Never comes while nothing is shown. May be dropped at any
    /// await and called again.
    pub(super) async fn answered(&mut self) -> Option<(Asked, String)> {
        let Some((_, typing)) = &mut self.open else { return std::future::pending().await };
        let line = typing.await.ok().flatten();
        let (asked, _) = self.open.take()?;
        match line {
            // What is no answer is asked again.
            Some(line) if line.is_empty() || !is_answer(&asked, &line) => {
                self.waiting.push_front(asked);
                std::future::pending().await
            }
            Some(line) => Some((asked, line)),
            None => None,
        }
    }
}

fn is_answer(asked: &Asked, line: &str) -> bool {
    match asked {
        Asked::Question(_) => true,
        Asked::Permission(permission) => decision(permission, line).is_some(),
    }
}

/// `y`, `y session`, `n`, `n too early`.
fn decision(permission: &Permission, line: &str) -> Option<NewDecision> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let (allow, scope, reason) = match word.to_ascii_lowercase().as_str() {
        "y" | "yes" if rest.is_empty() => (true, PermissionScope::Once, String::new()),
        "y" | "yes" => {
            let scope = PermissionScope::ALL.into_iter().find(|scope| scope.as_str() == rest)?;
            (true, scope, String::new())
        }
        "n" | "no" => (false, PermissionScope::Once, rest.to_owned()),
        _ => return None,
    };
    Some(NewDecision { allow, scope: Some(scope), arguments_hash: permission.arguments_hash.clone(), reason })
}

/// Gives the answer. What was answered elsewhere in the meantime is no failure.
pub(super) async fn send(
    context: &Context,
    client: &Client,
    asked: &Asked,
    answer: String,
) -> Result<(), Failure> {
    let sent = match asked {
        Asked::Question(question) => client
            .answer_task(&question.task.to_string(), &NewAnswer { answer, client: None }, None)
            .await
            .map(drop),
        Asked::Permission(permission) => match decision(permission, &answer) {
            Some(new) => client.decide_permission(&permission.id.to_string(), &new, None).await.map(drop),
            None => return Ok(()),
        },
    };
    match sent.map_err(Failure::from) {
        Ok(()) => Ok(()),
        Err(failure) if failure.exit == Exit::Conflict => {
            context.screen.say("it was answered elsewhere meanwhile");
            Ok(())
        }
        // Of this the rest can still be answered otherwise.
        Err(failure) if failure.exit == Exit::Usage => {
            context.screen.say(&failure.detail.message);
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_decision_or_it_is_asked_again() {
        let event = testkit::every_event().into_iter().find_map(|event| match event {
            model::Event::PermissionRequested(asked) => Some(asked),
            _ => None,
        });
        let asked = Permission::asked(event.unwrap(), model::Timestamp::from_millis(0));
        let read = |line: &str| {
            decision(&asked, line).map(|new| (new.allow, new.scope.unwrap(), new.reason, new.arguments_hash))
        };
        let hash = || asked.arguments_hash.clone();
        assert_eq!(read("y"), Some((true, PermissionScope::Once, String::new(), hash())));
        assert_eq!(read("Yes  repo"), Some((true, PermissionScope::Repo, String::new(), hash())));
        assert_eq!(read("n too early"), Some((false, PermissionScope::Once, "too early".to_owned(), hash())));
        for unclear in ["", "maybe", "y forever", "yn", "sure"] {
            assert_eq!(read(unclear), None, "{unclear}");
        }
    }
}
