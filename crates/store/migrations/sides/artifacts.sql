-- artifacts.db, which follows the journal from behind. The columns are the studio's oldest; `content_hash` names a blob, and
-- `vector_embedding` is for the search to come. What was removed is not in it.
CREATE TABLE artifacts (
    artifact_id TEXT PRIMARY KEY NOT NULL,
    session_id TEXT,
    agent_id TEXT,
    artifact_type TEXT NOT NULL,
    file_path TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    vector_embedding BLOB,
    created_at TIMESTAMP NOT NULL,
    git_commit_ref TEXT
);
CREATE INDEX artifacts_session ON artifacts (session_id);
CREATE INDEX artifacts_content ON artifacts (content_hash);
