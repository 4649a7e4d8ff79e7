-- Rows of these tables are numbered without gaps and never removed, as SQLite numbers its rows: so the last number is their
-- count, and nobody walks through them to know it. There is one writer, so the next number is one more than the last.
DO $$
DECLARE counted text;
BEGIN
    FOREACH counted IN ARRAY ARRAY['sessions', 'participants', 'tasks', 'turns', 'runs', 'plans', 'checkpoints', 'agent_messages']
    LOOP
        EXECUTE format('ALTER TABLE %I ADD COLUMN rowid bigint UNIQUE', counted);
        EXECUTE format(
            'CREATE FUNCTION %I() RETURNS bigint LANGUAGE plpgsql AS $f$ BEGIN
                RETURN (SELECT coalesce(max(rowid), 0) + 1 FROM %I);
            END $f$', 'next_of_' || counted, counted);
        EXECUTE format('ALTER TABLE %I ALTER COLUMN rowid SET DEFAULT %I()', counted, 'next_of_' || counted);
    END LOOP;
END $$;
