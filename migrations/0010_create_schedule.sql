-- What starts workflows or tasks by the clock: once, or as a cron line says in a time zone.
CREATE TABLE schedule (
    tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    name text NOT NULL,
    description text,
    run_at timestamptz,
    cron text,
    timezone text NOT NULL,
    end_at timestamptz,
    target text NOT NULL CONSTRAINT schedule_target CHECK (target IN ('workflow', 'task')),
    kind text NOT NULL,
    queue text NOT NULL,
    input json NOT NULL,
    metadata json NOT NULL,
    max_retries integer NOT NULL,
    missed_run_policy text NOT NULL,
    overlap_policy text NOT NULL,
    enabled boolean NOT NULL,
    -- null when there is nothing more to come
    next_run_at timestamptz,
    last_run_at timestamptz,
    run_count integer NOT NULL DEFAULT 0,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT schedule_once_or_again CHECK (num_nonnulls(run_at, cron) = 1)
);

-- Schedules that are due, the longest overdue first.
CREATE INDEX schedule_due ON schedule (next_run_at)
WHERE enabled AND next_run_at IS NOT NULL;

-- What became of each due instant: one row each, however many servers look.
CREATE TABLE schedule_run (
    tenant_id uuid NOT NULL,
    schedule_id uuid NOT NULL,
    id uuid NOT NULL,
    scheduled_for timestamptz NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    status text NOT NULL CONSTRAINT schedule_run_status CHECK (status IN ('STARTED', 'SKIPPED')),
    workflow_execution_id uuid,
    task_execution_id uuid,
    error text,
    PRIMARY KEY (tenant_id, schedule_id, id),
    UNIQUE (tenant_id, schedule_id, scheduled_for),
    FOREIGN KEY (tenant_id, schedule_id) REFERENCES schedule (tenant_id, id) ON DELETE CASCADE
);
