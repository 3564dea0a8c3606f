-- Status reports rewrite the same few rows every few seconds. With free room in each page and no index on what
-- changes, Postgres updates them in place (HOT) and the table stays small.
CREATE TABLE engine.registry_items (
  domain     text COLLATE "C" NOT NULL,
  name       text COLLATE "C" NOT NULL,
  attributes jsonb NOT NULL,
  version    integer NOT NULL,
  PRIMARY KEY (domain, name)
) WITH (fillfactor = 70);
