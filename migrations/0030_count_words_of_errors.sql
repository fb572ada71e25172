-- How often words occur in errors, in shares of all workflows. From the index alone, PostgreSQL takes a word that it does not
-- know for a frequent one, and walks through all errors in search of it.
CREATE STATISTICS workflow_execution_error_words ON (to_tsvector('simple', left(error, 1000))) FROM workflow_execution;

ANALYZE workflow_execution;

-- Lists of schedules and tenants, in their order.
CREATE INDEX schedule_newest ON schedule (tenant_id, created_at, id);

CREATE INDEX tenant_oldest ON tenant (created_at, id);
