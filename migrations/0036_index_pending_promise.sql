-- outside a transaction
-- The pending promises of a tenant, in the order of their creation: lists show them.
CREATE INDEX CONCURRENTLY promise_pending ON promise (tenant_id, ordinal)
WHERE status = 'PENDING';
