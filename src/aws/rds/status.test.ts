import type { DBInstance } from "@aws-sdk/client-rds";
import { expect, it } from "vitest";
import { describeInstance, isBroken } from "./status.ts";

const node = { host: "s.example.test", port: 5432 };

function instance(changes: Partial<DBInstance> = {}): DBInstance {
  return {
    DBInstanceStatus: "available",
    Endpoint: { Address: node.host, Port: node.port },
    AvailabilityZone: "eu-west-1a",
    SecondaryAvailabilityZone: "eu-west-1c",
    MultiAZ: true,
    ...changes,
  };
}

it.each([
  ["available", "available", "running", 0],
  ["backing-up", "available", "running", 0],
  ["modifying", "available", "running", 0],
  ["storage-optimization", "available", "running", 0],
  ["maintenance", "degraded", "running", null],
  ["some-new-work", "degraded", "running", null],
  ["rebooting", "down", "starting", null],
  ["storage-full", "down", "down", null],
  ["failed", "down", "down", null],
  ["deleting", "deleting", "down", null],
])("says of %s that the server is %s, its nodes %s", (status, server, nodes, lagBytes) => {
  expect(describeInstance("s", instance({ DBInstanceStatus: status }))).toEqual({
    name: "s",
    status: server,
    primary: { ...node, zone: "a", status: nodes },
    standby: { ...node, zone: "c", status: nodes, lagBytes },
  });
});

it("has no nodes before there is an address", () => {
  const { Endpoint: _, ...creating } = instance({ DBInstanceStatus: "creating" });
  expect(describeInstance("s", creating)).toEqual({
    name: "s",
    status: "creating",
    primary: null,
    standby: null,
  });
});

it("is degraded when it was changed to have no standby", () => {
  expect(describeInstance("s", instance({ MultiAZ: false }))).toMatchObject({
    status: "degraded",
    primary: { status: "running" },
    standby: null,
  });
});

it("takes the other of the subnet group's two zones until RDS names the standby's", () => {
  const inZones = (...zones: string[]) => {
    const { SecondaryAvailabilityZone: _, ...rest } = instance();
    const Subnets = zones.map((Name) => ({ SubnetAvailabilityZone: { Name } }));
    return describeInstance("s", { ...rest, DBSubnetGroup: { Subnets } });
  };
  expect(inZones("eu-west-1a", "eu-west-1b").standby).toMatchObject({ zone: "b" });
  expect(inZones("eu-west-1a", "eu-west-1b", "eu-west-1c")).toMatchObject({ standby: null });
});

it("knows what never becomes available by itself", () => {
  expect(
    ["failed", "incompatible-parameters", "storage-full", "restore-error"].filter(isBroken),
  ).toHaveLength(4);
  expect(["creating", "stopped", "stopping", "rebooting", "deleting", undefined].filter(isBroken)).toEqual(
    [],
  );
});
