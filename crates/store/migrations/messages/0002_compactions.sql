-- Summaries that stand for what was said up to a message, and attempts at one that failed. `upto_seq` is the number of that
-- message, 0 when there is none.
CREATE TABLE compactions (
    seq INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    failed INTEGER NOT NULL,
    upto_seq INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX compactions_session ON compactions (session_id, failed, upto_seq, seq);
