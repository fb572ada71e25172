-- A file of its own: the rows are read under a lock that stops no writes.
ALTER TABLE task_execution VALIDATE CONSTRAINT task_execution_of_agent_fkey;

ALTER TABLE task_execution VALIDATE CONSTRAINT task_execution_one_owner;

ALTER TABLE idempotency_key VALIDATE CONSTRAINT idempotency_key_leads_to_one;

ALTER TABLE definition VALIDATE CONSTRAINT definition_category;
