import { Match } from "aws-cdk-lib/assertions";
import { describe, expect, test } from "vitest";
import {
  allTemplates,
  exampleConfig,
  exampleOptions,
  exampleTemplates,
} from "../../../test/support/aws/example-templates.ts";
import { assertions, resourcesOf as listResources } from "../../../test/support/aws/template-resources.ts";
import { deploymentSteps, synthesize } from "./synthesize.ts";
import type { Template } from "./template.ts";

const templates = exampleTemplates(2);
const all = allTemplates(templates);
const region = templates.regions["eu-west-1"]!;

type Properties = Record<string, unknown>;

const resourcesOf = (type: string, among: readonly Template[] = all) => listResources(type, among);

describe("every template", () => {
  test.each([1, 2, 8] as const)("stays within CloudFormation's limits, with %d regions", (count) => {
    const made = allTemplates(exampleTemplates(count, { cache: { shards: 12, replicas: 5 } }));
    expect(made).toHaveLength(3 + 3 * count + count * (count - 1));
    for (const { template, stackName } of made) {
      expect(Object.keys(template.Resources).length, stackName).toBeLessThanOrEqual(500);
      expect(JSON.stringify(template).length, stackName).toBeLessThan(1_000_000);
      expect(Object.keys(template.Outputs ?? {}).length, stackName).toBeLessThanOrEqual(200);
      expect(stackName).toMatch(/^[A-Za-z][A-Za-z0-9-]{0,127}$/);
    }
  });

  test("is the same each time, and carries nothing of the machine or of CDK's version", () => {
    const again = exampleTemplates(2);
    expect(JSON.stringify(again)).toBe(JSON.stringify(templates));
    expect(JSON.stringify(all.map(({ template }) => template))).not.toMatch(
      /"Metadata"|CDKMetadata|BootstrapVersion|aws:cdk|dummy1a/,
    );
  });

  test("gets a value for each parameter without a default from a stack before it", () => {
    const order = deploymentSteps(templates).flat();
    expect(new Set(order)).toEqual(new Set(all));
    for (const [index, { template, parameters, stackName }] of order.entries()) {
      const wanted = Object.entries(template.Parameters ?? {}).filter(
        ([, { Default }]) => Default === undefined,
      );
      expect(Object.keys(parameters).toSorted(), stackName).toEqual(wanted.map(([key]) => key).toSorted());
      for (const source of Object.values(parameters)) {
        if (typeof source === "string") continue;
        const from = order
          .slice(0, index)
          .find((each) => each.stackName === source.stackName && each.region === source.region);
        expect(from?.template.Outputs, `${stackName} ${source.output}`).toHaveProperty(source.output);
      }
    }
  });

  test("uses the hosted zone that there is, if one is named", () => {
    const named = exampleTemplates(1, { hostedZone: "Z0123456789ABC" });
    expect(named.zone).toBeUndefined();
    expect(named.global.parameters.HostedZoneId).toBe("Z0123456789ABC");
  });

  test("has a prefix of its own where one is given", () => {
    const other = synthesize({ ...exampleOptions(exampleConfig(1)), prefix: "other" });
    for (const { stackName, template } of allTemplates(other)) {
      expect(stackName).toMatch(/^other-/);
      expect(JSON.stringify(template.Resources)).not.toContain("bookshop-");
    }
  });

  test("keeps a deployed region's network when another comes before it", () => {
    const networks = { "eu-central-1": 1 };
    const moved = synthesize({ ...exampleOptions(exampleConfig(2)), deployedNetworks: networks });
    const cidr = (name: string) =>
      resourcesOf("AWS::EC2::VPC", [moved.regions[name]!])[0]!.properties.CidrBlock;
    expect([cidr("eu-west-1"), cidr("eu-central-1")]).toEqual(["10.18.0.0/16", "10.17.0.0/16"]);
  });
});

