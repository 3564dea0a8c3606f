-- The login that runs migrations for all tenants with a schema in a shared database, as each one's owner. The password
-- is encrypted under {"purpose":"tenant-role","role":<role name>}, as the tenants' own are.
CREATE TABLE migrator_logins (
  server   text NOT NULL,
  database text NOT NULL,
  role     text NOT NULL,
  password text NOT NULL,
  PRIMARY KEY (server, database)
);
