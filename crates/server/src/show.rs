//! From the engine's views to what travels. Names only: nothing is decided here.

mod board;
mod file;

pub(crate) use board::{board_copy, board_summary, card, comment, document, of_both, whole_board};
pub(crate) use file::{found_files, restored_file};

use crate::app::App;
use engine::{
    AgentView, CloneRow, DataReport, Delta, DeltaKind, EventEntry, Finding, ImportState, ImportView,
    LandedView, LiveTurn, MergedView, ParticipantView, PermissionView, PlanView, Receipt, RemovedView,
    RepoView, Script, ScriptRow, SessionView, Severity, Status, TargetView, TaskView, TurnView, WaitView,
    WorktreeKind, WorktreeState, WorktreeView,
};
use model::Refusal;
use std::sync::atomic::Ordering;

pub(crate) fn session(view: SessionView) -> protocol::Session {
    protocol::Session {
        short_id: view.short_id,
        state: view.state,
        archived: view.archived,
        participants: view.participants.into_iter().map(participant).collect(),
        usage: view.usage.into(),
        needs_input: view.needs_input,
        updated_at: view.updated_at,
        tags: view.tags,
        imported: view.imported.map(protocol::SessionSource::from),
        ..view.session.into()
    }
}

pub(crate) fn agent_stats(
    (figures, status): (Vec<engine::AgentFigures>, engine::FollowerStatus),
) -> protocol::AgentStats {
    let items = figures.into_iter().map(|one| protocol::AgentFigures {
        agent: one.agent,
        turns: one.turns,
        completed: one.completed,
        failed: one.failed,
        canceled: one.canceled,
        latency_ms: one.latency_ms,
        latency_max_ms: one.latency_max_ms,
        tokens: one.tokens,
        cost_micros: one.cost_micros,
        model_calls: one.model_calls,
        retries: one.retries,
        tool_calls: one.tool_calls,
        tool_errors: one.tool_errors,
    });
    protocol::AgentStats { items: items.collect(), through: status.position, stopped: status.stopped }
}

pub(crate) fn imported_session(imported: engine::ImportedSession) -> protocol::SessionImport {
    let engine::ImportedSession { session, sessions, source, lines, events, blobs, read } = imported;
    protocol::SessionImport { session, sessions, source: source.into(), lines, events, blobs, read }
}

pub(crate) fn removed_session(removed: engine::RemovedSession) -> protocol::RemovedSession {
    protocol::RemovedSession { id: removed.session, relatives: removed.relatives }
}

pub(crate) fn archived(wish: protocol::Archived) -> engine::Archived {
    match wish {
        protocol::Archived::No => engine::Archived::No,
        protocol::Archived::Only => engine::Archived::Only,
        protocol::Archived::Too => engine::Archived::Too,
    }
}

pub(crate) fn session_sort(wish: protocol::SessionSort) -> engine::SessionSort {
    match wish {
        protocol::SessionSort::Created => engine::SessionSort::Created,
        protocol::SessionSort::Updated => engine::SessionSort::Updated,
        protocol::SessionSort::Title => engine::SessionSort::Title,
        protocol::SessionSort::Cost => engine::SessionSort::Cost,
    }
}

pub(crate) fn callback_wish(wish: protocol::CallbackWish) -> engine::CallbackWish {
    match wish {
        protocol::CallbackWish::Never => engine::CallbackWish::Never,
        protocol::CallbackWish::Once => engine::CallbackWish::Once,
        protocol::CallbackWish::Always => engine::CallbackWish::Always,
    }
}

pub(crate) fn aside(view: engine::AsideView) -> protocol::Aside {
    protocol::Aside {
        id: view.session.session.id,
        short_id: view.session.short_id,
        asked: view.asked,
        asker: view.asker,
        question: view.question,
        answer: view.answer,
        task: task(view.task),
    }
}

pub(crate) fn family(view: engine::FamilyView) -> protocol::Family {
    protocol::Family {
        session: view.session,
        top: relative(view.top),
        ancestors: view.ancestors.into_iter().map(relative).collect(),
        descendants: view.descendants.into_iter().map(relative).collect(),
        more: view.more,
    }
}

fn relative(kin: engine::Kin) -> protocol::Relative {
    protocol::Relative {
        short_id: kin.session.short(),
        id: kin.session,
        title: kin.title,
        state: kin.state,
        archived: kin.archived,
        parent: kin.parent,
        forked_from: kin.forked_from,
        depth: kin.depth,
    }
}

