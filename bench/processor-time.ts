import { readdirSync, readFileSync } from "node:fs";

/** Linux counts in hundredths of a second on every machine that Node runs on. */
const millisecondsPerTick = 10;

/**
 * Processor time that a process has used, on request with its children's, those that ended included; `NaN` where
 * there is no /proc. Source: proc_pid_stat(5), fields 4 (ppid), 14 to 17 (utime, stime, cutime, cstime).
 */
export function processorMilliseconds(pid: number | undefined, children?: "with its children"): number {
  const own = readTimes(pid);
  if (!own) return Number.NaN;
  if (!children) return own.self;
  let total = own.self + own.endedChildren;
  for (const name of readdirSync("/proc")) {
    const times = /^\d+$/.test(name) ? readTimes(Number(name)) : undefined;
    if (times?.parent === pid) total += times?.self ?? 0;
  }
  return total;
}

function readTimes(
  pid: number | undefined,
): { parent: number; self: number; endedChildren: number } | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  // The second field, the command in parentheses, may hold spaces and parentheses itself.
  const fields = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const [user = 0, system = 0, childrenUser = 0, childrenSystem = 0] = fields.slice(11, 15);
  return {
    parent: fields[1] ?? 0,
    self: (user + system) * millisecondsPerTick,
    endedChildren: (childrenUser + childrenSystem) * millisecondsPerTick,
  };
}
