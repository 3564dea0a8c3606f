import { fault, RowhouseError } from "../../core/error.ts";
import type { WorkflowEvent } from "../../core/workflow/decide.ts";
import type { Keys } from "../../ports/keys.ts";
import type { Registry, RegistryItem } from "../../ports/registry.ts";
import { Seal } from "./seal.ts";

/** Domain of the registry with one item for each workflow that was ever started, under its id. */
const workflowsDomain = "workflows";

/** Sealed, in characters: a DynamoDB item holds 400 KB, and a record has two such texts and little else. */
const longestText = 180_000;
/** Records and keys that a process keeps at hand, so that a saga's every step needs neither DynamoDB nor KMS. */
const keptAtHand = 500;

/** What the registry knows of a workflow. Its course, while it runs, is in SWF. */
export interface WorkflowRecord {
  readonly id: string;
  readonly workflow: string;
  readonly input: unknown;
  readonly startedAt: Date;
  readonly seal: Seal;
  /** The one run in SWF that works for this id; absent until the first one came. */
  readonly runId?: string;
  /** Without `history` when that was too long for the registry; then SWF has it, for as long as it keeps it. */
  readonly end?: { readonly state: "completed" | "failed"; readonly history?: readonly WorkflowEvent[] };
  readonly version: number;
}

/** The registry's records of workflows, with what they say sealed under a data key of each workflow's own. */
export class WorkflowRecords {
  readonly #registry: Registry;
  readonly #keys: Keys;
  readonly #seals = new Map<string, Seal>();
  readonly #claimed = new Map<string, WorkflowRecord>();

  constructor(parts: { readonly registry: Registry; readonly keys: Keys }) {
    this.#registry = parts.registry;
    this.#keys = parts.keys;
  }

  async find(id: string): Promise<WorkflowRecord | undefined> {
    const item = await this.#registry.get(workflowsDomain, id);
    return item && this.#read(item);
  }

  /**
   * The record of this id: a new one, or the one that is there already, whatever it says.
   * @throws E_ARGUMENT for an input that is too large
   */
  async create(
    id: string,
    begin: { readonly workflow: string; readonly input: unknown; readonly startedAt: Date },
  ): Promise<WorkflowRecord> {
    const existing = await this.find(id);
    if (existing) return existing;
    const { plaintext, ciphertext: key } = await this.#keys.generateDataKey(contextOf(id));
    const seal = new Seal(plaintext);
    const input = seal.close(begin.input, "input");
    if (input.length > longestText)
      throw fault(
        "E_ARGUMENT",
        `The input of the workflow ${id} has ${input.length} characters when it is sealed, and ${longestText} are taken.`,
      );
    const attributes = { workflow: begin.workflow, startedAt: begin.startedAt.toISOString(), key, input };
    try {
      const item = await this.#registry.put(workflowsDomain, id, attributes, { ifVersion: 0 });
      remember(this.#seals, key, seal);
      return await this.#read(item);
    } catch (error) {
      if (!isConflict(error)) throw error;
      return await this.#require(id);
    }
  }

  /**
   * Makes the run the one that works for this id, unless another is. Of all runs that SWF may have of an id, one alone
   * gets its record from here, however often it asks; the others get `undefined`, as does a run without a record.
   */
  async claim(id: string, runId: string): Promise<WorkflowRecord | undefined> {
    const known = this.#claimed.get(id);
    if (known?.runId === runId) return known;
    let record = await this.find(id);
    while (record && record.runId === undefined) record = await this.#tryToClaim(record, runId);
    if (record?.runId !== runId) return undefined;
    remember(this.#claimed, id, record);
    return record;
  }

  /** Writes down how the workflow ended. Doing it again is harmless. */
  async finish(
    { id, seal }: WorkflowRecord,
    state: "completed" | "failed",
    history: readonly WorkflowEvent[],
  ): Promise<void> {
    const sealed = seal.close(history, "history");
    const kept = sealed.length <= longestText ? { history: sealed } : {};
    await this.#registry.update(workflowsDomain, id, { state, ...kept });
    this.#claimed.delete(id);
  }

  /** Removes the record, and with it the key of all that was sealed for the workflow. */
  async remove(id: string): Promise<void> {
    const item = await this.#registry.get(workflowsDomain, id);
    if (!item) return;
    await this.#registry.delete(workflowsDomain, id);
    this.#seals.delete(String(item.attributes.key));
    this.#claimed.delete(id);
  }

  async #tryToClaim(record: WorkflowRecord, runId: string): Promise<WorkflowRecord> {
    try {
      const claim = { ifVersion: record.version };
      return await this.#read(await this.#registry.update(workflowsDomain, record.id, { runId }, claim));
    } catch (error) {
      if (!isConflict(error)) throw error;
      return this.#require(record.id);
    }
  }

  async #require(id: string): Promise<WorkflowRecord> {
    const record = await this.find(id);
    if (record) return record;
    throw fault("E_INTERNAL", `The record of the workflow ${id} was deleted.`);
  }

  async #read({ name: id, attributes, version }: RegistryItem): Promise<WorkflowRecord> {
    const { workflow, startedAt, key, input, runId, state, history } = attributes;
    const seal = await this.#sealOf(id, String(key));
    return {
      id,
      workflow: String(workflow),
      input: seal.open(String(input), "input"),
      startedAt: new Date(String(startedAt)),
      seal,
      version,
      ...(typeof runId === "string" && { runId }),
      ...((state === "completed" || state === "failed") && {
        end: {
          state,
          ...(typeof history === "string" && {
            history: seal.open(history, "history") as readonly WorkflowEvent[],
          }),
        },
      }),
    };
  }

  async #sealOf(id: string, key: string): Promise<Seal> {
    const known = this.#seals.get(key);
    if (known) return known;
    const seal = new Seal(await this.#keys.decryptDataKey(key, contextOf(id)));
    remember(this.#seals, key, seal);
    return seal;
  }
}

function contextOf(workflow: string) {
  return { workflow };
}

function remember<Value>(kept: Map<string, Value>, key: string, value: Value): void {
  kept.set(key, value);
  const [oldest] = kept.keys();
  if (kept.size > keptAtHand && oldest !== undefined) kept.delete(oldest);
}

function isConflict(error: unknown): boolean {
  return error instanceof RowhouseError && error.code === "E_CONFLICT";
}
