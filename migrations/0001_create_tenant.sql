-- The owner of everything else. Every other table carries tenant_id, and its keys begin with it,
-- so that the database can be partitioned or spread over machines by tenant.
CREATE TABLE tenant (
    id uuid PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text NOT NULL,
    tier text NOT NULL DEFAULT 'FREE',
    region text,
    created_at timestamptz NOT NULL DEFAULT now()
);
