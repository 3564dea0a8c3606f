-- Whose a message is, so that a tenant's end is the end of its messages too.
ALTER TABLE engine.queue_messages ADD COLUMN tenant text;
CREATE INDEX queue_messages_tenant ON engine.queue_messages (queue, tenant) WHERE tenant IS NOT NULL;
