-- The key made a parent's transaction wait for its children's locks, while children wait for their parents'.
ALTER TABLE cancellation_request DROP CONSTRAINT cancellation_request_tenant_id_workflow_execution_id_fkey;

ALTER TABLE cancellation_request ADD FOREIGN KEY (tenant_id) REFERENCES tenant (id) ON DELETE CASCADE;
