-- What became of regions. Without a row one serves as ever. The epoch grows with each failover and each way back.
CREATE TABLE regions (
  region     text PRIMARY KEY,
  epoch      integer NOT NULL DEFAULT 0,
  state      text NOT NULL DEFAULT 'serving'
    CHECK (state IN ('serving', 'failing-over', 'failed-over', 'resetting', 'failing-back')),
  -- Where its tenants live meanwhile.
  successor  text,
  -- When it last said that it lives, and when its failover was asked for.
  alive_at   timestamptz,
  asked_at   timestamptz,
  outcome    jsonb
);

-- The region that a tenant lived in until that failed over.
ALTER TABLE tenants ADD COLUMN origin_region text;
CREATE INDEX tenants_origin ON tenants (origin_region) WHERE origin_region IS NOT NULL;

-- Nobody gets into a region that was lost, until it is on its way back.
CREATE OR REPLACE FUNCTION next_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(7241);
  IF TG_OP = 'INSERT' OR NEW.region <> OLD.region THEN
    IF EXISTS (SELECT FROM closed_regions WHERE closed_regions.region = NEW.region) THEN
      RAISE EXCEPTION 'the region % is closed', NEW.region USING ERRCODE = 'RH001';
    END IF;
    IF EXISTS (SELECT FROM regions WHERE regions.region = NEW.region
      AND regions.state IN ('failing-over', 'failed-over', 'resetting')) THEN
      RAISE EXCEPTION 'the region % has failed over', NEW.region USING ERRCODE = 'RH002';
    END IF;
  END IF;
  NEW.revision := nextval('revision');
  -- Nobody serves a tenant that is still being made: whoever asks for one looks here.
  IF NEW.state <> 'provisioning' THEN
    PERFORM pg_notify('tenants', NEW.slug);
  END IF;
  RETURN NEW;
END $$;
