//! Trials: a repository's checks on exactly one commit, in a worktree of ours that is made for it and taken away after it.

use crate::engine::Shared;
use crate::worktree::{SCRATCH, script};
use crate::{checkpoint, checks};
use git::{Lent, Oid};
use model::{Refusal, Repo, ScriptKind, ScriptOutcome, TestReport, Worktree};
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Where what goes by this key is tried. One thing at a time is tried in one place.
pub(crate) fn place(shared: &Shared, key: &str) -> Lent {
    let path = shared.workspace.runs().join(SCRATCH).join(key);
    Lent { path, session: SCRATCH.to_owned(), agent: key.to_owned() }
}

/// What the checks say of the commit; none when they were stopped.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    repo: &Repo,
    place: &Lent,
    tip: &Oid,
    stop: &CancellationToken,
) -> Result<Option<TestReport>, Refusal> {
    let (path, lent, at) = (repo.path.clone(), place.clone(), tip.clone());
    let lay =
        move |shared: &Shared| Ok(checkpoint::open(shared, &path)?.lay_out(&lent, &at)?.top().to_owned());
    let dir = shared.blocking(lay).await?;
    let report = match set_up(shared, repo, place, &dir, stop).await {
        Some(report) => Some(report),
        None if stop.is_cancelled() => None,
        None => checks::run(shared, repo, &dir, stop).await,
    };
    clear(shared, repo, place).await;
    Ok(report)
}

/// Takes the worktree away, where there is one.
pub(crate) async fn clear(shared: &Arc<Shared>, repo: &Repo, place: &Lent) {
    let (path, place) = (repo.path.clone(), place.clone());
    let clear = move |shared: &Shared| Ok(checkpoint::open(shared, &path)?.clear_away(&place)?);
    if let Err(refusal) = shared.blocking(clear).await {
        tracing::warn!(%refusal, "where a merge was tried stays until the next one is");
    }
}

/// The trusted setup script, as in any worktree. What it says when it fails is what the checks say.
async fn set_up(
    shared: &Arc<Shared>,
    repo: &Repo,
    place: &Lent,
    dir: &Path,
    stop: &CancellationToken,
) -> Option<TestReport> {
    let script = script::read(dir, ScriptKind::Setup).ok().flatten()?;
    if !repo.trusted.contains(&script.hash) {
        return None;
    }
    let worktree = Worktree {
        id: shared.new_id(),
        repo: repo.id,
        name: SCRATCH.to_owned(),
        path: dir.display().to_string(),
        branch: None,
        base: None,
        git_id: place.id(),
        made_branch: true,
        adopted: false,
        port_base: 0,
        lent: None,
        created_at: shared.now(),
    };
    let end = script::run(shared, &worktree, repo, &script, stop).await;
    (end.end != ScriptOutcome::Done && !stop.is_cancelled()).then(|| TestReport {
        command: vec![script::Script::file(ScriptKind::Setup)],
        exit_code: end.code.filter(|code| *code != 0),
        passed: 0,
        failed: 0,
        tail: end.tail,
        elapsed_ms: end.elapsed_ms,
    })
}
