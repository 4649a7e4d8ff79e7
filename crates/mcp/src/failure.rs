//! What a tool says when it did not do what was asked: a stable code, what is wrong, and what to do next.

use bus::{BusError, Contended, WorktreeError};
use client::ClientError;
use model::Refusal;
use serde_json::{Value, json};

/// Why a tool did not do what was asked. Nothing was changed, unless the message says so.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) next: Option<String>,
    /// What is there instead: who holds the lock, what the entry is now.
    pub(crate) present: Option<Box<Value>>,
}

impl Failure {
    pub(crate) fn new(code: &str, message: impl Into<String>, next: &str) -> Self {
        Self { code: code.to_owned(), message: message.into(), next: Some(next.to_owned()), present: None }
    }

    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    pub(crate) fn present(mut self, present: Value) -> Self {
        self.present = Some(Box::new(present));
        self
    }

    pub(crate) fn canceled() -> Self {
        Self::new("canceled", "the call was canceled", "call again when you want it after all")
    }

    pub(crate) fn internal(what: &str) -> Self {
        Self::new("internal", what, "call again; if it happens again, tell the user")
    }

    /// For a reader that has no other form.
    pub(crate) fn text(&self) -> String {
        let next = self.next.as_ref().map(|next| format!("\nNext: {next}")).unwrap_or_default();
        format!("{}: {}{next}", self.code, self.message)
    }

    /// For a program.
    pub(crate) fn body(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(next) = &self.next {
            error["next"] = next.as_str().into();
        }
        if let Some(present) = &self.present {
            error["present"] = Value::clone(present);
        }
        json!({ "error": error })
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code.into_owned(), message: refusal.message, next: refusal.hint, present: None }
    }
}

impl From<BusError> for Failure {
    fn from(error: BusError) -> Self {
        let failure = Self::from(error.refusal());
        // The bus's hints name commands of a shell; whoever reads this has tools.
        match &error {
            BusError::Contended(contended) => failure
                .next(
                    "wait for it with wait_seconds, ask its holder with notice_send, or do other work first",
                )
                .present(in_the_way(contended)),
            BusError::TimedOut(contended) => failure
                .next("it is still held: ask its holder with notice_send, or do other work and try later")
                .present(in_the_way(contended)),
            BusError::WouldDeadlock { .. } => failure
                .next("give your own locks back with lock_release, then ask for all you need in one call"),
            BusError::Upgrade { .. } => {
                failure.next("give the shared lock back with lock_release and ask for exclusive")
            }
            BusError::Lost(_) => {
                failure.next("lock_list shows who holds what; take the lock again and read the file anew")
            }
            BusError::NotRegistered(_) | BusError::Ended(_) | BusError::NotAlive(_) => {
                failure.next("call again: you are registered anew; locks you had are gone")
            }
            BusError::Claimed { .. } => failure.next("look for other work with task_claim"),
            BusError::NoNotice(_) => failure.next("task_list shows what is offered now"),
            BusError::ContextConflict { present, .. } => failure
                .next("context_get the key, make your change from what is there, and give its version")
                .present(json!(present.as_ref().map(|entry| {
                    json!({ "version": entry.version, "value": entry.value, "agent": entry.agent })
                }))),
            BusError::NoContext(_) => failure.next("context_list shows what is shared"),
            BusError::ContextAhead { .. } => failure
                .next("context_list shows what is shared; leave `after` out to wait for the next change"),
            BusError::ContextFull { .. } => {
                failure.next("remove what nobody needs any more: context_set with the value null")
            }
            _ => failure,
        }
    }
}

/// Who stands in the way, for whoever was refused.
fn in_the_way(contended: &Contended) -> Value {
    let holders: Vec<Value> = contended
        .holders
        .iter()
        .map(|lock| {
            json!({
                "path": lock.path, "mode": lock.mode, "agent": lock.agent, "holder": lock.holder,
                "expires_at": lock.expires_at,
            })
        })
        .collect();
    let waiting: Vec<Value> = contended
        .waiting
        .iter()
        .map(|wait| json!({ "agent": wait.agent, "paths": wait.paths, "since": wait.since }))
        .collect();
    json!({ "holders": holders, "waiting": waiting })
}

impl From<WorktreeError> for Failure {
    fn from(error: WorktreeError) -> Self {
        let failure = Self::from(error.refusal());
        match &error {
            WorktreeError::NoWorktree(_) => {
                failure.next("give `worktree`: the absolute path of a folder in the repository")
            }
            WorktreeError::Outside { .. } => {
                failure.next("give paths inside the worktree, or name another one with `worktree`")
            }
            _ => failure,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self { code: error.code().to_owned(), message: error.to_string(), next: error.hint(), present: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_a_code_words_and_the_next_step_in_both_forms() {
        let failure = Failure::from(BusError::Contended(Contended::default()));
        assert_eq!(failure.code, "lock_held");
        assert!(failure.text().starts_with("lock_held: ") && failure.text().contains("\nNext: "));
        let body = failure.body();
        assert_eq!(body["error"]["code"], "lock_held");
        assert!(body["error"]["next"].as_str().is_some_and(|next| next.contains("wait_seconds")));
        assert_eq!(body["error"]["present"]["holders"], json!([]));
    }

    #[test]
    fn hints_name_tools_and_not_commands_of_a_shell() {
        let key: model::ContextKey = "k".parse().unwrap();
        for error in [
            BusError::TimedOut(Contended::default()),
            BusError::WouldDeadlock { cycle: Vec::new() },
            BusError::Lost(bus::LockLost::Gone { token: 1 }),
            BusError::Claimed { notice: 1, by: None },
            BusError::NoNotice(1),
            BusError::NoContext(key.clone()),
            BusError::ContextConflict { key, present: None },
            BusError::ContextFull { most: 1 },
            BusError::ContextAhead { after: 2, newest: 1 },
        ] {
            let failure = Failure::from(error);
            assert!(!failure.next.clone().unwrap().contains("coditect "), "{failure:?}");
        }
    }
}
