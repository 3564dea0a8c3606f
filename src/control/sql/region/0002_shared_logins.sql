-- The one login that serves all tenants of a plan with shared connections, for each shared database. The password is
-- encrypted under {"purpose":"tenant-role","role":<role name>}, as the tenants' own are.
CREATE TABLE shared_logins (
  server   text NOT NULL,
  database text NOT NULL,
  role     text NOT NULL,
  password text NOT NULL,
  PRIMARY KEY (server, database)
);
