-- A small stand-in for the core schema, and a neighbour: what the fixtures read, reference and aim at.
CREATE TABLE tenant (id uuid PRIMARY KEY, slug text NOT NULL UNIQUE, name text NOT NULL DEFAULT '', number bigint);
CREATE TABLE workflow_execution (
    tenant_id uuid NOT NULL REFERENCES tenant (id), id uuid NOT NULL, kind text NOT NULL DEFAULT 'k', state text NOT NULL DEFAULT 'RUNNING',
    created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (tenant_id, id)
);
CREATE TABLE task_execution (
    tenant_id uuid NOT NULL, id uuid NOT NULL, workflow_execution_id uuid NOT NULL, PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, workflow_execution_id) REFERENCES workflow_execution (tenant_id, id)
);
CREATE TABLE worker (tenant_id uuid NOT NULL, id uuid NOT NULL, name text NOT NULL DEFAULT 'w', PRIMARY KEY (tenant_id, id));
CREATE TABLE workflow_event (tenant_id uuid NOT NULL, workflow_execution_id uuid NOT NULL, sequence bigint NOT NULL, payload jsonb, PRIMARY KEY (tenant_id, workflow_execution_id, sequence));
CREATE TABLE timer (tenant_id uuid NOT NULL, id uuid NOT NULL, fire_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (tenant_id, id));
CREATE INDEX timer_due ON timer (fire_at);
CREATE TABLE metric_sample (tenant_id uuid NOT NULL, at timestamptz NOT NULL, value float8) PARTITION BY RANGE (at);
CREATE TABLE metric_sample_2024 PARTITION OF metric_sample FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE SEQUENCE core_seq;
CREATE TYPE core_state AS ENUM ('a', 'b');
CREATE DOMAIN core_slug AS text;
CREATE VIEW tenant_view AS SELECT id, slug FROM tenant;
CREATE MATERIALIZED VIEW tenant_counts AS SELECT count(*) AS n FROM tenant;
CREATE FUNCTION core_purge() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM public.timer; RETURN 1; END $$;
CREATE FUNCTION core_purge(anyelement) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM nextval('public.core_seq'); RETURN 1; END $$;
CREATE FUNCTION core_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM public.timer; RETURN NEW; END $$;
CREATE COLLATION core_order (provider = libc, locale = 'C');
CREATE FUNCTION core_same(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 = $2 $$;
CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = core_same);
CREATE OPERATOR CLASS core_text_ops FOR TYPE text USING btree AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 bttextcmp(text, text);
CREATE PROCEDURE core_tidy() LANGUAGE plpgsql AS $$ BEGIN DELETE FROM public.timer; END $$;
CREATE TRIGGER core_touch BEFORE UPDATE ON worker FOR EACH ROW EXECUTE FUNCTION core_trigger();
CREATE POLICY core_policy ON worker USING (true);
CREATE STATISTICS core_stats ON tenant_id, at FROM metric_sample;
CREATE TABLE p_other__item (id uuid PRIMARY KEY, name text);
CREATE TYPE p_other__kind AS ENUM ('x', 'y');
CREATE FUNCTION p_other__f() RETURNS int LANGUAGE sql AS $$ DELETE FROM public.p_other__item; SELECT 1 $$;
CREATE SEQUENCE p_other__seq;
CREATE SCHEMA stash;
CREATE TABLE stash.box (id int);
INSERT INTO tenant VALUES ('00000000-0000-0000-0000-000000000001', 'one', 'One', 1), ('00000000-0000-0000-0000-000000000002', 'two', 'Two', 2);
INSERT INTO workflow_execution (tenant_id, id) SELECT id, id FROM tenant;
INSERT INTO task_execution SELECT id, id, id FROM tenant;
INSERT INTO worker SELECT id, id FROM tenant;
INSERT INTO workflow_event SELECT id, id, 1, '{}' FROM tenant;
INSERT INTO timer SELECT id, id FROM tenant;
INSERT INTO metric_sample SELECT id, '2024-05-05', 1 FROM tenant;
INSERT INTO p_other__item SELECT id, slug FROM tenant;
INSERT INTO stash.box VALUES (1);
SELECT setval('core_seq', 100);
