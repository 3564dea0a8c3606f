-- The closing of each tenant. What was counted first stays: a later attempt finds less. It holds nothing that tells who
-- the tenant was, and stays when the tenant is gone.
CREATE TABLE closings (
  slug              text PRIMARY KEY,
  asked_by          text NOT NULL,
  asked_at          timestamptz NOT NULL,
  -- The workflow of the newest attempt.
  attempt           text NOT NULL,
  attempted_at      timestamptz NOT NULL,
  without_export    boolean NOT NULL,
  inventory         jsonb,
  elsewhere         jsonb,
  remainders        jsonb,
  export            jsonb,
  export_deleted_at timestamptz,
  certificate       jsonb
);

-- What the region signs certificates with; the private key is encrypted under {"purpose":"certificate-key"}.
CREATE TABLE certificate_key (
  singleton   boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  public_key  text NOT NULL,
  private_key text NOT NULL
);

-- Workflows that were told who a tenant is: they are forgotten with it, and those of a sign-up that failed after a week.
CREATE TABLE tenant_workflows (
  id       text PRIMARY KEY,
  slug     text NOT NULL,
  noted_at timestamptz NOT NULL,
  -- It was looked at after a week, and has made a tenant.
  settled  boolean NOT NULL DEFAULT false
);
CREATE INDEX tenant_workflows_slug ON tenant_workflows (slug);
CREATE INDEX tenant_workflows_unsettled ON tenant_workflows (noted_at) WHERE NOT settled;
