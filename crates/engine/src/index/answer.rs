//! Searches: which files are meant, and what is shown of those that were found.

use super::scan::{self, holder};
use super::{DAMAGED, Place, Scope, damaged, language, places, refusal};
use crate::{Caller, Engine};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use model::{Refusal, RefusalKind, RegistrationId, RepoId, RepoPath};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::{FOUND_MAX, FileFilter, FileIndex, FoundFile, QUERY_WORDS_MAX, StoreError, Wanted};

/// Longest query, in bytes.
pub const QUERY_MAX: usize = 512;
/// How long a search waits for its worktrees to be looked at. What it finds then is of an earlier look, and it says so.
const PATIENCE: Duration = Duration::from_secs(3);
/// Files that are shown when nobody says how many.
const FOUND_USUAL: usize = 20;
/// Lines of one file that are shown.
const LINES_MAX: usize = 5;
/// Longest piece of a line that is shown, in characters.
const LINE_MAX: usize = 200;

/// What is looked for, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileQuery {
    /// Words that must all be in a file's path or text, each whole or as the beginning of one.
    pub query: String,
    /// Name, id or short id.
    pub repo: Option<String>,
    /// Path of a folder in it, `repo/name`, name or id.
    pub worktree: Option<String>,
    pub language: Option<String>,
    /// This file, or what is in this folder.
    pub under: Option<RepoPath>,
    /// Only what differs from what is committed.
    pub changed: bool,
    /// 0: as many as usual.
    pub limit: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesFound {
    /// The best first.
    pub files: Vec<FoundView>,
    /// There are more than that.
    pub more: bool,
    /// The worktrees are still being looked at: what was changed lately may be missing.
    pub behind: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundView {
    pub file: FoundFile,
    /// Name of its repository.
    pub repo: String,
    /// The agent that has it locked for writing now.
    pub lock: Option<String>,
    pub lines: Vec<FoundLine>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLine {
    /// From 1.
    pub number: usize,
    pub text: String,
}

impl Engine {
    /// Files that have all the words, the best first. An agent finds those of the worktree it works in.
    pub async fn search_files(&self, caller: &Caller, query: FileQuery) -> Result<FilesFound, Refusal> {
        let wanted = checked(&query)?;
        let repo = self.repo_of(caller, query.repo.as_deref())?;
        let worktree = self.meant(caller, &query).await?;
        let scope = match (&worktree, repo) {
            (Some(place), _) => Scope::Worktree(place.top.clone()),
            (None, Some(repo)) => Scope::Repo(repo),
            (None, None) => Scope::All,
        };
        let filter = FileFilter {
            worktree: worktree.map(|place| place.top.display().to_string()),
            repo,
            language: query.language,
            under: query.under,
            changed: query.changed,
        };
        let limit = if query.limit == 0 { FOUND_USUAL } else { query.limit.min(FOUND_MAX - 1) };
        let behind = match self.looked_at(scope.clone(), false).await {
            Err(refusal) if refusal.code == DAMAGED => self.looked_at(scope.clone(), false).await?,
            looked => looked?,
        };
        let found = self.found_files(&wanted, &filter, limit + 1).await;
        let (mut found, behind) = match found {
            Err(Trouble::Damage) => {
                let behind = self.looked_at(scope, true).await?;
                (self.found_files(&wanted, &filter, limit + 1).await.map_err(Trouble::refusal)?, behind)
            }
            found => (found.map_err(Trouble::refusal)?, behind),
        };
        let more = found.len() > limit;
        found.truncate(limit);
        let slugs: HashMap<RepoId, String> =
            self.repos()?.into_iter().map(|repo| (repo.id, repo.slug)).collect();
        let files = self.shared.blocking(move |shared| {
            let mut locks = HashMap::new();
            Ok(found
                .into_iter()
                .map(|file| {
                    let top = file.worktree.clone();
                    let locks = locks.entry(top).or_insert_with_key(|top| scan::locks(shared, top));
                    FoundView {
                        repo: slugs.get(&file.repo).cloned().unwrap_or_default(),
                        lock: holder(locks, &file.path),
                        lines: lines(&file, &wanted),
                        file,
                    }
                })
                .collect())
        });
        Ok(FilesFound { files: files.await?, more, behind })
    }

    /// Has the worktrees looked at, and waits for that for a while. True when it is not over then.
    async fn looked_at(&self, scope: Scope, anew: bool) -> Result<bool, Refusal> {
        match tokio::time::timeout(PATIENCE, self.look_for_files(scope, anew)).await {
            Ok(looked) => looked.map(|_| false),
            Err(_) => Ok(true),
        }
    }

    async fn found_files(
        &self,
        wanted: &Wanted,
        filter: &FileFilter,
        limit: usize,
    ) -> Result<Vec<FoundFile>, Trouble> {
        let (wanted, filter) = (wanted.clone(), filter.clone());
        let found = self.shared.blocking(move |shared| {
            Ok(FileIndex::search(&shared.workspace.databases(), &wanted, &filter, limit))
        });
        match found.await.map_err(Trouble::Refused)? {
            Ok(found) => Ok(found),
            Err(error) if error.is_damage() => Err(Trouble::Damage),
            Err(error) => Err(Trouble::Store(error)),
        }
    }

    /// The worktree that is meant: for an agent its own, for the user the one that is named, if one is.
    async fn meant(&self, caller: &Caller, query: &FileQuery) -> Result<Option<Place>, Refusal> {
        let own = match caller {
            Caller::User => None,
            Caller::Run { registration, .. } | Caller::Terminal { registration } => {
                Some(self.stands_in(*registration).await?)
            }
        };
        let named = match query.worktree.as_deref() {
            None => None,
            Some(path) if path.starts_with('/') => Some(PathBuf::from(path)),
            // What others are called is not said to an agent, not even by a refusal.
            Some(_) if own.is_some() => return Err(not_yours()),
            Some(name) => {
                let row = self.worktree_row(self.resolve_worktree(caller, name)?)?;
                Some(PathBuf::from(row.worktree.path))
            }
        };
        let meant = self.shared.blocking(move |shared| {
            let places = places(shared)?;
            let own = own.map(|own| around(&places, &own)).transpose()?;
            match (own, named) {
                (Some(own), Some(named)) => {
                    let same = around(&places, &named).is_ok_and(|named| named.top == own.top);
                    if same { Ok(Some(own)) } else { Err(not_yours()) }
                }
                (Some(own), None) => Ok(Some(own)),
                (None, named) => named.map(|named| around(&places, &named)).transpose(),
            }
        });
        meant.await
    }

    fn repo_of(&self, caller: &Caller, given: Option<&str>) -> Result<Option<RepoId>, Refusal> {
        match (caller, given) {
            (_, None) => Ok(None),
            (Caller::User, Some(given)) => self.resolve_repo(caller, given).map(Some),
            (Caller::Run { .. } | Caller::Terminal { .. }, Some(_)) => Err(not_yours()),
        }
    }

    async fn stands_in(&self, registration: RegistrationId) -> Result<PathBuf, Refusal> {
        let known = self
            .shared
            .blocking(move |shared| shared.bus.registration(registration).map_err(|error| error.refusal()));
        let worktree = known.await?.and_then(|known| known.worktree).map(PathBuf::from);
        worktree.ok_or_else(|| {
            Refusal::new(RefusalKind::NotFound, "worktree_not_found", "you work in no worktree")
                .hint("files are found in repositories: ask the user for `coditect repo add`")
        })
    }
}

/// Why a search found nothing.
enum Trouble {
    Damage,
    Store(StoreError),
    Refused(Refusal),
}

impl Trouble {
    fn refusal(self) -> Refusal {
        match self {
            Self::Damage => damaged(),
            Self::Store(error) => refusal(error),
            Self::Refused(refusal) => refusal,
        }
    }
}

fn checked(query: &FileQuery) -> Result<Wanted, Refusal> {
    if query.query.len() > QUERY_MAX {
        let message = format!("a query has at most {QUERY_MAX} bytes, this one has {}", query.query.len());
        return Err(Refusal::invalid("query_too_long", message).hint("give the words that matter"));
    }
    if let Some(language) = query.language.as_deref().filter(|given| !language::is_known(given)) {
        let language: String = language.chars().take(40).collect();
        return Err(Refusal::invalid("language_unknown", format!("no file is in `{language}`"))
            .hint("give a name as `rust`, `typescript` or `markdown`, or the folder with `under`"));
    }
    Wanted::parse(&query.query).ok_or_else(|| {
        let message = format!("a query is 1 to {QUERY_WORDS_MAX} words of letters, digits and `_`");
        Refusal::invalid("query_without_words", message).hint("give names or words as they are in the files")
    })
}

fn not_yours() -> Refusal {
    Refusal::new(
        RefusalKind::Forbidden,
        "not_your_worktree",
        "an agent finds files of the worktree it works in",
    )
    .hint("leave `repo` and `worktree` out")
}

/// The innermost worktree that a folder is in.
fn around(places: &[Place], path: &Path) -> Result<Place, Refusal> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let inside = places.iter().filter(|place| real.starts_with(&place.top));
    inside.max_by_key(|place| place.top.as_os_str().len()).cloned().ok_or_else(|| {
        let message = format!("{} is in no worktree of a registered repository", path.display());
        Refusal::new(RefusalKind::NotFound, "worktree_not_found", message)
            .hint("`coditect worktree list` shows what there is, `coditect repo add` registers a repository")
    })
}

/// The lines that have most of the words, in the order of the file as it is now.
fn lines(file: &FoundFile, wanted: &Wanted) -> Vec<FoundLine> {
    let root = Dir::open_ambient_dir(&file.worktree, ambient_authority()).ok();
    let content = root.and_then(|root| scan::content(&root, &file.path)).and_then(scan::text);
    let content = content.unwrap_or_default();
    let mut hits: Vec<(usize, usize, &str)> = content
        .lines()
        .enumerate()
        .map(|(at, line)| (wanted.hits(line), at + 1, line))
        .filter(|(hits, ..)| *hits > 0)
        .collect();
    hits.sort_by_key(|(hits, number, _)| (std::cmp::Reverse(*hits), *number));
    hits.truncate(LINES_MAX);
    hits.sort_by_key(|(_, number, _)| *number);
    let clip = |line: &str| line.trim().chars().take(LINE_MAX).collect();
    hits.into_iter().map(|(_, number, line)| FoundLine { number, text: clip(line) }).collect()
}
