-- What was asked about a run and is no part of its history: workers misread events that they do not know.
CREATE TABLE workflow_audit_event (
    tenant_id uuid NOT NULL,
    workflow_execution_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    event_type text NOT NULL,
    event_data json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, workflow_execution_id, id),
    FOREIGN KEY (tenant_id, workflow_execution_id) REFERENCES workflow_execution (tenant_id, id) ON DELETE CASCADE
);
