import { createHash } from "node:crypto";
import { join } from "node:path";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { serve } from "@hono/node-server";
import { createRegionServer } from "../../api/region-rpc.ts";
import { createAwsClient } from "../../aws/client.ts";
import { requireSecret } from "../../aws/control-login.ts";
import { createS3Client } from "../../aws/data-platform.ts";
import { readRegionDocument } from "../../aws/document.ts";
import { openAwsRegion } from "../../aws/platform.ts";
import { recoveryBucket } from "../../aws/recovery-site.ts";
import { awsNames, controllerPort } from "../../aws/resources.ts";
import { startController } from "../../control/controller.ts";
import { RegionStates } from "../../control/recovery/region-states.ts";
import { repeat } from "../../control/repeat.ts";
import { faultEntry } from "../../core/fault-entry.ts";
import { programsDomain } from "../../core/registry/domains.ts";
import { readReleaseMigrations, unpackRelease } from "../../instance/release.ts";
import { createSystemClock, createSystemRandom } from "../../node/clock.ts";
import { createIntegrations } from "../../node/integrations.ts";
import { logLine } from "../log-line.ts";
import { runUntilSignal } from "../run-until-signal.ts";
import { RemoteRegions } from "./control-plane/regions.ts";
import { serveNobody, untilMayServe } from "./controller-fence.ts";
import { endWhenDocumentChanges } from "./document-watch.ts";
import { openMachine, stateFolder } from "./machine.ts";
import { followPeers } from "./peers.ts";

const mailPauseMilliseconds = 30_000;
const releasePauseMilliseconds = 2000;

await runUntilSignal(async () => {
  const { machine, access, self } = await openMachine();
  const { region } = machine;
  const s3 = createS3Client(access);
  const document = await readRegionDocument(s3, machine.bucket);
  const { config } = document;
  const clock = createSystemClock();
  const integrations = createIntegrations({ config: config.integrations, clock });
  const internalToken = await requireSecret(
    createAwsClient(SecretsManagerClient, access),
    awsNames.internalToken(machine.prefix),
  );
  const opened = await openAwsRegion({
    document,
    access,
    clock,
    random: createSystemRandom(),
    applicationName: "rowhouse-controller",
    integrations,
    log: logLine,
  });
  const { platform } = opened;
  const states = new RegionStates(opened.directoryPool);
  await untilMayServe({ region, states, fleets: platform.fleets, clock, log: logLine });
  const onFault = (what: string) => (error: unknown) => logLine(faultEntry(error, what));
  const { global } = document;
  const peers = followPeers({
    regions: new RemoteRegions({
      access: { ...access, region: global.region },
      ...{ config, global, internalToken },
    }),
    ...{ config, clock },
    onFault: onFault("other regions"),
  });
  const controller = await startController({
    name: region,
    config,
    platform,
    pool: opened.data.pool,
    directoryPool: opened.directoryPool,
    directoryConnection: opened.directoryConnection,
    readMigrations: async (zip) => {
      const sha256 = createHash("sha256").update(zip).digest("hex");
      const folder = join(stateFolder(), "releases", sha256);
      await unpackRelease({ zip, sha256, folder });
      return readReleaseMigrations(folder);
    },
    internalToken,
    // A machine boots, then fetches Node and Rowhouse.
    startGraceSeconds: 300,
    reconcileMilliseconds: 5000,
    tenantUrl: (slug) => `https://${slug}.${config.domain}`,
    peer: peers.peer,
    onLost: () => {
      logLine({ level: "error", message: "the region has failed over, and serves nobody from now on" });
      // systemd starts it again, and then it waits until the region may serve.
      void serveNobody(platform).finally(() => process.exit(1));
    },
    log: logLine,
  });
  const recovery = recoveryBucket(document);
  const chores = [
    peers,
    endWhenDocumentChanges({ client: s3, bucket: machine.bucket, clock }),
    ...(recovery
      ? [
          endWhenDocumentChanges({
            client: createS3Client({ ...access, region: recovery.region }),
            bucket: recovery.bucket,
            clock,
          }),
        ]
      : []),
    repeat({ clock, pauseMilliseconds: mailPauseMilliseconds, onFault: onFault("mail") }, async () => {
      await platform.mail.deliverQueued();
    }),
    repeat({ clock, pauseMilliseconds: releasePauseMilliseconds, onFault: onFault("release") }, () =>
      controller.adoptRelease(),
    ),
  ];
  const app = createRegionServer({ ...controller, internalToken, onFault: onFault("request") });
  const server = serve({
    fetch: app.fetch,
    hostname: self.address,
    port: controllerPort,
    // An archive may come in for hours.
    serverOptions: { requestTimeout: 0 },
  });
  const address = `${self.address}:${controllerPort}`;
  await platform.registry.put(programsDomain, "controller", { address });
  return async () => {
    server.close();
    await Promise.all(chores.map((chore) => chore.stop()));
    await controller.stop();
    await integrations.close();
    await opened.close();
  };
});
