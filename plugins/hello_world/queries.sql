-- name: greet
-- Remembers the person and returns how often the tenant has greeted them.
INSERT INTO p_hello_world__greetings (tenant_id, name, times)
VALUES (%(tenant_id)s, %(name)s, 1)
ON CONFLICT (tenant_id, name) DO UPDATE
SET times = p_hello_world__greetings.times + 1
RETURNING times
