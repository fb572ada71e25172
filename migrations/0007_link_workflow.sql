-- A child knows its parent, which hears of its end; a run counts its signals and how often it was retried by hand.
ALTER TABLE workflow_execution
    ADD COLUMN parent_id uuid,
    ADD COLUMN child_execution_name text,
    ADD COLUMN depth integer NOT NULL DEFAULT 0,
    ADD COLUMN signal_count integer NOT NULL DEFAULT 0,
    ADD COLUMN retry_count integer NOT NULL DEFAULT 0;

-- The children of a run, in the order of their creation. A child outlives its parent: no foreign key.
CREATE INDEX workflow_execution_children ON workflow_execution (tenant_id, parent_id, created_at, id)
WHERE parent_id IS NOT NULL;

-- Runs as lists show them, the newest first.
CREATE INDEX workflow_execution_newest ON workflow_execution (tenant_id, created_at, id);

-- Runs that are out with a worker and to be cancelled, the oldest claim first.
CREATE INDEX workflow_execution_cancelling ON workflow_execution (claimed_at)
WHERE status = 'CANCELLING';

-- An event that a retry by hand has made obsolete: kept and numbered, but no worker sees it any more.
ALTER TABLE workflow_event ADD COLUMN superseded boolean NOT NULL DEFAULT false;

-- Runs to be cancelled: written together with what asks for it, removed together with the end of the run. Between
-- parent and child it carries the request over, because children are never locked under their parents' locks.
CREATE TABLE cancellation_request (
    tenant_id uuid NOT NULL,
    workflow_execution_id uuid NOT NULL,
    reason text NOT NULL,
    requested_by text NOT NULL,
    cascades boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, workflow_execution_id),
    FOREIGN KEY (tenant_id, workflow_execution_id) REFERENCES workflow_execution (tenant_id, id) ON DELETE CASCADE
);