pub(crate) fn attachment(body: protocol::NewAttachment) -> engine::NewAttachment {
    let input = match body.input {
        protocol::InputWish::Keep => engine::InputWish::Keep,
        protocol::InputWish::Claim => engine::InputWish::Claim,
        protocol::InputWish::TakeOver => engine::InputWish::TakeOver,
        protocol::InputWish::Release => engine::InputWish::Release,
    };
    engine::NewAttachment { client: body.client, name: body.name, typing: body.typing, input }
}

pub(crate) fn presences(view: engine::PresenceView) -> protocol::Presences {
    let client = |seat: engine::AttachedClient| protocol::AttachedClient {
        client: seat.client,
        name: seat.name,
        owns_input: seat.owns_input,
        typing: seat.typing,
    };
    protocol::Presences { session: view.session, clients: view.clients.into_iter().map(client).collect() }
}

pub(crate) fn participant(view: ParticipantView) -> protocol::Participant {
    protocol::Participant {
        context_used: view.context_used,
        status: view.status,
        detail: view.detail,
        since: view.since,
        ..view.participant.into()
    }
}

pub(crate) fn task(view: TaskView) -> protocol::Task {
    protocol::Task {
        short_id: view.short_id,
        state: view.state,
        attempt: view.attempt,
        targets: view.targets.into_iter().map(target).collect(),
        changes: view.files.into_iter().map(protocol::FileChange::from).collect(),
        turns: view.turns.into_iter().map(turn).collect(),
        usage: view.usage.into(),
        text: view.text,
        question: view.question.map(protocol::Question::from),
        updated_at: view.updated_at,
        rank: view.rank,
        code: view.code,
        not_before: view.not_before,
        claim: view.claim.map(protocol::TaskClaim::from),
        messages: view.messages.map(messages),
        git_start: view.git_start.map(protocol::GitState::from),
        git_end: view.git_end.map(protocol::GitState::from),
        ..view.task.into()
    }
}

fn messages(range: engine::MessageRange) -> protocol::MessageRange {
    let engine::MessageRange { first, last, count, first_at, last_at } = range;
    protocol::MessageRange { first, last, count, first_at, last_at }
}

fn turn(view: TurnView) -> protocol::Turn {
    protocol::Turn {
        ended_at: view.ended_at,
        outcome: view.outcome.map(protocol::TurnOutcome::from),
        usage: view.usage.into(),
        iterations: view.iterations,
        git_end: view.git_end.map(protocol::GitState::from),
        ..view.turn.into()
    }
}

pub(crate) fn repo(view: RepoView) -> protocol::Repo {
    protocol::Repo { branch: view.branch, ..view.repo.into() }
}

fn target(view: TargetView) -> protocol::Target {
    protocol::Target {
        participant: view.participant,
        agent: Some(view.agent),
        state: view.state,
        attempt: view.attempt,
    }
}

pub(crate) fn plan(view: PlanView) -> protocol::Plan {
    protocol::Plan {
        state: view.state,
        proposals: view.proposals.into_iter().map(protocol::Proposal::from).collect(),
        merged: view.merged.map(protocol::MergedPlan::from),
        tests: view.tests.map(protocol::TestReport::from),
        text: view.text,
        tasks: view.tasks.into_iter().map(task).collect(),
        kept: view.kept.map(|kept| kept.into_iter().map(protocol::KeptWorktree::from).collect()),
        ..view.plan.into()
    }
}

pub(crate) fn permission(view: PermissionView) -> protocol::Permission {
    let decided = view.decision.zip(view.decided_at);
    protocol::Permission {
        decision: decided.map(|(decision, at)| protocol::Decision::new(decision, at)),
        ..protocol::Permission::asked(view.permission, view.requested_at)
    }
}

pub(crate) fn agent(view: AgentView) -> protocol::Agent {
    protocol::Agent {
        name: view.name,
        vendor: view.vendor,
        driver: view.driver,
        model: view.model,
        base_url: view.base_url,
        context_window: view.context_window,
        api_key_env: view.api_key_env,
        key_present: view.key_present,
        capabilities: view.capabilities,
        paused: view.paused.map(|pause| protocol::VendorPause { until: pause.until, reason: pause.reason }),
        sub_agents: view.driver.has_sub_agents(),
        isolation: view.isolation,
        sandbox: view.sandbox.map(|sandbox| protocol::Sandbox {
            held_by: sandbox.held_by.map(str::to_owned),
            reason: sandbox.reason,
        }),
    }
}

pub(crate) fn wait(view: WaitView) -> protocol::LockWait {
    let WaitView { waiter, agent, worktree, paths, since, blocked_by } = view;
    let blocked_by = blocked_by.into_iter().map(protocol::Lock::from).collect();
    protocol::LockWait { waiter, agent, worktree, paths, since, blocked_by }
}

