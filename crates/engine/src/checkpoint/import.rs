//! Import: checkpoints come out of bundles, those of the workspace or one from elsewhere.
//!
//! Invariant: nothing points to what a bundle holds before all of it was looked at: its objects are whole, its names lead
//! nowhere else, and it belongs to the repository.

use super::point::point_ref;
use super::{bundle, open};
use crate::engine::Shared;
use crate::{BundleImportView, Call, Engine};
use git::{Facts, GitError, Oid, REF_PREFIX, Repository};
use model::{
    Checkpoint, CheckpointId, CheckpointKind, Event, KeptFile, Point, Refusal, Repo, RepoId, SessionId,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which bundle is to be read.
#[derive(Debug, Clone, Default)]
pub struct NewBundleImport {
    /// None: those that the workspace has of the repo.
    pub path: Option<PathBuf>,
    /// Gets those of sessions nobody knows here.
    pub session: Option<SessionId>,
}

/// A checkpoint as a bundle has it.
struct Found {
    id: CheckpointId,
    commit: Oid,
    tree: Oid,
    facts: Facts,
}

impl Engine {
    /// Brings checkpoints back, or in. One that is there already stays as it is.
    pub async fn import_bundle(
        &self,
        call: &Call,
        repo: RepoId,
        new: NewBundleImport,
    ) -> Result<BundleImportView, Refusal> {
        call.only_user()?;
        let repo = self.repo(repo)?;
        if let Some(session) = new.session {
            self.shared.store.read_or_refuse(|view| crate::session::visible(view, session).map(drop))?;
        }
        if let Some(path) = new.path.as_deref().filter(|path| !path.is_absolute()) {
            let message = format!("`{}` is no absolute path", path.display());
            return Err(Refusal::invalid("path_relative", message));
        }
        let wanted = repo.clone();
        let (view, events) = self.shared.blocking(move |shared| import(shared, &wanted, &new)).await?;
        if !events.is_empty() {
            self.shared.commit(call.actor(), call.key.clone(), move |_| Ok(events)).await?;
        }
        Ok(view)
    }
}

fn import(
    shared: &Shared,
    repo: &Repo,
    new: &NewBundleImport,
) -> Result<(BundleImportView, Vec<Event>), Refusal> {
    let repository = open(shared, &repo.path)?;
    let files = match &new.path {
        Some(path) => vec![path.clone()],
        None => bundle::files(&bundle::folder(shared, repo)),
    };
    if files.is_empty() {
        let message = format!("the workspace has no bundles of {}", repo.slug);
        return Err(Refusal::new(model::RefusalKind::NotFound, "no_bundles", message)
            .hint("give the path of one: `coditect checkpoint import FILE --repo REPO`"));
    }
    let mut view = BundleImportView::default();
    let (mut events, mut last) = (Vec::new(), None);
    for file in &files {
        match one(shared, &repository, repo, (file, new.session), &mut view) {
            Ok(more) => {
                events.extend(more);
                view.files.push(file.display().to_string());
            }
            Err(refusal) => {
                let path = file.display().to_string();
                view.skipped.push(KeptFile { path, reason: refusal.message.clone() });
                last = Some(refusal);
            }
        }
    }
    match last {
        Some(refusal) if view.files.is_empty() => Err(refusal),
        _ => Ok((view, events)),
    }
}

fn one(
    shared: &Shared,
    repository: &Repository,
    repo: &Repo,
    (file, session): (&Path, Option<SessionId>),
    view: &mut BundleImportView,
) -> Result<Vec<Event>, Refusal> {
    let found = look(repository, file)?;
    belongs(repository, &found, file)?;
    let mut known = BTreeMap::new();
    for one in &found {
        let row = shared.store.read(|view| view.checkpoint(one.id))?;
        let other = row.as_ref().map(|row| &row.checkpoint);
        let other = other.is_some_and(|it| it.repo != repo.id || it.commit != one.commit.as_str());
        if known.insert(one.id, row).is_some() || other {
            let message = format!("checkpoint {} is another one in {}", one.id.short(), file.display());
            return Err(Refusal::invalid("bundle_hostile", message)
                .hint("it was made to take the place of one that is here; do not use it"));
        }
    }
    let new: Vec<&Found> =
        found.iter().filter(|one| known[&one.id].as_ref().is_none_or(|row| row.removed.is_some())).collect();
    let mut made = Vec::new();
    for one in new {
        made.push(record(shared, repo, one, session)?);
    }
    let mut events = Vec::new();
    for one in &found {
        let there = repository.resolve_ref(&point_ref(one.id))?;
        let row = known[&one.id].as_ref().filter(|row| row.removed.is_none());
        if there.as_ref() != Some(&one.commit) {
            repository.update_ref(&point_ref(one.id), &one.commit)?;
        }
        match row {
            Some(row) if there.as_ref() != Some(&one.commit) => view.checkpoints.push(row.checkpoint.clone()),
            Some(_) => view.known = view.known.saturating_add(1),
            None => {}
        }
    }
    for checkpoint in made {
        view.checkpoints.push(checkpoint.clone());
        events.push(Event::CheckpointCreated(checkpoint));
    }
    Ok(events)
}

/// Reads a bundle, and looks at all of it.
fn look(repository: &Repository, file: &Path) -> Result<Vec<Found>, Refusal> {
    let header = repository.unbundle(file)?;
    let prefix = format!("{REF_PREFIX}checkpoints/");
    let commits: Vec<Oid> = header.heads.iter().map(|(at, _)| at.clone()).collect();
    let facts = repository.facts(&commits)?;
    let mut found = Vec::with_capacity(commits.len());
    for ((commit, name), facts) in header.heads.into_iter().zip(facts) {
        let id = name.strip_prefix(&prefix).and_then(|id| id.parse().ok());
        let id: CheckpointId = id.ok_or_else(|| GitError::NotABundle(file.to_owned()))?;
        let tree = repository.tree_at(&commit)?;
        if let Some(path) = repository.paths_of(&tree)?.unnamable.into_iter().find(|path| leads_away(path)) {
            let message = format!("checkpoint {} has a file of the name `{path}`", id.short());
            return Err(Refusal::invalid("bundle_hostile", message)
                .hint("whoever made it wanted to write where no checkpoint does; do not use it"));
        }
        found.push(Found { id, commit, tree, facts });
    }
    Ok(found)
}

/// A name that git itself would never have taken from a worktree.
fn leads_away(path: &str) -> bool {
    path.split('/').any(|part| {
        matches!(part, "" | "." | "..") || part.eq_ignore_ascii_case(".git") || part.contains('\0')
    })
}

/// A repository that has none of the commits they were made on is another one.
fn belongs(repository: &Repository, found: &[Found], file: &Path) -> Result<(), Refusal> {
    let bases: Vec<Oid> = found.iter().filter_map(|one| trailer(&one.facts, "Base")?.parse().ok()).collect();
    if bases.is_empty() || repository.missing(&bases)?.len() < bases.len() {
        return Ok(());
    }
    let message = format!("{} is of another repository: none of its commits is here", file.display());
    Err(Refusal::conflict("bundle_of_another_repo", message)
        .hint("name the repository it was made of: `coditect repo list`"))
}

fn trailer<'f>(facts: &'f Facts, key: &str) -> Option<&'f str> {
    let line = format!("Coditect-{key}: ");
    facts.message.lines().rev().find_map(|text| text.strip_prefix(line.as_str()))
}

