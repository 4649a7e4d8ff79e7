-- The bus in a schema of PostgreSQL, version 1. Append-only: a later version adds a file, it never changes this one.
-- Tables and columns are called as in messaging.db. Every time is in nanoseconds since 1970 on the server's clock
-- (`_ns`), or in milliseconds where only people read it (`_ms`).

CREATE TABLE bus_state (
    id       smallint PRIMARY KEY CHECK (id = 1), -- locked by whoever writes: commits are in order
    birth    text NOT NULL,                       -- random, made with the schema
    home     text NOT NULL,                       -- server, timeline, database and schema these rows were written in
    epoch    bigint NOT NULL,                     -- of fencing tokens and of the generation
    token    bigint NOT NULL,                     -- highest fencing token handed out
    newest   bigint NOT NULL,                     -- highest notice ever, also when its row is gone
    clock_ns bigint NOT NULL                      -- the time never goes back behind this
) WITH (fillfactor = 50);

CREATE TABLE session_registry (
    session_id       text PRIMARY KEY,
    place            bigint GENERATED ALWAYS AS IDENTITY, -- oldest first
    llm_vendor       text NOT NULL,
    llm_model        text,
    agent            text NOT NULL,
    owner_session    text,
    worktree         text,
    status           text NOT NULL,
    registered_ms    bigint NOT NULL,
    heartbeat_ns     bigint NOT NULL,
    lease_ns         bigint NOT NULL,
    lease_expires_ns bigint NOT NULL,
    ended_ns         bigint,
    end_reason       text
) WITH (fillfactor = 70);
CREATE INDEX idx_registry_status ON session_registry (status);

CREATE TABLE inter_session_messages (
    id           bigint PRIMARY KEY,
    sender_id    text NOT NULL REFERENCES session_registry (session_id),
    channel      text NOT NULL,
    payload      json NOT NULL,                   -- as it was sent: jsonb would sort keys and refuse \u0000
    created_ms   bigint NOT NULL,
    ttl_seconds  bigint NOT NULL,
    agent        text NOT NULL,
    recipient_id text,
    audience     text[],
    idem_key     text,
    expires_ns   bigint NOT NULL,
    thread_id    text,
    priority     integer NOT NULL,
    reply_to     bigint,
    ack_ns       bigint,
    ack_attempts bigint
);
CREATE INDEX idx_messages_channel ON inter_session_messages (channel, id);
CREATE INDEX idx_messages_ttl ON inter_session_messages (expires_ns);
CREATE INDEX idx_messages_created ON inter_session_messages (created_ms);
CREATE INDEX idx_messages_thread ON inter_session_messages (thread_id, id) WHERE thread_id IS NOT NULL;
CREATE UNIQUE INDEX idx_messages_key ON inter_session_messages (sender_id, idem_key) WHERE idem_key IS NOT NULL;

CREATE TABLE receipts (
    notice     bigint NOT NULL REFERENCES inter_session_messages (id) ON DELETE CASCADE,
    session_id text NOT NULL,
    seen_ms    bigint,
    acked_ms   bigint,
    attempts   bigint NOT NULL DEFAULT 1,
    due_ns     bigint,
    again      boolean NOT NULL DEFAULT false,
    dead       boolean NOT NULL DEFAULT false,
    PRIMARY KEY (notice, session_id)
);
CREATE INDEX idx_receipts_due ON receipts (due_ns) WHERE due_ns IS NOT NULL;
CREATE INDEX idx_receipts_again ON receipts (session_id) WHERE again;
CREATE INDEX idx_receipts_dead ON receipts (notice) WHERE dead;

CREATE TABLE subscriptions (
    session_id text NOT NULL REFERENCES session_registry (session_id) ON DELETE CASCADE,
    channel    text NOT NULL,
    PRIMARY KEY (session_id, channel)
);

CREATE TABLE cursors (
    consumer   text NOT NULL,
    name       text NOT NULL,
    generation text NOT NULL,
    notice     bigint NOT NULL,
    PRIMARY KEY (consumer, name)
);

CREATE TABLE purged (
    channel text PRIMARY KEY,
    upto    bigint NOT NULL
);

CREATE TABLE locks (
    token       bigint PRIMARY KEY,
    worktree    text NOT NULL,
    path        text NOT NULL,
    is_glob     boolean NOT NULL,
    mode        text NOT NULL CHECK (mode IN ('shared', 'exclusive', 'advisory')),
    holder      text NOT NULL REFERENCES session_registry (session_id),
    acquired_ms bigint NOT NULL,
    expires_ns  bigint NOT NULL,
    UNIQUE (worktree, path, holder, mode)
);
CREATE INDEX idx_locks_holder ON locks (holder);

CREATE TABLE lock_waits (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- place in the queue
    worktree       text NOT NULL,
    paths          text[] NOT NULL,
    mode           text NOT NULL CHECK (mode IN ('shared', 'exclusive', 'advisory')),
    holder         text NOT NULL REFERENCES session_registry (session_id),
    ttl_ns         bigint NOT NULL,
    since_ms       bigint NOT NULL,
    heard_until_ns bigint NOT NULL,               -- then nobody waits for it any more
    granted        bigint[],                      -- tokens in the order of the paths, until they are collected
    fresh          bigint[]
);
CREATE INDEX idx_waits_holder ON lock_waits (holder);

CREATE TABLE claims (
    notice     bigint PRIMARY KEY REFERENCES inter_session_messages (id) ON DELETE CASCADE,
    holder     text NOT NULL REFERENCES session_registry (session_id),
    token      bigint NOT NULL UNIQUE,
    expires_ns bigint NOT NULL,
    attempts   bigint NOT NULL,
    done_ns    bigint
);
CREATE INDEX idx_claims_holder ON claims (holder);

CREATE FUNCTION server_ns() RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint $$;

-- The server's clock, except that it stands still while somebody has set it back.
CREATE FUNCTION bus_now() RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ SELECT greatest(server_ns(), clock_ns) FROM bus_state WHERE id = 1 $$;

-- Where these rows are: another server, a restored copy and a promoted standby all differ in it.
CREATE FUNCTION present_home() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
        left(pg_walfile_name(pg_current_wal_lsn()), 8),
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        (SELECT oid FROM pg_namespace WHERE nspname = current_schema()))
$$;

-- The way into every change: first everybody else is shut out, then the clock is read.
CREATE FUNCTION enter(OUT xid text, OUT epoch bigint, OUT token bigint, OUT newest bigint, OUT now_ns bigint)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    SELECT s.epoch, s.token, s.newest INTO epoch, token, newest FROM bus_state s WHERE s.id = 1 FOR UPDATE;
    now_ns := bus_now();
    xid := pg_current_xact_id()::text;
END $$;

-- The doorbell. It says nothing: who hears it looks.
CREATE FUNCTION ring() RETURNS void LANGUAGE sql VOLATILE AS $$ SELECT pg_notify(current_schema(), '') $$;
