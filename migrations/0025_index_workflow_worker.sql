-- outside a transaction
-- The ended workflows of the worker that had them last; workflows enter it once, at their end.
CREATE INDEX CONCURRENTLY workflow_execution_of_worker ON workflow_execution (tenant_id, worker_id, created_at, id)
WHERE completed_at IS NOT NULL AND worker_id IS NOT NULL;
