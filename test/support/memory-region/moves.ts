import { randomUUID } from "node:crypto";
import type { AuditEntry } from "../../../src/control/audit.ts";
import type { MoveCommand } from "../../../src/control/move/control.ts";
import type { MoveStatus } from "../../../src/control/move/status.ts";
import { fault } from "../../../src/core/error.ts";
import type { MemoryRegionPlace } from "./place.ts";

/** A memory region's moves, which end at once: the data of memory needs no copy. */
export class MemoryRegionMoves {
  /** Who had a tenant moved, oldest first. */
  readonly audit: AuditEntry[] = [];
  readonly #place: MemoryRegionPlace;
  readonly #moves = new Map<string, MoveStatus>();

  constructor(place: MemoryRegionPlace) {
    this.#place = place;
  }

  async start(command: MoveCommand): Promise<MoveStatus> {
    const { name, directory, isolationOf } = this.#place;
    const { slug } = command;
    const entry = await directory.find(slug);
    if (!entry) throw fault("E_TENANT_NOT_FOUND", `There is no tenant "${slug}".`);
    const { region = entry.region, plan = entry.plan } = command;
    if (region === entry.region && plan === entry.plan) throw fault("E_MOVE_SAME");
    const isolation = isolationOf(plan);
    await directory.apply(slug, "beginMove");
    const home = { region, plan, isolation, server: "shared-1", schemaVersion: entry.schemaVersion };
    await directory.rehome(slug, home, "active");
    const id = `${name}.move.${randomUUID()}`;
    const startedAt = new Date().toISOString();
    const result = {
      slug,
      from: region === entry.region ? entry.plan : entry.region,
      to: region === entry.region ? plan : region,
      region: { from: entry.region, to: region },
      plan: { from: entry.plan, to: plan },
      isolation: { from: entry.isolation, to: isolation },
      ...{ rows: 1, bytes: 2, copyMs: 3, writePauseMs: 4, durationMs: 5, verified: "whole" as const },
    };
    const state = "completed" as const;
    const status = {
      id,
      slug,
      state,
      steps: [],
      events: 0,
      copiedBytes: 2,
      totalBytes: 2,
      startedAt,
      result,
    };
    this.#moves.set(id, status);
    const details = command.consent === undefined ? {} : { consent: command.consent };
    const { askedBy: actor } = command;
    this.audit.push({ at: startedAt, region: name, actor, action: "move", tenant: slug, details });
    return status;
  }

  find(id: string): MoveStatus | undefined {
    return this.#moves.get(id);
  }
}
