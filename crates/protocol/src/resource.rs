//! Resource events: what a domain event means for the resources a client shows.
//!
//! This is the one place that derives them. It is a pure function of the event, so that a client
//! that resumes is told exactly what a client that never left was told.
//!
//! `created` carries the resource as it is right after the event. `patched` carries the fields that
//! changed and nothing else; a client puts them over what it has. Figures that follow from many
//! resources (a session's state and usage, the lock table's waits) are not in any one event: `updated_at` of
//! the session tells that they may have moved, and the client reads them again.

use crate::{
    Artifact, Board, Card, Checkpoint, Comment, Compaction, Conflict, ContextEntry, Decision, FileChange,
    Firing, GitState, KeptWorktree, LockChange, Merge, MergedPlan, Message, Notice, Participant, Permission,
    PermissionRule, Plan, Proposal, Question, RefusedEdit, Registration, Repo, RetryPolicy, Run, Session,
    SessionSource, Target, Task, TaskClaim, TestReport, Turn, TurnOutcome, Usage, WorktreeChange, Zone,
};
use model::{
    ConflictChange, ConflictPhase, Cursor, Event, FiringState, HistoryBy, LockPhase, PlanState, Role,
    SessionId, TaskId, TaskState, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// One change of one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Resource {
    pub action: Action,
    pub noun: Noun,
    /// Id of the resource. A lock goes by its token, a proposal by its participant, a draft by its turn,
    /// a file change, a refused edit and a compaction by the event's cursor.
    pub id: String,
    /// The event behind the change.
    #[serde(with = "crate::event::cursor_text")]
    #[schema(value_type = String)]
    pub cursor: Cursor,
    /// The resource, the changed fields of it, or nothing.
    #[schema(value_type = Option<Object>)]
    pub body: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Created,
    Patched,
    Removed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Noun {
    User,
    Board,
    Card,
    Zone,
    Firing,
    Comment,
    Repo,
    Clone,
    Worktree,
    Session,
    Participant,
    Task,
    Turn,
    Run,
    Message,
    Draft,
    Plan,
    Proposal,
    Permission,
    PermissionRule,
    FileChange,
    RefusedEdit,
    Checkpoint,
    Compaction,
    Conflict,
    Artifact,
    Merge,
    Registration,
    Lock,
    Notice,
    ContextEntry,
}

/// What the event means for resources, in the order to apply it.
pub fn resources(cursor: Cursor, ts: Timestamp, event: &Event) -> Vec<Resource> {
    let mut changes = Changes { cursor, ts, out: Vec::new() };
    match event {
        Event::UserCreated(user) => changes.created(Noun::User, user.id, user),
        Event::BoardCreated(_) | Event::BoardChanged(_) | Event::BoardRemoved(_) => changes.board(event),
        Event::CardPlaced(_) | Event::CardMoved(_) | Event::CardEdited(_) => changes.board(event),
        Event::CardRemoved(_) | Event::ZonePlaced(_) | Event::ZoneRemoved(_) => changes.board(event),
        Event::TriggerFired(_) | Event::TriggerConfirmed(_) | Event::TriggerEnded(_) => changes.board(event),
        Event::CommentAdded(_) | Event::CommentResolved(_) => changes.board(event),
        Event::CommentRemoved(_) => changes.board(event),
        Event::RepoAdded(_) | Event::RepoChanged(_) | Event::RepoRemoved(_) => changes.repo(event),
        Event::RepoCloneStarted(_) | Event::RepoCloneProgressed(_) => changes.repo(event),
        Event::RepoCloneFailed(_) => changes.repo(event),
        Event::WorktreeCreated(_) | Event::WorktreeAssigned(_) => changes.worktree(event),
        Event::WorktreeMerged(_) | Event::WorktreeTrashed(_) => changes.worktree(event),
        Event::WorktreeRestored(_) | Event::WorktreePurged(_) => changes.worktree(event),
        Event::WorktreeScriptStarted(_) | Event::WorktreeScriptEnded(_) => changes.worktree(event),
        Event::SessionCreated(session) => {
            changes.created(Noun::Session, session.id, Session::from(session.clone()));
        }
        Event::SessionRenamed(_) | Event::SessionTagged(_) => changes.session_event(event),
        Event::SessionArchived(_) | Event::SessionUnarchived(_) => changes.session_event(event),
        Event::SessionRemoved(_) | Event::SessionCallbackChanged(_) => changes.session_event(event),
        Event::SessionCompacted(_) | Event::SessionCompactionFailed(_) => changes.session_event(event),
        Event::SessionImported(import) => changes.imported(import),
        Event::ParticipantJoined(_) | Event::ParticipantOpened(_) => changes.participant(event),
        Event::ParticipantReplayed(_) | Event::ParticipantStatusChanged(_) => changes.participant(event),
        Event::MessageAppended(message) => changes.message(message),
        Event::MessageDrafted(draft) => changes.patched(Noun::Draft, draft.turn, draft),
        Event::ConflictChanged(change) => changes.conflict(change),
        Event::FileModified(_) | Event::EditRefused(_) | Event::CheckpointCreated(_) => changes.files(event),
        Event::CheckpointRemoved(_) | Event::CheckpointRestored(_) => changes.files(event),
        Event::ArtifactCreated(one) => {
            changes.created(Noun::Artifact, one.id, Artifact::from(one.clone()));
        }
        Event::ArtifactRemoved(e) => changes.removed(Noun::Artifact, e.artifact),
        Event::MergeAdded(_) | Event::MergeMoved(_) | Event::MergeChanged(_) => changes.merge(event),
        Event::RegistrationAnnounced(one) => changes.announced(one),
        Event::RegistrationEnded(e) => changes.removed(Noun::Registration, e.registration),
        Event::LockChanged(change) => changes.lock(change),
        Event::NoticePublished(notice) => changes.notice(notice),
        Event::ContextChanged(change) => changes.context(change),
        // They carry figures and history, not resources.
        Event::ModelCalled(_) | Event::FileStrayed(_) | Event::FileRestored(_) => {}
        Event::JournalRepaired(_) | Event::TurnRecorded(_) | Event::TurnOutlined(_) => {}
        Event::BudgetWarned(_) | Event::TranscriptImported(_) | Event::VendorPaused(_) => {}
        Event::CheckpointRestoreStarted(_) | Event::CheckpointBundled(_) => {}
        // What was said is in the same commit.
        Event::CallbackDelivered(e) => changes.session(e.session, json!({})),
        Event::PermissionRequested(_) | Event::PermissionDecided(_) => changes.permission(event),
        Event::PermissionRuleAdded(_) | Event::PermissionRuleRemoved(_) => changes.permission(event),
        Event::ModelAnswered(e) => changes.session(e.session, json!({})),
        Event::TaskSubmitted(_) | Event::TaskStarted(_) => changes.task(event),
        Event::TaskInputRequested(_) | Event::TaskInputAnswered(_) => changes.task(event),
        Event::TaskCompleted(_) | Event::TaskFailed(_) | Event::TaskCanceled(_) => changes.task(event),
        Event::TaskRejected(_) | Event::TaskResubmitted(_) => changes.task(event),
        Event::QueueReordered(_) | Event::TaskChanged(_) | Event::TaskAssigned(_) => changes.task(event),
        Event::TaskClaimed(_) | Event::TaskClaimRenewed(_) => changes.task(event),
        Event::TurnStarted(_) | Event::TurnEnded(_) | Event::RunStarted(_) | Event::RunExited(_) => {
            changes.turn(event);
        }
        Event::PlanCreated(_) | Event::PlanProposed(_) | Event::PlanMerged(_) => changes.plan(event),
        Event::PlanTested(_) | Event::PlanStalled(_) | Event::PlanCompleted(_) => changes.plan(event),
        Event::PlanFailed(_) | Event::PlanCleared(_) => changes.plan(event),
    }
    changes.out
}

struct Changes {
    cursor: Cursor,
    ts: Timestamp,
    out: Vec<Resource>,
}

impl Changes {
    fn permission(&mut self, event: &Event) {
        let ts = self.ts;
        match event {
            Event::PermissionRequested(e) => {
                self.created(Noun::Permission, e.id, Permission::asked(e.clone(), ts));
                self.session(e.session, json!({}));
            }
            Event::PermissionDecided(e) => {
                let body = json!({ "session": e.session, "decision": Decision::new(e.clone(), ts) });
                self.patched(Noun::Permission, e.permission, body);
                self.session(e.session, json!({}));
            }
            Event::PermissionRuleAdded(e) => {
                self.created(Noun::PermissionRule, e.id, PermissionRule::from(e.clone()));
            }
            Event::PermissionRuleRemoved(e) => self.removed(Noun::PermissionRule, e.rule),
            _ => {}
        }
    }

    fn conflict(&mut self, change: &ConflictChange) {
        let (id, conflict) = (change.conflict.id, Conflict::from(change.conflict.clone()));
        match change.phase {
            ConflictPhase::Found => self.created(Noun::Conflict, id, conflict),
            ConflictPhase::Worsened | ConflictPhase::Changed => self.patched(Noun::Conflict, id, conflict),
            ConflictPhase::Gone => self.removed(Noun::Conflict, id),
        }
    }

    fn merge(&mut self, event: &Event) {
        match event {
            Event::MergeAdded(e) => self.created(Noun::Merge, e.id, Merge::added(e.clone())),
            Event::MergeMoved(e) => {
                for place in &e.places {
                    self.patched(Noun::Merge, place.merge, json!({ "priority": place.priority }));
                }
            }
            Event::MergeChanged(e) => {
                let mut body = json!({
                    "state": e.state, "attempt": e.attempt, "text": e.text, "paths": e.paths, "head": e.head,
                    "report": e.report.clone().map(TestReport::from), "task": e.task, "updated_at": self.ts,
                });
                if let Some(mode) = e.mode {
                    body["mode"] = to_value(mode);
                }
                self.patched(Noun::Merge, e.merge, body);
            }
            _ => {}
        }
    }

    fn announced(&mut self, one: &model::Registration) {
        self.created(Noun::Registration, one.id, Registration::from(one.clone()));
    }

    fn notice(&mut self, notice: &model::Notice) {
        self.created(Noun::Notice, notice.id, Notice::from(notice.clone()));
    }

    fn participant(&mut self, event: &Event) {
        match event {
            Event::ParticipantJoined(e) => {
                self.created(Noun::Participant, e.id, Participant::from(e.clone()));
            }
            Event::ParticipantOpened(e) => {
                let body = json!({ "session": e.session, "vendor_session": e.vendor_session });
                self.patched(Noun::Participant, e.participant, body);
            }
            Event::ParticipantReplayed(e) => {
                let body = json!({ "session": e.session, "history": HistoryBy::Replay });
                self.patched(Noun::Participant, e.participant, body);
            }
            Event::ParticipantStatusChanged(e) => self.status(e),
            _ => {}
        }
    }

    /// A card's zone is not in any one event: it follows from where the zones are.
    fn board(&mut self, event: &Event) {
        match event {
            Event::BoardCreated(e) => self.created(Noun::Board, e.id, Board::from(e.clone())),
            Event::BoardChanged(e) => {
                self.patched(Noun::Board, e.id, json!({ "name": e.name, "slug": e.slug }));
            }
            Event::BoardRemoved(e) => self.removed(Noun::Board, e.board),
            Event::CardPlaced(e) => self.created(Noun::Card, e.id, Card::from(e.clone())),
            Event::CardMoved(e) => {
                let body = json!({ "board": e.board, "place": e.place, "revision": e.revision });
                self.patched(Noun::Card, e.card, body);
            }
            Event::CardEdited(e) => {
                let body = json!({ "board": e.board, "note": e.note, "revision": e.revision });
                self.patched(Noun::Card, e.card, body);
            }
            Event::CardRemoved(e) => self.removed(Noun::Card, e.card),
            Event::ZonePlaced(e) if e.revision == 1 => {
                self.created(Noun::Zone, e.id, Zone::from(e.clone()));
            }
            Event::ZonePlaced(e) => self.patched(Noun::Zone, e.id, Zone::from(e.clone())),
            Event::ZoneRemoved(e) => self.removed(Noun::Zone, e.zone),
            Event::TriggerFired(e) => {
                self.created(Noun::Firing, e.id, Firing::from(e.clone()));
            }
            Event::TriggerConfirmed(e) => {
                let body = json!({ "card": e.card, "state": FiringState::Due });
                self.patched(Noun::Firing, e.firing, body);
            }
            Event::TriggerEnded(e) => {
                let body = json!({
                    "card": e.card, "state": e.state, "session": e.session, "task": e.task, "text": e.text,
                });
                self.patched(Noun::Firing, e.firing, body);
            }
            Event::CommentAdded(e) => self.created(Noun::Comment, e.id, Comment::from(e.clone())),
            Event::CommentResolved(e) => {
                let body = json!({ "board": e.board, "resolved": e.resolved });
                self.patched(Noun::Comment, e.comment, body);
            }
            Event::CommentRemoved(e) => self.removed(Noun::Comment, e.comment),
            _ => {}
        }
    }

    /// A clone is one until its repository is there.
    fn repo(&mut self, event: &Event) {
        match event {
            Event::RepoAdded(repo) => {
                if repo.url.is_some() {
                    self.removed(Noun::Clone, repo.id);
                }
                self.created(Noun::Repo, repo.id, Repo::from(repo.clone()));
            }
            Event::RepoChanged(repo) => self.patched(Noun::Repo, repo.id, Repo::from(repo.clone())),
            Event::RepoRemoved(gone) => self.removed(Noun::Repo, gone.repo),
            Event::RepoCloneStarted(e) => {
                self.created(Noun::Clone, e.repo, crate::RepoClone::from(e.clone()))
            }
            Event::RepoCloneProgressed(e) => {
                let body = json!({ "phase": e.phase, "percent": e.percent, "bytes": e.bytes });
                self.patched(Noun::Clone, e.repo, body);
            }
            Event::RepoCloneFailed(e) => self.removed(Noun::Clone, e.repo),
            _ => {}
        }
    }

    /// What is in a worktree is asked of git; these are the fields that events tell of.
    fn worktree(&mut self, event: &Event) {
        match event {
            Event::WorktreeCreated(e) => {
                self.created(Noun::Worktree, e.id, WorktreeChange::from(e.clone()));
            }
            Event::WorktreeAssigned(e) => self.session(e.session, json!({ "worktree": e.worktree })),
            Event::WorktreeMerged(e) => {
                self.patched(Noun::Worktree, e.worktree, json!({ "merged_into": e.into }))
            }
            Event::WorktreeTrashed(e) => {
                let body = json!({ "state": "trashed", "expires_at": e.expires_at, "kept_as": e.kept_as });
                self.patched(Noun::Worktree, e.worktree.id, body);
            }
            Event::WorktreeRestored(e) => {
                let body =
                    json!({ "state": "live", "expires_at": null, "kept_as": null, "port_base": e.port_base });
                self.patched(Noun::Worktree, e.worktree, body);
            }
            Event::WorktreePurged(e) => self.removed(Noun::Worktree, e.worktree),
            Event::WorktreeScriptStarted(e) => {
                let body = json!({ "script": { "script": e.script, "hash": e.hash, "end": null } });
                self.patched(Noun::Worktree, e.worktree, body);
            }
            Event::WorktreeScriptEnded(e) => {
                let script = json!({
                    "script": e.script, "hash": e.hash, "end": e.end, "code": e.code, "tail": e.tail,
                    "elapsed_ms": e.elapsed_ms,
                });
                self.patched(Noun::Worktree, e.worktree, json!({ "script": script }));
            }
            _ => {}
        }
    }

    fn status(&mut self, e: &model::StatusChange) {
        let since = self.ts;
        let body = json!({ "session": e.session, "status": e.status, "detail": e.detail, "since": since });
        self.patched(Noun::Participant, e.participant, body);
    }

    fn push(&mut self, action: Action, noun: Noun, id: impl ToString, body: Value) {
        self.out.push(Resource { action, noun, id: id.to_string(), cursor: self.cursor, body });
    }

    fn created(&mut self, noun: Noun, id: impl ToString, body: impl Serialize) {
        self.push(Action::Created, noun, id, to_value(body));
    }

    fn patched(&mut self, noun: Noun, id: impl ToString, body: impl Serialize) {
        self.push(Action::Patched, noun, id, to_value(body));
    }

    fn removed(&mut self, noun: Noun, id: impl ToString) {
        self.push(Action::Removed, noun, id, Value::Null);
    }

    /// Fields of a session, and that something of it moved.
    fn session(&mut self, id: SessionId, mut body: Value) {
        body["updated_at"] = to_value(self.ts);
        self.push(Action::Patched, Noun::Session, id, body);
    }

    fn session_event(&mut self, event: &Event) {
        match event {
            Event::SessionRenamed(e) => {
                self.session(e.session, json!({ "title": e.title, "named_by": e.by }));
            }
            Event::SessionTagged(e) => self.session(e.session, json!({ "tags": e.tags })),
            Event::SessionArchived(e) => self.session(e.session, json!({ "archived": true })),
            Event::SessionUnarchived(e) => self.session(e.session, json!({ "archived": false })),
            Event::SessionRemoved(e) => self.removed(Noun::Session, e.session),
            Event::SessionCallbackChanged(e) => {
                let mode = e.callback.map(|callback| callback.mode);
                self.session(e.session, json!({ "callback": mode }));
            }
            Event::SessionCompacted(e) => {
                self.created(Noun::Compaction, self.cursor, Compaction::from(e.clone()));
                self.session(e.session, json!({}));
            }
            Event::SessionCompactionFailed(e) => self.session(e.session, json!({})),
            _ => {}
        }
    }

    fn imported(&mut self, import: &model::SessionImport) {
        let source = to_value(SessionSource::from(import.source.clone()));
        for session in &import.sessions {
            self.push(Action::Patched, Noun::Session, *session, json!({ "imported": source }));
        }
    }

    fn message(&mut self, message: &model::Message) {
        // The finished message takes the place of what was being written.
        if let (Role::Assistant, Some(turn)) = (message.role, message.turn) {
            self.removed(Noun::Draft, turn);
        }
        self.created(Noun::Message, message.id, Message::from(message.clone()));
    }

    fn files(&mut self, event: &Event) {
        let cursor = self.cursor;
        match event {
            Event::FileModified(change) => {
                self.created(Noun::FileChange, cursor, FileChange::from(change.clone()));
            }
            Event::EditRefused(edit) => {
                self.created(Noun::RefusedEdit, cursor, RefusedEdit::from(edit.clone()));
            }
            Event::CheckpointCreated(checkpoint) => {
                self.created(Noun::Checkpoint, checkpoint.id, Checkpoint::from(checkpoint.clone()));
            }
            Event::CheckpointRemoved(e) => self.removed(Noun::Checkpoint, e.checkpoint),
            Event::CheckpointRestored(e) => {
                let body = json!({ "restored": { "before": e.before, "files": e.files } });
                self.patched(Noun::Checkpoint, e.checkpoint, body);
            }
            _ => {}
        }
    }

    fn context(&mut self, change: &model::ContextChange) {
        let model::ContextChange { key, value, version, author, agent, changed_at } = change.clone();
        match value {
            Some(value) => {
                let entry = ContextEntry { key: key.clone(), value, version, author, agent, changed_at };
                self.created(Noun::ContextEntry, key, entry);
            }
            None => self.removed(Noun::ContextEntry, key),
        }
    }

    fn lock(&mut self, change: &model::LockChange) {
        let body = LockChange::from(change.clone());
        match change.phase {
            // Who waits is read from the lock table: a wait that is given up leaves no event.
            LockPhase::Waiting => {}
            LockPhase::Acquired | LockPhase::TakenOver => self.created(Noun::Lock, change.token, body),
            LockPhase::Released | LockPhase::Expired | LockPhase::Broken => {
                self.removed(Noun::Lock, change.token);
            }
        }
    }

    fn task_fields(&mut self, session: SessionId, task: TaskId, mut body: Value) {
        body["session"] = to_value(session);
        body["updated_at"] = to_value(self.ts);
        self.push(Action::Patched, Noun::Task, task, body);
        self.session(session, json!({}));
    }

    fn task(&mut self, event: &Event) {
        match event {
            Event::TaskSubmitted(task) => {
                let task = Task { rank: self.cursor.seq, ..task.clone().into() };
                self.created(Noun::Task, task.id, &task);
                self.session(task.session, json!({}));
            }
            Event::QueueReordered(e) => {
                for place in &e.places {
                    let body = json!({ "priority": place.priority, "rank": place.rank });
                    self.task_fields(e.session, place.task, body);
                }
            }
            Event::TaskStarted(e) => {
                self.task_fields(e.session, e.task, json!({ "state": TaskState::Working }));
            }
            Event::TaskInputRequested(asked) => {
                let question = Question::from(asked.clone());
                let body = json!({ "state": TaskState::InputRequired, "question": question });
                self.task_fields(asked.session, asked.task, body);
            }
            Event::TaskInputAnswered(e) => {
                let body = json!({ "state": TaskState::Working, "question": null });
                self.task_fields(e.session, e.task, body);
            }
            Event::TaskCompleted(e) => self.task_end(e, TaskState::Completed),
            Event::TaskFailed(e) => self.task_end(e, TaskState::Failed),
            Event::TaskCanceled(e) => self.task_end(e, TaskState::Canceled),
            Event::TaskRejected(e) => self.task_end(e, TaskState::Rejected),
            Event::TaskResubmitted(e) => {
                let body = json!({
                    "state": TaskState::Submitted, "attempt": e.attempt, "question": null, "claim": null,
                    "not_before": e.not_before,
                });
                self.task_fields(e.session, e.task, body);
            }
            Event::TaskChanged(e) => {
                let terms = e.terms.clone();
                let body = json!({
                    "depends_on": e.depends_on, "on_failed": terms.on_failed, "deadline": terms.deadline,
                    "retry": terms.retry.map(RetryPolicy::from), "wants": terms.wants, "pool": terms.pool,
                });
                self.task_fields(e.session, e.task, body);
            }
            Event::TaskAssigned(e) => {
                let state = TaskState::Submitted;
                let target = |&participant| Target { participant, agent: None, state, attempt: 1 };
                let targets: Vec<Target> = e.participants.iter().map(target).collect();
                self.task_fields(e.session, e.task, json!({ "targets": targets }));
            }
            Event::TaskClaimed(e) | Event::TaskClaimRenewed(e) => {
                let body = json!({ "state": TaskState::Working, "claim": TaskClaim::from(e.clone()) });
                self.task_fields(e.session, e.task, body);
            }
            _ => {}
        }
    }

    fn task_end(&mut self, end: &model::TaskEnd, state: TaskState) {
        let body =
            json!({ "state": state, "text": end.text, "code": end.code, "question": null, "claim": null });
        self.task_fields(end.session, end.task, body);
    }

    fn turn(&mut self, event: &Event) {
        match event {
            Event::TurnStarted(turn) => self.created(Noun::Turn, turn.id, Turn::from(turn.clone())),
            Event::TurnEnded(e) => {
                let body = json!({
                    "session": e.session,
                    "outcome": TurnOutcome::from(e.outcome.clone()),
                    "usage": Usage::from(e.usage),
                    "iterations": e.iterations,
                    "ended_at": self.ts,
                    "git_end": e.git.clone().map(GitState::from),
                });
                self.patched(Noun::Turn, e.turn, body);
            }
            Event::RunStarted(run) => self.created(Noun::Run, run.id, Run::from(run.clone())),
            Event::RunExited(exit) => {
                let body = json!({
                    "session": exit.session,
                    "code": exit.code,
                    "signal": exit.signal,
                    "reason": exit.reason,
                    "exited_at": self.ts,
                });
                self.patched(Noun::Run, exit.run, body);
            }
            _ => {}
        }
    }

    fn plan(&mut self, event: &Event) {
        match event {
            Event::PlanCreated(plan) => self.created(Noun::Plan, plan.id, Plan::from(plan.clone())),
            Event::PlanProposed(proposal) => {
                self.created(Noun::Proposal, proposal.participant, Proposal::from(proposal.clone()));
            }
            Event::PlanMerged(e) => {
                let merged = MergedPlan::from(e.merged.clone());
                let body = json!({ "session": e.session, "state": PlanState::Executing, "merged": merged, "text": null });
                self.patched(Noun::Plan, e.plan, body);
            }
            Event::PlanTested(e) => {
                let tests = TestReport::from(e.report.clone());
                self.patched(
                    Noun::Plan,
                    e.plan,
                    json!({ "session": e.session, "tests": tests, "text": null }),
                );
            }
            Event::PlanStalled(e) => {
                self.patched(Noun::Plan, e.plan, json!({ "session": e.session, "text": e.text }));
            }
            Event::PlanCompleted(e) => self.plan_end(e, PlanState::Completed),
            Event::PlanFailed(e) => self.plan_end(e, PlanState::Failed),
            Event::PlanCleared(e) => {
                let kept: Vec<KeptWorktree> = e.kept.iter().cloned().map(KeptWorktree::from).collect();
                self.patched(Noun::Plan, e.plan, json!({ "session": e.session, "kept": kept }));
            }
            _ => {}
        }
    }

    fn plan_end(&mut self, end: &model::PlanEnd, state: PlanState) {
        let body = json!({ "session": end.session, "state": state, "text": end.text });
        self.patched(Noun::Plan, end.plan, body);
    }
}

/// Wire types always serialise; should one ever not, the change is still announced, without a body.
fn to_value(body: impl Serialize) -> Value {
    serde_json::to_value(body).unwrap_or(Value::Null)
}
