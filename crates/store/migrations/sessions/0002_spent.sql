-- What all sessions together have used. One row, so that the sum is shown without walking through them.
CREATE TABLE spent (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    input_tokens INTEGER NOT NULL DEFAULT 0,
    output_tokens INTEGER NOT NULL DEFAULT 0,
    cache_read_tokens INTEGER NOT NULL DEFAULT 0,
    cache_write_tokens INTEGER NOT NULL DEFAULT 0,
    cost_micros INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO spent (only) VALUES (1);
