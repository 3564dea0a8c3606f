import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { createAwsClient } from "../../aws/client.ts";
import { requireSecret } from "../../aws/control-login.ts";
import { createS3Client, openDataPlatform } from "../../aws/data-platform.ts";
import { readRegionDocument } from "../../aws/document.ts";
import { awsNames, awsTags, instancePort } from "../../aws/resources.ts";
import { fault } from "../../core/error.ts";
import { bootstrap } from "../../instance/bootstrap.ts";
import { createSystemClock, createSystemRandom } from "../../node/clock.ts";
import { runUntilSignal } from "../run-until-signal.ts";
import { openMachine, stateFolder } from "./machine.ts";

await runUntilSignal(async () => {
  const { machine, access, self } = await openMachine();
  const instanceId = self.tags[awsTags.instance];
  if (!instanceId)
    throw fault("E_NOT_FOUND", `The server ${self.ec2InstanceId} has no tag ${awsTags.instance}.`);
  const document = await readRegionDocument(createS3Client(access), machine.bucket);
  const data = await openDataPlatform({
    document,
    access,
    clock: createSystemClock(),
    random: createSystemRandom(),
    applicationName: `rowhouse ${instanceId}`,
    maxConnections: 4,
  });
  const running = await bootstrap({
    platform: data.platform,
    regionPool: data.pool,
    regionConnection: data.connection,
    config: document.config,
    internalToken: await requireSecret(
      createAwsClient(SecretsManagerClient, access),
      awsNames.internalToken(machine.prefix),
    ),
    instanceId,
    listen: { host: self.address, port: instancePort },
    folder: stateFolder(),
  });
  return async () => {
    await running.stop();
    await data.close();
  };
});
