-- Sessions that were led elsewhere and read in from an archive: where they came from, and how far each archive was read.
ALTER TABLE sessions ADD COLUMN imported TEXT;

CREATE TABLE session_imports (
    session_id TEXT PRIMARY KEY NOT NULL,
    archive TEXT NOT NULL,
    lines INTEGER NOT NULL,
    whole INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
