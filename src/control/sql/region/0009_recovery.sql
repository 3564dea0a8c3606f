-- Servers of a lost region that this one goes on with: until when what they have was true at their source.
CREATE TABLE recovered_servers (
  source        text NOT NULL,
  epoch         integer NOT NULL,
  server        text NOT NULL,
  name          text NOT NULL UNIQUE,
  arrived_until timestamptz,
  PRIMARY KEY (source, epoch, server)
);