pub(crate) fn receipt(receipt: Receipt) -> protocol::Receipt {
    let Receipt { registration, delivered, seen_at, acked_at, attempts, dead } = receipt;
    protocol::Receipt { registration, delivered, seen_at, acked_at, attempts, dead }
}

pub(crate) fn live_turn(live: LiveTurn) -> protocol::LiveTurn {
    let LiveTurn { session, turn, task, participant, text, thinking } = live;
    protocol::LiveTurn { session, turn, task, participant, text, thinking }
}

pub(crate) fn delta(delta: Delta) -> protocol::Delta {
    let Delta { session, turn, participant, kind, offset, text } = delta;
    let kind = match kind {
        DeltaKind::Text => protocol::DeltaKind::Text,
        DeltaKind::Thinking => protocol::DeltaKind::Thinking,
    };
    protocol::Delta { session, turn, participant, kind, offset, text }
}

pub(crate) fn event(entry: &EventEntry) -> Result<protocol::EventRecord, Refusal> {
    protocol::EventRecord::new(entry.cursor, entry.ts, entry.session, entry.actor.clone(), &entry.event)
        .map_err(Refusal::internal)
}

pub(crate) fn finding(finding: Finding) -> protocol::Finding {
    protocol::Finding {
        severity: match finding.severity {
            Severity::Ok => protocol::Severity::Ok,
            Severity::Warning => protocol::Severity::Warning,
            Severity::Error => protocol::Severity::Error,
        },
        check: finding.check.to_owned(),
        message: finding.message,
        hint: finding.hint,
    }
}

pub(crate) fn data_report(report: DataReport) -> protocol::DataReport {
    let DataReport { ok, events, segments, blobs, bytes, path, problems, elapsed_ms } = report;
    protocol::DataReport { ok, events, segments, blobs, bytes, path, problems, elapsed_ms }
}

pub(crate) fn status(app: &App, status: Status) -> protocol::Status {
    let figures = &app.figures;
    protocol::Status {
        version: status.version.to_owned(),
        workspace: status.workspace,
        started_at: status.started_at,
        cursor: status.cursor,
        sessions: status.sessions,
        running_turns: status.running_turns,
        locks: status.locks,
        needs_input: status.needs_input,
        usage: status.usage.into(),
        config_version: status.config_version,
        connections: figures.connections.load(Ordering::Relaxed),
        watchers: figures.watchers.load(Ordering::Relaxed),
        slow_watchers_cut: figures.slow_watchers_cut.load(Ordering::Relaxed),
        refused_credentials: figures.refused_credentials.load(Ordering::Relaxed),
        dropped: status.dropped,
        draining: app.draining.is_cancelled(),
    }
}

pub(crate) fn worktree(view: WorktreeView) -> protocol::Worktree {
    protocol::Worktree {
        short_id: view.id.map(|id| id.short()),
        id: view.id,
        kind: match view.kind {
            WorktreeKind::Named => protocol::WorktreeKind::Named,
            WorktreeKind::Lent => protocol::WorktreeKind::Lent,
            WorktreeKind::Foreign => protocol::WorktreeKind::Foreign,
        },
        state: match view.state {
            WorktreeState::Live => protocol::WorktreeState::Live,
            WorktreeState::Missing => protocol::WorktreeState::Missing,
            WorktreeState::Trashed => protocol::WorktreeState::Trashed,
        },
        repo: view.repo,
        name: view.name,
        session_short: view.session.map(|session| session.short()),
        session: view.session,
        agent: view.agent,
        path: view.path,
        branch: view.branch,
        head: view.head,
        dirty: view.dirty,
        unlanded: view.unlanded,
        inside: view.inside,
        sessions: view.sessions,
        kept_because: view.kept_because,
        port_base: view.port_base,
        bytes: view.used.map(|used| used.bytes),
        bytes_cut: view.used.is_some_and(|used| used.cut),
        scripts: view.scripts.into_iter().map(script_run).collect(),
        created_at: view.created_at,
        expires_at: view.expires_at,
        kept_as: view.kept_as,
    }
}

fn script_run(row: ScriptRow) -> protocol::WorktreeScript {
    let ScriptRow { script, hash, end } = row;
    protocol::WorktreeScript {
        script,
        hash,
        end: end.as_ref().map(|end| end.end),
        code: end.as_ref().and_then(|end| end.code),
        elapsed_ms: end.as_ref().map(|end| end.elapsed_ms),
        tail: end.map(|end| end.tail),
    }
}

