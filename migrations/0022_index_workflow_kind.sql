-- outside a transaction
-- The workflows of a kind, in the order of lists; the queue is there so that those of a kind and a queue are counted in the index.
CREATE INDEX CONCURRENTLY workflow_execution_of_kind ON workflow_execution (tenant_id, kind, created_at, id) INCLUDE (queue);
