-- The catalogue of backups. What it says of a whole one lies beside the archive too, but for the last four columns.
CREATE TABLE backups (
  id                text PRIMARY KEY,
  slug              text NOT NULL,
  -- Where it was taken.
  region            text NOT NULL,
  -- Tells a tenant from an earlier one that had its slug.
  tenant_created_at timestamptz NOT NULL,
  reason            text NOT NULL,
  -- Only a whole one counts. `pending`: it waits for a restore to leave it the state before.
  state             text NOT NULL CHECK (state IN ('pending', 'writing', 'whole', 'deleting')),
  -- What a pending one is to be read from: `data_locations.id`, which is not dropped before.
  location          text,
  -- By the controller's clock; the snapshot's time is by the database server's.
  begun_at          timestamptz NOT NULL,
  -- Its writer says again and again that it lives; one that fell silent is swept with what it left.
  touched_at        timestamptz NOT NULL DEFAULT now(),
  taken_at          timestamptz,
  schema_version    integer,
  rows              bigint,
  files             bigint,
  bytes             bigint,
  copied_at         timestamptz,
  verified_at       timestamptz,
  -- Of the newest trial restore.
  tried_at          timestamptz,
  failure           jsonb
);
CREATE INDEX backups_taken ON backups (slug, taken_at) WHERE state = 'whole';
CREATE INDEX backups_unfinished ON backups (state) WHERE state <> 'whole';

-- Tenants whose newest attempt at a backup failed.
CREATE TABLE backup_failures (
  slug      text PRIMARY KEY,
  failed_at timestamptz NOT NULL,
  error     jsonb NOT NULL
);
