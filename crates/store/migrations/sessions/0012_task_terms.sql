-- What tasks are done under, as far as somebody looks for it: when they are late, when they may be tried again, and who has
-- claimed those that are for whoever claims them. `claims` counts the claims of a task; it is the fencing token of the last one.
ALTER TABLE tasks ADD COLUMN deadline INTEGER;
ALTER TABLE tasks ADD COLUMN not_before INTEGER;
ALTER TABLE tasks ADD COLUMN end_code TEXT;
ALTER TABLE tasks ADD COLUMN pool INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN claims INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN claim_holder TEXT;
ALTER TABLE tasks ADD COLUMN claim_expires_at INTEGER;
CREATE INDEX tasks_deadline ON tasks (deadline) WHERE open = 1 AND deadline IS NOT NULL;
CREATE INDEX tasks_not_before ON tasks (not_before) WHERE open = 1 AND not_before IS NOT NULL;
CREATE INDEX tasks_claim ON tasks (claim_expires_at) WHERE claim_expires_at IS NOT NULL;
CREATE INDEX tasks_pool ON tasks (priority DESC, queue_rank) WHERE open = 1 AND pool = 1;

-- Where a turn's checkout stood when it had ended.
ALTER TABLE turns ADD COLUMN git_end TEXT;

-- Vendors that take no more calls for a while.
CREATE TABLE vendor_pauses (
    vendor TEXT PRIMARY KEY NOT NULL,
    until INTEGER NOT NULL,
    reason TEXT NOT NULL,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
