-- outside a transaction
-- Words of errors.
CREATE INDEX CONCURRENTLY workflow_execution_error ON workflow_execution USING gin (to_tsvector('simple', left(error, 1000)))
WHERE error IS NOT NULL;
