/**
 * Writes the table of `docs/aws.md` that says what was verified how, from the results of a run of the tests:
 * `npm run docs:aws`.
 */
import { readFile, writeFile } from "node:fs/promises";
import { relative } from "node:path";

/** The part of Vitest's JSON report that is read. */
interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly Result[];
  }[];
}

interface Result {
  readonly fullName: string;
  readonly status: string;
  readonly meta?: { readonly skipReason?: string };
}

/** One line: a part of the family, and the test files that hold it to what it promises. */
interface Row {
  readonly part: string;
  readonly service: string;
  /** From the repository's root; with a slash at its end, all files below. */
  readonly files: readonly string[];
  /** What no test without an account can show. */
  readonly unverified: string;
}

const port = (noun: string, service: string, unverified: string, ...more: readonly string[]): Row => ({
  part: `\`${noun}\``,
  service,
  files: [`src/aws/${noun}.test.ts`, ...more],
  unverified,
});

const rows: readonly Row[] = [
  port("dns", "Route 53", "propagation; that a parent zone delegates", "src/aws/dns/"),
  port("balancer", "Application Load Balancer", "its data plane: the tests have one of their own"),
  port(
    "fleets",
    "EC2, launch templates, Auto Scaling",
    "a real boot of Amazon Linux: the tests run the unit of the user data themselves",
    ...["src/aws/machine.test.ts", "src/aws/user-data.test.ts", "test/aws/machines.test.ts"],
  ),
  port("registry", "DynamoDB", "throttling"),
  port("objects", "S3", "signatures and expiry of signed URLs, replication"),
  port(
    "cache",
    "ElastiCache for Valkey",
    "ElastiCache itself: the tests have a cluster of six Redis 7 processes",
  ),
  port(
    "databases",
    "RDS for PostgreSQL, Multi-AZ",
    "RDS's failover, its certificates: the SQL ran on a real Postgres with a restricted administrator",
    ...["src/aws/databases-lifecycle.test.ts", "src/aws/control-login.test.ts", "src/aws/rds/"],
  ),
  port(
    "replicas",
    "RDS read replicas across regions",
    "RDS's own replication, promotion and renaming, and how long they take: the replicas stream between real Postgres",
    ...["src/aws/replicas-lifecycle.test.ts", "src/aws/recovery-site.test.ts"],
  ),
  port("queues", "SQS", "delays of a new or changed queue"),
  port("workflows", "SWF", "rate limits, the delays of its lists", "src/aws/workflows/"),
  port("mail", "SES v2", "delivery, bounces, the sandbox"),
  port("keys", "KMS", "key policies"),
  port(
    "stacks",
    "CloudFormation",
    "termination protection, drift, resource types that the emulator ignores",
    "src/aws/cloudformation/",
  ),
  {
    part: "calls",
    service: "all",
    files: ["src/aws/client.test.ts"],
    unverified: "an account's own rate limits",
  },
  {
    part: "templates, operator's policy",
    service: "CloudFormation, IAM",
    files: ["src/aws/stacks/"],
    unverified: "resource types that the emulator ignores; that IAM grants what the policies say",
  },
  {
    part: "`aws deploy`",
    service: "all",
    files: ["test/aws/deployment.test.ts"],
    unverified: "CloudFront, certificates, peering, deletion",
  },
  {
    part: "the whole system",
    service: "all",
    files: ["test/aws/tenants.test.ts", "test/aws/signup-calls.test.ts", "test/aws/names.test.ts"],
    unverified: "everything above, together",
  },
];

const [begin, end] = ["<!-- verified: begin -->", "<!-- verified: end -->"];
const root = new URL("../../", import.meta.url).pathname;

/**
 * Results by test file, the file from the repository's root. Where the preparation of a file's tests failed, Vitest
 * calls them skipped: here they have failed.
 */
function readReport(report: Report): ReadonlyMap<string, readonly Result[]> {
  return new Map(
    report.testResults.map(({ name, status, assertionResults }) => {
      const isUnprepared =
        status === "failed" && !assertionResults.some((result) => result.status === "failed");
      const results = isUnprepared
        ? assertionResults.map((result) => (isUnexplained(result) ? { ...result, status: "failed" } : result))
        : assertionResults;
      return [relative(root, name), results];
    }),
  );
}

const isSkipped = ({ status }: Result) => status === "skipped" || status === "pending";
const isUnexplained = (result: Result) => isSkipped(result) && result.meta?.skipReason === undefined;

function belongs(file: string, { files }: Row): boolean {
  return files.some((path) => (path.endsWith("/") ? file.startsWith(path) : file === path));
}

function renderRow(row: Row, results: readonly Result[]): string {
  const failed = results.filter(({ status }) => status === "failed").length;
  const held = results.filter(({ status }) => status === "passed").length;
  const skipped = results.filter(isSkipped).length;
  const verdict = failed > 0 || held === 0 ? `**${failed} failed**, ${held} hold` : `${held} hold`;
  const left = skipped > 0 ? `, ${skipped} skipped` : "";
  return `| ${row.part} | ${row.service} | ${verdict}${left} | ${row.unverified} |`;
}

/** The table, and below it the cases that were skipped. @throws for a file that belongs to no row */
function render(byFile: ReadonlyMap<string, readonly Result[]>): string {
  const stray = [...byFile.keys()].filter((file) => !rows.some((row) => belongs(file, row)));
  if (stray.length > 0) throw new Error(`No row of the table has ${stray.join(", ")}.`);
  const resultsOf = (row: Row) =>
    [...byFile].flatMap(([file, results]) => (belongs(file, row) ? results : []));
  const skipped = rows.flatMap((row) => resultsOf(row).filter(isSkipped));
  return [
    "| part | service | cases on the emulator | not verifiable without an account |",
    "| --- | --- | --- | --- |",
    ...rows.map((row) => renderRow(row, resultsOf(row))),
    "",
    "Skipped on the emulator:",
    "",
    ...skipped.map(
      ({ fullName, meta }) =>
        `- ${fullName}: ${meta?.skipReason ?? "not run, and the test gives no reason"}.`,
    ),
  ].join("\n");
}

const [, , reportFile] = process.argv;
if (!reportFile) throw new Error("Name the file of Vitest's JSON report.");
const page = new URL("../aws.md", import.meta.url);
const text = await readFile(page, "utf8");
const table = render(readReport(JSON.parse(await readFile(reportFile, "utf8")) as Report));
const [before, rest = ""] = text.split(begin);
const [, after] = rest.split(end);
if (after === undefined) throw new Error(`${page.pathname} has no place for the table.`);
await writeFile(page, `${before}${begin}\n\n${table}\n\n${end}${after}`);
