-- What is on boards. A board owns positions; what its cards stand for is elsewhere.
CREATE TABLE board_cards (
    card_id TEXT PRIMARY KEY NOT NULL,
    short_id TEXT NOT NULL,
    board_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- The session or worktree it stands for.
    subject_id TEXT,
    x INTEGER NOT NULL,
    y INTEGER NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    note TEXT NOT NULL,
    revision INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX board_cards_short_id ON board_cards (short_id);
CREATE INDEX board_cards_board ON board_cards (board_id, seq);
CREATE INDEX board_cards_subject ON board_cards (subject_id);

CREATE TABLE board_zones (
    zone_id TEXT PRIMARY KEY NOT NULL,
    short_id TEXT NOT NULL,
    board_id TEXT NOT NULL,
    name TEXT NOT NULL,
    seq INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX board_zones_short_id ON board_zones (short_id);
CREATE INDEX board_zones_board ON board_zones (board_id, seq);

CREATE TABLE board_comments (
    comment_id TEXT PRIMARY KEY NOT NULL,
    short_id TEXT NOT NULL,
    board_id TEXT NOT NULL,
    card_id TEXT,
    -- The first comment of its thread.
    thread_id TEXT NOT NULL,
    resolved INTEGER NOT NULL DEFAULT 0,
    seq INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX board_comments_short_id ON board_comments (short_id);
CREATE INDEX board_comments_board ON board_comments (board_id, seq);
CREATE INDEX board_comments_card ON board_comments (card_id);
CREATE INDEX board_comments_thread ON board_comments (thread_id);

-- The last firing of each card, and those that are not over.
CREATE TABLE board_firings (
    firing_id TEXT PRIMARY KEY NOT NULL,
    board_id TEXT NOT NULL,
    card_id TEXT NOT NULL,
    state TEXT NOT NULL,
    -- What it came to.
    session_id TEXT,
    task_id TEXT,
    text TEXT,
    seq INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX board_firings_board ON board_firings (board_id, seq);
CREATE INDEX board_firings_card ON board_firings (card_id, seq);
CREATE INDEX firings_due ON board_firings (seq) WHERE state = 'due';
