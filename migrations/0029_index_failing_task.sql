-- outside a transaction
-- Open tasks whose last attempt failed, by their workflows.
CREATE INDEX CONCURRENTLY task_execution_failing ON task_execution (tenant_id, workflow_execution_id)
WHERE error IS NOT NULL AND status IN ('PENDING', 'RUNNING') AND workflow_execution_id IS NOT NULL;
