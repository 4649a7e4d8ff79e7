-- messaging.db, version 3: sessions and notices of other machines.

-- The machine a session lives on, when it is not this one; the bridge that brought it ends it.
ALTER TABLE session_registry ADD COLUMN machine TEXT;

-- A notice here, and the one it stands for on the bus between machines.
CREATE TABLE mirrors (
    notice     INTEGER PRIMARY KEY,
    generation TEXT NOT NULL,                   -- of that bus
    there      INTEGER NOT NULL,                -- the notice's id on it
    imported   INTEGER NOT NULL,                -- 1 when it was sent on another machine
    UNIQUE (generation, there)
);

-- The sender's machine knows that it was acknowledged.
ALTER TABLE receipts ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
CREATE INDEX idx_receipts_untold ON receipts (notice) WHERE acked_at IS NOT NULL AND told = 0;

-- The token a claim has on the machine that offered the work; tokens of this machine's counter say nothing there.
ALTER TABLE claims ADD COLUMN there INTEGER;

-- A question to the machine that offered some work, and its answer.
CREATE TABLE asks (
    notice INTEGER PRIMARY KEY,                 -- the notice that asks
    bell   TEXT NOT NULL,                       -- of whoever waits for the answer
    answer TEXT
);
