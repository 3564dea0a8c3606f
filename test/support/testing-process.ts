/** A test process of its own: makes a tenant, tells of it, and then does what its argument says. */
import { testTenant } from "../../src/testing/index.ts";
import application from "./testing-application/app.ts";

const tenant = await testTenant(application);
const { port } = new URL(tenant.databaseUrl);
process.stdout.write(`${JSON.stringify({ slug: tenant.slug, port: Number(port) })}\n`);
// Without it the open instance keeps the process until somebody kills it.
if (process.argv[2] === "close") await tenant.close();
