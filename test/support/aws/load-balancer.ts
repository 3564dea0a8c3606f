import { DescribeSubnetsCommand, EC2Client } from "@aws-sdk/client-ec2";
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateTargetGroupCommand,
  DeleteLoadBalancerCommand,
  DeleteTargetGroupCommand,
  ElasticLoadBalancingV2Client,
  ModifyTargetGroupAttributesCommand,
  waitUntilLoadBalancerAvailable,
  waitUntilLoadBalancersDeleted,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { type AwsAccess, createAwsClient } from "../../../src/aws/client.ts";
import type { RegionResources } from "../../../src/aws/resources.ts";

/**
 * A load balancer with the target group of a region's stack, inside the account's default VPC. On a real account the
 * test has to run on a machine of that VPC, and the VPC's default security group has to let the two speak.
 */
export async function makeLoadBalancer(
  access: AwsAccess,
  options: { readonly prefix: string; readonly drainSeconds: number },
): Promise<{ readonly loadBalancer: RegionResources["loadBalancer"]; dispose(): Promise<void> }> {
  const ec2 = createAwsClient(EC2Client, access);
  const client = createAwsClient(ElasticLoadBalancingV2Client, access);
  const Filters = [{ Name: "default-for-az", Values: ["true"] }];
  const { Subnets = [] } = await ec2.send(new DescribeSubnetsCommand({ Filters }));
  ec2.destroy();
  const { TargetGroups } = await client.send(
    new CreateTargetGroupCommand({
      ...{ Name: options.prefix, Protocol: "HTTP", Port: 8080, VpcId: Subnets[0]!.VpcId, TargetType: "ip" },
      ...{
        HealthCheckPath: "/_rowhouse/health",
        HealthCheckIntervalSeconds: 5,
        HealthCheckTimeoutSeconds: 2,
      },
      ...{ HealthyThresholdCount: 2, UnhealthyThresholdCount: 2 },
    }),
  );
  const TargetGroupArn = TargetGroups![0]!.TargetGroupArn!;
  const Attributes = [
    { Key: "deregistration_delay.timeout_seconds", Value: String(options.drainSeconds) },
    { Key: "load_balancing.algorithm.type", Value: "least_outstanding_requests" },
  ];
  await client.send(new ModifyTargetGroupAttributesCommand({ TargetGroupArn, Attributes }));
  const { LoadBalancers } = await client.send(
    new CreateLoadBalancerCommand({
      Name: options.prefix,
      Scheme: "internal",
      Subnets: Subnets.slice(0, 2).map(({ SubnetId }) => SubnetId!),
    }),
  );
  const LoadBalancerArn = LoadBalancers![0]!.LoadBalancerArn!;
  const those = { LoadBalancerArns: [LoadBalancerArn] };
  await waitUntilLoadBalancerAvailable({ client, maxWaitTime: 600, minDelay: 1 }, those);
  await client.send(
    new CreateListenerCommand({
      ...{ LoadBalancerArn, Protocol: "HTTP", Port: 80 },
      DefaultActions: [{ Type: "forward", TargetGroupArn }],
    }),
  );
  return {
    loadBalancer: { dnsName: LoadBalancers![0]!.DNSName!, targetGroupArn: TargetGroupArn },
    dispose: async () => {
      await client.send(new DeleteLoadBalancerCommand({ LoadBalancerArn }));
      await waitUntilLoadBalancersDeleted({ client, maxWaitTime: 600, minDelay: 1 }, those);
      await client.send(new DeleteTargetGroupCommand({ TargetGroupArn }));
      client.destroy();
    },
  };
}
