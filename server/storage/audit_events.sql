-- name: insert
INSERT INTO workflow_audit_event (tenant_id, workflow_execution_id, event_type, event_data)
SELECT tenant_id, workflow_id, type, data::json
FROM unnest(%(tenant_id)s::uuid[], %(workflow_id)s::uuid[], %(type)s::text[], %(data)s::text[])
WITH ORDINALITY AS r (tenant_id, workflow_id, type, data, place)
ORDER BY place

-- name: of_workflow
SELECT a.id, a.event_type AS type, a.event_data::text AS data, a.created_at
FROM workflow_audit_event AS a
WHERE a.tenant_id = %(tenant_id)s AND a.workflow_execution_id = %(id)s
ORDER BY a.id
LIMIT %(limit)s
