//! Questions of agents, one after the other, answered at the keyboard.
//!
//! Invariant: a line that was typed answers the question that was shown when it was typed, or nothing.

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{Narrator, Paint};
use client::Client;
use protocol::{NewAnswer, Question};
use std::collections::VecDeque;
use tokio::task::JoinHandle;

#[derive(Default)]
pub(super) struct Desk {
    waiting: VecDeque<Question>,
    /// What is shown now, and the line that is being typed.
    open: Option<(Question, JoinHandle<Option<String>>)>,
}

impl Desk {
    /// All that is asked at this moment; what is no longer asked was answered elsewhere.
    pub(super) fn take(&mut self, asked: Vec<Question>) {
        let shown = self.open.as_ref().map(|(question, _)| question.turn);
        self.waiting = asked.into_iter().filter(|question| Some(question.turn) != shown).collect();
    }

    /// Shows the next question if none is shown.
    pub(super) fn ask(&mut self, context: &Context, narrator: &Narrator) {
        if self.open.is_some() {
            return;
        }
        let Some(question) = self.waiting.pop_front() else { return };
        let who = narrator.agent(question.participant);
        context.screen.say_of(&format!("{who:<10}"), Paint::Warm, &format!("asks: {}", question.question));
        context.screen.say("your answer, in one line:");
        let typing = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            let read = std::io::stdin().read_line(&mut line).unwrap_or(0);
            (read > 0).then(|| line.trim().to_owned())
        });
        self.open = Some((question, typing));
    }

    /// The answer to the question that is shown; none when the keyboard is closed. Never comes while nothing is shown. May be dropped at any
    /// await and called again.
    pub(super) async fn answered(&mut self) -> Option<(Question, String)> {
        let Some((_, typing)) = &mut self.open else { return std::future::pending().await };
        let line = typing.await.ok().flatten();
        let (question, _) = self.open.take()?;
        match line {
            // An empty line is no answer: the question is shown again.
            Some(line) if line.is_empty() => {
                self.waiting.push_front(question);
                std::future::pending().await
            }
            Some(line) => Some((question, line)),
            None => None,
        }
    }
}

/// Gives the answer. A question that was answered elsewhere in the meantime is no failure.
pub(super) async fn send(
    context: &Context,
    client: &Client,
    question: &Question,
    answer: String,
) -> Result<(), Failure> {
    let sent = client.answer_task(&question.task.to_string(), &NewAnswer { answer }, None).await;
    match sent.map_err(Failure::from) {
        Ok(_) => Ok(()),
        Err(failure) if failure.exit == Exit::Conflict => {
            context.screen.say("it was answered elsewhere meanwhile");
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}
