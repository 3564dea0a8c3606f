-- Regions that take no tenants, because they are deleted or just being so.
CREATE TABLE closed_regions (
  region    text PRIMARY KEY,
  closed_at timestamptz NOT NULL DEFAULT now()
);

-- Looked at after the lock, and so with every mark that was made before: a sign-up that began earlier can't slip
-- through between the mark and the count of tenants.
CREATE OR REPLACE FUNCTION next_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(7241);
  IF (TG_OP = 'INSERT' OR NEW.region <> OLD.region)
    AND EXISTS (SELECT FROM closed_regions WHERE closed_regions.region = NEW.region) THEN
    RAISE EXCEPTION 'the region % is closed', NEW.region USING ERRCODE = 'RH001';
  END IF;
  NEW.revision := nextval('revision');
  -- Nobody serves a tenant that is still being made: whoever asks for one looks here.
  IF NEW.state <> 'provisioning' THEN
    PERFORM pg_notify('tenants', NEW.slug);
  END IF;
  RETURN NEW;
END $$;
