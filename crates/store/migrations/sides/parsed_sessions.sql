-- parsed_sessions.db, which follows the journal from behind. What a session consists of; the columns are the studio's oldest.
-- `entities`, `sentiment_score` and `topics` are for the insights to come.
CREATE TABLE parsed_sessions (
    session_id TEXT PRIMARY KEY NOT NULL,
    parsed_content JSON NOT NULL,
    entities JSON,
    sentiment_score FLOAT,
    topics JSON,
    code_changes JSON NOT NULL,
    decisions JSON NOT NULL,
    created_at TIMESTAMP NOT NULL
);
