//! From a record to rows: the fold that makes the databases.
//!
//! Invariant: apply is total. Every event in the journal applies to every state: what names something unknown or
//! takes a step that cannot be taken changes nothing, and nothing here looks at a clock, at dice, or at the other database.
//! So the same records give the same rows, in whatever order the two files are folded.

mod artifact;
mod board;
mod callback;
mod checkpoint;
mod compaction;
mod conflict;
mod context;
mod imported;
mod journal;
mod lock;
mod merge_queue;
mod message;
mod model_call;
mod notice;
mod permission;
mod plan;
mod registration;
mod repo;
mod run;
mod session;
mod spending;
mod task;
mod transcript;
mod turn;
mod user;
mod vendor;
mod worktree;

use crate::sql::Connection;
use crate::statement::Database;
use crate::{StoreError, idempotency};
use ::journal::Record;
use model::Event;

#[cfg(test)]
pub(crate) const STATEMENTS: &[&[crate::statement::Statement]] = &[
    artifact::STATEMENTS,
    board::STATEMENTS,
    callback::STATEMENTS,
    checkpoint::STATEMENTS,
    conflict::STATEMENTS,
    compaction::STATEMENTS,
    context::STATEMENTS,
    imported::STATEMENTS,
    journal::STATEMENTS,
    lock::STATEMENTS,
    merge_queue::STATEMENTS,
    message::STATEMENTS,
    model_call::SESSION_STATEMENTS,
    model_call::MESSAGE_STATEMENTS,
    notice::STATEMENTS,
    permission::STATEMENTS,
    plan::STATEMENTS,
    registration::STATEMENTS,
    repo::STATEMENTS,
    run::STATEMENTS,
    session::STATEMENTS,
    spending::STATEMENTS,
    task::STATEMENTS,
    transcript::STATEMENTS,
    turn::STATEMENTS,
    user::STATEMENTS,
    vendor::STATEMENTS,
    worktree::STATEMENTS,
];

/// Applies one record to one database. The caller holds the transaction and moves the watermark.
pub(crate) fn apply(database: Database, connection: &Connection, record: &Record) -> Result<(), StoreError> {
    if record.imported.is_some() {
        return imported::apply(database, connection, record);
    }
    match database {
        Database::Sessions => {
            idempotency::apply(connection, record)?;
            to_sessions(connection, record)?;
            session::touched(connection, record)
        }
        Database::Messages => to_messages(connection, record),
    }
}

