//! What a run has to be allowed: judged by rules, or asked in the inbox while the turn's time stands still.

use super::{TurnDriver, detail};
use crate::permission::policy::{self, Judgement, Setting};
use crate::permission::rules::{Asked, Rule};
use crate::permission::{arguments_hash, check};
use agent::{Reply, Request};
use model::{
    Event, PERMISSIONS_OPEN_MAX, ParticipantStatus, Permission, PermissionAsk, PermissionDecision,
    PermissionId, PermissionScope, Refusal, RefusalKind, RepoPath, StatusChange, ToolCategory,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// What an edit is called, whichever tool of whichever vendor makes it.
const EDIT: &str = "edit";

/// Questions of one turn that wait for somebody.
#[derive(Debug, Default)]
pub(super) struct Permits {
    open: BTreeMap<PermissionId, Open>,
    /// Edits that somebody allowed, by the hash of what was shown: an agent may ask for the lock of the same one again.
    edits: BTreeSet<String>,
}

/// What a run wants that is judged.
#[derive(Debug, Clone)]
enum Wanted {
    /// To hear whether it may.
    Word,
    /// The lock of a file that it may edit.
    Lock(RepoPath),
}

/// What became of a call.
enum Clearance {
    Decided {
        allowed: bool,
        reason: String,
    },
    /// Somebody is asked; the run is answered afterwards.
    Asked,
}

#[derive(Debug)]
struct Open {
    /// The run's own number of its request.
    request: u64,
    wanted: Wanted,
    /// Of what was shown.
    hash: String,
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

    pub(super) fn waiting(&self) -> Vec<PermissionId> {
        self.open.keys().copied().collect()
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
        Ok(match self.cleared(id, ask, Wanted::Word).await? {
            Clearance::Decided { allowed, reason } => Some(Reply::Permitted { allowed, reason }),
            Clearance::Asked => None,
        })
    }

    /// An edit is judged before its lock is asked for; the run is answered when it has the lock.
    pub(super) async fn lock(
        &mut self,
        id: u64,
        path: RepoPath,
        change: Option<Value>,
    ) -> Result<(), Refusal> {
        self.writable()?;
        match self.cleared(id, edit_of(&path, change), Wanted::Lock(path.clone())).await? {
            Clearance::Decided { allowed: true, .. } => self.request_lock(id, path),
            Clearance::Decided { allowed: false, reason } => Err(not_permitted(reason)),
            Clearance::Asked => Ok(()),
        }
    }

    /// An edit whose lock was not asked for here, so that nobody has judged it yet. It has no lock that it could wait
    /// with, so what would have to be asked about is refused.
    pub(super) async fn unlocked_edit(&mut self, path: &RepoPath, content: &str) -> Result<(), Refusal> {
        let whole = json!({ "content": content });
        let Request::Lock { change, .. } = Request::to_edit(path.clone(), Some(&whole)) else {
            return Err(Refusal::internal("an edit is asked for by its lock"));
        };
        let ask = edit_of(path, change);
        let hash = arguments_hash(&ask.tool, &ask.arguments);
        match self.judged(&policy::classified(ask))? {
            Judgement::Free | Judgement::Decided { allowed: true, .. } => Ok(()),
            Judgement::Wait if self.permits.edits.contains(&hash) => Ok(()),
            Judgement::Decided { allowed: false, reason, .. } => Err(not_permitted(reason)),
            Judgement::Wait => {
                Err(not_permitted("this edit has to be allowed, and was not asked about".to_owned()))
            }
        }
    }

    async fn cleared(&mut self, id: u64, ask: PermissionAsk, wanted: Wanted) -> Result<Clearance, Refusal> {
        check(&ask)?;
        if self.verdict.is_some() {
            return Ok(Clearance::Decided { allowed: false, reason: "the turn ends".to_owned() });
        }
        let permission = self.permission(policy::classified(ask));
        match self.judged(&permission.ask)? {
            Judgement::Free => Ok(Clearance::Decided { allowed: true, reason: String::new() }),
            Judgement::Decided { allowed, by, reason } => {
                let decision = self.decision(permission.id, allowed, by, &reason);
                let events = vec![Event::PermissionRequested(permission), Event::PermissionDecided(decision)];
                self.record(events).await?;
                Ok(Clearance::Decided { allowed, reason })
            }
            Judgement::Wait => match &wanted {
                Wanted::Lock(_) if self.permits.edits.contains(&permission.arguments_hash) => {
                    Ok(Clearance::Decided { allowed: true, reason: String::new() })
                }
                Wanted::Word | Wanted::Lock(_) => {
                    self.wait_for(id, permission, wanted).await.map(|()| Clearance::Asked)
                }
            },
        }
    }

    /// Whether a rule forbids what the vendor's program would let go ahead by itself. Nobody is asked, and only a no is
    /// written down: of everything else the program asks, if it does not know better.
    pub(super) async fn veto(&mut self, ask: PermissionAsk) -> Result<Reply, Refusal> {
        let ask = policy::classified(ask);
        let reason = match self.judged(&ask)? {
            _ if self.verdict.is_some() => "the turn ends".to_owned(),
            Judgement::Decided { allowed: false, by: policy::BY_RULE, reason } => reason,
            Judgement::Free | Judgement::Wait | Judgement::Decided { .. } => {
                return Ok(Reply::Permitted { allowed: true, reason: String::new() });
            }
        };
        // What is too large to be shown is forbidden all the same.
        if self.verdict.is_none() && check(&ask).is_ok() {
            let permission = self.permission(ask);
            let decision = self.decision(permission.id, false, policy::BY_RULE, &reason);
            self.record(vec![Event::PermissionRequested(permission), Event::PermissionDecided(decision)])
                .await?;
        }
        Ok(Reply::Permitted { allowed: false, reason })
    }

    fn permission(&self, ask: PermissionAsk) -> Permission {
        Permission {
            id: self.shared.new_id(),
            session: self.participant.session,
            task: self.order.task.id,
            turn: self.turn,
            participant: self.participant.id,
            arguments_hash: arguments_hash(&ask.tool, &ask.arguments),
            ask,
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
            driver: self.participant.driver,
            watched: self.shared.is_watched(),
        };
        Ok(policy::judge(&rules, &asked, setting))
    }

    async fn wait_for(
        &mut self,
        request: u64,
        permission: Permission,
        wanted: Wanted,
    ) -> Result<(), Refusal> {
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
        let hash = permission.arguments_hash.clone();
        let open = Open { request, wanted, hash, since: Instant::now(), summary };
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
        match (open.wanted, allowed) {
            (Wanted::Word, _) => self.reply(open.request, Ok(Reply::Permitted { allowed, reason })),
            (Wanted::Lock(_), false) => self.reply(open.request, Err(not_permitted(reason))),
            (Wanted::Lock(path), true) => {
                self.permits.edits.insert(open.hash);
                if let Err(refusal) = self.request_lock(open.request, path) {
                    self.reply(open.request, Err(refusal));
                }
            }
        }
        Ok(())
    }

    /// Nobody answered in time: that is a no, and the turn goes on.
    pub(super) async fn permits_overdue(&mut self, patience: Duration) -> Result<(), Refusal> {
        for id in self.permits.overdue(patience) {
            let reason = "nobody answered in time; do without it";
            let decision = self.decision(id, false, "deadline", reason);
            // Somebody may have answered already; then that counts.
            let command = move |view: &store::View<'_>| {
                let waits = view.permission(id)?.is_some_and(|row| row.decision.is_none());
                Ok(if waits { vec![Event::PermissionDecided(decision)] } else { Vec::new() })
            };
            let receipt = self.shared.commit(self.actor(), None, command).await?;
            if !receipt.records.is_empty() {
                self.permitted(id, false, reason.to_owned()).await?;
                continue;
            }
            // What was decided counts even when its mail was lost, as when who decided hung up at once.
            let decided =
                self.shared.store.read(|view| Ok(view.permission(id)?.and_then(|row| row.decision)))?;
            let (allowed, reason) =
                decided.map_or((false, reason.to_owned()), |decision| (decision.allowed, decision.reason));
            self.permitted(id, allowed, reason).await?;
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

/// The edit as it is shown: the file, and what is done to it where the run says that.
fn edit_of(path: &RepoPath, change: Option<Value>) -> PermissionAsk {
    let mut arguments = json!({ "path": path });
    if let Some(change) = change {
        arguments["change"] = change;
    }
    PermissionAsk {
        tool: EDIT.to_owned(),
        category: ToolCategory::Edit,
        summary: detail::short(&format!("edit {path}")),
        arguments,
        paths: vec![path.clone()],
    }
}

/// In the words of the rule, or of who said no.
fn not_permitted(reason: String) -> Refusal {
    Refusal::new(RefusalKind::Forbidden, "not_permitted", reason)
}
