-- How much a run's history has grown to, in bytes: clients refuse histories that are too large, so operators must see it.
-- Runs that are older than this column begin to count here.
ALTER TABLE workflow_execution ADD COLUMN history_bytes bigint NOT NULL DEFAULT 0;
