-- Keys of the bus's outbox are forgotten by key alone, whoever's they are.
CREATE INDEX idempotency_outbox ON idempotency (key) WHERE key >= 'outbox:' AND key < 'outbox;';
