-- outside a transaction
-- The workflows of a status, in the order of lists. Completed ones are most, so that the whole list has enough of them in a
-- row; pending, running and cancelled ones that are out with a worker are few, and have indexes. So a workflow that does not
-- wait, and completes, never enters this index.
CREATE INDEX CONCURRENTLY workflow_execution_of_status ON workflow_execution (tenant_id, status, created_at, id)
INCLUDE (kind, queue, completed_at)
WHERE status IN ('WAITING', 'FAILED', 'CANCELLED');
