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
  revision       bigint NOT NULL DEFAULT nextval('revision')
);
CREATE INDEX tenants_region ON tenants (region, slug);
CREATE UNIQUE INDEX tenants_revision ON tenants (revision);

-- Releases are shipped to every region, and say nothing of tenants either.
CREATE TABLE releases (
  version    text PRIMARY KEY,
  sha256     text NOT NULL,
  manifest   jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE operators (
  name         text PRIMARY KEY,
  token_sha256 bytea NOT NULL UNIQUE,
  created_at   timestamptz NOT NULL DEFAULT now()
);
