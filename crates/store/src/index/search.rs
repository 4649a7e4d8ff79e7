//! Searches of the file index, each on a connection of its own.

use super::{FileIndex, GitStatus, INDEX_FILE, Wanted};
use crate::connection::{self, Found};
use crate::{StoreError, column};
use model::{RepoId, RepoPath, SessionId, Timestamp};
use rusqlite::{Connection, Row, ToSql};
use std::path::Path;

/// Most files one search finds.
pub const FOUND_MAX: usize = 100;
/// A word in the path says more than one in the text.
const PATH_WEIGHT: f64 = 4.0;

/// Which files are meant; what is none is of no matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileFilter {
    /// The path of a worktree.
    pub worktree: Option<String>,
    pub repo: Option<RepoId>,
    pub language: Option<String>,
    /// This file, or what is in this folder.
    pub under: Option<RepoPath>,
    /// Only what differs from what is committed.
    pub changed: bool,
}

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    pub path: RepoPath,
    /// The path of the worktree it was found in; a repository's own checkout goes before others.
    pub worktree: String,
    /// How many more worktrees have it with the same content.
    pub also_in: u64,
    pub repo: RepoId,
    pub language: Option<String>,
    pub bytes: u64,
    pub modified_at: Timestamp,
    pub hash: Option<String>,
    pub status: GitStatus,
    pub session: Option<SessionId>,
}

impl FileIndex {
    /// The files that have all that is wanted, the best first; at most so many, and at most [`FOUND_MAX`].
    pub fn search(
        databases: &Path,
        wanted: &Wanted,
        filter: &FileFilter,
        limit: usize,
    ) -> Result<Vec<FoundFile>, StoreError> {
        let path = databases.join(INDEX_FILE);
        let connection = match connection::recognize(&path)? {
            Found::Ours => connection::open_reader(&path)?,
            Found::Nothing => return Ok(Vec::new()),
            Found::Foreign => return Err(StoreError::Foreign { path }),
        };
        // Both statements look at one moment.
        let moment = connection.unchecked_transaction()?;
        let documents = documents(&connection, wanted, filter, limit.min(FOUND_MAX))?;
        let mut found = Vec::with_capacity(documents.len());
        for document in documents {
            found.extend(file_of(&connection, document, filter)?);
        }
        moment.finish()?;
        Ok(found)
    }
}

/// What of the filter is about the row `f` of a file and the row `w` of its worktree.
const FITS: &str = "(:worktree IS NULL OR w.path = :worktree) AND (:repo IS NULL OR w.repo_id = :repo)
    AND (:language IS NULL OR f.language = :language) AND (:changed = 0 OR f.git_status <> 'clean')";

fn documents(
    connection: &Connection,
    wanted: &Wanted,
    filter: &FileFilter,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    let sql = format!(
        "SELECT d.document_id FROM words JOIN documents d ON d.document_id = words.rowid
         WHERE words MATCH :wanted
            AND (:under IS NULL OR d.file_path = :under OR substr(d.file_path, 1, length(:under) + 1) = :under || '/')
            AND EXISTS (SELECT 1 FROM workspace_files f JOIN worktrees w USING (worktree_id)
                WHERE f.document_id = d.document_id AND {FITS})
         ORDER BY bm25(words, {PATH_WEIGHT}, 1.0), d.file_path, d.document_id LIMIT :limit"
    );
    let repo = filter.repo.map(|repo| repo.to_string());
    let under = filter.under.as_ref().map(RepoPath::as_str);
    let limit = column::figure(limit as u64);
    let values: [(&str, &dyn ToSql); 7] = [
        (":wanted", &wanted.expression),
        (":under", &under),
        (":worktree", &filter.worktree),
        (":repo", &repo),
        (":language", &filter.language),
        (":changed", &filter.changed),
        (":limit", &limit),
    ];
    let mut prepared = connection.prepare(&sql)?;
    let rows = prepared.query_map(&values[..], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn file_of(
    connection: &Connection,
    document: i64,
    filter: &FileFilter,
) -> Result<Option<FoundFile>, StoreError> {
    let mut prepared = connection.prepare_cached(&format!(
        "SELECT f.file_path, w.path, w.repo_id, f.language, f.bytes, f.last_modified, f.content_hash, f.git_status,
            f.session_id
         FROM workspace_files f JOIN worktrees w USING (worktree_id) WHERE f.document_id = :document AND {FITS}
         ORDER BY w.is_main DESC, w.path"
    ))?;
    let repo = filter.repo.map(|repo| repo.to_string());
    let values: [(&str, &dyn ToSql); 5] = [
        (":document", &document),
        (":worktree", &filter.worktree),
        (":repo", &repo),
        (":language", &filter.language),
        (":changed", &filter.changed),
    ];
    let mut rows = prepared.query(&values[..])?;
    let Some(first) = rows.next()? else { return Ok(None) };
    let mut found = read(first)?;
    while rows.next()?.is_some() {
        found.also_in += 1;
    }
    Ok(Some(found))
}

fn read(row: &Row<'_>) -> Result<FoundFile, StoreError> {
    let malformed = |column: &'static str| move |reason: String| StoreError::Malformed { column, reason };
    let text = |at: usize| row.get::<_, String>(at);
    let session: Option<String> = row.get(8)?;
    Ok(FoundFile {
        path: text(0)?
            .parse()
            .map_err(|error: model::RepoPathError| malformed("file_path")(error.to_string()))?,
        worktree: text(1)?,
        also_in: 0,
        repo: text(2)?.parse().map_err(|error: model::IdError| malformed("repo_id")(error.to_string()))?,
        language: row.get(3)?,
        bytes: row.get::<_, i64>(4)?.cast_unsigned(),
        modified_at: Timestamp::from_millis(row.get(5)?),
        hash: row.get(6)?,
        status: GitStatus::read(&text(7)?),
        // Who left it so is known for as long as it can be read.
        session: session.and_then(|session| session.parse().ok()),
    })
}
