import { createWorkflowRegion } from "../../test/support/aws/workflow-region.ts";
import { survivesDeaths } from "../../test/support/saga-deaths.ts";
import { workflowsContract } from "../ports/workflows.contract.ts";

workflowsContract("aws", async () => {
  const region = await createWorkflowRegion();
  return { workflows: region.open(), reopen: async () => region.open(), dispose: region.dispose };
});

survivesDeaths("aws", async () => {
  const { place, dispose } = await createWorkflowRegion();
  return { aws: place, dispose };
});
