//! A field: the worktrees of one repo, and what each held when it was last looked at.
//!
//! Invariant: nothing is looked at twice that did not change. A worktree is as it was while its commit, the set of its changed
//! files and their times are; two of them are merged dry once per pair of states.

use super::{Edits, Print, print};
use crate::checkpoint;
use crate::engine::Shared;
use git::{GitError, Hunks, Oid, Repository, Touched};
use model::{Refusal, Repo, RepoPath};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Worktrees that are looked at side by side in a sweep.
const LOOKERS: usize = 2;
/// States that are kept before all is made anew, so that what is written for looks does not grow for ever.
const STATES_MAX: usize = 5_000;

pub(super) struct Field {
    /// What is written for looks.
    folder: PathBuf,
    /// The repo's own checkout, whose commit is what the others will be merged into.
    pub(super) main: Repository,
    pub(super) base: Option<Oid>,
    pub(super) members: BTreeMap<PathBuf, Member>,
    /// Files in conflict of each pair of states that was tried; none when the two go together.
    pub(super) merges: HashMap<(Oid, Oid), Option<Vec<RepoPath>>>,
    states: usize,
    /// Worktrees that are there and cannot be opened, and why.
    shut: BTreeMap<PathBuf, String>,
}

/// A worktree.
pub(super) struct Member {
    pub(super) repository: Repository,
    /// Where the copy of its index is.
    folder: PathBuf,
    pub(super) is_main: bool,
    head: Option<Oid>,
    dirty: Vec<RepoPath>,
    prints: Vec<Print>,
    /// Where it parted from which base.
    parted: Option<((Oid, Oid), Option<Oid>)>,
    /// None while nobody could look.
    pub(super) state: Option<State>,
    /// Why nobody could.
    trouble: Option<String>,
}

/// What a worktree held.
pub(super) struct State {
    pub(super) commit: Oid,
    /// What it is compared with.
    pub(super) base: Oid,
    pub(super) touched: BTreeMap<RepoPath, Touched>,
    /// Of the files that somebody asked about.
    pub(super) hunks: BTreeMap<RepoPath, Hunks>,
}

impl Field {
    /// None for a repo that is away: its worktrees are, too.
    pub(super) fn open(shared: &Shared, repo: &Repo, folder: &Path) -> Result<Option<Self>, Refusal> {
        if !Path::new(&repo.path).is_dir() {
            return Ok(None);
        }
        let main = checkpoint::open(shared, &repo.path)?.writing_aside(&folder.join("objects"))?;
        let (members, merges, shut) = (BTreeMap::new(), HashMap::new(), BTreeMap::new());
        Ok(Some(Self { folder: folder.to_owned(), main, base: None, members, merges, states: 0, shut }))
    }

    /// Looks at every worktree. False when there is nobody to be in conflict with.
    pub(super) fn sweep(&mut self, shared: &Shared) -> Result<bool, Refusal> {
        self.renew()?;
        self.gather(shared)?;
        if self.members.len() < 2 {
            self.forget();
            return Ok(true);
        }
        self.base = self.main.head()?;
        let base = self.base.as_ref();
        let mut lists: Vec<Vec<&mut Member>> = (0..LOOKERS).map(|_| Vec::new()).collect();
        for (at, member) in self.members.values_mut().enumerate() {
            lists[at % LOOKERS].push(member);
        }
        let looked: usize = std::thread::scope(|scope| {
            let look =
                |list: Vec<&mut Member>| list.into_iter().map(|one| one.see(base, None)).sum::<usize>();
            let lookers: Vec<_> = lists.into_iter().map(|list| scope.spawn(move || look(list))).collect();
            lookers.into_iter().map(|looker| looker.join().unwrap_or_default()).sum()
        });
        self.states += looked;
        Ok(true)
    }

    /// Looks at the worktrees that words are about, and at those nobody has looked at yet.
    pub(super) fn edited(
        &mut self,
        shared: &Shared,
        edits: &HashMap<PathBuf, Edits>,
    ) -> Result<bool, Refusal> {
        let fresh = self.members.is_empty();
        // A word about a folder that is no member may be about a new one, or about another repo.
        if fresh || edits.keys().any(|top| !self.members.contains_key(top)) {
            self.gather(shared)?;
        }
        let meant = edits.keys().any(|top| self.members.contains_key(top));
        if self.members.len() < 2 || !(meant || fresh) {
            return Ok(false);
        }
        let base = self.main.head()?;
        let moved = base != self.base;
        self.base = base;
        let none = Some(BTreeSet::new());
        for (top, member) in &mut self.members {
            let edits = match edits.get(top) {
                Some(edits) => edits,
                // Its files are as they were, but what they are compared with is not.
                None if moved || member.state.is_none() => &none,
                None => continue,
            };
            self.states += member.see(self.base.as_ref(), edits.as_ref());
        }
        Ok(true)
    }

