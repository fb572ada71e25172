-- Runs that have ended, the longest ago first: what retention looks through.
CREATE INDEX workflow_execution_finished ON workflow_execution (completed_at)
WHERE completed_at IS NOT NULL;
