import type { AwsAccess } from "../../../src/aws/client.ts";
import { templateParameters } from "../../../src/aws/stacks/template.ts";
import { requestCertificate } from "./certificate.ts";

/** What a deployment on the emulator brings along, because its CloudFormation can't make it or can't refer to it. */
export async function emulatorParameters(
  access: AwsAccess,
  given: { readonly domain: string; readonly cacheEndpoint: string },
): Promise<Record<string, string>> {
  return {
    [templateParameters.certificateArn]: await requestCertificate(access, given.domain),
    [templateParameters.cacheEndpoint]: given.cacheEndpoint,
    // A reference to a parameter group that a stack makes is not its name there.
    [templateParameters.databaseParameterGroup]: "default.postgres18",
  };
}
