-- name: get
SELECT k.secret FROM signing_key AS k WHERE k.tenant_id = %(tenant_id)s AND k.purpose = %(purpose)s

-- name: make
-- Of two processes that make one at once, the first one's is kept.
INSERT INTO signing_key (tenant_id, purpose, secret)
VALUES (%(tenant_id)s, %(purpose)s, %(secret)s)
ON CONFLICT (tenant_id, purpose) DO NOTHING
