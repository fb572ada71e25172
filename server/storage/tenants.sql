-- part: tenant
    id, slug, name, tier, region, created_at

-- name: create
-- Tenants whose slug or id exists are left out of the result.
INSERT INTO tenant (id, slug, name, tier, region)
SELECT * FROM unnest(%(id)s::uuid[], %(slug)s::text[], %(name)s::text[], %(tier)s::text[], %(region)s::text[])
ON CONFLICT DO NOTHING
RETURNING
    -- use: tenant

-- name: upsert
-- Tenants of the configuration, which overwrites all columns except the id.
INSERT INTO tenant (id, slug, name, tier, region)
SELECT * FROM unnest(%(id)s::uuid[], %(slug)s::text[], %(name)s::text[], %(tier)s::text[], %(region)s::text[])
ON CONFLICT (id) DO UPDATE
SET slug = excluded.slug, name = excluded.name, tier = excluded.tier, region = excluded.region

-- name: named
-- Tenants by id and by slug, through the two unique indexes.
SELECT
    -- use: tenant
FROM tenant WHERE id = ANY(%(ids)s::uuid[])
UNION ALL
SELECT
    -- use: tenant
FROM tenant WHERE slug = ANY(%(slugs)s::text[])

-- name: page
-- Of all tenants, the oldest first; the parts of the list follow.
SELECT
    -- use: tenant
FROM tenant
WHERE true

-- name: after
AND (created_at, id) > (%(after_0)s, %(after_1)s)

-- name: ordered
ORDER BY created_at, id
LIMIT %(limit)s OFFSET %(offset)s

-- name: count_from
SELECT count(*)
FROM (
    SELECT
    FROM tenant

-- name: count_to
    LIMIT %(most)s
) AS counted
