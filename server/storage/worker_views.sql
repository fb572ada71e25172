-- name: workers
-- A page of workers, or one of them, with what they can run.
SELECT
    w.id, w.worker_name, w.worker_version, w.worker_type,
    w.last_heartbeat_at >= now() - %(silence)s * interval '1 second' AS is_online,
    w.host_name, w.process_id, w.team_id, w.registered_at, w.last_heartbeat_at,
    ARRAY(
        SELECT c.kind FROM worker_capability AS c
        WHERE c.tenant_id = w.tenant_id AND c.worker_id = w.id AND c.category = 'WORKFLOW'
        ORDER BY c.kind
    ) AS workflows,
    ARRAY(
        SELECT c.kind FROM worker_capability AS c
        WHERE c.tenant_id = w.tenant_id AND c.worker_id = w.id AND c.category = 'TASK'
        ORDER BY c.kind
    ) AS tasks,
    w.metadata::text
FROM worker AS w
WHERE
    w.tenant_id = %(tenant_id)s
    AND (%(id)s::uuid IS NULL OR w.id = %(id)s)
    AND (%(worker_type)s::text IS NULL OR w.worker_type = %(worker_type)s)
ORDER BY w.worker_name
LIMIT %(limit)s OFFSET %(offset)s

-- name: count_workers
SELECT count(*)
FROM worker AS w
WHERE w.tenant_id = %(tenant_id)s AND (%(worker_type)s::text IS NULL OR w.worker_type = %(worker_type)s)

-- name: definitions
-- A page of definitions of a category, or one of them, with the names of the workers that can run it.
SELECT
    md5(d.tenant_id::text || d.category || d.kind)::uuid AS id, d.kind, d.name, d.description, d.version, d.content_hash,
    d.timeout_seconds, d.cancellable, d.tags::text, d.retry_policy::text, d.input_schema::text, d.output_schema::text,
    d.metadata::text, able.workers, able.online, d.created_at, d.updated_at
FROM definition AS d
CROSS JOIN LATERAL (
    SELECT
        coalesce(array_agg(w.worker_name ORDER BY w.worker_name), ARRAY[]::text[]) AS workers,
        count(*) FILTER (WHERE w.last_heartbeat_at >= now() - %(silence)s * interval '1 second') AS online
    FROM worker_capability AS c
    INNER JOIN worker AS w ON w.tenant_id = c.tenant_id AND w.id = c.worker_id
    WHERE c.tenant_id = d.tenant_id AND c.category = d.category AND c.kind = d.kind
) AS able
WHERE
    d.tenant_id = %(tenant_id)s
    AND d.category = %(category)s
    AND (%(kind)s::text IS NULL OR d.kind = %(kind)s)
ORDER BY d.kind
LIMIT %(limit)s OFFSET %(offset)s

-- name: count_definitions
SELECT count(*) FROM definition AS d WHERE d.tenant_id = %(tenant_id)s AND d.category = %(category)s
