import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { serve } from "@hono/node-server";
import { createApi } from "../../api/app.ts";
import { createPageSignups } from "../../api/page-signups.ts";
import { createPages } from "../../api/pages.ts";
import { createAwsClient } from "../../aws/client.ts";
import { requireSecret } from "../../aws/control-login.ts";
import { createS3Client } from "../../aws/data-platform.ts";
import { readGlobalDocument } from "../../aws/document.ts";
import { createGlobalRawStorage } from "../../aws/raw-storage.ts";
import { awsNames, controlPlanePort } from "../../aws/resources.ts";
import { RegisteredRegions } from "../../control/regions/registered.ts";
import { repeat } from "../../control/repeat.ts";
import { checkResidency } from "../../control/residency/check.ts";
import { searchControlPlane } from "../../control/residency/search.ts";
import { faultEntry } from "../../core/fault-entry.ts";
import { createSystemClock, createSystemRandom } from "../../node/clock.ts";
import { logLine } from "../log-line.ts";
import { runUntilSignal } from "../run-until-signal.ts";
import { openDirectory } from "./control-plane/directory.ts";
import { RemoteRegions } from "./control-plane/regions.ts";
import { endWhenDocumentChanges } from "./document-watch.ts";
import { openMachine } from "./machine.ts";

const regionsPauseMilliseconds = 2000;

await runUntilSignal(async () => {
  const { machine, access, self } = await openMachine();
  const s3 = createS3Client(access);
  const { version, config, global } = await readGlobalDocument(s3, machine.bucket);
  const secrets = createAwsClient(SecretsManagerClient, access);
  const clock = createSystemClock();
  const internalToken = await requireSecret(secrets, awsNames.internalToken(machine.prefix));
  const directory = await openDirectory({ access, global, secrets, clock });
  const regions = new RemoteRegions({ access, config, global, internalToken });
  await regions.refresh();
  const onFault = (error: unknown) => logLine(faultEntry(error));
  const refreshing = repeat({ clock, pauseMilliseconds: regionsPauseMilliseconds, onFault }, () =>
    regions.refresh(),
  );
  const watching = endWhenDocumentChanges({ client: s3, bucket: machine.bucket, clock });
  const tenantUrl = (slug: string) => `https://${slug}.${config.domain}/`;
  const api = createApi({
    version,
    config,
    directory: directory.directory,
    idempotencyKeys: directory.idempotencyKeys,
    regions: regions.controls,
    regionStacks: new RegisteredRegions({ directory: directory.directory, config, made: regions.controls }),
    operators: directory.operators,
    checkResidency: (query) =>
      checkResidency(
        {
          config,
          directory: directory.directory,
          regions: regions.controls,
          random: createSystemRandom(),
          searchControlPlane: (order) =>
            searchControlPlane(
              { directoryPool: directory.pool, rawStorage: createGlobalRawStorage() },
              order,
            ),
        },
        query,
      ),
    clock,
    status: async () => ({
      version,
      pid: process.pid,
      url: global.url,
      apiUrl: global.apiUrl,
      regions: await regions.status(),
    }),
    urls: { tenant: tenantUrl },
    onFault,
  });
  const pages = createPages({
    signups: createPageSignups({
      config,
      regions: regions.controls,
      idempotencyKeys: directory.idempotencyKeys,
      tenantUrl,
    }),
    onFault,
  });
  const fetch = (request: Request, environment: object) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/_rowhouse/health") return Response.json({ status: "ok" });
    return pathname.startsWith("/v1/") ? api.fetch(request, environment) : pages.fetch(request, environment);
  };
  const server = serve({
    fetch,
    hostname: self.address,
    port: controlPlanePort,
    // An archive may come in for hours.
    serverOptions: { requestTimeout: 0 },
  });
  return async () => {
    server.close();
    await Promise.all([refreshing.stop(), watching.stop()]);
    await directory.close();
  };
});
