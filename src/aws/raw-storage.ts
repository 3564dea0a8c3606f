import type { RawStorage } from "../ports/raw-storage.ts";

/** Of the control plane's own server. */
export function createGlobalRawStorage(): RawStorage {
  return {
    unreadable: [
      "the journal of the control plane's server: it is read there",
      "snapshots and logs of the directory's RDS",
    ],
    async *places() {},
  };
}

/** On AWS nothing lies below the services; what they keep and don't show is named. */
export function createRawStorage(): RawStorage {
  return {
    unreadable: [
      "messages in SQS: to look at one is to receive it",
      "workflows in SWF and DynamoDB: they are sealed with a key of each workflow's own",
      "the cache's memory: it has no list over all tenants",
      "journals of the servers: they are read on the server itself",
      "snapshots and logs of RDS",
    ],
    async *places() {},
  };
}
