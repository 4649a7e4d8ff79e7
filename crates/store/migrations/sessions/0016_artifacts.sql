-- Files and outputs agents made, by what they hold. The columns up to `git_commit_ref` are the studio's oldest; `content_hash` names
-- a blob, and `vector_embedding` is for the search to come. What was removed is listed no more.
CREATE TABLE artifacts (
    artifact_id TEXT PRIMARY KEY NOT NULL,
    session_id TEXT,
    agent_id TEXT,
    artifact_type TEXT NOT NULL,
    file_path TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    vector_embedding BLOB,
    created_at INTEGER NOT NULL,
    git_commit_ref TEXT,
    short_id TEXT NOT NULL,
    listed INTEGER,
    seq INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX artifacts_short_id ON artifacts (short_id);
CREATE INDEX artifacts_listed ON artifacts (listed, seq);
CREATE INDEX artifacts_session ON artifacts (session_id, listed, seq);
CREATE INDEX artifacts_content ON artifacts (content_hash, seq);
CREATE INDEX artifacts_seq ON artifacts (seq);