fn to_sessions(db: &Connection, record: &Record) -> Result<(), StoreError> {
    match &record.event {
        Event::UserCreated(user) => user::created(db, record, user),
        Event::BoardCreated(_) | Event::BoardChanged(_) | Event::BoardRemoved(_) => board::apply(db, record),
        Event::CardPlaced(_) | Event::CardMoved(_) | Event::CardEdited(_) => board::apply(db, record),
        Event::CardRemoved(_) | Event::ZonePlaced(_) | Event::ZoneRemoved(_) => board::apply(db, record),
        Event::TriggerFired(_) | Event::TriggerConfirmed(_) => board::apply(db, record),
        Event::TriggerEnded(_) | Event::CommentAdded(_) => board::apply(db, record),
        Event::CommentResolved(_) | Event::CommentRemoved(_) => board::apply(db, record),
        Event::RepoAdded(_) | Event::RepoChanged(_) | Event::RepoRemoved(_) => repo::apply(db, record),
        Event::RepoCloneStarted(_) | Event::RepoCloneProgressed(_) => repo::apply(db, record),
        Event::RepoCloneFailed(_) => repo::apply(db, record),
        Event::WorktreeCreated(_) | Event::WorktreeAssigned(_) => worktree::apply(db, record),
        Event::WorktreeTrashed(_) | Event::WorktreeRestored(_) => worktree::apply(db, record),
        Event::WorktreePurged(_) => worktree::apply(db, record),
        Event::WorktreeScriptStarted(_) | Event::WorktreeScriptEnded(_) => worktree::apply(db, record),
        Event::MergeAdded(_) | Event::MergeMoved(_) => merge_queue::apply(db, record),
        Event::MergeChanged(_) => merge_queue::apply(db, record),
        Event::SessionCreated(session) => session::created(db, record, session),
        Event::SessionRenamed(renamed) => session::renamed(db, renamed),
        Event::SessionTagged(tagged) => session::tagged(db, tagged),
        Event::SessionArchived(archived) => session::archived(db, record, archived),
        Event::SessionUnarchived(unarchived) => session::unarchived(db, unarchived),
        Event::SessionRemoved(removed) => session::removed(db, record, removed),
        Event::SessionCallbackChanged(change) => callback::changed(db, change),
        Event::SessionImported(import) => imported::read_in(db, record, import),
        Event::CallbackDelivered(delivery) => callback::delivered(db, delivery),
        Event::ParticipantReplayed(replay) => session::replayed(db, replay),
        Event::TaskSubmitted(_) | Event::TaskStarted(_) | Event::TaskInputRequested(_) => {
            to_tasks(db, record)
        }
        Event::TaskInputAnswered(_) | Event::TaskCompleted(_) | Event::TaskFailed(_) => to_tasks(db, record),
        Event::TaskCanceled(_) | Event::TaskRejected(_) | Event::TaskResubmitted(_) => to_tasks(db, record),
        Event::QueueReordered(_) | Event::TaskChanged(_) | Event::TaskAssigned(_) => to_tasks(db, record),
        Event::TaskClaimed(_) | Event::TaskClaimRenewed(_) => to_tasks(db, record),
        Event::VendorPaused(pause) => vendor::paused(db, record, pause),
        Event::ParticipantJoined(participant) => session::joined(db, record, participant),
        Event::ParticipantOpened(opening) => session::opened(db, opening),
        Event::ParticipantStatusChanged(change) => session::status_changed(db, record, change),
        Event::TurnStarted(turn) => turn::started(db, record, turn),
        Event::TurnEnded(end) => turn::ended(db, record, end),
        Event::RunStarted(run) => run::started(db, record, run),
        Event::RunExited(exit) => run::exited(db, record, exit),
        Event::ModelAnswered(answer) => model_call::counted(db, record, answer),
        Event::PermissionRequested(_) | Event::PermissionDecided(_) => permission::apply(db, record),
        Event::PermissionRuleAdded(_) | Event::PermissionRuleRemoved(_) => permission::apply(db, record),
        Event::PlanCreated(_) | Event::PlanProposed(_) | Event::PlanMerged(_) => plan::apply(db, record),
        Event::PlanTested(_) | Event::PlanStalled(_) | Event::PlanCompleted(_) => plan::apply(db, record),
        Event::PlanFailed(_) | Event::PlanCleared(_) => plan::apply(db, record),
        Event::FileModified(change) => checkpoint::file_modified(db, record, change),
        Event::EditRefused(refused) => checkpoint::edit_refused(db, record, refused),
        Event::CheckpointCreated(checkpoint) => checkpoint::created(db, record, checkpoint),
        Event::ConflictChanged(change) => conflict::changed(db, record, change),
        Event::CheckpointRemoved(removal) => checkpoint::removed(db, removal),
        Event::CheckpointRestoreStarted(start) => checkpoint::restore_started(db, record, start),
        Event::CheckpointRestored(end) => checkpoint::restored(db, end),
        Event::CheckpointBundled(bundle) => checkpoint::bundled(db, record, bundle),
        Event::ArtifactCreated(artifact) => artifact::created(db, record, artifact),
        Event::ArtifactRemoved(removed) => artifact::removed(db, removed),
        Event::RegistrationAnnounced(registration) => registration::announced(db, record, registration),
        Event::RegistrationEnded(end) => registration::ended(db, record, end),
        Event::LockChanged(change) => lock::changed(db, record, change),
        Event::NoticePublished(notice) => notice::published(db, record, notice),
        Event::ContextChanged(change) => context::changed(db, record, change),
        Event::JournalRepaired(repair) => journal::repaired(db, record, repair),
        Event::TranscriptImported(import) => transcript::imported(db, record, import),
        // Conversations are in messages.db alone.
        Event::MessageAppended(_) | Event::MessageDrafted(_) | Event::ModelCalled(_) => Ok(()),
        // History: nobody asks for it by name.
        Event::FileStrayed(_) | Event::FileRestored(_) | Event::WorktreeMerged(_) => Ok(()),
        Event::TurnRecorded(_) | Event::TurnOutlined(_) | Event::BudgetWarned(_) => Ok(()),
        // Beside the messages they stand for.
        Event::SessionCompacted(_) | Event::SessionCompactionFailed(_) => Ok(()),
    }
}

fn to_tasks(db: &Connection, record: &Record) -> Result<(), StoreError> {
    match &record.event {
        Event::QueueReordered(order) => task::reordered(db, record, order),
        Event::TaskChanged(change) => task::changed(db, record, change),
        Event::TaskAssigned(assignment) => task::assigned(db, record, assignment),
        Event::TaskClaimed(claim) => task::claimed(db, record, claim),
        Event::TaskClaimRenewed(claim) => task::claim_renewed(db, record, claim),
        Event::TaskSubmitted(task) => task::submitted(db, record, task),
        Event::TaskStarted(started) => task::started(db, record, started),
        Event::TaskInputRequested(question) => task::input_requested(db, record, question),
        Event::TaskInputAnswered(answer) => task::input_answered(db, record, answer),
        Event::TaskCompleted(end) => task::completed(db, record, end),
        Event::TaskFailed(end) => task::failed(db, record, end),
        Event::TaskCanceled(end) => task::canceled(db, record, end),
        Event::TaskRejected(end) => task::rejected(db, record, end),
        Event::TaskResubmitted(resubmission) => task::resubmitted(db, record, resubmission),
        _ => Ok(()),
    }
}

