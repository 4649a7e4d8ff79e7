-- Transcripts of the vendors' own programs, and how far each one has been read. `file` and what follows tell one file from another
-- at the same path.
CREATE TABLE transcripts (
    source TEXT PRIMARY KEY NOT NULL,
    session_id TEXT NOT NULL,
    vendor TEXT NOT NULL,
    vendor_session TEXT NOT NULL,
    position INTEGER NOT NULL,
    prefix_hash TEXT NOT NULL,
    file TEXT NOT NULL,
    messages INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX transcripts_session ON transcripts (vendor, vendor_session);
