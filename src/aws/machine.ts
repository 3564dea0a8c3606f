import { fault } from "../core/error.ts";
import type { Clock } from "../ports/clock.ts";

/** What a machine is told about itself by EC2. */
export interface Machine {
  readonly ec2InstanceId: string;
  readonly region: string;
  /** The zone's letter. */
  readonly zone: string;
  /** Private IPv4 address. */
  readonly address: string;
  /** All tags; the launch template allows them to be read. */
  readonly tags: Readonly<Record<string, string>>;
}

const defaultEndpoint = "http://169.254.169.254";
const tokenSeconds = 300;
const timeoutMilliseconds = 1000;
/** The service refuses a machine that asks too fast, and may not be there yet in the first moments of a boot. */
const attempts = 5;
const pauseMilliseconds = 200;

/**
 * Asks the instance metadata service who this machine is, by version 2 of it only. `endpoint` is another address, as
 * AWS_EC2_METADATA_SERVICE_ENDPOINT names it.
 * @throws E_AWS_METADATA where there is no such service or it keeps the tags to itself
 */
export async function readMachine(options: {
  readonly endpoint?: string | undefined;
  readonly clock: Clock;
}): Promise<Machine> {
  const { clock } = options;
  const endpoint = (options.endpoint ?? defaultEndpoint).replace(/\/+$/, "");
  const token = await ask(clock, `${endpoint}/latest/api/token`, {
    method: "PUT",
    headers: { "x-aws-ec2-metadata-token-ttl-seconds": String(tokenSeconds) },
  });
  const headers = { "x-aws-ec2-metadata-token": token };
  const read = (path: string) => ask(clock, `${endpoint}/latest/meta-data/${path}`, { headers });
  const [ec2InstanceId, region, zoneName, address, keys] = await Promise.all([
    read("instance-id"),
    read("placement/region"),
    read("placement/availability-zone"),
    read("local-ipv4"),
    read("tags/instance"),
  ]);
  const tags = await Promise.all(
    // Keys are readable in the metadata only if they need no escape.
    keys.split("\n").map(async (key) => [key, await read(`tags/instance/${key}`)]),
  );
  return {
    ec2InstanceId,
    region,
    zone: zoneName.slice(region.length),
    address,
    tags: Object.fromEntries(tags),
  };
}

async function ask(clock: Clock, url: string, init: RequestInit): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMilliseconds) }).then(
      async (response) => ({ status: response.status, text: await response.text() }),
      (cause: unknown) => ({ cause }),
    );
    if ("text" in outcome && outcome.status === 200) return outcome.text;
    const isTransient = "cause" in outcome || outcome.status === 429 || outcome.status >= 500;
    if (!isTransient || attempt === attempts) throw unanswered(url, outcome);
    await clock.sleep(pauseMilliseconds * attempt);
  }
}

function unanswered(url: string, outcome: { readonly status: number } | { readonly cause: unknown }) {
  return "status" in outcome
    ? fault("E_AWS_METADATA", `The instance metadata service answered ${outcome.status} for ${url}.`)
    : fault("E_AWS_METADATA", `The instance metadata service does not answer at ${url}.`, outcome);
}
