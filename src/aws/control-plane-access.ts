import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import type { Config } from "../core/config/schema.ts";
import { type AwsAccess, createAwsClient } from "./client.ts";
import { requireSecret } from "./control-login.ts";
import { createS3Client } from "./data-platform.ts";
import { readGlobalDocument } from "./document.ts";
import { awsNames } from "./resources.ts";

/** Where a deployed control plane answers, and the first operator's token. */
export interface ControlPlaneAccess {
  readonly apiUrl: string;
  readonly token: string;
}

/**
 * Finds both with the operator's own AWS credentials. `access` is to the config's control region.
 * @throws E_NOT_FOUND before the first deployment, E_AWS_CREDENTIALS, E_AWS_ACCESS
 */
export async function findControlPlane(config: Config, access: AwsAccess): Promise<ControlPlaneAccess> {
  const { prefix } = config.aws;
  const { Account = "" } = await createAwsClient(STSClient, access).send(new GetCallerIdentityCommand({}));
  const [{ global }, token] = await Promise.all([
    readGlobalDocument(createS3Client(access), awsNames.bucket(prefix, "global", Account)),
    requireSecret(createAwsClient(SecretsManagerClient, access), awsNames.operatorToken(prefix)),
  ]);
  return { apiUrl: global.apiUrl, token };
}
