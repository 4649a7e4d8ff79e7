-- Each index is a page that a new session writes. What most sessions have none of (repository, board, source) is indexed for
-- those that have one; seats are found by their session, and there are few in one.
DROP INDEX sessions_seq;
DROP INDEX sessions_listed_agent;
DROP INDEX sessions_listed_repo;
DROP INDEX sessions_listed_board;
DROP INDEX sessions_source;
DROP INDEX participants_agent;
CREATE INDEX sessions_listed_agent ON sessions (listed, agent, seq) WHERE agent IS NOT NULL;
CREATE INDEX sessions_listed_repo ON sessions (listed, repo_id, seq) WHERE repo_id IS NOT NULL;
CREATE INDEX sessions_listed_board ON sessions (listed, board_id, seq) WHERE board_id IS NOT NULL;
CREATE INDEX sessions_source ON sessions (source_id, seq) WHERE source_id IS NOT NULL;
