CREATE TABLE engine.outbox (
  id              uuid PRIMARY KEY DEFAULT uuidv7(),
  position        bigint GENERATED ALWAYS AS IDENTITY,
  -- NULL: the platform itself.
  tenant          text,
  idempotency_key text NOT NULL,
  sender          text NOT NULL,
  recipient       text NOT NULL,
  -- The recipient's bare address in lower case, as the suppression list has it.
  address         text NOT NULL,
  subject         text NOT NULL,
  text            text NOT NULL,
  html            text,
  status          text NOT NULL CHECK (status IN ('queued', 'sent', 'suppressed', 'failed', 'not-configured')),
  error           text,
  -- Grows with each claim: whoever holds an older number has lost the message to another process.
  attempts        integer NOT NULL DEFAULT 0,
  -- While a process sends the message this is the end of its lease, and otherwise the time of the next attempt.
  next_attempt_at timestamptz NOT NULL,
  created_at      timestamptz NOT NULL,
  -- A key is the tenant's own: two tenants may choose the same one.
  UNIQUE NULLS NOT DISTINCT (tenant, idempotency_key)
);
CREATE INDEX outbox_newest ON engine.outbox (tenant, position DESC);
CREATE UNIQUE INDEX outbox_position ON engine.outbox (position);
CREATE INDEX outbox_queued ON engine.outbox (next_attempt_at) WHERE status = 'queued';

-- Addresses in lower case that no mail goes to any more.
CREATE TABLE engine.suppressions (
  address    text PRIMARY KEY,
  reason     text NOT NULL,
  created_at timestamptz NOT NULL
);
