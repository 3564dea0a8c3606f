-- Moves that began in this region. It holds nothing that tells who a tenant is.
CREATE TABLE moves (
  id           text PRIMARY KEY,
  slug         text NOT NULL,
  -- What the tenant was, and is again when the move fails.
  state        text NOT NULL CHECK (state IN ('active', 'suspended')),
  started_at   timestamptz NOT NULL,
  -- Of the rows as COPY writes them, so far.
  copied_bytes bigint NOT NULL DEFAULT 0,
  -- About how many there will be.
  total_bytes  bigint NOT NULL DEFAULT 0,
  frozen_at    timestamptz,
  settled_at   timestamptz,
  -- Slot and publication are gone from every place that the tenant has here.
  is_clean     boolean NOT NULL DEFAULT false
);

-- Files of the tenant that the region it moves to has, with their ETags here.
CREATE TABLE moved_files (
  operation text NOT NULL,
  key       text NOT NULL,
  etag      text NOT NULL,
  PRIMARY KEY (operation, key)
);

-- Tenants that live in another region now, whose old copy is kept for a while.
CREATE TABLE departures (
  slug        text PRIMARY KEY,
  departed_at timestamptz NOT NULL
);

-- Who decided what about a tenant that has to be answered for: kept for good.
CREATE TABLE audit (
  number    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at        timestamptz NOT NULL,
  actor     text NOT NULL,
  action    text NOT NULL,
  slug      text NOT NULL,
  -- The workflow that did it: a repeat writes nothing.
  operation text NOT NULL,
  details   jsonb NOT NULL,
  UNIQUE (operation, action)
);
CREATE INDEX audit_slug ON audit (slug, number);
