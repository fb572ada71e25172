CREATE TABLE p_hello_world__greetings (
    tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    name text NOT NULL,
    times integer NOT NULL,
    CONSTRAINT p_hello_world__greetings_pkey PRIMARY KEY (tenant_id, name)
);
