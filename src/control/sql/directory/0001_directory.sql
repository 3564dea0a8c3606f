-- Where each tenant lives. Global, so it holds nothing that says who a tenant is.
CREATE SEQUENCE revision;

CREATE TABLE tenants (
  slug           text PRIMARY KEY,
  region         text NOT NULL,
  state          text NOT NULL,
  plan           text NOT NULL,
  isolation      text NOT NULL,
  server         text,
  schema_version integer NOT NULL DEFAULT 0,
  -- The workflow that reserved the slug: a repeat of its first step finds its own reservation.
  signup_id      text NOT NULL,
  created_at     timestamptz NOT NULL DEFAULT now(),
  revision       bigint NOT NULL DEFAULT 0
);
CREATE INDEX tenants_region ON tenants (region, slug);
CREATE UNIQUE INDEX tenants_revision ON tenants (revision);

-- Copies ask for "all after revision N". That is complete only if revisions become visible in their order, so
-- writers of this table commit one after the other.
CREATE FUNCTION next_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(7241);
  NEW.revision := nextval('revision');
  -- Nobody serves a tenant that is still being made: whoever asks for one looks here.
  IF NEW.state <> 'provisioning' THEN
    PERFORM pg_notify('tenants', NEW.slug);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER tenants_revision BEFORE INSERT OR UPDATE ON tenants
  FOR EACH ROW EXECUTE FUNCTION next_revision();

CREATE TABLE operators (
  name         text PRIMARY KEY,
  token_sha256 bytea NOT NULL UNIQUE,
  created_at   timestamptz NOT NULL DEFAULT now()
);
