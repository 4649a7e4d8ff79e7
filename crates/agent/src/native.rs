//! The native driver: our own loop on the providers' HTTP APIs.
//!
//! Invariant: every await of a turn ends when the turn is interrupted, because the turn is one future that is dropped then; what it
//! holds — connection, shell, search — ends by being dropped.

mod confine;
mod deltas;
mod link;
pub(crate) mod output;
pub(crate) mod prompt;
mod tools;
mod turn;

use llm::{Provider, ProviderOptions};
use model::{Refusal, TurnOutcome};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use tokio::sync::mpsc;

use crate::driver::context_files::Reads;
use crate::driver::place::Place;
use crate::driver::{Driver, DriverError, Steering, Step, prompted_twice};
use crate::run::wire::{Reply, RunEvent, Start};
use confine::Tree;
use link::Link;

/// The loop is begun by the prompt and goes on only while somebody waits for [`Driver::next`].
pub(crate) struct Native {
    start: Rc<Start>,
    provider: Rc<Provider>,
    tree: Option<Tree>,
    link: Rc<Link>,
    said: mpsc::Receiver<RunEvent>,
    conversing: Option<Pin<Box<dyn Future<Output = TurnOutcome>>>>,
    outcome: Option<TurnOutcome>,
}

impl Driver for Native {
    const PROPOSES: bool = true;
    const REMEMBERS: bool = true;
    const TOLD: bool = true;

    /// The loop reads nothing unasked.
    fn reads(_: &Start, _: &Place) -> Reads {
        Reads::default()
    }

    async fn open(start: &Start, place: &Place) -> Result<Self, DriverError> {
        let other = |code: &str, message: String| DriverError::Other { code: code.to_owned(), message };
        let tree = Tree::open(Path::new(".")).map_err(|error| {
            other(
                "worktree",
                format!("cannot open the worktree: {error}; see whether the session's folder is there"),
            )
        })?;
        let provider = Provider::new(start.endpoint.clone(), ProviderOptions::default(), place.entropy())
            .map_err(|error| other(error.code(), error.to_string()))?;
        let (link, said) = Link::new();
        Ok(Self {
            start: Rc::new(start.clone()),
            provider: Rc::new(provider),
            tree: Some(tree),
            link: Rc::new(link),
            said,
            conversing: None,
            outcome: None,
        })
    }

    async fn prompt(&mut self, text: &str) -> Result<(), DriverError> {
        let Some(tree) = self.tree.take() else {
            return Err(prompted_twice("the native loop"));
        };
        let start = Rc::new(Start { prompt: text.to_owned(), ..Start::clone(&self.start) });
        let (provider, link) = (Rc::clone(&self.provider), Rc::clone(&self.link));
        self.conversing =
            Some(Box::pin(async move { turn::converse(&start, &*provider, tree, &link).await }));
        Ok(())
    }

    async fn next(&mut self) -> Result<Step, DriverError> {
        loop {
            let Some(conversing) = &mut self.conversing else {
                // What was said before the end comes before it.
                let last = self.said.try_recv().map(Step::Say);
                return Ok(last
                    .unwrap_or_else(|_| Step::Ended(self.outcome.take().unwrap_or(TurnOutcome::Canceled))));
            };
            tokio::select! {
                biased;
                Some(event) = self.said.recv() => return Ok(Step::Say(event)),
                outcome = conversing => {
                    self.outcome = Some(outcome);
                    self.conversing = None;
                }
            }
        }
    }

    async fn reply(&mut self, id: u64, result: Result<Reply, Refusal>) -> Result<(), DriverError> {
        self.link.answered(id, result);
        Ok(())
    }

    async fn interrupt(&mut self) -> Result<(), DriverError> {
        self.conversing = None;
        Ok(())
    }

    /// The loop takes no words while it works: its next call to the model is made from what the tools say.
    async fn steer(&mut self, _id: u64, _text: &str) -> Result<Steering, DriverError> {
        Ok(Steering::Refused)
    }

    async fn stop(self) {}
}
