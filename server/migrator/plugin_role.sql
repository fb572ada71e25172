-- name: may_create
SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user

-- name: create
-- The role that migrations of plugins run as, named after the role of the server. It owns the objects of plugins, and
-- may read and reference the others.
DO $$
DECLARE
    plugins_role name := left(current_user, 55) || '_plugins';
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = plugins_role) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', plugins_role);
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- the server of another database has just made it: roles belong to the whole cluster
END
$$

-- name: join
DO $$
DECLARE
    plugins_role name := left(current_user, 55) || '_plugins';
BEGIN
    -- since PostgreSQL 16, the creator of a role may administer it, but must grant its use to itself
    IF NOT pg_has_role(current_user, plugins_role, 'USAGE') THEN
        EXECUTE format('GRANT %I TO CURRENT_USER', plugins_role);
    END IF;
END
$$

-- name: grant_on_core
DO $$
DECLARE
    plugins_role name := left(current_user, 55) || '_plugins';
    core_table regclass;
BEGIN
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA public TO %I', plugins_role);
    FOR core_table IN
        SELECT c.oid
        FROM pg_class AS c
        WHERE
            c.relnamespace = 'public'::regnamespace
            AND c.relkind IN ('r', 'p')
            AND c.relowner = current_user::regrole
            AND c.relname NOT LIKE 'p\_%'
            AND c.relname <> '_plugin_migrations'
            AND NOT has_table_privilege(plugins_role, c.oid, 'REFERENCES')
    LOOP
        EXECUTE format('GRANT SELECT, REFERENCES ON TABLE %s TO %I', core_table, plugins_role);
    END LOOP;
END
$$

-- name: take_ownership
-- Objects of plugins that an earlier start created as the role of the server, because this role did not exist.
DO $$
DECLARE
    plugins_role name := left(current_user, 55) || '_plugins';
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
        EXECUTE format('ALTER %s %s OWNER TO %I', object.kind, object.name, plugins_role);
    END LOOP;
END
$$

-- name: become
SELECT set_config('role', left(current_user, 55) || '_plugins', true)

-- name: become_for_session
SELECT set_config('role', left(current_user, 55) || '_plugins', false)

-- name: return
RESET ROLE
