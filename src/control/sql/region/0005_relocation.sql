-- Who is at work on a tenant as a whole (a move, a restore, its closing): one at a time. The id is the workflow's.
CREATE TABLE tenant_operations (
  slug       text PRIMARY KEY,
  kind       text NOT NULL,
  id         text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now()
);

-- A tenant's rows are at its current location. A move or a restore prepares an arriving one beside it; what was current
-- before is retired, and dropped after a while.
ALTER TABLE data_locations
  ADD COLUMN phase      text NOT NULL DEFAULT 'current' CHECK (phase IN ('current', 'arriving', 'retired')),
  -- The operation that made it arriving, or retired it.
  ADD COLUMN operation  text,
  ADD COLUMN retired_at timestamptz;
ALTER TABLE data_locations DROP CONSTRAINT data_locations_slug_key;
CREATE UNIQUE INDEX data_locations_current ON data_locations (slug) WHERE phase = 'current';
CREATE UNIQUE INDEX data_locations_arriving ON data_locations (slug) WHERE phase = 'arriving';

-- Instances whose last query for a tenant that is moving has ended, at which revision of its directory row.
CREATE UNLOGGED TABLE drained_tenants (
  slug     text NOT NULL,
  instance text NOT NULL,
  revision bigint NOT NULL,
  PRIMARY KEY (slug, instance)
);

DROP TRIGGER data_locations_changed ON data_locations;
CREATE TRIGGER data_locations_changed AFTER UPDATE OF slug, phase, server, database, schema, app_role, app_password
  ON data_locations FOR EACH ROW WHEN (OLD.slug IS NOT NULL) EXECUTE FUNCTION notify_tenant();
