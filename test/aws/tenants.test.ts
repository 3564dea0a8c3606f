import { tenantsSuite } from "../e2e/tenants.suite.ts";
import { AwsSystem } from "../support/aws/system.ts";

tenantsSuite("AWS", () => AwsSystem.deploy());
