//! workspace_idx.db: the files of the workspace's worktrees, found by their names and by the words in them.
//!
//! It is a cache: whoever scans the worktrees fills it, and may fill it again from nothing. Texts are not kept, only which words are
//! in them; what is shown of a file is read from the file. Invariant: **a file's row, its document and its words change in one
//! transaction**, so a search never finds a file by what it held under another row.

mod search;
mod words;

pub use search::{FOUND_MAX, FileFilter, FoundFile};
pub use words::{QUERY_WORDS_MAX, Wanted};

use crate::connection::{self, Found};
use crate::{StoreError, column};
use model::{RepoId, RepoPath, SessionId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Name of its file among the databases.
pub const INDEX_FILE: &str = "workspace_idx.db";
const SCHEMA: &str = include_str!("../migrations/sides/workspace_idx.sql");
/// Pages of a log after which it is copied into its file.
const LOG_PAGES: i64 = 1_000;

/// The schema under the name of its file.
#[cfg(test)]
pub(crate) fn schema() -> (&'static str, &'static str) {
    ("sides/workspace_idx", SCHEMA)
}

/// How a file differs from what is committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GitStatus {
    #[default]
    Clean,
    Modified,
    Staged,
    Untracked,
}

impl GitStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Modified => "modified",
            Self::Staged => "staged",
            Self::Untracked => "untracked",
        }
    }

    fn read(text: &str) -> Self {
        [Self::Modified, Self::Staged, Self::Untracked]
            .into_iter()
            .find(|one| one.as_str() == text)
            .unwrap_or_default()
    }
}

/// A file as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenFile {
    pub path: RepoPath,
    /// What tells one state of it from another without reading it.
    pub print: String,
    pub bytes: u64,
    pub modified_at: Timestamp,
    /// BLAKE3 in hex; none of what was not read.
    pub hash: Option<String>,
    /// What its words are taken from; none of what is no text, or too long.
    pub text: Option<String>,
    pub language: Option<&'static str>,
    pub status: GitStatus,
    /// Who left it so, if that is known.
    pub session: Option<SessionId>,
    /// The agent that has it locked.
    pub lock: Option<String>,
}

/// What is known of a file that was seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    pub print: String,
    pub status: GitStatus,
    pub lock: Option<String>,
}

/// What is in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexCounts {
    pub worktrees: u64,
    pub files: u64,
    /// Contents at paths; those in several worktrees count once.
    pub documents: u64,
    /// Files that were left out because there are too many, or because their names cannot be named.
    pub left_out: u64,
    /// Of the file on the disk.
    pub bytes: u64,
}

/// The one who writes it.
pub struct FileIndex {
    connection: Connection,
}

/// A worktree in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexedWorktree(i64);

impl FileIndex {
    /// Opens it, or makes an empty one: also in the place of one that is damaged or of another schema. A file that is not
    /// ours is left alone.
    pub fn open(databases: &Path) -> Result<Self, StoreError> {
        let path = databases.join(INDEX_FILE);
        match connection::recognize(&path)? {
            Found::Foreign => Err(StoreError::Foreign { path }),
            Found::Nothing => Self::make(&path),
            Found::Ours => match Self::opened(&path) {
                Ok(Some(index)) => Ok(index),
                Ok(None) => Self::make(&path),
                Err(error) if error.is_damage() => Self::make(&path),
                Err(error) => Err(error),
            },
        }
    }

    /// An empty one in the place of whatever is there. Nobody else has it open for writing.
    pub fn anew(databases: &Path) -> Result<Self, StoreError> {
        let path = databases.join(INDEX_FILE);
        match connection::recognize(&path)? {
            Found::Foreign => Err(StoreError::Foreign { path }),
            Found::Nothing | Found::Ours => Self::make(&path),
        }
    }

    /// Whether there is one that somebody has begun to use.
    pub fn is_there(databases: &Path) -> bool {
        matches!(connection::recognize(&databases.join(INDEX_FILE)), Ok(Found::Ours))
    }

    fn opened(path: &Path) -> Result<Option<Self>, StoreError> {
        let connection = connection::open_writer(path)?;
        connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
        let made = connection.query_row("SELECT schema FROM made WHERE one = 1", [], |row| row.get(0));
        let made: Option<String> = match made {
            Err(error) if is_missing_table(&error) => None,
            made => made.optional()?,
        };
        Ok((made == Some(fingerprint())).then_some(Self { connection }))
    }

