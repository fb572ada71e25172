-- The claim of a running workflow execution: claim_id recognises it when the server does not know whether it was written,
-- claimed_by is the number of the server process that made it, held_by the connection and the principal that got it.
-- Rows that an older version claims have none of the three.
ALTER TABLE workflow_execution
    ADD COLUMN claim_id uuid,
    ADD COLUMN claimed_by integer,
    ADD COLUMN held_by text,
    -- how many claims in a row ended without a submission, although their workers may have got the workflow
    ADD COLUMN contested smallint NOT NULL DEFAULT 0,
    -- of the last submission that was applied: recognises its repetition
    ADD COLUMN submission_digest bytea;

-- The same of a running task. former_holders had it before, the last of them first; a few are kept.
ALTER TABLE task_execution
    ADD COLUMN claim_id uuid,
    ADD COLUMN claimed_by integer,
    ADD COLUMN held_by text,
    ADD COLUMN former_holders text[];
