-- name: set_session_limits
SELECT
    set_config('lock_timeout', %(lock_timeout)s, false),
    set_config('statement_timeout', %(statement_timeout)s, false),
    set_config('standard_conforming_strings', 'on', false)

-- name: indexes
-- REINDEX CONCURRENTLY builds name_ccnew and swaps it with name, which is then name_ccold.
SELECT c.relname AS name, i.indisvalid AS is_valid
FROM pg_index AS i
INNER JOIN pg_class AS c ON i.indexrelid = c.oid
WHERE
    c.relnamespace = 'public'::regnamespace
    AND (
        c.relname = %(name)s
        OR (left(c.relname, length(%(name)s)) = %(name)s AND substr(c.relname, length(%(name)s) + 1) ~ '^_cc(new|old)[0-9]*$')
    )