describe("from outside", () => {
  test("nobody reaches anything but the balancers, at HTTP and HTTPS", () => {
    const open = resourcesOf("AWS::EC2::SecurityGroupIngress").filter(({ properties }) =>
      /^(0\.0\.0\.0|::)\/0$/.test(String(properties.CidrIp ?? properties.CidrIpv6)),
    );
    expect(open).toHaveLength(6);
    for (const { properties, id } of open) {
      expect(JSON.stringify(properties.GroupId), id).toContain("SecurityGroupBalancer");
      expect([80, 443], id).toContain(properties.FromPort);
      expect(properties.ToPort, id).toBe(properties.FromPort);
    }
    for (const { properties, id } of resourcesOf("AWS::EC2::SecurityGroup"))
      expect(properties, id).not.toHaveProperty("SecurityGroupIngress");
  });

  test("no database server and no subnet is public", () => {
    for (const { properties, id } of resourcesOf("AWS::RDS::DBInstance"))
      expect(properties.PubliclyAccessible, id).toBe(false);
    for (const { properties, id } of resourcesOf("AWS::EC2::Subnet"))
      expect(properties.MapPublicIpOnLaunch, id).toBe(false);
  });

  test("data subnets have no way out, and databases and cache are nowhere else", () => {
    const defaults = resourcesOf("AWS::EC2::Route").filter(
      ({ properties }) => properties.DestinationCidrBlock === "0.0.0.0/0",
    );
    expect(defaults.length).toBeGreaterThan(0);
    for (const { properties, id } of defaults)
      expect(JSON.stringify(properties.RouteTableId), id).not.toContain("RouteTableData");
    const data = resourcesOf("AWS::EC2::SubnetRouteTableAssociation").filter(({ id }) =>
      /RouteOfData/.test(id),
    );
    expect(data).toHaveLength(8);
    for (const { properties } of data) expect(properties.RouteTableId).toEqual({ Ref: "RouteTableData" });
    const groups = ["AWS::RDS::DBSubnetGroup", "AWS::ElastiCache::SubnetGroup"].flatMap((type) =>
      resourcesOf(type),
    );
    expect(groups).toHaveLength(5);
    for (const { properties, id } of groups) {
      for (const subnet of properties.SubnetIds as object[])
        expect(JSON.stringify(subnet), id).toMatch(/^\{"Ref":"SubnetData[A-H]"\}$/);
    }
  });

  test("data is reached from servers alone, and the directory from controllers and control plane", () => {
    const sources = (group: string) =>
      resourcesOf("AWS::EC2::SecurityGroupIngress", [region])
        .filter(({ properties }) => JSON.stringify(properties.GroupId).includes(`"${group}"`))
        .map(({ properties }) => JSON.stringify(properties.SourceSecurityGroupId ?? properties.CidrIp));
    const servers = ["App", "Worker", "Controller"].map((name) =>
      expect.stringContaining(`SecurityGroup${name}`),
    );
    expect(sources("SecurityGroupDatabases")).toEqual(servers);
    expect(sources("SecurityGroupCache")).toEqual(servers);
    expect(sources("SecurityGroupWorker")).toEqual([]);
    expect(sources("SecurityGroupController")).toEqual(['"10.16.176.0/21"']);
    assertions(templates.peerings["eu-central-1"]!.accept).hasResourceProperties(
      "AWS::EC2::SecurityGroupIngress",
      { CidrIp: "10.18.176.0/21", FromPort: 5432 },
    );
  });

  test("a region's controllers reach the other's controllers and databases, and nothing else of it does", () => {
    const [link] = templates.links;
    expect(link?.regions).toEqual(["eu-central-1", "eu-west-1"]);
    const ends = [
      { end: link!.request, other: "10.17" },
      { end: link!.accept, other: "10.18" },
    ];
    for (const { end, other } of ends) {
      const doors = resourcesOf("AWS::EC2::SecurityGroupIngress", [end]).map(({ properties }) => [
        properties.GroupId,
        properties.FromPort,
        properties.ToPort,
        properties.CidrIp,
      ]);
      expect(doors).toEqual([
        [{ Ref: "DatabaseSecurityGroup" }, 5432, 5432, `${other}.176.0/21`],
        [{ Ref: "ControllerSecurityGroup" }, 8083, 8083, `${other}.176.0/21`],
      ]);
      const routes = resourcesOf("AWS::EC2::Route", [end]).map(({ properties }) => ({
        table: (properties.RouteTableId as { Ref: string }).Ref.replace(/[A-H]$/, ""),
        to: properties.DestinationCidrBlock,
      }));
      const ways = new Set(routes.map(({ table, to }) => `${table} ${to}`));
      expect([...ways]).toEqual([
        `ControlRouteTable ${other}.176.0/21`,
        `ControlRouteTable ${other}.128.0/19`,
        `DataRouteTable ${other}.176.0/21`,
      ]);
    }
    assertions(link!.request).hasResourceProperties("AWS::EC2::VPCPeeringConnection", {
      PeerRegion: "eu-west-1",
    });
    assertions(link!.accept).resourceCountIs("AWS::EC2::VPCPeeringConnection", 0);
  });

  test("plain HTTP is only redirected, and TLS is 1.2 at least", () => {
    for (const template of [region, templates.global]) {
      assertions(template).resourceCountIs("AWS::ElasticLoadBalancingV2::Listener", 2);
      assertions(template).hasResourceProperties("AWS::ElasticLoadBalancingV2::Listener", {
        Protocol: "HTTP",
        DefaultActions: [{ Type: "redirect", RedirectConfig: Match.objectLike({ Protocol: "HTTPS" }) }],
      });
      assertions(template).hasResourceProperties("AWS::ElasticLoadBalancingV2::Listener", {
        Protocol: "HTTPS",
        SslPolicy: Match.stringLikeRegexp("^ELBSecurityPolicy-TLS13-1-2-"),
      });
    }
    assertions(templates.edge).hasResourceProperties("AWS::CloudFront::Distribution", {
      DistributionConfig: {
        ViewerCertificate: { MinimumProtocolVersion: "TLSv1.2_2021" },
        DefaultCacheBehavior: { ViewerProtocolPolicy: "redirect-to-https" },
      },
    });
  });

  test("the balancer goes to whoever has least to do, checks health and sticks to nobody", () => {
    assertions(region).hasResourceProperties("AWS::ElasticLoadBalancingV2::TargetGroup", {
      TargetType: "ip",
      Port: 8080,
      HealthCheckPath: "/_rowhouse/health",
      TargetGroupAttributes: Match.arrayWith([
        { Key: "load_balancing.algorithm.type", Value: "least_outstanding_requests" },
        { Key: "stickiness.enabled", Value: "false" },
      ]),
    });
  });
});

