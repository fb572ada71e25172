-- name: greet
-- Remembers the person and returns how often the tenant has greeted them.
INSERT INTO p_hello_world__greetings (tenant_id, name, times)
VALUES (%(tenant_id)s, %(name)s, 1)
ON CONFLICT (tenant_id, name) DO UPDATE
SET times = p_hello_world__greetings.times + 1, greeted_at = now()
RETURNING name, times

-- name: page
SELECT name, times, count(*) OVER () AS total
FROM p_hello_world__greetings
WHERE tenant_id = %(tenant_id)s
ORDER BY name
LIMIT %(limit)s OFFSET %(offset)s

-- name: forget
-- all tenants: it deletes old greetings of every tenant
DELETE FROM p_hello_world__greetings
WHERE greeted_at < now() - %(days)s * interval '1 day'
