-- A cache may forget: no write-ahead log, nothing on the standby, empty after a crash.
-- Text is kept as its bytes, because Postgres's text can't hold a zero character.
CREATE UNLOGGED TABLE engine.cache_entries (
  tenant     text NOT NULL,
  key        bytea NOT NULL,
  value      bytea NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, key)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX cache_entries_expires_at ON engine.cache_entries (expires_at);
