CREATE TABLE engine.queues (
  name                       text PRIMARY KEY,
  visibility_timeout_seconds double precision NOT NULL,
  max_receives               integer NOT NULL
);

-- A message is invisible until `visible_at`: while it is delayed, and while someone holds it. So nothing has to
-- run for a message to come back when its holder died.
CREATE TABLE engine.queue_messages (
  id            uuid PRIMARY KEY DEFAULT uuidv7(),
  queue         text NOT NULL REFERENCES engine.queues (name),
  body          text NOT NULL,
  sent_at       timestamptz NOT NULL,
  visible_at    timestamptz NOT NULL,
  receive_count integer NOT NULL DEFAULT 0,
  -- Of the latest delivery alone; drawn anew each time.
  receipt       uuid,
  -- When it went to the dead letters.
  dead_at       timestamptz
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE INDEX queue_messages_due ON engine.queue_messages (queue, visible_at) WHERE dead_at IS NULL;
CREATE INDEX queue_messages_dead ON engine.queue_messages (queue, dead_at) WHERE dead_at IS NOT NULL;
