//! What a run has to be allowed: judged by rules, or asked in the inbox while the turn's time stands still.

use super::{TurnDriver, detail};
use crate::permission::policy::{self, Judgement, Setting};
use crate::permission::rules::{Asked, Rule};
use crate::permission::{arguments_hash, check};
use agent::Reply;
use model::{
    Event, PERMISSIONS_OPEN_MAX, ParticipantStatus, Permission, PermissionAsk, PermissionDecision,
    PermissionId, PermissionScope, Refusal, StatusChange,
};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Questions of one turn that wait for somebody.
#[derive(Debug, Default)]
pub(super) struct Permits {
    open: BTreeMap<PermissionId, Open>,
}

#[derive(Debug)]
struct Open {
    /// The run's own number of its request.
    request: u64,
    since: Instant,
    summary: String,
}

impl Permits {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    /// Since when the one waits that waits longest.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.open.values().map(|open| open.since).min()
    }

    fn overdue(&self, patience: Duration) -> Vec<PermissionId> {
        let late = |open: &Open| open.since.elapsed() >= patience;
        self.open.iter().filter(|(_, open)| late(open)).map(|(id, _)| *id).collect()
    }

    /// In few words, what is waited for.
    fn shown(&self) -> Option<String> {
        let first = self.open.values().min_by_key(|open| open.since)?;
        Some(match self.open.len() - 1 {
            0 => first.summary.clone(),
            more => format!("{} (and {more} more)", first.summary),
        })
    }
}

impl TurnDriver {
    /// The answer, or none while somebody is asked.
    pub(super) async fn permit(&mut self, id: u64, ask: PermissionAsk) -> Result<Option<Reply>, Refusal> {
        check(&ask)?;
        if self.verdict.is_some() {
            return Ok(Some(Reply::Permitted { allowed: false, reason: "the turn ends".to_owned() }));
        }
        let ask = policy::classified(ask);
        let permission = Permission {
            id: self.shared.new_id(),
            session: self.participant.session,
            task: self.order.task.id,
            turn: self.turn,
            participant: self.participant.id,
            arguments_hash: arguments_hash(&ask.tool, &ask.arguments),
            ask,
        };
        match self.judged(&permission.ask)? {
            Judgement::Free => Ok(Some(Reply::Permitted { allowed: true, reason: String::new() })),
            Judgement::Decided { allowed, by, reason } => {
                let decision = self.decision(permission.id, allowed, by, &reason);
                let events = vec![Event::PermissionRequested(permission), Event::PermissionDecided(decision)];
                self.record(events).await?;
                Ok(Some(Reply::Permitted { allowed, reason }))
            }
            Judgement::Wait => self.wait_for(id, permission).await.map(|()| None),
        }
    }

    fn judged(&self, ask: &PermissionAsk) -> Result<Judgement, Refusal> {
        let snapshot = self.shared.config.snapshot();
        let permissions = &snapshot.config.permissions;
        let (session, repo) = (self.participant.session, self.repo.as_ref().map(|repo| repo.id));
        let left_behind = self.shared.store.read(|view| view.permission_rules_of(session, repo))?;
        let mut rules = permissions.compiled().map_err(Refusal::internal)?;
        for rule in &left_behind {
            rules.push(Rule::of_decision(rule).map_err(Refusal::internal)?);
        }
        let command = policy::command_of(ask);
        let asked = Asked {
            agent: self.agent(),
            tool: &ask.tool,
            category: ask.category,
            paths: &ask.paths,
            command: command.as_deref(),
        };
        let setting = Setting {
            permissions,
            agent: snapshot.config.agents.get(self.agent()),
            watched: self.shared.is_watched(),
        };
        Ok(policy::judge(&rules, &asked, setting))
    }

    async fn wait_for(&mut self, request: u64, permission: Permission) -> Result<(), Refusal> {
        if self.permits.open.len() >= PERMISSIONS_OPEN_MAX {
            let message = format!("{PERMISSIONS_OPEN_MAX} questions for permission wait already");
            return Err(Refusal::conflict("too_many_permissions", message).hint("wait for their answers"));
        }
        let (id, summary) = (permission.id, permission.ask.summary.clone());
        let shown = if self.shared.is_watched() {
            format!("asks: {summary}")
        } else {
            format!("asks, and nobody watches: {summary}")
        };
        let open = Open { request, since: Instant::now(), summary };
        let (status, detail) = (ParticipantStatus::NeedsInput, Some(detail::short(&shown)));
        let change = StatusChange {
            session: self.participant.session,
            participant: self.participant.id,
            status,
            detail: detail.clone(),
        };
        self.record(vec![Event::PermissionRequested(permission), Event::ParticipantStatusChanged(change)])
            .await?;
        self.status = (status, detail);
        self.stand_still();
        self.permits.open.insert(id, open);
        Ok(())
    }

    /// The decision is committed already; the run goes on with it.
    pub(super) async fn permitted(
        &mut self,
        permission: PermissionId,
        allowed: bool,
        reason: String,
    ) -> Result<(), Refusal> {
        let Some(open) = self.permits.open.remove(&permission) else { return Ok(()) };
        self.go_on();
        let (status, detail) = match self.permits.shown() {
            Some(next) => (ParticipantStatus::NeedsInput, Some(format!("asks: {next}"))),
            None => match &self.question {
                Some(_) => self.status.clone(),
                None => (ParticipantStatus::Thinking, None),
            },
        };
        self.set_status(status, detail).await?;
        let reason = match (allowed, reason.is_empty()) {
            (false, true) => "the user does not allow it".to_owned(),
            _ => reason,
        };
        self.reply(open.request, Ok(Reply::Permitted { allowed, reason }));
        Ok(())
    }

    /// Nobody answered in time: that is a no, and the turn goes on.
    pub(super) async fn permits_overdue(&mut self, patience: Duration) -> Result<(), Refusal> {
        for id in self.permits.overdue(patience) {
            let reason = "nobody answered in time; do without it";
            let decision = self.decision(id, false, "deadline", reason);
            // Somebody may have answered in this very moment; then that counts, and its mail is on the way.
            let command = move |view: &store::View<'_>| {
                let waits = view.permission(id)?.is_some_and(|row| row.decision.is_none());
                Ok(if waits { vec![Event::PermissionDecided(decision)] } else { Vec::new() })
            };
            let receipt = self.shared.commit(self.actor(), None, command).await?;
            if !receipt.records.is_empty() {
                self.permitted(id, false, reason.to_owned()).await?;
            } else if let Some(open) = self.permits.open.get_mut(&id) {
                open.since = Instant::now();
            }
        }
        Ok(())
    }

    /// The turn waits for a person: its own time does not go on.
    pub(super) fn stand_still(&mut self) {
        self.still_since.get_or_insert_with(Instant::now);
    }

    /// What was waited for has come; the time goes on when nothing else is waited for.
    pub(super) fn go_on(&mut self) {
        if self.question.is_none()
            && self.permits.is_empty()
            && let Some(since) = self.still_since.take()
        {
            self.deadline += since.elapsed();
            // It said nothing because it waited, too.
            self.heard = Instant::now();
        }
    }

    fn decision(
        &self,
        permission: PermissionId,
        allowed: bool,
        by: &str,
        reason: &str,
    ) -> PermissionDecision {
        PermissionDecision {
            permission,
            session: self.participant.session,
            turn: self.turn,
            participant: self.participant.id,
            allowed,
            scope: PermissionScope::Once,
            by: by.to_owned(),
            reason: reason.to_owned(),
        }
    }
}
