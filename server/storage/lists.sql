-- name: deadline
-- Of each further statement of the transaction.
SELECT set_config('statement_timeout', %(milliseconds)s, true)

-- name: present_deadline
SELECT current_setting('statement_timeout')
