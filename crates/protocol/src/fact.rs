//! The shape of every event payload, as a schema.
//!
//! The journal writes `model::Event`; what is here is never made or read, it only describes. A test
//! holds one event of every kind against it, so that a field cannot be added without being described.

macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident : $kind:ty),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(serde::Serialize, ToSchema)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind),+
        }
    )+};
}

mod board;
mod plan;
mod session;

use self::board::{
    BoardRecord, BoardRemoved, CardEdit, CardMove, CardRecord, CardRemoved, CommentRecord, CommentRemoved,
    CommentResolved, FiringConfirmed, FiringEnd, FiringRecord, ZoneRecord, ZoneRemoved,
};
use self::plan::{PlanClearing, PlanEnd, PlanMerge, PlanRecord, PlanStall, PlanTest};
use self::session::{
    ArtifactRecord, ArtifactRemoved, CallbackChange, CallbackDelivery, CompactionFailure, ParticipantRecord,
    QueueOrder, Replay, SessionArchived, SessionImportRecord, SessionRecord, SessionRemoved, SessionRenamed,
    SessionTags, StatusChange,
};
use crate::words;
use crate::{
    Checkpoint, Compaction, Conflict, FileChange, GitState, KeptFile, LockChange, Message, Proposal,
    Question, RefusedEdit, Registration, RetryPolicy, Run, RunExit, TestReport, TurnOutcome, Usage,
};
use utoipa::ToSchema;

