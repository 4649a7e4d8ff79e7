-- Words of SQLite that statements of both engines use.
CREATE FUNCTION min(bigint, bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT least($1, $2)';
CREATE FUNCTION max(bigint, bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT greatest($1, $2)';

CREATE FUNCTION json_group_object_step(jsonb, text, anyelement) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS 'SELECT $1 || jsonb_build_object($2, $3)';
CREATE AGGREGATE json_group_object(text, anyelement) (
    SFUNC = json_group_object_step, STYPE = jsonb, INITCOND = '{}'
);

CREATE FUNCTION json_group_array_step(jsonb, anyelement) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS 'SELECT $1 || jsonb_build_array($2)';
CREATE AGGREGATE json_group_array(anyelement) (
    SFUNC = json_group_array_step, STYPE = jsonb, INITCOND = '[]'
);
