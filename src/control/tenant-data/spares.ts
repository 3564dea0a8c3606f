import { firstSharedServer, type RegionContext } from "../region-context.ts";

/** How many spares of each kind wait for a tenant. A database takes about 8 MB, a schema 0.1 MB. */
const stock = 4;

/** Nothing is made while sign-ups come in: they would share the disk with it. */
const quietMilliseconds = 400;

/** Keeps a stock of made and migrated databases and schemas: a sign-up takes one in the time of an `UPDATE`. */
export class Spares {
  readonly #context: RegionContext;
  #running: Promise<void> | undefined;
  #stopped = false;
  #lastSignup = Number.NEGATIVE_INFINITY;

  constructor(context: RegionContext) {
    this.#context = context;
  }

  /** A sign-up is under way: hold back for a moment. */
  noteSignup(): void {
    this.#lastSignup = this.#context.platform.clock.elapsedMilliseconds();
  }

  /** Brings the stock to its full number, one at a time; a failure is told and tried again at the next call. */
  refill(): Promise<void> {
    this.#running ??= this.#fill().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running?.catch(() => {});
  }

  async #fill(): Promise<void> {
    const wanted = new Set(Object.values(this.#context.config.plans).map((plan) => plan.isolation));
    for (const isolation of ["schema", "database"] as const) {
      if (wanted.has(isolation)) await this.#fillWith(isolation);
    }
  }

  async #fillWith(isolation: "schema" | "database"): Promise<void> {
    const { locations, tenantData } = this.#context;
    const { migrations, migrationsFingerprint } = this.#context.release();
    const wish = { isolation, server: firstSharedServer, migrations: migrationsFingerprint };
    const { fitting, leftOver } = await locations.spares(wish);
    for (const location of leftOver) await tenantData.drop(location);
    for (let count = fitting; count < stock; count++) {
      await this.#untilQuiet();
      if (this.#stopped) return;
      const location = await locations.insert({ ...wish, slug: null });
      await tenantData.create(location, "own");
      await tenantData.migrate(location, migrations);
    }
  }

  async #untilQuiet(): Promise<void> {
    const { clock } = this.#context.platform;
    for (;;) {
      const wait = this.#lastSignup + quietMilliseconds - clock.elapsedMilliseconds();
      if (wait <= 0 || this.#stopped) return;
      await clock.sleep(wait);
    }
  }
}
