-- Tables whose rows change several times in a short life. Autovacuum takes them when one row in twenty is dead, instead of
-- one in five, and does not rest between pages: it comes often and finds little. The room that is left in each page keeps
-- updates there that change no indexed column (signs of life, progress, further commands), so that they need no VACUUM.
-- The locks are SHARE UPDATE EXCLUSIVE: reads and writes go on.
ALTER TABLE workflow_execution SET (
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0
);

ALTER TABLE task_execution SET (
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0
);

ALTER TABLE timer SET (
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0
);

ALTER TABLE promise SET (
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_threshold = 500,
    autovacuum_vacuum_cost_delay = 0
);
