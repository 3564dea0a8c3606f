import { describe } from "vitest";
import { openReplicaRegions, sourceRegion } from "../../test/support/aws/replica-regions.ts";
import { replicasContract } from "../ports/replicas.contract.ts";

// Between two regions of a real account the test's machine reaches one alone.
describe.runIf(process.env.ROWHOUSE_AWS_REAL !== "1")("between two regions", () => {
  replicasContract("RDS", async () => {
    const regions = await openReplicaRegions();
    return {
      replicas: regions.replicas(),
      source: {
        region: sourceRegion,
        databases: regions.source.databases,
        zones: ["a", "b"],
        lose: () => regions.loseSource(),
      },
      databases: regions.recovery.databases,
      zones: ["a", "b"],
      dispose: () => regions.dispose(),
    };
  });
});
