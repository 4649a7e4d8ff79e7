//! From what people and agents type to the id they mean: a full id, an unambiguous beginning of a short one, a name, `@last`, `@parent`.
//!
//! Invariant: what an agent may not see is not there for it, and is named by no refusal. A whole id is nobody's secret; whoever
//! asks for what is at it looks whose it is.

use crate::plan::title_of;
use crate::repo::NO_OWN_REPO;
use crate::session::visible;
use crate::{Caller, Engine};
use model::{
    ArtifactId, CheckpointId, MergeId, MessageId, PlanId, Refusal, RefusalKind, RepoId, SessionId, TaskId,
};
use std::fmt::Display;
use store::{Candidate, LAST, Resolved, ShortId};

/// Things with the same beginning of a short id that are looked at for those a caller may see.
const CANDIDATES_MAX: usize = 1_000;
/// Stands for the session the caller's own one came out of.
const PARENT: &str = "@parent";
/// What is said of something typed, in characters.
const GIVEN_SHOWN: usize = 80;

impl Engine {
    /// Of the user, for what no agent may name.
    pub(crate) fn resolve<I: ShortId>(&self, given: &str) -> Result<I, Refusal> {
        match self.shared.store.read(|view| view.resolve::<I>(given))? {
            Resolved::One(id) => Ok(id),
            Resolved::None if given == LAST => {
                let message = format!("there is no newest {}", I::NOUN);
                Err(Refusal::new(RefusalKind::NotFound, "no_last", message).hint("give an id"))
            }
            Resolved::None => {
                let refusal = Refusal::not_found(I::NOUN, shown(given));
                Err(refusal.hint(format!("`coditect {} list` shows what there is", noun_with_list(I::NOUN))))
            }
            Resolved::Many(ids) => Err(ambiguous(given, &ids)),
        }
    }