/// What happened: a kind in the past tense and its payload.
#[derive(serde::Serialize, ToSchema)]
#[serde(tag = "kind", content = "payload")]
pub enum Fact {
    #[serde(rename = "user.created")]
    UserCreated(UserRecord),
    #[serde(rename = "board.created")]
    BoardCreated(BoardRecord),
    #[serde(rename = "board.changed")]
    BoardChanged(BoardRecord),
    #[serde(rename = "board.removed")]
    BoardRemoved(BoardRemoved),
    #[serde(rename = "card.placed")]
    CardPlaced(CardRecord),
    #[serde(rename = "card.moved")]
    CardMoved(CardMove),
    #[serde(rename = "card.edited")]
    CardEdited(CardEdit),
    #[serde(rename = "card.removed")]
    CardRemoved(CardRemoved),
    #[serde(rename = "zone.placed")]
    ZonePlaced(ZoneRecord),
    #[serde(rename = "zone.removed")]
    ZoneRemoved(ZoneRemoved),
    #[serde(rename = "trigger.fired")]
    TriggerFired(FiringRecord),
    #[serde(rename = "trigger.confirmed")]
    TriggerConfirmed(FiringConfirmed),
    #[serde(rename = "trigger.ended")]
    TriggerEnded(FiringEnd),
    #[serde(rename = "comment.added")]
    CommentAdded(CommentRecord),
    #[serde(rename = "comment.resolved")]
    CommentResolved(CommentResolved),
    #[serde(rename = "comment.removed")]
    CommentRemoved(CommentRemoved),
    #[serde(rename = "repo.added")]
    RepoAdded(RepoRecord),
    #[serde(rename = "repo.changed")]
    RepoChanged(RepoRecord),
    #[serde(rename = "repo.removed")]
    RepoRemoved(RepoRemoved),
    #[serde(rename = "repo.clone_started")]
    RepoCloneStarted(CloneStart),
    #[serde(rename = "repo.clone_progressed")]
    RepoCloneProgressed(CloneStep),
    #[serde(rename = "repo.clone_failed")]
    RepoCloneFailed(CloneFailure),
    #[serde(rename = "worktree.created")]
    WorktreeCreated(WorktreeRecord),
    #[serde(rename = "worktree.assigned")]
    WorktreeAssigned(WorktreeAssignment),
    #[serde(rename = "worktree.merged")]
    WorktreeMerged(WorktreeMerged),
    #[serde(rename = "merge.added")]
    MergeAdded(MergeRecord),
    #[serde(rename = "merge.moved")]
    MergeMoved(MergeOrder),
    #[serde(rename = "merge.changed")]
    MergeChanged(MergeChange),
    #[serde(rename = "worktree.trashed")]
    WorktreeTrashed(TrashedWorktree),
    #[serde(rename = "worktree.restored")]
    WorktreeRestored(WorktreeRestored),
    #[serde(rename = "worktree.purged")]
    WorktreePurged(WorktreePurged),
    #[serde(rename = "worktree.script_started")]
    WorktreeScriptStarted(ScriptStart),
    #[serde(rename = "worktree.script_ended")]
    WorktreeScriptEnded(ScriptEnd),
    #[serde(rename = "session.created")]
    SessionCreated(SessionRecord),
    #[serde(rename = "session.renamed")]
    SessionRenamed(SessionRenamed),
    #[serde(rename = "session.tagged")]
    SessionTagged(SessionTags),
    #[serde(rename = "session.archived")]
    SessionArchived(SessionArchived),
    #[serde(rename = "session.unarchived")]
    SessionUnarchived(SessionArchived),
    #[serde(rename = "session.removed")]
    SessionRemoved(SessionRemoved),
    #[serde(rename = "session.callback_changed")]
    SessionCallbackChanged(CallbackChange),
    #[serde(rename = "session.imported")]
    SessionImported(SessionImportRecord),
    #[serde(rename = "session.compacted")]
    SessionCompacted(Compaction),
    #[serde(rename = "session.compaction_failed")]
    SessionCompactionFailed(CompactionFailure),
    #[serde(rename = "callback.delivered")]
    CallbackDelivered(CallbackDelivery),
    #[serde(rename = "participant.joined")]
    ParticipantJoined(ParticipantRecord),
    #[serde(rename = "participant.opened")]
    ParticipantOpened(Opening),
    #[serde(rename = "participant.replayed")]
    ParticipantReplayed(Replay),
    #[serde(rename = "participant.status_changed")]
    ParticipantStatusChanged(StatusChange),
    #[serde(rename = "task.submitted")]
    TaskSubmitted(TaskRecord),
    #[serde(rename = "task.started")]
    TaskStarted(TaskRef),
    #[serde(rename = "task.input_requested")]
    TaskInputRequested(Question),
    #[serde(rename = "task.input_answered")]
    TaskInputAnswered(Answer),
    #[serde(rename = "task.completed")]
    TaskCompleted(TaskEnd),
    #[serde(rename = "task.failed")]
    TaskFailed(TaskEnd),
    #[serde(rename = "task.canceled")]
    TaskCanceled(TaskEnd),
    #[serde(rename = "task.rejected")]
    TaskRejected(TaskEnd),
    #[serde(rename = "task.resubmitted")]
    TaskResubmitted(Resubmission),
    #[serde(rename = "queue.reordered")]
    QueueReordered(QueueOrder),
    #[serde(rename = "task.changed")]
    TaskChanged(TaskChange),
    #[serde(rename = "task.assigned")]
    TaskAssigned(TaskAssignment),
    #[serde(rename = "task.claimed")]
    TaskClaimed(ClaimRecord),
    #[serde(rename = "task.claim_renewed")]
    TaskClaimRenewed(ClaimRecord),
    #[serde(rename = "vendor.paused")]
    VendorPaused(VendorPauseRecord),
    #[serde(rename = "turn.started")]
    TurnStarted(TurnRecord),
    #[serde(rename = "turn.outlined")]
    TurnOutlined(Outline),
    #[serde(rename = "turn.recorded")]
    TurnRecorded(VendorRecords),
    #[serde(rename = "turn.ended")]
    TurnEnded(TurnEnd),
    #[serde(rename = "permission.requested")]
    PermissionRequested(PermissionRecord),
    #[serde(rename = "permission.decided")]
    PermissionDecided(PermissionDecision),
    #[serde(rename = "permission.rule_added")]
    PermissionRuleAdded(PermissionRuleRecord),
    #[serde(rename = "permission.rule_removed")]
    PermissionRuleRemoved(PermissionRuleRemoval),
    #[serde(rename = "budget.warned")]
    BudgetWarned(BudgetWarning),
    #[serde(rename = "run.started")]
    RunStarted(Run),
    #[serde(rename = "run.exited")]
    RunExited(RunExit),
    #[serde(rename = "message.appended")]
    MessageAppended(Message),
    #[serde(rename = "message.drafted")]
    MessageDrafted(Draft),
    #[serde(rename = "model.called")]
    ModelCalled(ModelCall),
    #[serde(rename = "model.answered")]
    ModelAnswered(ModelAnswer),
    #[serde(rename = "plan.created")]
    PlanCreated(PlanRecord),
    #[serde(rename = "plan.proposed")]
    PlanProposed(Proposal),
    #[serde(rename = "plan.merged")]
    PlanMerged(PlanMerge),
    #[serde(rename = "plan.tested")]
    PlanTested(PlanTest),
    #[serde(rename = "plan.stalled")]
    PlanStalled(PlanStall),
    #[serde(rename = "plan.completed")]
    PlanCompleted(PlanEnd),
    #[serde(rename = "plan.failed")]
    PlanFailed(PlanEnd),
    #[serde(rename = "plan.cleared")]
    PlanCleared(PlanClearing),
    #[serde(rename = "file.modified")]
    FileModified(FileChange),
    #[serde(rename = "file.strayed")]
    FileStrayed(StrayFiles),
    #[serde(rename = "file.restored")]
    FileRestored(FileRestored),
    #[serde(rename = "edit.refused")]
    EditRefused(RefusedEdit),
    #[serde(rename = "checkpoint.created")]
    CheckpointCreated(Checkpoint),
    #[serde(rename = "conflict.changed")]
    ConflictChanged(ConflictChange),
    #[serde(rename = "checkpoint.removed")]
    CheckpointRemoved(CheckpointRemoval),
    #[serde(rename = "checkpoint.restore_started")]
    CheckpointRestoreStarted(RestoreStart),
    #[serde(rename = "checkpoint.restored")]
    CheckpointRestored(RestoreEnd),
    #[serde(rename = "checkpoint.bundled")]
    CheckpointBundled(CheckpointBundle),
    #[serde(rename = "artifact.created")]
    ArtifactCreated(ArtifactRecord),
    #[serde(rename = "artifact.removed")]
    ArtifactRemoved(ArtifactRemoved),
    #[serde(rename = "registration.announced")]
    RegistrationAnnounced(Registration),
    #[serde(rename = "registration.ended")]
    RegistrationEnded(RegistrationEnd),
    #[serde(rename = "lock.changed")]
    LockChanged(LockChange),
    #[serde(rename = "notice.published")]
    NoticePublished(NoticeRecord),
    #[serde(rename = "context.changed")]
    ContextChanged(ContextChange),
    #[serde(rename = "journal.repaired")]
    JournalRepaired(JournalRepair),
    #[serde(rename = "transcript.imported")]
    TranscriptImported(TranscriptImport),
}