    fn make(path: &Path) -> Result<Self, StoreError> {
        let beside: PathBuf = connection::sibling(path, ".rebuild");
        let connection = connection::create_beside(&beside)?;
        connection.execute_batch(&format!(
            "PRAGMA application_id = {}; BEGIN IMMEDIATE; {SCHEMA} COMMIT; PRAGMA journal_mode = WAL;",
            connection::APPLICATION_ID
        ))?;
        connection.execute("INSERT INTO made (one, schema) VALUES (1, ?1)", [fingerprint()])?;
        connection.close().map_err(|(_, error)| error)?;
        connection::remove_with_log(path)?;
        connection::rename(&beside, path)?;
        connection::sync_directory(path.parent().unwrap_or(path))?;
        let made = Self::opened(path)?;
        made.ok_or_else(|| {
            StoreError::Stopped("a file index that was just made has another schema".to_owned())
        })
    }

    /// The worktree at a path, which is put there when it is not.
    pub fn worktree(&self, path: &str, repo: RepoId, is_main: bool) -> Result<IndexedWorktree, StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO worktrees (path, repo_id, is_main, scanned_at, left_out) VALUES (?1, ?2, ?3, 0, 0)
                 ON CONFLICT (path) DO UPDATE SET repo_id = excluded.repo_id, is_main = excluded.is_main",
            )?
            .execute(params![path, repo.to_string(), is_main])?;
        let id = self
            .connection
            .prepare_cached("SELECT worktree_id FROM worktrees WHERE path = ?1")?
            .query_row([path], |row| row.get(0))?;
        Ok(IndexedWorktree(id))
    }

    /// The same, if it is there.
    pub fn find(&self, path: &str) -> Result<Option<IndexedWorktree>, StoreError> {
        let mut prepared =
            self.connection.prepare_cached("SELECT worktree_id FROM worktrees WHERE path = ?1")?;
        Ok(prepared.query_row([path], |row| row.get(0)).optional()?.map(IndexedWorktree))
    }

    /// What is known of a worktree's files, by path.
    pub fn known(&self, worktree: IndexedWorktree) -> Result<HashMap<String, KnownFile>, StoreError> {
        let mut prepared = self.connection.prepare_cached(
            "SELECT file_path, print, git_status, agent_lock FROM workspace_files WHERE worktree_id = ?1",
        )?;
        let rows = prepared.query_map([worktree.0], |row| {
            let status: String = row.get(2)?;
            let known = KnownFile { print: row.get(1)?, status: GitStatus::read(&status), lock: row.get(3)? };
            Ok((row.get(0)?, known))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Puts files in as they were seen, in one transaction. Of one whose content is as it was it stays known who left it so.
    pub fn put(&mut self, worktree: IndexedWorktree, files: &[SeenFile]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        for file in files {
            let document = document(&transaction, file)?;
            put_one(&transaction, worktree, file, document)?;
        }
        Ok(transaction.commit()?)
    }

    /// Files whose content is as it was, and which differ otherwise now.
    pub fn mark(
        &mut self,
        worktree: IndexedWorktree,
        marks: &[(String, GitStatus, Option<String>)],
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        for (path, status, lock) in marks {
            transaction
                .prepare_cached(
                    "UPDATE workspace_files SET git_status = ?3, agent_lock = ?4
                     WHERE worktree_id = ?1 AND file_path = ?2",
                )?
                .execute(params![worktree.0, path, status.as_str(), lock])?;
        }
        Ok(transaction.commit()?)
    }

    /// Files that are there no more.
    pub fn forget(&mut self, worktree: IndexedWorktree, gone: &[String]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        for path in gone {
            let gone = transaction
                .prepare_cached(
                    "DELETE FROM workspace_files WHERE worktree_id = ?1 AND file_path = ?2 RETURNING document_id",
                )?
                .query_row(params![worktree.0, path], |row| row.get::<_, i64>(0))
                .optional()?;
            if let Some(document) = gone {
                left(&transaction, document)?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// A whole worktree was looked at.
    pub fn scanned(
        &self,
        worktree: IndexedWorktree,
        at: Timestamp,
        left_out: usize,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE worktrees SET scanned_at = ?2, left_out = ?3 WHERE worktree_id = ?1")?
            .execute(params![worktree.0, at.as_millis(), column::figure(left_out as u64)])?;
        Ok(())
    }

    /// Forgets the worktrees that are not among these.
    pub fn keep_only(&mut self, there: &[String]) -> Result<(), StoreError> {
        let mut prepared = self.connection.prepare("SELECT worktree_id, path FROM worktrees")?;
        let all: Vec<(i64, String)> =
            prepared.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        drop(prepared);
        for (id, _) in all.iter().filter(|(_, path)| !there.contains(path)) {
            let paths: Vec<String> = self.known(IndexedWorktree(*id))?.into_keys().collect();
            self.forget(IndexedWorktree(*id), &paths)?;
            self.connection.execute("DELETE FROM worktrees WHERE worktree_id = ?1", [id])?;
        }
        Ok(())
    }

    pub fn counts(&self) -> Result<IndexCounts, StoreError> {
        let one = |sql: &str| {
            self.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
        };
        Ok(IndexCounts {
            worktrees: one("SELECT count(*) FROM worktrees")?,
            files: one("SELECT count(*) FROM workspace_files")?,
            documents: one("SELECT count(*) FROM documents")?,
            left_out: one("SELECT coalesce(sum(left_out), 0) FROM worktrees")?,
            bytes: one("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")?,
        })
    }
}

/// The document a file is; its words are put in when it is new.
fn document(transaction: &Transaction<'_>, file: &SeenFile) -> Result<i64, StoreError> {
    // What was not read is known by its name alone.
    let hash = file.hash.as_deref().unwrap_or_default();
    let there = transaction
        .prepare_cached("SELECT document_id FROM documents WHERE file_path = ?1 AND content_hash = ?2")?
        .query_row(params![file.path.as_str(), hash], |row| row.get(0))
        .optional()?;
    if let Some(document) = there {
        return Ok(document);
    }
    let document: i64 = transaction
        .prepare_cached(
            "INSERT INTO documents (file_path, content_hash) VALUES (?1, ?2) RETURNING document_id",
        )?
        .query_row(params![file.path.as_str(), hash], |row| row.get(0))?;
    let content = file.text.as_deref().map(words::of).unwrap_or_default();
    transaction
        .prepare_cached("INSERT INTO words (rowid, path, content) VALUES (?1, ?2, ?3)")?
        .execute(params![document, words::of(file.path.as_str()), content])?;
    Ok(document)
}

fn put_one(
    transaction: &Transaction<'_>,
    worktree: IndexedWorktree,
    file: &SeenFile,
    document: i64,
) -> Result<(), StoreError> {
    let before = transaction
        .prepare_cached("SELECT document_id FROM workspace_files WHERE worktree_id = ?1 AND file_path = ?2")?
        .query_row(params![worktree.0, file.path.as_str()], |row| row.get::<_, i64>(0))
        .optional()?;
    transaction
        .prepare_cached(
            "INSERT INTO workspace_files (file_id, session_id, file_path, content_hash, last_modified, language,
                agent_lock, git_status, worktree_id, document_id, bytes, print)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (file_id) DO UPDATE SET session_id = CASE
                    WHEN excluded.session_id IS NULL AND excluded.content_hash IS workspace_files.content_hash
                    THEN workspace_files.session_id ELSE excluded.session_id END,
                content_hash = excluded.content_hash, last_modified = excluded.last_modified,
                language = excluded.language, agent_lock = excluded.agent_lock, git_status = excluded.git_status,
                document_id = excluded.document_id, bytes = excluded.bytes, print = excluded.print",
        )?
        .execute(params![
            file_id(worktree, &file.path),
            file.session.map(|session| session.to_string()),
            file.path.as_str(),
            file.hash,
            file.modified_at.as_millis(),
            file.language,
            file.lock,
            file.status.as_str(),
            worktree.0,
            document,
            column::figure(file.bytes),
            file.print
        ])?;
    match before {
        Some(before) if before != document => left(transaction, before),
        _ => Ok(()),
    }
}

/// A file is this document no more: it goes with the last one.
fn left(transaction: &Transaction<'_>, document: i64) -> Result<(), StoreError> {
    let gone = transaction
        .prepare_cached(
            "DELETE FROM documents WHERE document_id = ?1
                AND NOT EXISTS (SELECT 1 FROM workspace_files WHERE document_id = ?1)",
        )?
        .execute([document])?;
    if gone > 0 {
        transaction.prepare_cached("DELETE FROM words WHERE rowid = ?1")?.execute([document])?;
    }
    Ok(())
}

fn file_id(worktree: IndexedWorktree, path: &RepoPath) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&worktree.0.to_le_bytes());
    hasher.update(path.as_str().as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

fn fingerprint() -> String {
    blake3::hash(format!("{SCHEMA}{}", words::VERSION).as_bytes()).to_hex().to_string()
}

fn is_missing_table(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(_, Some(words)) if words.starts_with("no such table"))
}