fn to_messages(db: &Connection, record: &Record) -> Result<(), StoreError> {
    match &record.event {
        Event::ParticipantJoined(participant) => message::joined(db, participant),
        Event::MessageAppended(message) => message::appended(db, record, message),
        Event::MessageDrafted(draft) => message::drafted(db, record, draft),
        Event::TurnEnded(end) => message::turn_ended(db, end),
        Event::SessionCompacted(made) => compaction::compacted(db, record, made),
        Event::SessionCompactionFailed(failure) => compaction::failed(db, record, failure),
        Event::ModelCalled(call) => model_call::called(db, record, call),
        Event::ModelAnswered(answer) => model_call::answered(db, record, answer),
        Event::UserCreated(_) | Event::BoardCreated(_) | Event::BoardChanged(_) => Ok(()),
        Event::BoardRemoved(_) | Event::CardPlaced(_) | Event::CardMoved(_) | Event::CardEdited(_) => Ok(()),
        Event::CardRemoved(_) | Event::ZonePlaced(_) | Event::ZoneRemoved(_) => Ok(()),
        Event::TriggerFired(_) | Event::TriggerConfirmed(_) | Event::TriggerEnded(_) => Ok(()),
        Event::CommentAdded(_) | Event::CommentResolved(_) | Event::CommentRemoved(_) => Ok(()),
        Event::RepoAdded(_) | Event::RepoChanged(_) | Event::RepoRemoved(_) => Ok(()),
        Event::RepoCloneStarted(_) | Event::RepoCloneProgressed(_) | Event::RepoCloneFailed(_) => Ok(()),
        Event::WorktreeCreated(_) | Event::WorktreeAssigned(_) | Event::WorktreeMerged(_) => Ok(()),
        Event::WorktreeTrashed(_) | Event::WorktreeRestored(_) | Event::WorktreePurged(_) => Ok(()),
        Event::WorktreeScriptStarted(_) | Event::WorktreeScriptEnded(_) | Event::SessionCreated(_) => Ok(()),
        Event::SessionRenamed(_) | Event::SessionTagged(_) | Event::SessionArchived(_) => Ok(()),
        Event::SessionUnarchived(_) | Event::SessionRemoved(_) | Event::SessionCallbackChanged(_) => Ok(()),
        Event::SessionImported(_) | Event::ArtifactCreated(_) | Event::ArtifactRemoved(_) => Ok(()),
        Event::CallbackDelivered(_) | Event::ParticipantReplayed(_) | Event::QueueReordered(_) => Ok(()),
        Event::TaskChanged(_) | Event::TaskAssigned(_) | Event::TaskClaimed(_) => Ok(()),
        Event::TaskClaimRenewed(_) | Event::VendorPaused(_) => Ok(()),
        Event::ParticipantOpened(_) | Event::ParticipantStatusChanged(_) | Event::TurnOutlined(_) => Ok(()),
        Event::TurnRecorded(_) | Event::PermissionRequested(_) | Event::PermissionDecided(_) => Ok(()),
        Event::PermissionRuleAdded(_) | Event::PermissionRuleRemoved(_) | Event::BudgetWarned(_) => Ok(()),
        Event::TaskSubmitted(_) | Event::TaskStarted(_) | Event::TaskInputRequested(_) => Ok(()),
        Event::TaskInputAnswered(_) | Event::TaskCompleted(_) | Event::TaskFailed(_) => Ok(()),
        Event::TaskCanceled(_) | Event::TaskRejected(_) | Event::TaskResubmitted(_) => Ok(()),
        Event::TurnStarted(_) | Event::RunStarted(_) | Event::RunExited(_) | Event::PlanCreated(_) => Ok(()),
        Event::PlanProposed(_) | Event::PlanMerged(_) | Event::PlanTested(_) => Ok(()),
        Event::PlanStalled(_) | Event::PlanCompleted(_) | Event::PlanFailed(_) => Ok(()),
        Event::PlanCleared(_) => Ok(()),
        Event::FileModified(_) | Event::FileStrayed(_) | Event::FileRestored(_) => Ok(()),
        Event::EditRefused(_) | Event::CheckpointCreated(_) | Event::RegistrationAnnounced(_) => Ok(()),
        Event::CheckpointRemoved(_) | Event::CheckpointRestoreStarted(_) => Ok(()),
        Event::CheckpointRestored(_) | Event::CheckpointBundled(_) => Ok(()),
        Event::RegistrationEnded(_) | Event::LockChanged(_) | Event::NoticePublished(_) => Ok(()),
        Event::ContextChanged(_) | Event::JournalRepaired(_) | Event::TranscriptImported(_) => Ok(()),
        Event::ConflictChanged(_) | Event::MergeAdded(_) | Event::MergeMoved(_) => Ok(()),
        Event::MergeChanged(_) => Ok(()),
    }
}

/// The record's number as a column.
fn seq(record: &Record) -> i64 {
    record.position.cursor.seq.cast_signed()
}

/// The record's epoch as a column.
fn epoch(record: &Record) -> i64 {
    record.position.cursor.epoch.cast_signed()
}

/// The record's time as a column.
fn at(record: &Record) -> i64 {
    record.ts.as_millis()
}

/// An optional id as a column.
fn optional<I: ToString>(id: Option<I>) -> Option<String> {
    id.map(|id| id.to_string())
}
