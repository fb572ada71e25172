-- outside a transaction
-- Keys and values of metadata; workflows without any cost nothing.
CREATE INDEX CONCURRENTLY workflow_execution_metadata ON workflow_execution USING gin (metadata)
WHERE metadata <> '{}';
