-- name: create
-- Slugs and ids that exist are left out of the answer; one statement for any number of tenants.
INSERT INTO tenant (id, slug, name, tier, region)
SELECT * FROM unnest(%(id)s::uuid[], %(slug)s::text[], %(name)s::text[], %(tier)s::text[], %(region)s::text[])
ON CONFLICT DO NOTHING
RETURNING id, slug, name, tier, region, created_at

-- name: upsert
-- Tenants of the configuration: the file decides on everything but the id.
INSERT INTO tenant (id, slug, name, tier, region)
SELECT * FROM unnest(%(id)s::uuid[], %(slug)s::text[], %(name)s::text[], %(tier)s::text[], %(region)s::text[])
ON CONFLICT (id) DO UPDATE
SET slug = excluded.slug, name = excluded.name, tier = excluded.tier, region = excluded.region

-- name: by_id
SELECT id, slug, name, tier, region, created_at FROM tenant WHERE id = %(id)s

-- name: by_slug
SELECT id, slug, name, tier, region, created_at FROM tenant WHERE slug = %(slug)s

-- name: page
SELECT id, slug, name, tier, region, created_at FROM tenant ORDER BY created_at, id LIMIT %(limit)s OFFSET %(offset)s

-- name: count
SELECT count(*) FROM tenant
