-- A worker process, known by the name that it registered with.
CREATE TABLE worker (
    tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    worker_name text NOT NULL,
    worker_version text NOT NULL,
    worker_type text NOT NULL,
    team_id text,
    host_name text NOT NULL,
    process_id text NOT NULL,
    metadata json,
    registered_at timestamptz NOT NULL DEFAULT now(),
    last_heartbeat_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, worker_name)
);

-- A kind of workflow or task that some worker has announced; the latest announcement wins.
CREATE TABLE definition (
    tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    category text NOT NULL CONSTRAINT definition_category CHECK (category IN ('WORKFLOW', 'TASK')),
    kind text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    version text NOT NULL,
    content_hash text NOT NULL,
    timeout_seconds integer,
    cancellable boolean NOT NULL,
    tags json NOT NULL,
    retry_policy json,
    input_schema json,
    output_schema json,
    metadata json,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, category, kind)
);

-- Which worker can run which kinds.
CREATE TABLE worker_capability (
    tenant_id uuid NOT NULL,
    worker_id uuid NOT NULL,
    category text NOT NULL,
    kind text NOT NULL,
    PRIMARY KEY (tenant_id, worker_id, category, kind),
    FOREIGN KEY (tenant_id, worker_id) REFERENCES worker (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, category, kind) REFERENCES definition (tenant_id, category, kind) ON DELETE CASCADE
);
