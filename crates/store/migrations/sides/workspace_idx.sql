-- workspace_idx.db: a cache that is made by looking at the worktrees. The columns up to `git_status` are the studio's oldest;
-- `vector_embedding` is for the search to come, `session_id` is the session that left the file so, where that is known.
-- Times are milliseconds since 1970. The same content at the same path is one document, in however many worktrees it is.
CREATE TABLE worktrees (
    worktree_id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    repo_id TEXT NOT NULL,
    is_main INT NOT NULL,
    scanned_at TIMESTAMP NOT NULL,
    left_out INT NOT NULL
);
CREATE TABLE workspace_files (
    file_id TEXT PRIMARY KEY NOT NULL,
    session_id TEXT,
    file_path TEXT NOT NULL,
    content_hash TEXT,
    last_modified TIMESTAMP NOT NULL,
    vector_embedding BLOB,
    language TEXT,
    agent_lock TEXT,
    git_status TEXT NOT NULL,
    worktree_id INT NOT NULL,
    document_id INT NOT NULL,
    bytes INT NOT NULL,
    print TEXT NOT NULL
);
CREATE UNIQUE INDEX workspace_files_path ON workspace_files (worktree_id, file_path);
CREATE INDEX workspace_files_document ON workspace_files (document_id);
CREATE TABLE documents (
    document_id INTEGER PRIMARY KEY,
    file_path TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    UNIQUE (file_path, content_hash)
);
CREATE VIRTUAL TABLE words USING fts5 (
    path, content, content = '', contentless_delete = 1, tokenize = "unicode61 remove_diacritics 0 tokenchars '_'"
);
CREATE TABLE made (one INTEGER PRIMARY KEY CHECK (one = 1), schema TEXT NOT NULL);
