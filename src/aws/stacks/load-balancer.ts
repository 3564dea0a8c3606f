import { CfnCondition, CfnParameter, type CfnResource, Fn } from "aws-cdk-lib";
import { CfnCertificate } from "aws-cdk-lib/aws-certificatemanager";
import { CfnListener, CfnLoadBalancer, CfnTargetGroup } from "aws-cdk-lib/aws-elasticloadbalancingv2";
import type { Network } from "./network.ts";
import type { Protection } from "./protection.ts";
import { addSecurityGroup, allow } from "./security-groups.ts";
import type { RowhouseStack } from "./stack.ts";
import { templateParameters } from "./template.ts";

export interface LoadBalancerOptions {
  /** At most 32 characters with the prefix. */
  readonly name: string;
  readonly network: Network;
  readonly domain: string;
  readonly hostedZoneId: string;
  readonly targetType: "ip" | "instance";
  readonly port: number;
  readonly idleTimeoutSeconds: number;
  readonly logBucket: string;
  readonly protection: Protection;
}

export interface LoadBalancer {
  readonly dnsName: string;
  readonly hostedZoneId: string;
  readonly targetGroupArn: string;
  readonly securityGroupId: string;
  /** As metrics name them. */
  readonly fullName: string;
  readonly targetGroupFullName: string;
}

/** The one entrance from outside: HTTPS under the domain's certificate, and a redirect to it from HTTP. */
export function addLoadBalancer(stack: RowhouseStack, options: LoadBalancerOptions): LoadBalancer {
  const { name, network, port } = options;
  const securityGroupId = addSecurityGroup(stack, {
    name: "balancer",
    vpcId: network.vpcId,
    description: "HTTPS from everywhere",
    outwards: { cidr: network.cidr, port },
  });
  for (const [id, open] of [
    ["balancer-https", 443],
    ["balancer-http", 80],
  ] as const) {
    allow(stack, id, {
      to: securityGroupId,
      port: open,
      from: { cidr: "0.0.0.0/0" },
      description: open === 443 ? "Browsers" : "Browsers, to be redirected to HTTPS",
    });
  }
  const balancer = new CfnLoadBalancer(stack, "Balancer", {
    name: stack.named(name),
    type: "application",
    scheme: "internet-facing",
    ipAddressType: "ipv4",
    subnets: Object.values(network.subnets.public),
    securityGroups: [securityGroupId],
    loadBalancerAttributes: Object.entries({
      "access_logs.s3.enabled": "true",
      "access_logs.s3.bucket": options.logBucket,
      "access_logs.s3.prefix": "balancer",
      "deletion_protection.enabled": options.protection.text,
      "idle_timeout.timeout_seconds": String(options.idleTimeoutSeconds),
      "routing.http.drop_invalid_header_fields.enabled": "true",
      "routing.http.desync_mitigation_mode": "defensive",
      "routing.http.preserve_host_header.enabled": "true",
    }).map(([key, value]) => ({ key, value })),
  });
  // The balancer tries to write when its logs are switched on.
  balancer.addResourceDependency(stack.node.findChild("LogBucketPolicy") as CfnResource);
  balancer.addResourceDependency(stack.node.findChild("RoutePublic") as CfnResource);
  const targets = addTargetGroup(stack, options);
  addListeners(stack, balancer, targets, addCertificate(stack, options));
  return {
    dnsName: balancer.attrDnsName,
    hostedZoneId: balancer.attrCanonicalHostedZoneId,
    targetGroupArn: targets.ref,
    securityGroupId,
    fullName: balancer.attrLoadBalancerFullName,
    targetGroupFullName: targets.attrTargetGroupFullName,
  };
}

/**
 * For the domain and every name right below it, unless the stack is given another: ACM sees by a record in the hosted zone
 * that the domain is ours. Returns the ARN.
 */
export function addCertificate(
  stack: RowhouseStack,
  options: { readonly domain: string; readonly hostedZoneId: string },
): string {
  const { domain, hostedZoneId } = options;
  const given = new CfnParameter(stack, templateParameters.certificateArn, {
    type: "String",
    default: "",
    description: "A certificate that there is already; empty makes one",
  });
  const condition = new CfnCondition(stack, "MakesCertificate", {
    expression: Fn.conditionEquals(given.valueAsString, ""),
  });
  const certificate = new CfnCertificate(stack, "Certificate", {
    domainName: domain,
    subjectAlternativeNames: [`*.${domain}`],
    validationMethod: "DNS",
    // Both names are proven by the same record.
    domainValidationOptions: [{ domainName: domain, hostedZoneId }],
    tags: [{ key: "Name", value: stack.stackName }],
  });
  certificate.cfnOptions.condition = condition;
  return Fn.conditionIf(condition.logicalId, certificate.ref, given.valueAsString).toString();
}

function addTargetGroup(stack: RowhouseStack, options: LoadBalancerOptions): CfnTargetGroup {
  return new CfnTargetGroup(stack, "Targets", {
    name: stack.named(options.name),
    vpcId: options.network.vpcId,
    targetType: options.targetType,
    protocol: "HTTP",
    port: options.port,
    healthCheckPath: "/_rowhouse/health",
    healthCheckIntervalSeconds: 5,
    healthCheckTimeoutSeconds: 4,
    healthyThresholdCount: 2,
    unhealthyThresholdCount: 2,
    matcher: { httpCode: "200" },
    targetGroupAttributes: Object.entries({
      "deregistration_delay.timeout_seconds": "30",
      "load_balancing.algorithm.type": "least_outstanding_requests",
      "stickiness.enabled": "false",
    }).map(([key, value]) => ({ key, value })),
  });
}

/** TLS 1.2 with forward secrecy at least, and 1.3. */
const tlsPolicy = "ELBSecurityPolicy-TLS13-1-2-2021-06";

function addListeners(
  stack: RowhouseStack,
  balancer: CfnLoadBalancer,
  targets: CfnTargetGroup,
  certificateArn: string,
): void {
  new CfnListener(stack, "ListenerHttps", {
    loadBalancerArn: balancer.ref,
    port: 443,
    protocol: "HTTPS",
    sslPolicy: tlsPolicy,
    certificates: [{ certificateArn }],
    defaultActions: [{ type: "forward", targetGroupArn: targets.ref }],
  });
  new CfnListener(stack, "ListenerHttp", {
    loadBalancerArn: balancer.ref,
    port: 80,
    protocol: "HTTP",
    defaultActions: [
      {
        type: "redirect",
        redirectConfig: { protocol: "HTTPS", port: "443", statusCode: "HTTP_301" },
      },
    ],
  });
}