pub(crate) fn merged_worktree(view: MergedView) -> protocol::MergedWorktree {
    let MergedView { worktree, repo: _, into, head, merged, changed } = view;
    protocol::MergedWorktree { worktree, into, head, merged, changed }
}

pub(crate) fn clone(row: CloneRow) -> protocol::RepoClone {
    let clone = protocol::RepoClone::from(row.start);
    match row.step {
        None => clone,
        Some(step) => {
            protocol::RepoClone { phase: step.phase, percent: step.percent, bytes: step.bytes, ..clone }
        }
    }
}

pub(crate) fn script(script: Script, trusted: &[String]) -> protocol::Script {
    let Script { kind, hash, text } = script;
    protocol::Script { script: kind, path: Script::file(kind), trusted: trusted.contains(&hash), hash, text }
}

pub(crate) fn landed(view: LandedView) -> protocol::Landed {
    let LandedView { agent, branch, head, merged, changed } = view;
    protocol::Landed { agent, branch, head, merged, changed }
}

pub(crate) fn removed_worktree(view: RemovedView) -> protocol::RemovedWorktree {
    let RemovedView { id, name, path, kept_as, expires_at, kept_because } = view;
    protocol::RemovedWorktree { id, name, path, kept_as, expires_at, kept_because }
}

fn compared_file(file: engine::ComparedFile) -> protocol::ComparedFile {
    let engine::ComparedFile { path, before, after, added, removed } = file;
    let change = match (before, after) {
        (false, _) => protocol::ComparedChange::Added,
        (true, true) => protocol::ComparedChange::Modified,
        (true, false) => protocol::ComparedChange::Removed,
    };
    protocol::ComparedFile { path, change, added, removed }
}

fn kept_file(file: model::KeptFile) -> protocol::KeptFile {
    protocol::KeptFile { path: file.path, reason: file.reason }
}

pub(crate) fn comparison(view: engine::ComparisonView) -> protocol::CheckpointComparison {
    let engine::ComparisonView { from, to, files, more, diff, cut } = view;
    let files = files.into_iter().map(compared_file).collect();
    protocol::CheckpointComparison { from, to, files, more, diff, cut }
}

pub(crate) fn restored_checkpoint(view: engine::RestoredCheckpointView) -> protocol::RestoredCheckpoint {
    protocol::RestoredCheckpoint {
        checkpoint: view.checkpoint,
        before: view.before,
        worktree: view.worktree,
        files: view.files.into_iter().map(compared_file).collect(),
        more: view.more,
        kept: view.kept.into_iter().map(kept_file).collect(),
        fork: view.fork.map(session),
    }
}

pub(crate) fn bundle_import(view: engine::BundleImportView) -> protocol::BundleImport {
    protocol::BundleImport {
        files: view.files,
        checkpoints: view.checkpoints.into_iter().map(protocol::Checkpoint::from).collect(),
        known: view.known,
        skipped: view.skipped.into_iter().map(kept_file).collect(),
    }
}

pub(crate) fn import(view: ImportView) -> protocol::Import {
    let tally = view.tally;
    let trouble = |trouble: engine::ImportTrouble| protocol::ImportTrouble {
        path: trouble.path,
        message: trouble.message,
    };
    protocol::Import {
        id: view.id,
        vendor: view.vendor,
        path: view.path.display().to_string(),
        watch: view.watch,
        state: match view.state {
            ImportState::Reading => protocol::ImportState::Reading,
            ImportState::Watching => protocol::ImportState::Watching,
            ImportState::Done => protocol::ImportState::Done,
            ImportState::Canceled => protocol::ImportState::Canceled,
            ImportState::Failed => protocol::ImportState::Failed,
        },
        files: tally.files,
        files_done: tally.files_done,
        bytes: tally.bytes,
        bytes_done: tally.bytes_done,
        sessions: tally.sessions,
        messages: tally.messages,
        lines: tally.lines,
        passed: tally.passed,
        unknown: tally.unknown,
        unchanged: tally.unchanged,
        again: tally.again,
        torn: tally.torn,
        linked: tally.linked,
        empty: tally.empty,
        failed: tally.failed,
        troubles: view.troubles.into_iter().map(trouble).collect(),
        started_at: view.started_at,
    }
}

pub(crate) fn merge(row: engine::MergeRow) -> protocol::Merge {
    let engine::MergeRow { entry, state, attempt, change, updated_at, rank: _ } = row;
    protocol::Merge::added(entry).changed(state, attempt, change, updated_at)
}
