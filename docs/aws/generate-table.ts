/**
 * Writes the table of `docs/aws.md` that says what was verified how, from the results of a run of the tests:
 * `npm run docs:aws`.
 */
import { readFile, writeFile } from "node:fs/promises";

/** The part of Vitest's JSON report that is read. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** One line: a system, and the test file that holds its adapter to the contract. */
interface Row {
  readonly role: string;
  readonly service: string;
  readonly file: string;
  /** What no test without an account can show. */
  readonly unverified: string;
}

const rows: readonly Row[] = [
  { role: "dns", service: "Route 53", file: "dns", unverified: "propagation, health-checked failover" },
  {
    role: "balancer",
    service: "Application Load Balancer",
    file: "balancer",
    unverified: "its own data plane",
  },
  {
    role: "fleets",
    service: "EC2, Auto Scaling, launch templates",
    file: "fleets",
    unverified: "real boot of an image",
  },
  { role: "registry", service: "DynamoDB", file: "registry", unverified: "-" },
  { role: "objects", service: "S3", file: "objects", unverified: "signatures of signed URLs, replication" },
  {
    role: "cache",
    service: "ElastiCache for Valkey",
    file: "cache",
    unverified: "the managed endpoint; the protocol ran against a real cluster of six processes",
  },
  {
    role: "databases",
    service: "RDS for PostgreSQL, Multi-AZ",
    file: "databases",
    unverified: "its own failover; the SQL ran on a real Postgres with a restricted administrator",
  },
  { role: "queues", service: "SQS", file: "queues", unverified: "-" },
  { role: "workflows", service: "SWF", file: "workflows", unverified: "rate limits" },
  { role: "mail", service: "SES v2", file: "mail", unverified: "delivery, bounces" },
  { role: "keys", service: "KMS", file: "keys", unverified: "-" },
  {
    role: "stacks",
    service: "CloudFormation",
    file: "stacks",
    unverified: "the types that the emulator ignores",
  },
];

const [begin, end] = ["<!-- verified: begin -->", "<!-- verified: end -->"];

function renderRow(row: Row, report: Report): string {
  const file = report.testResults.find(({ name }) => name.endsWith(`/src/aws/${row.file}.test.ts`));
  const results = file?.assertionResults ?? [];
  const count = (status: string) => results.filter((result) => result.status === status).length;
  const [passed, failed, skipped] = [count("passed"), count("failed"), count("skipped") + count("pending")];
  const verdict = failed > 0 || passed === 0 ? `**${failed} failed**` : `${passed} cases hold`;
  const left = skipped > 0 ? `, ${skipped} skipped by name` : "";
  return `| \`${row.role}\` | ${row.service} | ${verdict}${left} | ${row.unverified} |`;
}

/** The table of all systems. */
function render(report: Report): string {
  const templates = report.testResults
    .filter(({ name }) => name.includes("/src/aws/stacks/"))
    .flatMap(({ assertionResults }) => assertionResults);
  const held = templates.filter(({ status }) => status === "passed").length;
  return [
    "| port | service | contract on the emulator | not verifiable without an account |",
    "| --- | --- | --- | --- |",
    ...rows.map((row) => renderRow(row, report)),
    `| | templates | ${held} of ${templates.length} checks hold: cfn-lint, cdk-nag, own assertions, deployed on the emulator | resource types that it ignores |`,
  ].join("\n");
}

const [, , reportFile] = process.argv;
if (!reportFile) throw new Error("Name the file of Vitest's JSON report.");
const page = new URL("../aws.md", import.meta.url);
const text = await readFile(page, "utf8");
const table = render(JSON.parse(await readFile(reportFile, "utf8")) as Report);
const [before, rest = ""] = text.split(begin);
const [, after] = rest.split(end);
if (after === undefined) throw new Error(`${page.pathname} has no place for the table.`);
await writeFile(page, `${before}${begin}\n\n${table}\n\n${end}${after}`);
