import type { ErrorEntry } from "./entry.ts";

/** Of what Rowhouse runs and runs on: releases, the application, the services around it, AWS. */
export const platformErrors = {
  E_RELEASE_BUILD: {
    kind: "user",
    status: 400,
    reason: "The application could not be built into a release.",
    remedy: "Correct the named file.",
  },
  E_RELEASE_CORRUPT: {
    kind: "system",
    status: 500,
    reason: "A release does not match its recorded SHA-256.",
    remedy: "Build the release again.",
  },
  E_RELEASE_MISSING: {
    kind: "system",
    status: 503,
    reason: "The region has no release yet.",
    remedy: "Wait until `rowhouse up` has shipped one.",
  },
  E_APP_INVALID: {
    kind: "user",
    status: 400,
    reason: "The application's module does not export what defineApp returns.",
    remedy: "Write `export default defineApp({ … })` with either `fetch` or `node`.",
  },
  E_NO_TENANT: {
    kind: "system",
    status: 500,
    reason: "The code asked for the current tenant outside a request or job.",
    remedy: "Call it inside a request or job, or inside `withTenant(slug, …)`.",
  },
  E_INTEGRATION: {
    kind: "system",
    status: 502,
    reason: "A webhook of the CRM, billing or support desk was not accepted.",
    remedy: "Check the receiver's address, secret and log.",
  },
  E_MAIL: {
    kind: "system",
    status: 502,
    reason: "The mail server did not take a message.",
    remedy: "Check `mail` in rowhouse.config.ts; the message stays in the outbox.",
  },
  E_AWS_SDK_MISSING: {
    kind: "user",
    status: 400,
    reason: 'A package of the AWS SDK, which `target: "aws"` needs, is not installed.',
    remedy: "Install it as the message says.",
  },
  E_AWS_CREDENTIALS: {
    kind: "user",
    status: 401,
    reason: "AWS did not accept the credentials, or they have expired.",
    remedy:
      "Sign in again, as in `aws sso login`, or set AWS_PROFILE; `aws sts get-caller-identity` shows who you are.",
  },
  E_AWS_ACCESS: {
    kind: "user",
    status: 403,
    reason: "The AWS identity may not do this.",
    remedy: "Give it the named action; docs/aws.md has the policy that an operator needs.",
  },
  E_AWS_QUOTA: {
    kind: "user",
    status: 409,
    reason: "A quota of the AWS account is reached.",
    remedy:
      "Ask for more in the Service Quotas console of that region, under the named quota, and try again.",
  },
  E_AWS_CAPACITY: {
    kind: "system",
    status: 503,
    reason: "AWS has no machine of the wanted type free in the zone.",
    remedy:
      "It is tried again by itself; if it lasts, name another instance type for the fleet, or another zone for the region.",
  },
  E_AWS_THROTTLED: {
    kind: "system",
    status: 503,
    reason: "AWS throttled a call until all retries were used up.",
    remedy: "Try again in a minute; if it stays so, ask for a higher rate in the Service Quotas console.",
  },
  E_AWS_UNAVAILABLE: {
    kind: "system",
    status: 503,
    reason: "AWS can't be reached, or failed by itself.",
    remedy: "Try again; the AWS Health Dashboard tells of disturbances.",
  },
  E_AWS_METADATA: {
    kind: "system",
    status: 500,
    reason: "The server can't learn from EC2's instance metadata service who it is.",
    remedy:
      "Run it on a machine that Rowhouse launched: its launch template asks for version 2 of the service, with tags.",
  },
  E_AWS_DEPLOY: {
    kind: "system",
    status: 502,
    reason: "CloudFormation could not bring a stack to the state asked for.",
    remedy: "Correct the named cause and deploy again; what was made before has been rolled back.",
  },
} as const satisfies Record<string, ErrorEntry>;
