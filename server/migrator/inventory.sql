-- name: objects
-- The objects of the schema that the server and its plugins share, with the table that an index or an owned sequence
-- belongs to.
SELECT
    CASE c.relkind
        WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
        WHEN 'S' THEN 'sequence' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' ELSE 'relation'
    END AS kind,
    c.relname AS name,
    coalesce(x.relname, o.relname, '') AS belongs_to
FROM pg_class AS c
LEFT JOIN pg_index AS i ON c.oid = i.indexrelid
LEFT JOIN pg_class AS x ON i.indrelid = x.oid
LEFT JOIN pg_depend AS d
    ON c.relkind = 'S' AND c.oid = d.objid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    AND d.refclassid = 'pg_class'::regclass
LEFT JOIN pg_class AS o ON d.refobjid = o.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'i', 'I', 'f')
UNION ALL
SELECT 'function', f.oid::regprocedure::text, ''
FROM pg_proc AS f
WHERE f.pronamespace = 'public'::regnamespace
UNION ALL
SELECT CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, t.typname, ''
FROM pg_type AS t
WHERE t.typnamespace = 'public'::regnamespace AND (t.typtype IN ('d', 'e', 'r') OR (t.typtype = 'c' AND EXISTS (
    SELECT 1 FROM pg_class AS k WHERE k.oid = t.typrelid AND k.relkind = 'c'
)))
UNION ALL
SELECT 'statistics', s.stxname, ''
FROM pg_statistic_ext AS s
WHERE s.stxnamespace = 'public'::regnamespace
ORDER BY 1, 2

-- name: forget_plugin
DELETE FROM _plugin_migrations WHERE plugin = %(plugin)s