describe("data", () => {
  /** What says of a type that it is encrypted at rest. */
  const encryption: Record<string, (properties: Properties) => unknown> = {
    "AWS::RDS::DBInstance": ({ StorageEncrypted, KmsKeyId }) => StorageEncrypted === true && KmsKeyId,
    "AWS::ElastiCache::ReplicationGroup": (cache) =>
      cache.AtRestEncryptionEnabled === true && cache.TransitEncryptionEnabled === true && cache.KmsKeyId,
    "AWS::DynamoDB::Table": ({ SSESpecification }) =>
      (SSESpecification as Properties).SSEType === "KMS" && (SSESpecification as Properties).KMSMasterKeyId,
    "AWS::S3::Bucket": ({ BucketEncryption }) => BucketEncryption,
    "AWS::SNS::Topic": ({ KmsMasterKeyId }) => KmsMasterKeyId,
    "AWS::SQS::Queue": ({ SqsManagedSseEnabled }) => SqsManagedSseEnabled,
    "AWS::EC2::LaunchTemplate": ({ LaunchTemplateData }) =>
      (LaunchTemplateData as { BlockDeviceMappings: { Ebs: Properties }[] }).BlockDeviceMappings.every(
        ({ Ebs }) => Ebs.Encrypted === true,
      ),
  };

  test.each(Object.entries(encryption))("is encrypted in every %s", (type, isEncrypted) => {
    const found = resourcesOf(type);
    expect(found.length).toBeGreaterThan(0);
    for (const { properties, id } of found) expect(isEncrypted(properties), id).toBeTruthy();
  });

  test.each([
    ["AWS::S3::Bucket", "Retain"],
    ["AWS::DynamoDB::Table", "Retain"],
    ["AWS::KMS::Key", "Retain"],
    ["AWS::Route53::HostedZone", "Retain"],
    ["AWS::RDS::DBInstance", "Snapshot"],
  ])("of every %s outlives its stack: %s", (type, policy) => {
    const found = resourcesOf(type);
    expect(found.length).toBeGreaterThan(0);
    for (const { resource, id } of found) {
      expect([resource.DeletionPolicy, resource.UpdateReplacePolicy], id).toEqual([policy, policy]);
    }
  });

  test("is guarded against deletion, until the parameter says otherwise", () => {
    const guard = { "Fn::If": ["IsProtected", true, false] };
    for (const template of [region, templates.global]) {
      expect(template.template.Parameters).toHaveProperty("Protection.Default", "on");
      assertions(template).hasResourceProperties("AWS::RDS::DBInstance", { DeletionProtection: guard });
      assertions(template).hasResourceProperties("AWS::DynamoDB::Table", {
        DeletionProtectionEnabled: guard,
      });
    }
  });

  test("of databases has a standby, backups and TLS for all", () => {
    for (const template of [region, templates.global]) {
      assertions(template).hasResourceProperties("AWS::RDS::DBInstance", {
        MultiAZ: true,
        EngineVersion: "18",
        BackupRetentionPeriod: 7,
        MasterUserPassword: Match.stringLikeRegexp("^{{resolve:secretsmanager:bookshop/databases/"),
      });
      assertions(template).hasResourceProperties("AWS::RDS::DBParameterGroup", {
        Family: "postgres18",
        Parameters: Match.objectLike({
          "rds.force_ssl": "1",
          "rds.logical_replication": "1",
          max_replication_slots: "50",
          max_slot_wal_keep_size: "8192",
        }),
      });
    }
  });

  test("of tenants goes to the recovery region's bucket, and the platform's own does not", () => {
    const { properties } = resourcesOf("AWS::S3::Bucket", [region]).find(({ id }) => id.endsWith("/Bucket"))!;
    const [condition, replication] = (
      properties.ReplicationConfiguration as { "Fn::If": [string, Properties] }
    )["Fn::If"];
    expect(condition).toBe("Replicates");
    const rules = replication.Rules as { Filter: { Prefix: string }; Destination: { Bucket: string } }[];
    expect(rules.map(({ Filter }) => Filter.Prefix)).toEqual(["tenants/"]);
    for (const { Destination } of rules)
      expect(Destination.Bucket).toBe("arn:aws:s3:::bookshop-eu-central-1-123456789012");
    const alone = exampleTemplates(1).regions["eu-west-1"]!;
    expect(JSON.stringify(alone.template)).not.toContain('Replication"');
  });

  test("in the cache is spread over zones, and moves with the failing node", () => {
    assertions(region).hasResourceProperties("AWS::ElastiCache::ReplicationGroup", {
      Engine: "valkey",
      NumNodeGroups: 2,
      ReplicasPerNodeGroup: 1,
      MultiAZEnabled: true,
      AutomaticFailoverEnabled: true,
    });
  });
});

