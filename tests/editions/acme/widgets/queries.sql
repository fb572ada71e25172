-- name: add
INSERT INTO p_widgets__widgets (tenant_id, name)
VALUES (%(tenant_id)s, %(name)s)
ON CONFLICT DO NOTHING

-- name: count
SELECT count(*)
FROM p_widgets__widgets
WHERE tenant_id = %(tenant_id)s
