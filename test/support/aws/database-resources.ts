import {
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DeleteSecurityGroupCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  EC2Client,
} from "@aws-sdk/client-ec2";
import {
  CreateDBParameterGroupCommand,
  CreateDBSubnetGroupCommand,
  DeleteDBParameterGroupCommand,
  DeleteDBSubnetGroupCommand,
  ModifyDBParameterGroupCommand,
  RDSClient,
} from "@aws-sdk/client-rds";
import { type AwsAccess, createAwsClient } from "../../../src/aws/client.ts";
import { awsTags, type RegionResources } from "../../../src/aws/resources.ts";
import { createTestKey } from "./key.ts";

export interface DatabaseResources {
  readonly resources: Pick<RegionResources, "prefix" | "region" | "keyArn" | "databases">;
  dispose(): Promise<void>;
}

/**
 * What a region's stack makes for its database servers, without the stack: in the account's default VPC, zones a and b.
 * On a real account the test must run on a machine of that VPC, or it won't reach the servers.
 */
export async function makeDatabaseResources(access: AwsAccess, prefix: string): Promise<DatabaseResources> {
  const [ec2, rds] = [createAwsClient(EC2Client, access), createAwsClient(RDSClient, access)];
  const Tags = [{ Key: awsTags.prefix, Value: prefix }];
  const key = await createTestKey(access, prefix);
  const { Vpcs } = await ec2.send(
    new DescribeVpcsCommand({ Filters: [{ Name: "is-default", Values: ["true"] }] }),
  );
  const { VpcId, CidrBlock } = Vpcs![0]!;
  const zones = [`${access.region}a`, `${access.region}b`];
  const { Subnets } = await ec2.send(
    new DescribeSubnetsCommand({
      Filters: [
        { Name: "vpc-id", Values: [VpcId!] },
        { Name: "availability-zone", Values: zones },
      ],
    }),
  );
  const { GroupId } = await ec2.send(
    new CreateSecurityGroupCommand({ GroupName: `${prefix}-databases`, Description: prefix, VpcId }),
  );
  await ec2.send(
    new AuthorizeSecurityGroupIngressCommand({
      GroupId,
      IpPermissions: [{ IpProtocol: "tcp", FromPort: 5432, ToPort: 5432, IpRanges: [{ CidrIp: CidrBlock }] }],
    }),
  );
  const DBSubnetGroupName = `${prefix}-databases`;
  const DBSubnetGroupDescription = prefix;
  const SubnetIds = Subnets!.map((subnet) => subnet.SubnetId!);
  await rds.send(
    new CreateDBSubnetGroupCommand({ DBSubnetGroupName, DBSubnetGroupDescription, SubnetIds, Tags }),
  );
  const DBParameterGroupName = `${prefix}-postgres`;
  const family = { DBParameterGroupFamily: "postgres18", Description: prefix };
  await rds.send(new CreateDBParameterGroupCommand({ DBParameterGroupName, ...family, Tags }));
  const parameters = { "rds.logical_replication": "1", "rds.force_ssl": "1" };
  await rds.send(
    new ModifyDBParameterGroupCommand({
      DBParameterGroupName,
      Parameters: Object.entries(parameters).map(([ParameterName, ParameterValue]) => ({
        ParameterName,
        ParameterValue,
        ApplyMethod: "pending-reboot",
      })),
    }),
  );
  return {
    resources: {
      prefix,
      region: access.region,
      keyArn: key.keyArn,
      databases: {
        subnetGroup: DBSubnetGroupName,
        parameterGroup: DBParameterGroupName,
        securityGroupId: GroupId!,
        instanceClasses: { shared: "db.t4g.micro", dedicated: "db.t4g.small" },
      },
    },
    dispose: async () => {
      await rds.send(new DeleteDBSubnetGroupCommand({ DBSubnetGroupName }));
      await rds.send(new DeleteDBParameterGroupCommand({ DBParameterGroupName }));
      await ec2.send(new DeleteSecurityGroupCommand({ GroupId }));
      await key.remove();
      ec2.destroy();
      rds.destroy();
    },
  };
}
