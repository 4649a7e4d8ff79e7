//! What a vendor's program waits for while the daemon is asked: the locks of an edit, one after the other, or one answer.
//!
//! Invariant: of every subject that was put in there comes out one verdict, and an edit is granted only when all its locks were.

use crate::run::wire::{Reply, Request, RunEvent};
use model::{Refusal, RepoPath};
use serde_json::Value;
use std::collections::HashMap;

/// `T` is what the verdict is about: how the vendor's program is to be answered.
pub(crate) struct Clearance<T> {
    last_id: u64,
    waiting: HashMap<u64, Waiting<T>>,
}

struct Waiting<T> {
    subject: T,
    /// Paths whose locks are still to be asked for, the next one last.
    locks: Vec<RepoPath>,
    /// What is to be done to them.
    change: Option<Value>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Verdict<T> {
    /// The daemon is to be asked this first.
    Ask(RunEvent),
    /// Every lock is held.
    Granted(T),
    /// The sentence is for the agent.
    Refused(T, String),
    /// The daemon's answer to a request that was no lock.
    Answered(T, Reply),
}

impl<T> Clearance<T> {
    pub(crate) fn new() -> Self {
        Self { last_id: 0, waiting: HashMap::new() }
    }

    /// Asks for the locks of an edit, in the order of their names, so that two agents never wait for each other. `change` is the
    /// whole edit, as far as it is known.
    pub(crate) fn edit(&mut self, subject: T, mut paths: Vec<RepoPath>, change: Option<Value>) -> Verdict<T> {
        paths.sort();
        paths.dedup();
        paths.reverse();
        self.lock_next(Waiting { subject, locks: paths, change })
    }

    /// Asks the daemon something else.
    pub(crate) fn ask(&mut self, subject: T, request: Request) -> RunEvent {
        self.wait(Waiting { subject, locks: Vec::new(), change: None }, request)
    }

    /// What the daemon's answer means; none when nobody waits for it any more.
    pub(crate) fn reply(&mut self, id: u64, result: Result<Reply, Refusal>) -> Option<Verdict<T>> {
        let waiting = self.waiting.remove(&id)?;
        Some(match result {
            Err(refusal) => Verdict::Refused(waiting.subject, sentence(&refusal)),
            Ok(Reply::Locked { .. }) => self.lock_next(waiting),
            Ok(reply) => Verdict::Answered(waiting.subject, reply),
        })
    }

    /// Takes back everything that waits: its answers come too late.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> {
        std::mem::take(&mut self.waiting).into_values().map(|waiting| waiting.subject)
    }

    fn lock_next(&mut self, mut waiting: Waiting<T>) -> Verdict<T> {
        match waiting.locks.pop() {
            None => Verdict::Granted(waiting.subject),
            Some(path) => {
                let request = Request::to_edit(path, waiting.change.as_ref());
                Verdict::Ask(self.wait(waiting, request))
            }
        }
    }

    fn wait(&mut self, waiting: Waiting<T>, request: Request) -> RunEvent {
        self.last_id += 1;
        self.waiting.insert(self.last_id, waiting);
        RunEvent::Request { id: self.last_id, request }
    }
}

/// A refusal as one text, with what to do next.
pub(crate) fn sentence(refusal: &Refusal) -> String {
    match &refusal.hint {
        Some(hint) => format!("{}; {hint}", refusal.message),
        None => refusal.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> RepoPath {
        name.parse().unwrap()
    }

    fn locking(verdict: &Verdict<&str>) -> (u64, String) {
        match verdict {
            Verdict::Ask(RunEvent::Request { id, request: Request::Lock { path, .. } }) => {
                (*id, path.to_string())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_edit_is_granted_after_all_its_locks_in_the_order_of_their_names() {
        let mut clearance = Clearance::new();
        let first = locking(&clearance.edit("edit", vec![path("b"), path("a"), path("b")], None));
        assert_eq!(first.1, "a");
        let second = locking(&clearance.reply(first.0, Ok(Reply::Locked { token: 1 })).unwrap());
        assert_eq!(second.1, "b");
        let granted = clearance.reply(second.0, Ok(Reply::Locked { token: 1 }));
        assert_eq!(granted, Some(Verdict::Granted("edit")));
        assert_eq!(clearance.reply(second.0, Ok(Reply::Locked { token: 1 })), None);
    }

    #[test]
    fn a_refused_lock_refuses_the_edit_with_its_hint() {
        let mut clearance = Clearance::new();
        let (id, _) = locking(&clearance.edit("edit", vec![path("a"), path("b")], None));
        let refusal = Refusal::conflict("locked", "`a` is held by codex").hint("work on something else");
        let refused = clearance.reply(id, Err(refusal));
        let text = "`a` is held by codex; work on something else".to_owned();
        assert_eq!(refused, Some(Verdict::Refused("edit", text)));
    }

    #[test]
    fn several_wait_at_once_and_each_gets_its_own_answer() {
        let mut clearance = Clearance::new();
        let (edit, _) = locking(&clearance.edit("edit", vec![path("a")], None));
        let asked = clearance.ask("question", Request::Ask { question: "which?".into() });
        let RunEvent::Request { id, .. } = asked else { panic!("{asked:?}") };
        let answer = Reply::Answer { text: "blue".into() };
        assert_eq!(clearance.reply(id, Ok(answer.clone())), Some(Verdict::Answered("question", answer)));
        assert_eq!(clearance.reply(edit, Ok(Reply::Locked { token: 1 })), Some(Verdict::Granted("edit")));
        assert_eq!(clearance.edit("nothing", Vec::new(), None), Verdict::Granted("nothing"));
        let (late, _) = locking(&clearance.edit("late", vec![path("a")], None));
        assert_eq!(clearance.drain().collect::<Vec<_>>(), ["late"]);
        assert_eq!(clearance.reply(late, Ok(Reply::Locked { token: 1 })), None);
    }
}
