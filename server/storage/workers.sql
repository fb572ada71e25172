-- name: register
-- Worker, definitions and capabilities in one statement; capabilities that are not announced again are deleted.
WITH known AS (
    INSERT INTO worker (
        tenant_id, id, worker_name, worker_version, worker_type, team_id, host_name, process_id, metadata
    )
    VALUES (
        %(tenant_id)s, %(worker_id)s, %(worker_name)s, %(worker_version)s, %(worker_type)s, %(team_id)s,
        %(host_name)s, %(process_id)s, %(metadata)s::json
    )
    ON CONFLICT (tenant_id, worker_name) DO UPDATE
    SET
        worker_version = excluded.worker_version,
        worker_type = excluded.worker_type,
        team_id = excluded.team_id,
        host_name = excluded.host_name,
        process_id = excluded.process_id,
        metadata = excluded.metadata,
        registered_at = now(),
        last_heartbeat_at = now()
    RETURNING id
),
announced AS (
    SELECT *
    FROM unnest(
        %(category)s::text[], %(kind)s::text[], %(name)s::text[], %(description)s::text[], %(version)s::text[],
        %(content_hash)s::text[], %(timeout_seconds)s::integer[], %(cancellable)s::boolean[], %(tags)s::text[],
        %(retry_policy)s::text[], %(input_schema)s::text[], %(output_schema)s::text[], %(definition_metadata)s::text[]
    ) AS a (
        category, kind, name, description, version, content_hash, timeout_seconds, cancellable, tags,
        retry_policy, input_schema, output_schema, metadata
    )
),
defined AS (
    INSERT INTO definition (
        tenant_id, category, kind, name, description, version, content_hash, timeout_seconds, cancellable, tags,
        retry_policy, input_schema, output_schema, metadata
    )
    SELECT
        %(tenant_id)s, category, kind, name, description, version, content_hash, timeout_seconds, cancellable, tags::json,
        retry_policy::json, input_schema::json, output_schema::json, metadata::json
    FROM announced
    ORDER BY category, kind
    ON CONFLICT (tenant_id, category, kind) DO UPDATE
    SET
        name = excluded.name,
        description = excluded.description,
        version = excluded.version,
        content_hash = excluded.content_hash,
        timeout_seconds = excluded.timeout_seconds,
        cancellable = excluded.cancellable,
        tags = excluded.tags,
        retry_policy = excluded.retry_policy,
        input_schema = excluded.input_schema,
        output_schema = excluded.output_schema,
        metadata = excluded.metadata,
        updated_at = now()
),
gone AS (
    DELETE FROM worker_capability AS c
    USING known
    WHERE
        c.tenant_id = %(tenant_id)s
        AND c.worker_id = known.id
        AND NOT EXISTS (SELECT 1 FROM announced AS a WHERE a.category = c.category AND a.kind = c.kind)
),
able AS (
    INSERT INTO worker_capability (tenant_id, worker_id, category, kind)
    SELECT %(tenant_id)s, known.id, announced.category, announced.kind
    FROM known
    CROSS JOIN announced
    ON CONFLICT DO NOTHING
)
SELECT id FROM known

-- name: heartbeat
-- Heartbeats of workers, which name themselves by id or by name; returns the names as they were given.
WITH request AS (
    SELECT *
    FROM unnest(%(tenant_id)s::uuid[], %(worker)s::text[], %(worker_id)s::uuid[]) AS r (tenant_id, worker, worker_id)
),
known AS (
    SELECT w.tenant_id, w.id, r.worker
    FROM request AS r
    INNER JOIN worker AS w ON w.tenant_id = r.tenant_id AND w.id = r.worker_id
    UNION
    SELECT w.tenant_id, w.id, r.worker
    FROM request AS r
    INNER JOIN worker AS w ON w.tenant_id = r.tenant_id AND w.worker_name = r.worker
),
locked AS (
    SELECT w.tenant_id, w.id
    FROM worker AS w
    WHERE (w.tenant_id, w.id) IN (SELECT known.tenant_id, known.id FROM known)
    ORDER BY w.tenant_id, w.id
    FOR NO KEY UPDATE
),
alive AS (
    UPDATE worker AS w
    SET last_heartbeat_at = now()
    FROM locked
    WHERE w.tenant_id = locked.tenant_id AND w.id = locked.id
)
SELECT tenant_id, worker FROM known
