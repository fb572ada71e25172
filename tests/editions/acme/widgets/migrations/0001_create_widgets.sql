CREATE TABLE p_widgets__widgets (
    tenant_id uuid NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    name text NOT NULL,
    CONSTRAINT p_widgets__widgets_pkey PRIMARY KEY (tenant_id, name)
);
