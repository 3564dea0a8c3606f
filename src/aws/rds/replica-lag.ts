import type { DBInstance } from "@aws-sdk/client-rds";
import type { Clock } from "../../ports/clock.ts";
import type { DatabaseCredentials } from "../../ports/databases.ts";
import { connect } from "../../postgres/connect.ts";

/**
 * The age of the last transaction that it has, which is also CloudWatch's ReplicaLag; it grows while nobody writes, and RDS
 * itself writes every five minutes. A replica that has replayed all it received knows better: it has what was true when
 * its source sent the last message, and it asks for one at every half of `wal_receiver_timeout`.
 * Source: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ReadRepl.Monitoring.html
 */
const lagSql = `
  SELECT greatest(0, extract(epoch FROM clock_timestamp() - greatest(
    pg_last_xact_replay_timestamp(),
    (SELECT last_msg_send_time FROM pg_stat_wal_receiver
     WHERE status = 'streaming' AND pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn())
  )))::float8 AS seconds`;

/** Each question is a connection to another region. */
const lastsMilliseconds = 10_000;

/** Lags as they were when they were last asked for. */
export class KnownLags {
  readonly #clock: Clock;
  readonly #known = new Map<string, { readonly seconds: number; readonly at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What is known is older by now, and no more is said than that; it is asked anew after ten seconds. */
  async get(id: string, ask: () => Promise<number | null>): Promise<number | null> {
    const at = this.#clock.elapsedMilliseconds();
    const known = this.#known.get(id);
    if (known && at - known.at < lastsMilliseconds) return known.seconds + (at - known.at) / 1000;
    const seconds = await ask();
    if (seconds === null) this.#known.delete(id);
    else this.#known.set(id, { seconds, at });
    return seconds;
  }
}

/** How far the replica is behind, as it says itself; `null` when it doesn't answer. */
export async function readReplicaLag(
  { Endpoint }: DBInstance,
  options: { readonly credentials: DatabaseCredentials | undefined; readonly certificateAuthority: string },
): Promise<number | null> {
  const { credentials, certificateAuthority } = options;
  if (Endpoint?.Address === undefined || Endpoint.Port === undefined || !credentials) return null;
  const nodes = [{ host: Endpoint.Address, port: Endpoint.Port }];
  try {
    const client = await connect({
      endpoint: { nodes, certificateAuthority },
      database: "postgres",
      credentials,
      applicationName: "rowhouse-replicas",
      role: "reader",
    });
    try {
      const { rows } = await client.query<{ seconds: number | null }>(lagSql);
      return rows[0]?.seconds ?? null;
    } finally {
      await client.end();
    }
  } catch {
    // Whatever it is that keeps it from answering: the question was how far it is behind, and nobody knows.
    return null;
  }
}