    /// Of anybody: for an agent among those for which `may` refuses nothing.
    pub(crate) fn resolve_for<I: ShortId>(
        &self,
        caller: &Caller,
        given: &str,
        may: impl Fn(&I) -> Result<(), Refusal>,
    ) -> Result<I, Refusal> {
        if *caller == Caller::User || given.parse::<I>().is_ok() {
            return self.resolve(given);
        }
        let found = match self.shared.store.read(|view| view.resolve_among::<I>(given, CANDIDATES_MAX))? {
            Resolved::None => Vec::new(),
            Resolved::One(id) => vec![Candidate { id, title: String::new() }],
            Resolved::Many(candidates) => candidates,
        };
        let mut seen = Vec::new();
        for candidate in found {
            match may(&candidate.id) {
                Ok(()) => seen.push(candidate),
                Err(refusal) if is_denied(&refusal) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        if seen.len() > 1 {
            seen.truncate(store::RESOLVE_MAX);
            return Err(ambiguous(given, &seen));
        }
        seen.pop().map(|only| only.id).ok_or_else(|| {
            Refusal::not_found(I::NOUN, shown(given)).hint("give the id of one that you may see")
        })
    }

    /// For the user: a full id, an unambiguous prefix of a short one, or `@last`, the one made last.
    pub fn resolve_session(&self, given: &str) -> Result<SessionId, Refusal> {
        self.resolve_session_for(&Caller::User, given)
    }

    /// The same for a caller, who also knows `@parent`: the session its own came out of.
    pub fn resolve_session_for(&self, caller: &Caller, given: &str) -> Result<SessionId, Refusal> {
        match given {
            LAST => {
                let newest = self.shared.store.read(|view| view.newest_session())?;
                let newest = newest.ok_or_else(|| {
                    Refusal::new(RefusalKind::NotFound, "no_sessions", "there is no session yet")
                        .hint("start one with `coditect session new`")
                })?;
                Ok(newest.session.id)
            }
            PARENT => self.parent_of(caller),
            given => self.resolve_for(caller, given, |id| self.may_see(caller, *id)),
        }
    }

    fn parent_of(&self, caller: &Caller) -> Result<SessionId, Refusal> {
        let Caller::Run { session, .. } = caller else {
            let message =
                "`@parent` is the session that spawned the one it is said in, and this is said in none";
            return Err(Refusal::invalid("no_calling_session", message)
                .hint("give an id; `coditect session tree ID` shows where a session came from"));
        };
        let session = *session;
        self.shared.store.read_or_refuse(|view| {
            let row = visible(view, session)?.session;
            row.parent.or(row.forked_from).or(row.lineage.asker).ok_or_else(|| {
                Refusal::new(RefusalKind::NotFound, "no_parent", "your session came out of no other one")
            })
        })
    }

    pub fn resolve_message(&self, caller: &Caller, given: &str) -> Result<MessageId, Refusal> {
        self.resolve_for(caller, given, |id: &MessageId| {
            let message = self.shared.store.read(|view| view.message(*id))?;
            let message = message.ok_or_else(|| Refusal::not_found("message", id))?;
            self.may_see(caller, message.session)
        })
    }

    /// What is in the pool is everybody's to see. Of an agent, `@last` is the newest of its own session.
    pub fn resolve_task(&self, caller: &Caller, given: &str) -> Result<TaskId, Refusal> {
        if let Caller::Run { session, .. } = caller
            && given == LAST
        {
            let newest = self.shared.store.read(|view| view.tasks_page(*session, None, 1))?.pop();
            return newest.map(|row| row.task.id).ok_or_else(|| none_yet(TaskId::NOUN));
        }
        self.resolve_for(caller, given, |id: &TaskId| {
            let row = self.shared.store.read(|view| view.task(*id))?;
            let task = row.ok_or_else(|| Refusal::not_found("task", id))?.task;
            if task.terms.pool { Ok(()) } else { self.may_see(caller, task.session) }
        })
    }

    /// Of an agent, `@last` is the newest of its own session.
    pub fn resolve_plan(&self, caller: &Caller, given: &str) -> Result<PlanId, Refusal> {
        match caller {
            Caller::Run { session, .. } if given == LAST => {
                let newest = self.shared.store.read(|view| view.plans(*session))?.pop();
                newest.map(|row| row.plan.id).ok_or_else(|| none_yet(PlanId::NOUN))
            }
            caller => self.resolve_for(caller, given, |id: &PlanId| {
                let row = self.shared.store.read(|view| view.plan(*id))?;
                let plan = row.ok_or_else(|| Refusal::not_found("plan", id))?.plan;
                self.may_see(caller, plan.session)
            }),
        }
    }

    pub fn resolve_checkpoint(&self, caller: &Caller, given: &str) -> Result<CheckpointId, Refusal> {
        self.resolve_for(caller, given, |id| self.checkpoint(caller, *id).map(drop))
    }

    pub fn resolve_merge(&self, caller: &Caller, given: &str) -> Result<MergeId, Refusal> {
        self.resolve_for(caller, given, |id| self.merge_for(caller, *id).map(drop))
    }

    /// Of an agent, `@last` is the newest of its own session.
    pub fn resolve_artifact(&self, caller: &Caller, given: &str) -> Result<ArtifactId, Refusal> {
        match caller {
            Caller::Run { session, .. } if given == LAST => {
                let newest = self.shared.store.read(|view| view.artifacts(Some(*session), None, 1))?;
                let newest = newest.into_iter().next().map(|row| row.artifact.id);
                newest.ok_or_else(|| none_yet(ArtifactId::NOUN))
            }
            caller => self.resolve_for(caller, given, |id| self.artifact(caller, *id).map(drop)),
        }
    }

    /// A slug names its repo to everybody.
    pub fn resolve_repo(&self, caller: &Caller, given: &str) -> Result<RepoId, Refusal> {
        match self.shared.store.read(|view| view.repo_by_slug(given))? {
            Some(repo) => Ok(repo.id),
            None => self.resolve_for(caller, given, |id| self.repo_for(caller, Some(*id)).map(drop)),
        }
    }
}

fn none_yet(noun: &str) -> Refusal {
    Refusal::new(RefusalKind::NotFound, "no_last", format!("your session has no {noun} yet"))
        .hint("give an id")
}

/// Whether it is not there for who asks. Without a repository of its own an agent sees none.
fn is_denied(refusal: &Refusal) -> bool {
    matches!(refusal.kind, RefusalKind::Forbidden | RefusalKind::NotFound) || refusal.code == NO_OWN_REPO
}

fn shown(given: &str) -> String {
    given.chars().take(GIVEN_SHOWN).collect()
}

fn ambiguous<I: Display>(given: &str, candidates: &[Candidate<I>]) -> Refusal {
    let called = |candidate: &Candidate<I>| match candidate.title.as_str() {
        "" => candidate.id.to_string(),
        title => format!("{} “{}”", candidate.id, title_of(title)),
    };
    let listed: Vec<String> = candidates.iter().map(called).collect();
    let message = format!("`{given}` could be any of {}", listed.join(", "));
    Refusal::new(RefusalKind::Invalid, "ambiguous_id", message).hint("give more characters")
}

/// The command under which things of this kind are found.
fn noun_with_list(noun: &str) -> &str {
    match noun {
        "repo" | "task" | "merge" => noun,
        // What belongs to a session is found from there.
        _ => "session",
    }
}

#[cfg(test)]
mod tests;
