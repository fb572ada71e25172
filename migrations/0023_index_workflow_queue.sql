-- outside a transaction
-- The workflows of a queue, in the order of lists.
CREATE INDEX CONCURRENTLY workflow_execution_of_queue ON workflow_execution (tenant_id, queue, created_at, id);