describe("a server", () => {
  test("asks for a session before it tells its metadata, and tells its tags", () => {
    const found = resourcesOf("AWS::EC2::LaunchTemplate");
    expect(found).toHaveLength(7);
    for (const { properties, id } of found) {
      const { MetadataOptions } = properties.LaunchTemplateData as { MetadataOptions: Properties };
      expect(MetadataOptions, id).toMatchObject({ HttpTokens: "required", InstanceMetadataTags: "enabled" });
    }
  });

  test("runs the program that it was given", () => {
    const { properties } = resourcesOf("AWS::EC2::LaunchTemplate", [region])[0]!;
    const { UserData } = properties.LaunchTemplateData as { UserData: string };
    expect(Buffer.from(UserData, "base64").toString()).toBe(
      '#cloud-config\n# {"program":"app","region":"eu-west-1","prefix":"bookshop","bucket":"bookshop-eu-west-1-123456789012"}\n',
    );
  });

  test("of a fleet has its place in an empty group with room for a rollout", () => {
    assertions(region).hasResourceProperties("AWS::AutoScaling::AutoScalingGroup", {
      AutoScalingGroupName: "bookshop-app",
      MinSize: "0",
      MaxSize: "12",
      DesiredCapacity: Match.absent(),
    });
    assertions(region).hasResourceProperties("AWS::AutoScaling::AutoScalingGroup", {
      AutoScalingGroupName: "bookshop-controller",
      MinSize: "1",
      MaxSize: "1",
    });
  });
});

describe("policies", () => {
  interface Statement {
    readonly Effect: string;
    readonly Action: string | string[];
    readonly Resource: unknown;
    readonly Condition?: unknown;
  }
  const roles = resourcesOf("AWS::IAM::Role").flatMap(({ id, properties }) =>
    (properties.Policies as { PolicyDocument: { Statement: Statement[] } }[]).flatMap(({ PolicyDocument }) =>
      PolicyDocument.Statement.map((statement) => ({ id, statement })),
    ),
  );

  test("of roles name every action in full", () => {
    expect(roles.length).toBeGreaterThan(50);
    for (const { id, statement } of roles)
      for (const action of [statement.Action].flat()) expect(action, id).toMatch(/^[a-z0-9-]+:[A-Za-z]+$/);
  });

  test("of roles say all resources only for actions that know none", () => {
    const actions = roles
      .filter(({ statement }) => [statement.Resource].flat().includes("*"))
      .flatMap(({ statement }) => statement.Action);
    for (const action of new Set(actions)) {
      expect(action).toMatch(
        /^(ssm:UpdateInstanceInformation|ssmmessages:.*|(autoscaling|ec2|elasticloadbalancing):Describe.*|swf:RegisterDomain|ses:.*SuppressedDestination)$/,
      );
    }
  });

  test("of buckets refuse what comes without TLS, in every bucket", () => {
    expect(resourcesOf("AWS::S3::BucketPolicy")).toHaveLength(resourcesOf("AWS::S3::Bucket").length);
    for (const { properties, id } of resourcesOf("AWS::S3::BucketPolicy")) {
      const [first] = (properties.PolicyDocument as { Statement: Statement[] }).Statement;
      expect(first, id).toMatchObject({
        Effect: "Deny",
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      });
    }
    for (const { properties, id } of resourcesOf("AWS::S3::Bucket"))
      expect(Object.values(properties.PublicAccessBlockConfiguration as object), id).toEqual([
        true,
        true,
        true,
        true,
      ]);
  });

  test("fit into a role", () => {
    for (const { properties, id } of resourcesOf("AWS::IAM::Role"))
      expect(JSON.stringify(properties.Policies).length, id).toBeLessThan(10_240);
  });
});
