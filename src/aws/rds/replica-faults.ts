import type { DBInstance } from "@aws-sdk/client-rds";
import { fault } from "../../core/error.ts";
import type { ReplicaName } from "./replica.ts";

/** E_NOT_FOUND: neither the server nor a copy of it. */
export function missingReplica({ source, server }: ReplicaName, cause?: Error): Error {
  return fault("E_NOT_FOUND", `There is no database server "${server}" of ${source}, and no copy of it.`, {
    cause,
  });
}

/** E_DATABASE_UNAVAILABLE: RDS makes replicas only of what it backs up. */
export function unreplicable({ source, server }: ReplicaName, cause: Error): Error {
  const reason = `RDS makes no copy of the server ${server} of ${source}: ${cause.message}`;
  return fault("E_DATABASE_UNAVAILABLE", reason, {
    cause,
    remedy: "Set its backup retention period to 7 days in the RDS console, and try again.",
  });
}

/** E_DATABASE_UNAVAILABLE: it won't come to anything by itself. */
export function brokenReplica(instance: DBInstance): Error {
  const { DBInstanceIdentifier, DBInstanceStatus, StatusInfos } = instance;
  const message = StatusInfos?.find(({ Message }) => Message)?.Message;
  const why = message === undefined ? "" : `: ${message.replace(/\.$/, "")}`;
  return fault(
    "E_DATABASE_UNAVAILABLE",
    `RDS says "${DBInstanceStatus}" of the replica ${DBInstanceIdentifier}${why}.`,
    { remedy: "Delete the replica and make it anew." },
  );
}

/** E_CONFLICT: a promotion that was broken off. */
export function promotedReplica({ source, server }: ReplicaName): Error {
  return fault(
    "E_CONFLICT",
    `The copy of the server ${server} of ${source} was promoted, and follows no more.`,
    {
      remedy: "Promote it again, so that it becomes a server whole; then make a new copy.",
    },
  );
}

/** E_CONFLICT: the name is another's. */
export function takenName({ DBInstanceIdentifier }: DBInstance): Error {
  return fault("E_CONFLICT", `The RDS instance ${DBInstanceIdentifier} is something else.`, {
    remedy: "Choose another name, or delete that instance.",
  });
}
