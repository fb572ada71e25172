-- name: objects
-- All objects that a migration can change, one row per object: its kind, its schema, its name and its definition.
-- Values are left out that change by themselves (statistics, sizes) or through a foreign key of another table
-- (internal triggers and their flags). An object belongs to the plugin when it has a name of the plugin in the shared
-- schema and is owned by the role of the server or of the plugins. An index must also be on a table of the plugin.
WITH owner AS (
    SELECT oid FROM pg_roles WHERE rolname IN (current_user, left(current_user, 55) || '_plugins')
),
relation AS (
    SELECT c.oid, c.relname, n.nspname, c.relkind, coalesce(t.relname, c.relname) AS table_name
    FROM pg_class AS c
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    LEFT JOIN pg_index AS i ON c.oid = i.indexrelid
    LEFT JOIN pg_class AS t ON i.indrelid = t.oid
    WHERE
        n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        AND n.nspname NOT LIKE 'pg\_temp\_%%'
        AND NOT (
            n.nspname = 'public'
            AND c.relname ~ %(own)s
            AND coalesce(t.relname, c.relname) ~ %(own)s
            AND c.relowner IN (SELECT oid FROM owner)
        )
),
object AS (
    SELECT
        CASE c.relkind
            WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
            WHEN 'S' THEN 'sequence' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'c' THEN 'composite type'
            ELSE 'relation'
        END AS kind,
        r.nspname AS schema,
        r.relname AS name,
        concat_ws(
            '|', c.relkind, c.relowner::regrole, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, c.reloptions,
            c.relacl, c.relreplident, c.reltablespace, c.relam,
            CASE WHEN c.relkind IN ('r', 'p', 'm', 'S') THEN c.relfilenode END,
            CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
            CASE WHEN c.relkind IN ('i', 'I') THEN pg_get_indexdef(c.oid) END,
            pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid)
        ) AS definition
    FROM relation AS r
    INNER JOIN pg_class AS c ON r.oid = c.oid
    UNION ALL
    SELECT
        'column', r.nspname, r.relname || '.' || a.attname,
        concat_ws(
            '|', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attcollation,
            a.attacl, a.attoptions, a.attisdropped, a.attstorage, a.attstattarget, pg_get_expr(d.adbin, d.adrelid)
        )
    FROM pg_attribute AS a
    INNER JOIN relation AS r ON a.attrelid = r.oid
    LEFT JOIN pg_attrdef AS d ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE a.attnum > 0 AND r.relkind IN ('r', 'p', 'v', 'm', 'c', 'f')
    UNION ALL
    SELECT 'constraint', r.nspname, k.conname || ' on ' || r.relname, pg_get_constraintdef(k.oid) || k.convalidated::text
    FROM pg_constraint AS k
    INNER JOIN relation AS r ON k.conrelid = r.oid
    UNION ALL
    SELECT 'trigger', r.nspname, t.tgname || ' on ' || r.relname, pg_get_triggerdef(t.oid) || t.tgenabled::text
    FROM pg_trigger AS t
    INNER JOIN relation AS r ON t.tgrelid = r.oid
    WHERE NOT t.tgisinternal
    UNION ALL
    SELECT
        'policy', r.nspname, p.polname || ' on ' || r.relname,
        concat_ws(
            '|', p.polcmd, p.polpermissive, p.polroles::text, pg_get_expr(p.polqual, p.polrelid),
            pg_get_expr(p.polwithcheck, p.polrelid)
        )
    FROM pg_policy AS p
    INNER JOIN relation AS r ON p.polrelid = r.oid
    UNION ALL
    SELECT 'rule', r.nspname, w.rulename || ' on ' || r.relname, pg_get_ruledef(w.oid) || w.ev_enabled::text
    FROM pg_rewrite AS w
    INNER JOIN relation AS r ON w.ev_class = r.oid
    WHERE w.rulename <> '_RETURN'
    UNION ALL
    SELECT 'parent', r.nspname, r.relname || ' under ' || i.inhparent::regclass, i.inhseqno::text
    FROM pg_inherits AS i
    INNER JOIN relation AS r ON i.inhrelid = r.oid
    UNION ALL
    -- the same relation seen from the parent: a partition of a core table in a plugin changes the core table
    SELECT 'child', r.nspname, i.inhrelid::regclass || ' under ' || r.relname, i.inhseqno::text
    FROM pg_inherits AS i
    INNER JOIN relation AS r ON i.inhparent = r.oid
    UNION ALL
    SELECT
        'sequence parameters', r.nspname, r.relname,
        concat_ws('|', q.seqtypid, q.seqstart, q.seqincrement, q.seqmax, q.seqmin, q.seqcache, q.seqcycle)
    FROM pg_sequence AS q
    INNER JOIN relation AS r ON q.seqrelid = r.oid
    UNION ALL
    -- a foreign key to a table of another plugin restricts that plugin
    SELECT 'foreign key', n.nspname, k.conname || ' to ' || c.relname, pg_get_constraintdef(k.oid)
    FROM pg_constraint AS k
    INNER JOIN pg_class AS c ON k.confrelid = c.oid
    INNER JOIN pg_namespace AS n ON c.relnamespace = n.oid
    WHERE k.contype = 'f' AND c.relname LIKE 'p\_%%' AND c.relname !~ %(own)s
    UNION ALL
    SELECT
        'statistics', n.nspname, s.stxname,
        concat_ws('|', pg_get_statisticsobjdef(s.oid), s.stxstattarget, s.stxowner::regrole)
    FROM pg_statistic_ext AS s
    INNER JOIN pg_namespace AS n ON s.stxnamespace = n.oid
    INNER JOIN pg_class AS c ON s.stxrelid = c.oid
    WHERE NOT (
        n.nspname = 'public' AND s.stxname ~ %(own)s AND c.relname ~ %(own)s AND s.stxowner IN (SELECT oid FROM owner)
    )
    UNION ALL
    SELECT
        'function', n.nspname, f.oid::regprocedure::text,
        concat_ws(
            '|', f.proowner::regrole, f.prosrc, f.prosqlbody, f.prolang, f.prosecdef, f.proleakproof, f.provolatile,
            f.proconfig, f.proacl, f.prokind, f.proisstrict, f.proretset, f.prorettype::regtype, f.probin
        )
    FROM pg_proc AS f
    INNER JOIN pg_namespace AS n ON f.pronamespace = n.oid
    WHERE
        n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND NOT (n.nspname = 'public' AND f.proname ~ %(own)s AND f.proowner IN (SELECT oid FROM owner))
    UNION ALL
    SELECT
        'type', n.nspname, t.typname,
        concat_ws(
            '|', t.typtype, t.typowner::regrole, t.typnotnull, t.typdefault, t.typacl, t.typbasetype::regtype,
            (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = t.oid),
            (
                SELECT string_agg(k.conname || pg_get_constraintdef(k.oid), ',' ORDER BY k.conname)
                FROM pg_constraint AS k
                WHERE k.contypid = t.oid
            )
        )
    FROM pg_type AS t
    INNER JOIN pg_namespace AS n ON t.typnamespace = n.oid
    -- an array type has the owner of its element type
    LEFT JOIN pg_type AS element ON t.typelem = element.oid AND t.typcategory = 'A'
    WHERE
        n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        AND NOT (
            n.nspname = 'public'
            AND coalesce(element.typname, t.typname) ~ %(own)s
            AND t.typowner IN (SELECT oid FROM owner)
        )
    UNION ALL
    SELECT
        'comment', coalesce(n.nspname, ''),
        pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description
    FROM pg_description AS d
    LEFT JOIN pg_constraint AS k ON d.classoid = 'pg_constraint'::regclass AND d.objoid = k.oid
    LEFT JOIN pg_trigger AS g ON d.classoid = 'pg_trigger'::regclass AND d.objoid = g.oid
    LEFT JOIN pg_policy AS p ON d.classoid = 'pg_policy'::regclass AND d.objoid = p.oid
    LEFT JOIN pg_class AS r ON r.oid = CASE
        WHEN d.classoid = 'pg_class'::regclass THEN d.objoid ELSE coalesce(k.conrelid, g.tgrelid, p.polrelid)
    END
    LEFT JOIN pg_proc AS f ON d.classoid = 'pg_proc'::regclass AND d.objoid = f.oid
    LEFT JOIN pg_type AS t ON t.oid = CASE WHEN d.classoid = 'pg_type'::regclass THEN d.objoid ELSE k.contypid END
    LEFT JOIN pg_statistic_ext AS s ON d.classoid = 'pg_statistic_ext'::regclass AND d.objoid = s.oid
    LEFT JOIN pg_namespace AS n ON n.oid = coalesce(r.relnamespace, f.pronamespace, t.typnamespace, s.stxnamespace)
    WHERE
        (d.objoid >= 16384 OR d.classoid = 'pg_extension'::regclass)
        AND NOT (
            coalesce(n.nspname, '') = 'public' AND coalesce(r.relname, f.proname, t.typname, s.stxname, '') ~ %(own)s
        )
    UNION ALL
    SELECT 'schema', n.nspname, n.nspname, concat_ws('|', n.nspowner::regrole, n.nspacl)
    FROM pg_namespace AS n
    WHERE n.nspname NOT LIKE 'pg\_%%'
    UNION ALL
    SELECT 'role', '', o.rolname, concat_ws('|', o.rolsuper, o.rolcreaterole, o.rolcanlogin, o.rolbypassrls, o.rolconfig)
    FROM pg_roles AS o
    UNION ALL
    SELECT 'membership', '', concat_ws(' in ', m.member::regrole, m.roleid::regrole), m.admin_option::text
    FROM pg_auth_members AS m
    UNION ALL
    SELECT 'setting', '', concat_ws(' ', s.setdatabase, s.setrole::regrole), s.setconfig::text
    FROM pg_db_role_setting AS s
    UNION ALL
    SELECT 'default privileges', '', concat_ws(' ', d.defaclrole::regrole, d.defaclnamespace, d.defaclobjtype), d.defaclacl::text
    FROM pg_default_acl AS d
    UNION ALL
    SELECT 'extension', '', x.extname, x.extversion
    FROM pg_extension AS x
    UNION ALL
    SELECT 'event trigger', '', v.evtname, concat_ws('|', v.evtevent, v.evtfoid::regproc, v.evtenabled)
    FROM pg_event_trigger AS v
    UNION ALL
    SELECT 'publication', '', b.pubname, concat_ws('|', b.puballtables, b.pubinsert, b.pubupdate, b.pubdelete)
    FROM pg_publication AS b
    UNION ALL
    SELECT 'published table', '', concat_ws(' ', b.prpubid, b.prrelid::regclass), ''
    FROM pg_publication_rel AS b
    UNION ALL
    SELECT 'language', '', l.lanname, concat_ws('|', l.lanpltrusted, l.lanacl)
    FROM pg_language AS l
    UNION ALL
    SELECT 'cast', '', concat_ws(' to ', k.castsource::regtype, k.casttarget::regtype), k.castcontext::text
    FROM pg_cast AS k
    INNER JOIN pg_type AS source ON k.castsource = source.oid
    INNER JOIN pg_type AS target ON k.casttarget = target.oid
    -- a range type creates the cast to its multirange
    WHERE k.oid >= 16384 AND NOT (source.typname ~ %(own)s AND target.typname ~ %(own)s)
    UNION ALL
    SELECT 'operator', '', o.oid::regoperator::text, o.oprcode::text
    FROM pg_operator AS o
    WHERE o.oid >= 16384
    UNION ALL
    SELECT 'operator class', '', concat_ws(' ', o.opcname, o.opcmethod), o.opcdefault::text
    FROM pg_opclass AS o
    WHERE o.oid >= 16384
    UNION ALL
    SELECT 'collation', '', l.collname, l.collprovider::text
    FROM pg_collation AS l
    WHERE l.oid >= 16384
    UNION ALL
    SELECT 'foreign server', '', s.srvname, s.srvoptions::text
    FROM pg_foreign_server AS s
    UNION ALL
    SELECT 'foreign data wrapper', '', w.fdwname, concat_ws('|', w.fdwhandler::regproc, w.fdwoptions::text)
    FROM pg_foreign_data_wrapper AS w
    UNION ALL
    SELECT 'text search configuration', '', g.cfgname, g.cfgparser::text
    FROM pg_ts_config AS g
    WHERE g.oid >= 16384
    UNION ALL
    SELECT 'text search dictionary', '', g.dictname, g.dictinitoption
    FROM pg_ts_dict AS g
    WHERE g.oid >= 16384
    UNION ALL
    SELECT 'access method', '', m.amname, m.amhandler::text
    FROM pg_am AS m
    WHERE m.oid >= 16384
    UNION ALL
    SELECT 'subscription', '', u.subname, u.subenabled::text
    FROM pg_subscription AS u
    UNION ALL
    -- An object that depends on a type, function, sequence, operator, operator class or collation of others: their
    -- owner can then no longer change it. Foreign keys and views depend on tables, which is allowed; extensions are
    -- shared.
    SELECT
        'tie', '',
        concat_ws(
            ' to ', pg_describe_object(d.classid, d.objid, d.objsubid),
            pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
        ),
        ''
    FROM pg_depend AS d
    LEFT JOIN pg_type AS t ON d.refclassid = 'pg_type'::regclass AND d.refobjid = t.oid
    LEFT JOIN pg_type AS element ON t.typelem = element.oid AND t.typcategory = 'A'
    LEFT JOIN pg_proc AS f ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = f.oid
    LEFT JOIN pg_class AS c ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
    WHERE
        d.refobjid >= 16384
        AND d.deptype = 'n'
        AND (
            d.refclassid IN (
                'pg_type'::regclass, 'pg_proc'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass,
                'pg_opfamily'::regclass, 'pg_collation'::regclass, 'pg_am'::regclass, 'pg_ts_config'::regclass,
                'pg_ts_dict'::regclass
            )
            OR c.relkind = 'S'
        )
        AND coalesce(element.typname, t.typname, f.proname, c.relname, '') !~ %(own)s
        AND NOT EXISTS (
            SELECT 1 FROM pg_depend AS e WHERE e.classid = d.refclassid AND e.objid = d.refobjid AND e.deptype = 'e'
        )
    UNION ALL
    SELECT 'large object', '', g.oid::text, g.lomowner::regrole::text
    FROM pg_largeobject_metadata AS g
)
SELECT kind, schema, name, definition
FROM object

-- name: written_rows
-- The number of rows that this session has changed in tables of others and not yet reported. Two such numbers of one
-- transaction differ by the rows that were changed between them.
SELECT
    'rows of' AS kind, schemaname AS schema, relname AS name, (n_tup_ins + n_tup_upd + n_tup_del)::text AS definition
FROM pg_stat_xact_user_tables
WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND NOT (schemaname = 'public' AND relname ~ %(own)s)
