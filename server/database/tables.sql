-- name: tables
-- The tables of the server and its plugins. The expected size is that of the rows by the statistics of ANALYZE: the widths
-- of their columns, 28 bytes for each row, and the room that the table's fillfactor leaves free. It is NULL before ANALYZE.
-- Values that are stored outside of their rows count neither there nor in the size.
SELECT
    c.relname::text AS name,
    greatest(c.reltuples, 0)::bigint AS rows,
    pg_relation_size(c.oid) AS bytes,
    pg_indexes_size(c.oid) AS index_bytes,
    pg_total_relation_size(c.oid) AS total_bytes,
    CASE
        WHEN c.reltuples > 0 AND w.width > 0 THEN (
            c.reltuples * (w.width + 28) * 100
            / coalesce((SELECT o.option_value::float8 FROM pg_options_to_table(c.reloptions) AS o WHERE o.option_name = 'fillfactor'), 100)
        )::float8
    END AS expected_bytes,
    s.n_dead_tup AS dead,
    extract(EPOCH FROM now() - greatest(s.last_autovacuum, s.last_vacuum))::float8 AS vacuumed_ago,
    NOT coalesce(
        (SELECT o.option_value::boolean FROM pg_options_to_table(c.reloptions) AS o WHERE o.option_name = 'autovacuum_enabled'),
        true
    ) AS autovacuum_is_off
FROM pg_class AS c
INNER JOIN pg_stat_user_tables AS s ON s.relid = c.oid
CROSS JOIN LATERAL (
    SELECT sum(v.avg_width * (1 - v.null_frac)) AS width
    FROM pg_stats AS v
    WHERE v.schemaname = s.schemaname AND v.tablename = s.relname
) AS w
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
ORDER BY total_bytes DESC, name

-- name: oldest_transaction
-- The age in seconds of the oldest transaction whose rows VACUUM must keep, and its holder; of a replication slot, the age is
-- unknown. Transactions of other roles are seen only by members of pg_read_all_stats.
SELECT h.holder, h.age
FROM (
    SELECT
        concat_ws(' ', 'process ' || a.pid, nullif(a.application_name, ''), a.state) AS holder,
        extract(EPOCH FROM now() - a.xact_start)::float8 AS age
    FROM pg_stat_activity AS a
    WHERE
        a.xact_start IS NOT NULL
        AND a.datname = current_database()
        AND a.backend_type = 'client backend'
        AND a.pid <> pg_backend_pid()
    UNION ALL
    SELECT 'prepared transaction ' || p.gid, extract(EPOCH FROM now() - p.prepared)::float8
    FROM pg_prepared_xacts AS p
    WHERE p.database = current_database()
) AS h
ORDER BY h.age DESC
LIMIT 1
