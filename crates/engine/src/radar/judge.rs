//! Judgement: from what each worktree holds to what they are in conflict about.

use super::field::{Field, Member, State};
use git::{DRY_MERGES_MAX, GitError, Hunks, Oid, Touched};
use model::{CONFLICT_PATHS_MAX, ConflictKind, RepoPath};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Merges that are remembered, at most.
const MERGES_MAX: usize = 20_000;

/// A conflict as it is seen now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// One worktree, whose work is in conflict with the base; or two, in order.
    pub(super) tops: Vec<PathBuf>,
    pub(super) kind: ConflictKind,
    pub(super) paths: Vec<RepoPath>,
    /// How many more paths there are.
    pub(super) more: u32,
}

/// Two worktrees that changed the same files.
struct Pair {
    tops: [PathBuf; 2],
    merge: (Oid, Oid),
    shared: Vec<RepoPath>,
}

impl Field {
    /// All conflicts there are between those that were seen.
    pub(super) fn judge(&mut self) -> Result<Vec<Seen>, GitError> {
        let pairs = self.pairs();
        let of_base = self.behind();
        let wanted: Vec<(Oid, Oid)> = {
            let all = pairs.iter().map(|pair| &pair.merge).chain(of_base.iter().map(|(_, merge)| merge));
            let mut all: Vec<_> = all.filter(|merge| !self.merges.contains_key(*merge)).cloned().collect();
            all.sort();
            all.dedup();
            all
        };
        if self.merges.len() + wanted.len() > MERGES_MAX {
            self.merges.retain(|merge, _| pairs.iter().any(|pair| pair.merge == *merge));
        }
        for some in wanted.chunks(DRY_MERGES_MAX) {
            let found = self.main.dry_merges(some)?.into_iter();
            let found = found.map(|one| (!one.clean).then_some(one.conflicts));
            self.merges.extend(some.iter().cloned().zip(found));
        }
        let mut seen = Vec::new();
        for (top, merge) in of_base {
            if let Some(Some(paths)) = self.merges.get(&merge) {
                seen.push(Seen::new(vec![top], ConflictKind::BaseConflict, paths.clone()));
            }
        }
        for pair in pairs {
            let (kind, paths) = match self.merges.get(&pair.merge) {
                // It may be about files that have no name for us.
                Some(Some(paths)) if paths.is_empty() => (ConflictKind::MergeConflict, pair.shared),
                Some(Some(paths)) => (ConflictKind::MergeConflict, paths.clone()),
                _ => self.side_by_side(&pair)?,
            };
            seen.push(Seen::new(pair.tops.to_vec(), kind, paths));
        }
        Ok(seen)
    }

    /// Every two that changed a same file, and not in the same way.
    fn pairs(&self) -> Vec<Pair> {
        let states: Vec<(&PathBuf, &State)> =
            self.members.iter().filter_map(|(top, member)| Some((top, member.state.as_ref()?))).collect();
        let mut pairs = Vec::new();
        for (at, (top, one)) in states.iter().enumerate() {
            for (other_top, other) in &states[at + 1..] {
                let shared = shared(&one.touched, &other.touched);
                if !shared.is_empty() {
                    pairs.push(Pair {
                        tops: [(*top).clone(), (*other_top).clone()],
                        merge: (one.commit.clone(), other.commit.clone()),
                        shared,
                    });
                }
            }
        }
        pairs
    }

    /// Those with work of their own that parted from the base before it was where it is, each with the merge to try.
    fn behind(&self) -> Vec<(PathBuf, (Oid, Oid))> {
        let Some(base) = &self.base else { return Vec::new() };
        let own = |member: &Member| {
            let state = member.state.as_ref().filter(|_| member.is_behind_something())?;
            (!state.touched.is_empty() && state.base != *base).then(|| (base.clone(), state.commit.clone()))
        };
        self.members.iter().filter_map(|(top, member)| Some((top.clone(), own(member)?))).collect()
    }

    /// Of two that go together: whether they changed the same lines all the same.
    fn side_by_side(&mut self, pair: &Pair) -> Result<(ConflictKind, Vec<RepoPath>), GitError> {
        let touched = |top: &PathBuf, path: &RepoPath| {
            let state = self.members.get(top)?.state.as_ref()?;
            state.touched.get(path)?.before.clone()
        };
        // Lines can be compared where both began with the same content.
        let comparable = |path: &&RepoPath| touched(&pair.tops[0], path) == touched(&pair.tops[1], path);
        let comparable: Vec<RepoPath> = pair.shared.iter().filter(comparable).cloned().collect();
        for top in &pair.tops {
            if let Some(member) = self.members.get_mut(top) {
                member.read_hunks(&comparable)?;
            }
        }
        let hunks = |top: &PathBuf, path: &RepoPath| {
            self.members.get(top).and_then(|member| member.state.as_ref()?.hunks.get(path))
        };
        let meet = |path: &&RepoPath| match (hunks(&pair.tops[0], path), hunks(&pair.tops[1], path)) {
            (Some(one), Some(other)) => one.meet(other),
            _ => false,
        };
        let met: Vec<RepoPath> = comparable.iter().filter(meet).cloned().collect();
        Ok(match met.is_empty() {
            true => (ConflictKind::SameFile, pair.shared.clone()),
            false => (ConflictKind::SameHunk, met),
        })
    }
}

impl Member {
    /// Of files whose content was not taken there are no hunks.
    fn read_hunks(&mut self, paths: &[RepoPath]) -> Result<(), GitError> {
        let Some(state) = &mut self.state else { return Ok(()) };
        let missing: Vec<RepoPath> =
            paths.iter().filter(|path| !state.hunks.contains_key(*path)).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let found = self.repository.hunks(Some(&state.base), &state.commit, &missing)?;
        state.hunks.extend(missing.into_iter().map(|path| (path, Hunks::Lines(Vec::new()))));
        state.hunks.extend(found);
        Ok(())
    }
}

impl Seen {
    fn new(tops: Vec<PathBuf>, kind: ConflictKind, mut paths: Vec<RepoPath>) -> Self {
        let more = paths.len().saturating_sub(CONFLICT_PATHS_MAX);
        paths.truncate(CONFLICT_PATHS_MAX);
        Self { tops, kind, paths, more: u32::try_from(more).unwrap_or(u32::MAX) }
    }
}

/// Files that both changed, and not from the same to the same.
fn shared(one: &BTreeMap<RepoPath, Touched>, other: &BTreeMap<RepoPath, Touched>) -> Vec<RepoPath> {
    let (few, many) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let differ = |path: &RepoPath, touched: &Touched| {
        let content_known = touched.before.is_some() || touched.after.is_some();
        many.get(path).is_some_and(|other| !content_known || other != touched)
    };
    few.iter().filter(|(path, touched)| differ(path, touched)).map(|(path, _)| path.clone()).collect()
}
