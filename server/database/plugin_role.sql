-- name: may_make
SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user

-- name: make
-- The role that plugins' migrations run as. It owns what plugins own, and may read and reference the rest.
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'flovyn_plugins') THEN
        CREATE ROLE flovyn_plugins NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- another database's server has just made it: roles belong to the whole cluster
END
$$

-- name: join_it
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'flovyn_plugins', 'MEMBER') THEN
        GRANT flovyn_plugins TO CURRENT_USER;
    END IF;
END
$$

-- name: grant_on_core
DO $$
DECLARE
    core_table regclass;
BEGIN
    GRANT USAGE, CREATE ON SCHEMA public TO flovyn_plugins;
    FOR core_table IN
        SELECT c.oid
        FROM pg_class AS c
        WHERE
            c.relnamespace = 'public'::regnamespace
            AND c.relkind IN ('r', 'p')
            AND c.relowner = current_user::regrole
            AND c.relname NOT LIKE 'p\_%'
            AND c.relname <> '_plugin_migrations'
            AND NOT has_table_privilege('flovyn_plugins', c.oid, 'REFERENCES')
    LOOP
        EXECUTE format('GRANT SELECT, REFERENCES ON TABLE %s TO flovyn_plugins', core_table);
    END LOOP;
END
$$

-- name: hand_over
-- Objects of plugins that an earlier start, without the role, has made under the server's own.
DO $$
DECLARE
    object record;
BEGIN
    FOR object IN
        SELECT
            CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
            c.oid::regclass::text AS name
        FROM pg_class AS c
        LEFT JOIN pg_depend AS d
            ON c.relkind = 'S' AND c.oid = d.objid AND d.deptype IN ('a', 'i') AND d.refclassid = 'pg_class'::regclass
        WHERE
            c.relnamespace = 'public'::regnamespace
            AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
            AND c.relowner = current_user::regrole
            AND c.relname LIKE 'p\_%\_\_%'
            AND d.objid IS NULL
        UNION ALL
        SELECT 'ROUTINE', f.oid::regprocedure::text
        FROM pg_proc AS f
        WHERE
            f.pronamespace = 'public'::regnamespace AND f.proowner = current_user::regrole AND f.proname LIKE 'p\_%\_\_%'
        UNION ALL
        SELECT CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, t.oid::regtype::text
        FROM pg_type AS t
        WHERE
            t.typnamespace = 'public'::regnamespace
            AND t.typowner = current_user::regrole
            AND t.typname LIKE 'p\_%\_\_%'
            AND t.typtype IN ('d', 'e', 'r')
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO flovyn_plugins', object.kind, object.name);
    END LOOP;
END
$$

-- name: become
SET LOCAL ROLE flovyn_plugins

-- name: return
RESET ROLE
