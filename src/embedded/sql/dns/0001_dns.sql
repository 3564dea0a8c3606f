CREATE TABLE engine.dns_records (
  name        text COLLATE "C" NOT NULL,
  type        text NOT NULL,
  ttl_seconds integer NOT NULL,
  "values"    text[] NOT NULL,
  PRIMARY KEY (name, type)
);

-- Tells the name server that there is something to load.
CREATE FUNCTION engine.notify_dns() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('engine_dns', '');
  RETURN NULL;
END $$;
CREATE TRIGGER dns_records_changed AFTER INSERT OR UPDATE OR DELETE ON engine.dns_records
  FOR EACH STATEMENT EXECUTE FUNCTION engine.notify_dns();
