-- outside a transaction
-- Workflows with an error, in the order of lists: for words that many errors have.
CREATE INDEX CONCURRENTLY workflow_execution_unsuccessful ON workflow_execution (tenant_id, created_at, id)
WHERE error IS NOT NULL;
