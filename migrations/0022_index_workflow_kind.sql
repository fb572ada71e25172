-- outside a transaction
-- The workflows of a kind, in the order of lists.
CREATE INDEX CONCURRENTLY workflow_execution_of_kind ON workflow_execution (tenant_id, kind, created_at, id);
