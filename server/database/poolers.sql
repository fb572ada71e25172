-- name: session
SELECT pg_backend_pid()

-- name: session_settings
SELECT
    current_setting('TimeZone') AS timezone,
    current_setting('default_transaction_isolation') AS isolation,
    (SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout') AS statement_timeout,
    quote_ident(current_user) AS role

-- name: prepared
-- Whether the first statement that the driver prepares has the driver's name in the session.
SELECT EXISTS (SELECT FROM pg_prepared_statements WHERE name = '_pg3_0')

-- name: forget_prepared
DEALLOCATE _pg3_0
