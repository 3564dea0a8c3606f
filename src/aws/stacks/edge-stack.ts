import { CfnDistribution, CfnResponseHeadersPolicy } from "aws-cdk-lib/aws-cloudfront";
import { CfnRecordSet } from "aws-cdk-lib/aws-route53";
import { CfnBucket } from "aws-cdk-lib/aws-s3";
import { CfnWebACL } from "aws-cdk-lib/aws-wafv2";
import type { Construct } from "constructs";
import { awsNames } from "../resources.ts";
import { controlHosts, type Layout } from "./layout.ts";
import { addCertificate } from "./load-balancer.ts";
import { RowhouseStack } from "./stack.ts";
import { addBucketPolicy, blockPublicAccess, retain } from "./storage.ts";
import type { ParameterSource } from "./template.ts";

/** Where CloudFront takes certificates and web ACLs from. */
const edgeRegion = "us-east-1";

/** Policies that AWS has for all. Source: CloudFront, "Use managed cache policies" and "… origin request policies". */
const managedPolicies = {
  /** Caches what the origin's headers say may be cached, and nothing else. */
  useOriginCacheControlHeaders: "4cc15a8a-d715-48a4-82b8-cc0b614638fe",
  allViewer: "216adef6-5c7f-47e4-b989-5492eafa07d3",
};

/** Hosted zone of all distributions. */
const cloudFrontZoneId = "Z2FDTNDATAQYW2";

/** The entrance for browsers: sign-up page and console under the domain itself, near to whoever asks. */
export function addEdgeStack(
  app: Construct,
  { config, prefix, accountId }: Layout,
  inputs: { readonly hostedZoneId: ParameterSource },
): RowhouseStack {
  const stack = new RowhouseStack(app, {
    stackName: awsNames.edgeStack(prefix),
    region: edgeRegion,
    prefix,
    accountId,
    description: `Rowhouse: edge of ${prefix}`,
  });
  const hostedZoneId = stack.input("HostedZoneId", inputs.hostedZoneId);
  const { apex, console, api } = controlHosts(config.domain);
  const logBucket = addEdgeLogBucket(stack, config.aws.logRetentionDays);
  const distribution = new CfnDistribution(stack, "Distribution", {
    distributionConfig: {
      enabled: true,
      comment: `${prefix}: sign-up page and console`,
      aliases: [apex, console],
      httpVersion: "http2and3",
      ipv6Enabled: true,
      priceClass: "PriceClass_All",
      webAclId: addWebAcl(stack),
      viewerCertificate: {
        acmCertificateArn: addCertificate(stack, { domain: config.domain, hostedZoneId }),
        minimumProtocolVersion: "TLSv1.2_2021",
        sslSupportMethod: "sni-only",
      },
      logging: { bucket: logBucket.attrRegionalDomainName, prefix: "edge/", includeCookies: false },
      origins: [
        {
          id: "control-plane",
          domainName: api,
          customOriginConfig: {
            originProtocolPolicy: "https-only",
            originSslProtocols: ["TLSv1.2"],
            // Between two lines of a stream of events; more takes a quota.
            originReadTimeout: 60,
            originKeepaliveTimeout: 60,
          },
        },
      ],
      defaultCacheBehavior: {
        targetOriginId: "control-plane",
        viewerProtocolPolicy: "redirect-to-https",
        allowedMethods: ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"],
        compress: true,
        cachePolicyId: managedPolicies.useOriginCacheControlHeaders,
        originRequestPolicyId: managedPolicies.allViewer,
        responseHeadersPolicyId: addHeadersPolicy(stack),
      },
    },
  });
  for (const [id, name] of Object.entries({ Apex: apex, Console: console })) {
    for (const type of ["A", "AAAA"]) {
      new CfnRecordSet(stack, `Record${id}${type}`, {
        hostedZoneId,
        name,
        type,
        aliasTarget: { dnsName: distribution.attrDomainName, hostedZoneId: cloudFrontZoneId },
      });
    }
  }
  return stack;
}

const twoYearsSeconds = 63_072_000;

function addHeadersPolicy(stack: RowhouseStack): string {
  return new CfnResponseHeadersPolicy(stack, "HeadersPolicy", {
    responseHeadersPolicyConfig: {
      name: stack.named("edge"),
      comment: "Security headers, unless the origin sends its own",
      securityHeadersConfig: {
        contentTypeOptions: { override: true },
        frameOptions: { frameOption: "DENY", override: false },
        referrerPolicy: { referrerPolicy: "strict-origin-when-cross-origin", override: false },
        strictTransportSecurity: {
          accessControlMaxAgeSec: twoYearsSeconds,
          includeSubdomains: true,
          override: true,
        },
      },
    },
  }).ref;
}

/** Requests of one address in five minutes: far more than a person makes, far fewer than a flood. */
const requestsPerFiveMinutes = 2_000;

function addWebAcl(stack: RowhouseStack): string {
  const visibility = (metricName: string) => ({
    cloudWatchMetricsEnabled: true,
    sampledRequestsEnabled: true,
    metricName: stack.named(metricName),
  });
  return new CfnWebACL(stack, "WebAcl", {
    name: stack.named("edge"),
    scope: "CLOUDFRONT",
    defaultAction: { allow: {} },
    visibilityConfig: visibility("edge"),
    rules: [
      {
        name: "flood",
        priority: 0,
        action: { block: {} },
        statement: { rateBasedStatement: { limit: requestsPerFiveMinutes, aggregateKeyType: "IP" } },
        visibilityConfig: visibility("edge-flood"),
      },
      {
        name: "reputation",
        priority: 1,
        overrideAction: { none: {} },
        statement: {
          managedRuleGroupStatement: { vendorName: "AWS", name: "AWSManagedRulesAmazonIpReputationList" },
        },
        visibilityConfig: visibility("edge-reputation"),
      },
    ],
  }).attrArn;
}

/** CloudFront writes its logs by the bucket's access control list, which other buckets here do without. */
function addEdgeLogBucket(stack: RowhouseStack, retentionDays: number): CfnBucket {
  const name = awsNames.bucket(stack.prefix, "edge-logs", stack.at.accountId);
  const bucket = new CfnBucket(stack, "LogBucket", {
    bucketName: name,
    bucketEncryption: {
      serverSideEncryptionConfiguration: [{ serverSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
    },
    publicAccessBlockConfiguration: blockPublicAccess,
    ownershipControls: { rules: [{ objectOwnership: "BucketOwnerPreferred" }] },
    lifecycleConfiguration: {
      rules: [{ id: "retention", status: "Enabled", expirationInDays: retentionDays }],
    },
  });
  retain(bucket);
  addBucketPolicy(stack, "LogBucketPolicy", name, bucket, []);
  return bucket;
}
