import { createSystem } from "../support/system.ts";
import { tenantsSuite } from "./tenants.suite.ts";

tenantsSuite("this machine", async () => {
  const system = await createSystem();
  await system.up();
  return system;
});
