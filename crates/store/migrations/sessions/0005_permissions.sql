-- What agents asked to be allowed, and what was decided.
CREATE TABLE permissions (
    permission_id TEXT PRIMARY KEY NOT NULL,
    short_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    turn_id TEXT NOT NULL,
    open INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    requested_at INTEGER NOT NULL,
    decided_at INTEGER,
    decision TEXT,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX permissions_short_id ON permissions (short_id);
CREATE INDEX permissions_seq ON permissions (seq);
CREATE INDEX permissions_session ON permissions (session_id, seq);
CREATE INDEX permissions_open ON permissions (seq) WHERE open = 1;
CREATE INDEX permissions_open_session ON permissions (session_id, seq) WHERE open = 1;
CREATE INDEX permissions_open_turn ON permissions (turn_id, seq) WHERE open = 1;

-- What decisions with a wider scope left behind. `place` is where a rule holds: a session's id, a repo's id or `always`.
CREATE TABLE permission_rules (
    rule_id TEXT PRIMARY KEY NOT NULL,
    short_id TEXT NOT NULL,
    place TEXT NOT NULL,
    seq INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX permission_rules_short_id ON permission_rules (short_id);
CREATE INDEX permission_rules_seq ON permission_rules (seq);
CREATE INDEX permission_rules_place ON permission_rules (place, seq);
