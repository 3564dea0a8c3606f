-- Which region a sign-up's Idempotency-Key was first sent to: the region remembers the rest. A key used again for
-- another region would otherwise make a second tenant, because no region can ask another one.
CREATE TABLE idempotency_keys (
  key_sha256 bytea PRIMARY KEY,
  region     text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
