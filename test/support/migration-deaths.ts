import { type ChildProcess, spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { MigrateDocument } from "../../src/control/migration/run.ts";
import type { FleetPlace } from "./migration-fleet.ts";
import type { MigrationProcessOptions } from "./migration-process.ts";
import { type Victim, victims } from "./migration-victims.ts";

const program = fileURLToPath(new URL("migration-process.ts", import.meta.url));
/** Far more than there are points to die at. */
const maximumRuns = 200;

export interface MigrationDeaths {
  /** One run, with a controller that lives: its outcome, or nothing when it did not come to its end. */
  run(): Promise<MigrateDocument | undefined>;
  /** Runs again and again until one has nothing left to do and nobody died; the outcomes of all. */
  untilThrough(untilAvailable: () => Promise<void>): Promise<(MigrateDocument | undefined)[]>;
  /** Kills now; `itself` is the controller. */
  kill(victim: Exclude<Victim, "run">): Promise<void>;
  stop(): Promise<void>;
}

/** Drives runs of migrations whose processes, or whose Postgres, die at every step. */
export function startDeaths(options: {
  readonly place: FleetPlace;
  readonly migrations: readonly string[];
  readonly victim: Victim | "nobody";
  readonly notes: string;
}): MigrationDeaths {
  const { place, ...rest } = options;
  let controller: Started | undefined;

  async function run(): Promise<MigrateDocument | undefined> {
    if (!controller?.isRunning()) controller = start({ ...place, ...rest });
    const port = await controller.firstLine;
    // It died on its way up.
    if (port === undefined) return undefined;
    const line = await start({ ...place, ...rest, controllerUrl: `http://127.0.0.1:${port}` }).firstLine;
    return line === undefined ? undefined : (JSON.parse(line) as MigrateDocument);
  }

  return {
    run,
    async untilThrough(untilAvailable) {
      const outcomes: (MigrateDocument | undefined)[] = [];
      for (let deaths = -1; outcomes.length < maximumRuns; ) {
        await untilAvailable();
        outcomes.push(await run());
        const known = deaths;
        deaths = (await readdir(options.notes)).length;
        const last = outcomes.at(-1);
        const isWhole = last?.failed.length === 0 && last.later.length === 0 && last.stopped === null;
        if (isWhole && known === deaths) return outcomes;
      }
      throw new Error(`No run came to its end: ${JSON.stringify(outcomes.slice(-3))}`);
    },
    async kill(victim) {
      if (victim !== "itself") return victims({ ...place, notes: options.notes })[victim]();
      await controller?.kill();
    },
    stop: async () => controller?.kill(),
  };
}

type Started = ReturnType<typeof start>;

function start(options: MigrationProcessOptions) {
  const child: ChildProcess = spawn(process.execPath, [program, JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()));
  let [output, errors] = ["", ""];
  child.stderr?.setEncoding("utf8").on("data", (text) => (errors += text));
  const firstLine = new Promise<string | undefined>((resolve, reject) => {
    child.stdout?.setEncoding("utf8").on("data", (text) => {
      output += text;
      if (output.includes("\n")) resolve(output.split("\n")[0]);
    });
    void exited.then(() => {
      // Whoever finds its Postgres or its controller dead says so and ends; anything else is a fault of the program.
      const foundDead = /E_DATABASE_UNAVAILABLE|E_REGION_UNAVAILABLE|Connection terminated|57P0/;
      const mayEnd = child.signalCode === "SIGKILL" || foundDead.test(errors);
      if (mayEnd || output.includes("\n")) resolve(undefined);
      else reject(new Error(`The process ended by itself: ${errors}`));
    });
  });
  return {
    firstLine,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
