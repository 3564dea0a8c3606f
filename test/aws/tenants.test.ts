import { expect, it } from "vitest";
import { tenantsSuite } from "../e2e/tenants.suite.ts";
import { resourceCall } from "../support/aws/resource-call.ts";
import { AwsSystem } from "../support/aws/system.ts";

/** More at once take the emulator minutes: it looks through all workflows at each poll. */
const signups = 10;

tenantsSuite(
  "AWS",
  () => AwsSystem.deploy(),
  (system) => {
    it(`makes nothing in the account for ${signups} tenants of the shared path`, async () => {
      const countCalls = system().countCalls();
      const sign = async (index: number) => {
        const response = await system().api("/v1/tenants?wait=1", {
          method: "POST",
          body: JSON.stringify({
            slug: `many-${index}`,
            name: `Many ${index}`,
            region: "eu-west-1",
            plan: index % 2 === 0 ? "starter" : "business",
            email: `many-${index}@many.example`,
          }),
        });
        // 504 when a busy emulator takes longer than the API's entrance waits: the sign-up goes on.
        expect([201, 504]).toContain(response.status);
        const state = async () =>
          (await system().json<{ state: string }>("tenant", "show", `many-${index}`)).state;
        if (response.status === 504) await expect.poll(state, { timeout: 120_000 }).toBe("active");
      };
      await Promise.all(Array.from({ length: signups }, (_, index) => sign(index)));
      const calls = [...countCalls()];
      expect(calls.filter(([call]) => resourceCall.test(call))).toEqual([]);
      // Each a workflow (beside trials of backups, when their minute comes), and a message to one person.
      expect(countCalls().get("swf.StartWorkflowExecution")).toBeGreaterThanOrEqual(signups);
      expect(countCalls().get("ses.POST")).toBe(signups);
      expect((await system().tenant("many-9", "/api/books?limit=1")).status).toBe(200);
    }, 240_000);

    it("says what a server of a tenant's own costs before it is made", async () => {
      const { stderr, code } = await system().cli(
        ...["tenant", "create", "Bad Slug", "--name", "Costly", "--region", "eu-west-1"],
        ...["--plan", "enterprise", "--email", "owner@costly.example"],
      );
      expect(code).toBe(2);
      expect(stderr).toMatch(/server of its own: about \$\d+ a month.*40 in a region/);
    });
  },
);
