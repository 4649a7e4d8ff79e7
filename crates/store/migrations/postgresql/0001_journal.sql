-- A workspace's truth in PostgreSQL: the journal, line for line as in files, and who may write to it. What follows from the
-- journal has a schema beside this one.

-- The one daemon that writes. Whoever takes over raises the epoch, and every transaction of a writer looks at it.
CREATE TABLE owner (
    one bigint PRIMARY KEY CHECK (one = 1),
    epoch bigint NOT NULL,
    -- NULL when the last one left in order.
    daemon text COLLATE "C",
    machine text COLLATE "C" NOT NULL,
    place text NOT NULL,
    -- By this server's clock.
    until timestamptz NOT NULL,
    -- `arriving` while a workspace moves in, which is none yet; `arrived` until it is opened here for the first time.
    state text COLLATE "C" NOT NULL DEFAULT 'open' CHECK (state IN ('arriving', 'arrived', 'open'))
);

CREATE TABLE epochs (
    epoch bigint PRIMARY KEY,
    first bigint NOT NULL
);

CREATE TABLE journal (
    seq bigint PRIMARY KEY,
    epoch bigint NOT NULL,
    hash bytea NOT NULL,
    line text COLLATE "C" NOT NULL
);

CREATE TABLE blobs (
    hash bytea PRIMARY KEY,
    content bytea NOT NULL
);