    /// Which worktrees there are now.
    fn gather(&mut self, shared: &Shared) -> Result<(), Refusal> {
        let mut listed = self.main.worktrees()?;
        listed.retain(|one| !crate::worktree::is_scratch(&one.id));
        self.shut = listed.iter().filter_map(|one| Some((one.path.clone(), one.broken.clone()?))).collect();
        let live = listed.into_iter().filter(|one| !one.missing);
        let mut tops: BTreeSet<PathBuf> = live.map(|one| one.path).collect();
        let own = self.main.top().to_owned();
        tops.insert(own.clone());
        self.members.retain(|top, _| tops.contains(top));
        for top in tops {
            if self.members.contains_key(&top) {
                continue;
            }
            let repository = match shared.git.open(&top) {
                Ok(repository) if repository.common_dir() == self.main.common_dir() => repository,
                Ok(_) => continue,
                Err(error) => {
                    self.shut.insert(top, error.to_string());
                    continue;
                }
            };
            let name = blake3::hash(top.as_os_str().as_encoded_bytes()).to_hex();
            let member = Member {
                repository: repository.writing_aside(&self.folder.join("objects"))?,
                folder: self.folder.join(&name[..32]),
                is_main: top == own,
                head: None,
                dirty: Vec::new(),
                prints: Vec::new(),
                parted: None,
                state: None,
                trouble: None,
            };
            self.members.insert(top, member);
        }
        Ok(())
    }

    /// Begins anew when much was written.
    fn renew(&mut self) -> Result<(), Refusal> {
        if self.states < STATES_MAX {
            return Ok(());
        }
        self.forget();
        self.members.clear();
        std::fs::remove_dir_all(&self.folder).map_err(Refusal::internal)?;
        self.main = self.main.writing_aside(&self.folder.join("objects"))?;
        self.states = 0;
        Ok(())
    }

    fn forget(&mut self) {
        self.merges.clear();
        for member in self.members.values_mut() {
            member.state = None;
        }
    }

    /// Those that could not be looked at.
    pub(super) fn unseen(&self) -> BTreeSet<PathBuf> {
        let mut unseen: BTreeSet<PathBuf> = self.shut.keys().cloned().collect();
        // One alone is not looked at, as there is nothing to be in conflict with.
        if self.members.len() >= 2 {
            let members = self.members.iter().filter(|(_, member)| member.state.is_none());
            unseen.extend(members.map(|(top, _)| top.clone()));
        }
        unseen
    }

    /// Worktrees that are there and cannot be looked at, and why.
    pub(super) fn broken(&self) -> BTreeMap<PathBuf, String> {
        let members = self.members.iter().filter_map(|(top, one)| Some((top.clone(), one.trouble.clone()?)));
        self.shut.clone().into_iter().chain(members).collect()
    }

    pub(super) fn tops(&self) -> Vec<PathBuf> {
        self.members.keys().cloned().collect()
    }
}

impl Member {
    /// Looks, and forgets what it was when it cannot be seen. How many states were written.
    fn see(&mut self, base: Option<&Oid>, edits: Option<&BTreeSet<RepoPath>>) -> usize {
        match self.look(base, edits) {
            Ok(written) => {
                self.trouble = None;
                usize::from(written)
            }
            Err(error) => {
                self.trouble = Some(error.to_string());
                self.state = None;
                0
            }
        }
    }

    /// With `edits`, only these files may have changed since the last look.
    fn look(&mut self, base: Option<&Oid>, edits: Option<&BTreeSet<RepoPath>>) -> Result<bool, GitError> {
        let Some(head) = self.repository.head()? else {
            self.state = None;
            return Ok(false);
        };
        let stands = self.head.as_ref() == Some(&head);
        let dirty = match (edits, &self.state) {
            (Some(edits), Some(_)) if stands => {
                let all: BTreeSet<&RepoPath> = self.dirty.iter().chain(edits).collect();
                all.into_iter().cloned().collect()
            }
            _ => self.repository.dirty(&self.folder)?.paths,
        };
        let prints: Vec<Print> =
            dirty.iter().map(|path| print(&self.repository.top().join(path.as_str()))).collect();
        let base = self.base_of(&head, base)?;
        let as_it_was = self.state.as_ref().is_some_and(|state| stands && state.base == base);
        if as_it_was && self.dirty == dirty && self.prints == prints {
            return Ok(false);
        }
        let held = self.repository.held(&head, &dirty)?;
        let mut touched = self.repository.touched(Some(&base), &held.commit)?;
        for path in held.left_out {
            touched.entry(path).or_insert(Touched { before: None, after: None });
        }
        let kept = self.state.take().filter(|state| state.commit == held.commit && state.base == base);
        let hunks = kept.map(|state| state.hunks).unwrap_or_default();
        self.state = Some(State { commit: held.commit, base, touched, hunks });
        (self.head, self.dirty, self.prints) = (Some(head), dirty, prints);
        Ok(true)
    }

    /// Whether it ever was on what the others are compared with, and may have been left behind by that.
    pub(super) fn is_behind_something(&self) -> bool {
        !self.is_main && self.parted.as_ref().is_some_and(|(_, parted)| parted.is_some())
    }

    /// Where its own work begins: where it parted from the checkout's branch, or its commit when it never was on it.
    fn base_of(&mut self, head: &Oid, base: Option<&Oid>) -> Result<Oid, GitError> {
        let Some(base) = base.filter(|_| !self.is_main) else { return Ok(head.clone()) };
        let asked = (head.clone(), base.clone());
        let known = self.parted.as_ref().filter(|(known, _)| *known == asked);
        let parted = match known {
            Some((_, parted)) => parted.clone(),
            None => self.repository.merge_base(head, base)?,
        };
        self.parted = Some((asked, parted.clone()));
        Ok(parted.unwrap_or_else(|| head.clone()))
    }
}