payloads! {
    /// A person.
    UserRecord {
        id: String,
        name: String,
        email: Option<String>,
        #[schema(format = DateTime)]
        created_at: String,
    }
    /// A repository as it was registered.
    RepoRecord {
        id: String,
        slug: String,
        path: String,
        default_branch: Option<String>,
        test_command: Option<Vec<String>>,
        #[schema(format = DateTime)]
        added_at: String,
        /// What it was cloned from; none for one that was adopted.
        url: Option<String>,
        /// Hashes of the scripts of its worktrees that the user trusts.
        trusted: Vec<String>,
    }
    RepoRemoved { repo: String }
    /// A repository begins to be cloned. It ends with `repo.added` or `repo.clone_failed`.
    CloneStart {
        repo: String,
        slug: String,
        url: String,
        #[schema(format = DateTime)]
        started_at: String,
    }
    CloneStep {
        repo: String,
        /// As git calls it.
        phase: String,
        /// Of the phase.
        percent: Option<u8>,
        /// What has come.
        bytes: u64,
    }
    CloneFailure {
        repo: String,
        /// As in an error; `canceled` when somebody ended it.
        code: String,
        message: String,
    }
    /// A worktree as it was made or registered.
    WorktreeRecord {
        id: String,
        repo: String,
        name: String,
        path: String,
        branch: Option<String>,
        /// The commit it was made from.
        base: Option<String>,
        /// Name of its folder among the repository's worktrees.
        git_id: String,
        /// Its branch was made with it.
        made_branch: bool,
        /// Somebody else made it.
        adopted: bool,
        /// First of twenty ports that no other live worktree has.
        port_base: u16,
        lent: Option<Lender>,
        #[schema(format = DateTime)]
        created_at: String,
    }
    /// The agent of a session that a worktree is lent to.
    Lender { session: String, agent: String }
    TrashedWorktree {
        worktree: WorktreeRecord,
        /// Where its folder is now.
        path: String,
        head: Option<String>,
        branch: Option<String>,
        /// Ref of the checkpoint with what was not committed.
        kept_as: Option<String>,
        /// Why it would have stayed without an order.
        forced: Option<String>,
        /// When it goes for good; none: only by an order.
        #[schema(format = DateTime)]
        expires_at: Option<String>,
    }
    WorktreeRestored {
        worktree: String,
        repo: String,
        port_base: u16,
        /// Its branch stands elsewhere by now, so it is on a commit and on no branch.
        detached: bool,
    }
    /// A session works in a worktree from its next turn on, or in its repository's checkout again.
    WorktreeAssignment { session: String, worktree: Option<String> }
    WorktreePurged { worktree: String, repo: String, name: Option<String>, path: Option<String>, kept_as: Option<String> }
    WorktreeMerged {
        worktree: String,
        repo: String,
        /// Branch that has its work now.
        into: String,
        head: String,
        /// Whether a merge commit was made.
        merged: bool,
        files: u64,
        /// Which, when it was merged by an order.
        changed: Vec<String>,
    }
    /// A worktree on its way to a branch, as it was put into the queue.
    MergeRecord {
        id: String,
        repo: String,
        name: String,
        path: String,
        worktree: Option<String>,
        /// To which it is handed back.
        session: Option<String>,
        agent: Option<String>,
        into: String,
        mode: words::MergeMode,
        style: words::MergeStyle,
        priority: i32,
        /// It waits for an order.
        held: bool,
        message: Option<String>,
        #[schema(format = DateTime)]
        created_at: String,
    }
    MergePlace { merge: String, priority: i32, rank: u64 }
    /// Entries of a queue that have another place now.
    MergeOrder { repo: String, places: Vec<MergePlace> }
    MergeChange {
        merge: String,
        repo: String,
        state: words::MergeState,
        /// How often it was tried.
        attempt: u32,
        /// Set when it is tried in another way from now on.
        mode: Option<words::MergeMode>,
        text: String,
        paths: Vec<String>,
        report: Option<TestReport>,
        /// Where the branch stands, once it has landed.
        head: Option<String>,
        /// In which it is repaired.
        task: Option<String>,
    }
    /// What became of a conflict between worktrees, and the conflict as it is now or was last.
    ConflictChange { phase: words::ConflictPhase, conflict: Conflict }
    ScriptStart { worktree: String, repo: String, script: words::ScriptKind, hash: String }
    ScriptEnd {
        worktree: String,
        repo: String,
        script: words::ScriptKind,
        hash: String,
        end: words::ScriptOutcome,
        code: Option<i32>,
        /// The end of what it wrote.
        tail: String,
        elapsed_ms: u64,
    }
    /// A task as it was submitted.
    TaskRecord {
        id: String,
        session: String,
        plan: Option<String>,
        kind: words::TaskKind,
        title: String,
        prompt: String,
        targets: Vec<String>,
        priority: i32,
        depends_on: Vec<String>,
        files: Vec<String>,
        terms: TaskTerms,
        #[schema(format = DateTime)]
        created_at: String,
    }
    /// What a task is done under.
    TaskTerms {
        on_failed: words::OnFailed,
        #[schema(format = DateTime)]
        deadline: Option<String>,
        retry: Option<RetryPolicy>,
        /// What whoever does it must be able to.
        wants: Vec<String>,
        /// It waits for somebody who claims it.
        pool: bool,
    }
    /// What a task depends on from now on, and its terms.
    TaskChange { session: String, task: String, depends_on: Vec<String>, terms: TaskTerms }
    TaskAssignment {
        session: String,
        task: String,
        participants: Vec<String>,
        /// Why these.
        reason: String,
    }
    ClaimRecord {
        session: String,
        task: String,
        /// Rises with every claim of the task.
        token: u64,
        holder: String,
        #[schema(format = DateTime)]
        expires_at: String,
    }
    /// The vendor takes no more calls until then.
    VendorPauseRecord {
        vendor: words::Vendor,
        #[schema(format = DateTime)]
        until: String,
        reason: String,
    }
    /// A turn as it was started.
    TurnRecord {
        id: String,
        session: String,
        task: String,
        participant: String,
        run: String,
        attempt: u32,
        #[schema(format = DateTime)]
        started_at: String,
        /// Where its checkout stood then.
        git: Option<GitState>,
    }
    TaskRef { session: String, task: String }
    Answer { session: String, task: String, turn: String, answer: String }
    TaskEnd {
        session: String,
        task: String,
        /// A summary of what was done, or the reason why not.
        text: String,
        /// Why it was not done, for programs.
        code: Option<String>,
    }
    Resubmission {
        session: String,
        task: String,
        attempt: u32,
        reason: String,
        /// Not to be tried before this.
        #[schema(format = DateTime)]
        not_before: Option<String>,
    }
    TurnEnd {
        session: String,
        task: String,
        turn: String,
        participant: String,
        outcome: TurnOutcome,
        usage: Usage,
        iterations: u32,
        /// Where the checkout stands now.
        git: Option<GitState>,
    }
    /// Text of a message that is still being written.
    Draft {
        session: String,
        turn: String,
        participant: String,
        /// Bytes of text kept before; what comes goes behind them.
        text_from: u64,
        text: String,
        /// As `text_from`.
        thinking_from: u64,
        thinking: String,
    }
    ModelCall {
        session: String,
        turn: String,
        run: String,
        vendor: words::Vendor,
        model: String,
        prompt_tokens: u64,
        estimated_cost_micros: u64,
    }
    ModelAnswer {
        session: String,
        turn: String,
        run: String,
        vendor: words::Vendor,
        model: String,
        usage: Usage,
        latency_ms: u64,
        retries: u32,
    }
    /// The vendor's own session behind a participant.
    Opening {
        session: String,
        participant: String,
        turn: String,
        /// The vendor's id of its session.
        vendor_session: String,
        /// The vendor's program, as it says.
        version: Option<String>,
        /// Whether the participant's next prompt goes on there.
        goes_on: bool,
    }
    /// What the agent intends to do, as it says.
    Outline { session: String, turn: String, participant: String, steps: Vec<OutlineStep> }
    OutlineStep { text: String, state: words::OutlineState }
    /// What a vendor's program said, line by line, as it was.
    VendorRecords {
        session: String,
        turn: String,
        participant: String,
        /// Number of the first of them in the turn, from 0.
        from: u64,
        lines: Vec<String>,
    }
    /// What an agent asked to be allowed.
    PermissionRecord {
        id: String,
        session: String,
        task: String,
        turn: String,
        participant: String,
        ask: PermissionAsk,
        /// BLAKE3 of tool and arguments, in hex: what an approval is bound to.
        arguments_hash: String,
    }
    PermissionAsk {
        /// The tool by the vendor's name.
        tool: String,
        category: words::ToolCategory,
        /// What is asked in one sentence.
        summary: String,
        /// The call's arguments, exactly.
        arguments: serde_json::Value,
        /// Files of the worktree it is about.
        paths: Vec<String>,
    }
    PermissionDecision {
        permission: String,
        session: String,
        turn: String,
        participant: String,
        allowed: bool,
        scope: words::PermissionScope,
        /// `user`, `rule`, `unattended`, `nobody_watches`, `deadline` or `turn_ended`.
        by: String,
        /// What the agent is told of a denial.
        reason: String,
    }
    /// A rule as a decision left it behind.
    PermissionRuleRecord {
        id: String,
        scope: words::PermissionScope,
        session: Option<String>,
        repo: Option<String>,
        tool: String,
        category: words::ToolCategory,
        paths: Vec<String>,
        command: Option<String>,
        effect: words::PermissionEffect,
        permission: String,
        #[schema(format = DateTime)]
        created_at: String,
    }
    PermissionRuleRemoval { rule: String, session: Option<String> }
    /// Work comes near what it may cost.
    BudgetWarning {
        session: String,
        task: String,
        turn: String,
        participant: String,
        agent: String,
        budget: words::BudgetKind,
        unit: words::BudgetUnit,
        /// In millionths of a US dollar, or in tokens.
        spent: u64,
        /// As `spent`.
        limit: u64,
    }
    /// Files that changed without the worktree's writer while a turn had a shell.
    StrayFiles {
        session: String,
        task: String,
        turn: String,
        participant: String,
        files: Vec<StrayFile>,
        /// How many there are besides.
        more: u32,
    }
    StrayFile {
        path: String,
        /// Who, other than the turn's own agent, had the file locked.
        locked_by: Option<String>,
    }
    FileRestored {
        repo: String,
        path: String,
        /// `before_lock` or `last_known`.
        to: String,
        /// BLAKE3 (hex) of what the file holds now.
        restored: String,
        /// The same of what it held before; none when there was no file.
        overwritten: Option<String>,
        /// Under whose lock it was written; none when nobody held one.
        holder: Option<String>,
    }
    CheckpointRemoval {
        checkpoint: String,
        session: String,
        /// `asked` or `expired`.
        reason: String,
    }
    /// Files are being brought back. It ends with `checkpoint.restored`, at the next start after a crash.
    RestoreStart {
        session: String,
        checkpoint: String,
        /// What was there.
        before: String,
        worktree: String,
        files: u32,
    }
    RestoreEnd {
        session: String,
        checkpoint: String,
        before: String,
        files: u32,
        /// What stayed as it was.
        kept: Vec<KeptFile>,
    }
    /// Checkpoints were written into a file beside the repository.
    CheckpointBundle {
        repo: String,
        /// Its name in the repository's folder below `checkpoints/`.
        file: String,
        bytes: u64,
        /// BLAKE3 (hex) of the file.
        hash: String,
        /// It needs no other.
        whole: bool,
        checkpoints: Vec<String>,
        /// Commits that must be there already.
        prerequisites: Vec<String>,
    }
    /// A notice as the journal keeps it: what it does not carry is left out.
    NoticeRecord {
        id: i64,
        sender: String,
        agent: String,
        channel: String,
        recipient: Option<String>,
        payload: serde_json::Value,
        #[schema(format = DateTime)]
        created_at: String,
        ttl_seconds: u32,
        envelope: Option<NoticeEnvelope>,
    }
    NoticeEnvelope {
        audience: Option<Vec<String>>,
        thread: Option<String>,
        priority: i32,
        reply_to: Option<i64>,
        ack_seconds: Option<u32>,
        ack_attempts: Option<u32>,
    }
    /// What the agents of a workspace share was set or removed.
    ContextChange {
        key: String,
        /// None: the entry was removed.
        value: Option<serde_json::Value>,
        version: u64,
        author: String,
        agent: String,
        #[schema(format = DateTime)]
        changed_at: String,
    }
    RegistrationEnd {
        registration: String,
        session: Option<String>,
        /// `finished`, `died` or `expired`.
        reason: String,
    }
    JournalRepair {
        /// Name of the file that keeps the torn bytes, relative to the journal.
        side_file: String,
        torn_bytes: u64,
        previous_epoch: u64,
    }
    /// A piece of a transcript was read; its messages are in the same commit.
    TranscriptImport {
        session: String,
        vendor: words::Vendor,
        /// The vendor's name of the session.
        vendor_session: String,
        /// Absolute path of the transcript.
        source: String,
        file: FileMark,
        /// Bytes read before, and now.
        from: u64,
        offset: u64,
        /// BLAKE3, in hex, of all bytes before `offset`.
        prefix_hash: String,
        lines: u64,
        messages: u64,
        /// Lines that say nothing of the conversation.
        passed: u64,
        /// Lines nobody understood, as they stand there.
        unknown: Vec<RawLine>,
        usage: Usage,
        files: Vec<TouchedFile>,
        /// The file was another one before, and was read from its start again.
        again: bool,
    }
    FileMark {
        device: u64,
        inode: u64,
        size: u64,
        /// Milliseconds since 1970.
        modified: i64,
    }
    RawLine {
        at: u64,
        bytes: u64,
        reason: words::RawReason,
        text: Option<String>,
        /// The bytes, of a line that is no text.
        hex: Option<String>,
        /// BLAKE3, of a line too long to keep.
        hash: Option<String>,
    }
    TouchedFile {
        path: String,
        call: Option<String>,
    }
}
