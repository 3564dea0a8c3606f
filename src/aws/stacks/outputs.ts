import {
  type GlobalResources,
  globalResourcesSchema,
  type RegionResources,
  regionResourcesSchema,
} from "../resources.ts";

/** A stack's outputs as CloudFormation lists them. */
type Outputs = Readonly<Record<string, string>>;

/** What a region's stack made, by its outputs. Throws zod's error for a stack that is not one of ours. */
export function readRegionOutputs(outputs: Outputs): RegionResources {
  const server = (program: string) => ({
    launchTemplateId: outputs[`${program}LaunchTemplate`],
    autoScalingGroup: outputs[`${program}Group`],
  });
  return regionResourcesSchema.parse({
    prefix: outputs.Prefix,
    region: outputs.Region,
    accountId: outputs.AccountId,
    bucket: outputs.Bucket,
    keyArn: outputs.KeyArn,
    registryTable: outputs.RegistryTable,
    vpcId: outputs.VpcId,
    privateSubnets: byZone(outputs, "PrivateSubnet"),
    databases: {
      subnetGroup: outputs.DatabaseSubnetGroup,
      parameterGroup: outputs.DatabaseParameterGroup,
      securityGroupId: outputs.DatabaseSecurityGroup,
      instanceClasses: {
        shared: outputs.DatabaseClassShared,
        dedicated: outputs.DatabaseClassDedicated,
      },
    },
    cacheEndpoint: outputs.CacheEndpoint,
    loadBalancer: { dnsName: outputs.BalancerDnsName, targetGroupArn: outputs.TargetGroupArn },
    groups: { app: server("App"), worker: server("Worker"), controller: server("Controller") },
    alarmTopicArn: outputs.AlarmTopicArn,
  });
}

/** The same of the global stack. */
export function readGlobalOutputs(outputs: Outputs): GlobalResources {
  return globalResourcesSchema.parse({
    prefix: outputs.Prefix,
    region: outputs.Region,
    accountId: outputs.AccountId,
    hostedZoneId: outputs.HostedZoneId,
    bucket: outputs.Bucket,
    keyArn: outputs.KeyArn,
    registryTable: outputs.RegistryTable,
    vpcId: outputs.VpcId,
    vpcCidr: outputs.VpcCidr,
    apiUrl: outputs.ApiUrl,
    url: outputs.Url,
    group: {
      launchTemplateId: outputs.ControlPlaneLaunchTemplate,
      autoScalingGroup: outputs.ControlPlaneGroup,
    },
  });
}

/** `PrivateSubnetA` is zone `a`'s. */
function byZone(outputs: Outputs, key: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(outputs)
      .filter(([name]) => name.startsWith(key) && name.length === key.length + 1)
      .map(([name, value]) => [name.slice(-1).toLowerCase(), value]),
  );
}