fn record(
    shared: &Shared,
    repo: &Repo,
    one: &Found,
    fallback: Option<SessionId>,
) -> Result<Checkpoint, Refusal> {
    let said: Option<SessionId> = trailer(&one.facts, "Session").and_then(|text| text.parse().ok());
    let known = match said {
        Some(session) => shared.store.read(|view| view.session(session))?.map(|_| session),
        None => None,
    };
    let session = known.or(fallback).ok_or_else(|| {
        let message = "the bundle has checkpoints of a session nobody knows here";
        Refusal::invalid("session_needed", message)
            .hint("say which session gets them: `coditect checkpoint import FILE --session ID`")
    })?;
    let kind = trailer(&one.facts, "Kind").and_then(|word| {
        CheckpointKind::ALL.into_iter().find(|kind| kind.as_str() == word && *kind != CheckpointKind::Work)
    });
    let kind = kind.unwrap_or(CheckpointKind::Named);
    let words: String =
        one.facts.message.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let name: String = words.chars().take(model::CHECKPOINT_NAME_MAX).collect();
    Ok(Checkpoint {
        id: one.id,
        session,
        plan: None,
        repo: repo.id,
        git_ref: point_ref(one.id),
        commit: one.commit.to_string(),
        paths: Vec::new(),
        co_authors: Vec::new(),
        message: words,
        created_at: one.facts.at,
        kind,
        name: (kind == CheckpointKind::Named).then_some(name),
        point: Some(Point {
            worktree: repo.path.clone(),
            tree: one.tree.to_string(),
            base: trailer(&one.facts, "Base").map(str::to_owned),
            parent: one.facts.parents.first().map(ToString::to_string),
            // Whatever comes next begins a line of its own.
            depth: git::LINE_MAX,
            turn: None,
            message: None,
            at: shared.store.durable(),
            changed: 0,
            left_out: 0,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_away_are_known() {
        for bad in [".git/hooks/pre-commit", "a/.GIT/config", "../x", "a/../b", "/etc/passwd", "a//b", "./a"]
        {
            assert!(leads_away(bad), "{bad}");
        }
        for good in ["a", ".gitignore", "a\\b", "git/x", "..a", "a\nb"] {
            assert!(!leads_away(good), "{good}");
        }
    }
}
