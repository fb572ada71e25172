-- name: applied
SELECT m.plugin AS owner, m.version, m.description, m.applied_at, m.duration_ms
FROM _plugin_migrations AS m
ORDER BY m.plugin, m.version
