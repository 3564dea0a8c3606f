-- The region's copy of the directory: all an instance needs to answer without the control plane.
-- Rows of other regions carry the address alone, for the 421.
CREATE TABLE tenants (
  slug           text PRIMARY KEY,
  region         text NOT NULL,
  state          text NOT NULL,
  plan           text NOT NULL,
  isolation      text NOT NULL,
  server         text,
  schema_version integer NOT NULL,
  created_at     timestamptz NOT NULL,
  revision       bigint NOT NULL
);

-- Tells the instances which row changed: the payload is the slug.
CREATE FUNCTION notify_tenant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('tenants', coalesce(NEW.slug, OLD.slug));
  RETURN NULL;
END $$;
-- Not of a tenant that is still being made: whoever asks for one looks here.
CREATE TRIGGER tenants_changed AFTER INSERT OR UPDATE ON tenants
  FOR EACH ROW WHEN (NEW.state <> 'provisioning') EXECUTE FUNCTION notify_tenant();
CREATE TRIGGER tenants_deleted AFTER DELETE ON tenants FOR EACH ROW EXECUTE FUNCTION notify_tenant();

-- Who a tenant is.
CREATE TABLE profiles (
  slug                text PRIMARY KEY,
  name                text NOT NULL,
  administrator_email text NOT NULL,
  settings            jsonb NOT NULL DEFAULT '{}'
);

-- Where a tenant's rows are, and the two logins, encrypted with the region's key under the context
-- {"purpose":"tenant-role","role":<role name>}.
CREATE TABLE data_locations (
  id             text PRIMARY KEY,
  -- NULL: a spare, made and migrated, that no tenant has yet.
  slug           text UNIQUE,
  isolation      text NOT NULL,
  server         text NOT NULL,
  database       text NOT NULL,
  schema         text NOT NULL,
  owner_role     text NOT NULL,
  owner_password text NOT NULL,
  app_role       text NOT NULL,
  app_password   text NOT NULL,
  schema_version integer NOT NULL DEFAULT 0,
  -- Fingerprint of the migrations that made a spare: another release's spares are not handed out.
  migrations     text NOT NULL DEFAULT '',
  ready          boolean NOT NULL DEFAULT false,
  created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX data_locations_spare ON data_locations (isolation, created_at) WHERE slug IS NULL AND ready;

-- The tenant's first person.
CREATE TABLE administrators (
  slug       text NOT NULL,
  email      text NOT NULL,
  invited_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (slug, email)
);

-- How far this region has read the directory's changes.
CREATE TABLE directory_cursor (revision bigint NOT NULL);
INSERT INTO directory_cursor VALUES (0);
