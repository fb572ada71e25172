-- outside a transaction
-- The pending promises of a tenant, in the order of their creation: those that somebody may still settle.
CREATE INDEX CONCURRENTLY promise_pending ON promise (tenant_id, ordinal)
WHERE status = 'PENDING';
