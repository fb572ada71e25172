-- How many calls an event stands for; NULL is one. Refusals of unknown callers are counted: only the first from a source
-- in a minute is an event of its own, and one more says how many followed. Hashes of events that stand for one are as
-- before, so chains that exist stay verifiable, and a version that does not know the column goes on writing.
ALTER TABLE p_audit_log__events ADD COLUMN times bigint;

-- down
ALTER TABLE p_audit_log__events DROP COLUMN times;
