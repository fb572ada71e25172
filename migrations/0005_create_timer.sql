-- Whether rows of other tables may have to be cleared up when the run ends: most runs then need no second look.
ALTER TABLE workflow_execution ADD COLUMN has_dependents boolean NOT NULL DEFAULT false;

-- A durable timer. Its id is unique within its run only; one of an ended run is ABANDONED.
CREATE TABLE timer (
    tenant_id uuid NOT NULL,
    workflow_execution_id uuid NOT NULL,
    timer_id text NOT NULL,
    status text NOT NULL DEFAULT 'ACTIVE',
    fire_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, workflow_execution_id, timer_id),
    FOREIGN KEY (tenant_id, workflow_execution_id) REFERENCES workflow_execution (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT timer_status CHECK (status IN ('ACTIVE', 'FIRED', 'CANCELLED', 'ABANDONED'))
);

-- Timers to fire, the nearest first.
CREATE INDEX timer_due ON timer (fire_at)
WHERE status = 'ACTIVE';
