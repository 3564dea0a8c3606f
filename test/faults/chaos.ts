import { parseArgs } from "node:util";
import { type ActionKind, faultKinds, fleetKinds, tenantKinds } from "./chaos/plan.ts";
import { runChaos } from "./chaos/run.ts";

/**
 * `npm run chaos -- --seed 7 --seconds 120 --tenants 20 [--kinds kill-primary,backup] [--port 14080]`
 * Ends with exit code 1 when anything that was acknowledged is not there exactly once.
 */
const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seconds: { type: "string", default: "120" },
    tenants: { type: "string", default: "20" },
    kinds: { type: "string" },
    port: { type: "string" },
  },
});

const all: readonly ActionKind[] = [...faultKinds, ...fleetKinds, ...tenantKinds];
const wanted = values.kinds?.split(",") ?? all;
const unknown = wanted.filter((kind) => !all.includes(kind as ActionKind));
if (unknown.length > 0)
  throw new Error(`There is no kind ${unknown.join(", ")}; there are ${all.join(", ")}.`);

const { wrong } = await runChaos({
  seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : wholeNumber(values.seed),
  seconds: wholeNumber(values.seconds),
  tenants: wholeNumber(values.tenants),
  basePort: values.port === undefined ? undefined : wholeNumber(values.port),
  kinds: all.filter((kind) => wanted.includes(kind)),
  print: (line) => console.log(line),
});
process.exitCode = wrong.length === 0 ? 0 : 1;

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`${JSON.stringify(text)} is not a whole number.`);
  return Number(text);
}
