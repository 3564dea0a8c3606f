import type pg from "pg";
import { fault } from "../../core/error.ts";
import { qualifiedName } from "../tables.ts";
import type { Lsn } from "./lsn.ts";
import { decodeMessage, type Message, type Relation, type Value } from "./pgoutput.ts";
import { deleteStatement, insertStatement, type Statement, updateStatement } from "./statements.ts";
import { type Target, writeProgress } from "./target.ts";

type Change = Extract<Message, { type: "insert" | "update" | "delete" }>;

/** Rows of one kind for one table that came one after the other, for one statement. */
interface Run {
  readonly type: "insert" | "delete";
  readonly relation: Relation;
  readonly rows: (readonly Value[])[];
  bytes: number;
}

/** SQL is sent when there is this much of it, or when the source has nothing more just now. */
const maximumSqlLength = 1_000_000;
const maximumStatements = 2000;
const maximumRunBytes = 250_000;

/**
 * Brings the source's transactions to the target, in order and whole: what is committed there is what some commit of
 * the source had, and the position of that commit is committed with it.
 */
export class Applier {
  readonly #client: pg.Client;
  readonly #target: Target;
  readonly #relations = new Map<number, Relation>();
  /** Content of marks that came since the last commit here. */
  #marks: string[] = [];
  #statements: Statement[] = [];
  #sqlLength = 0;
  #run: Run | undefined;
  #isOpen = false;
  /** Of the source's last commit that came whole. */
  #received: Lsn;
  #committed: Lsn;
  /** The transaction that comes is in the target already. */
  #skips = false;
  #isWhole = true;
  #changes = 0;

  constructor(client: pg.Client, target: Target, from: Lsn) {
    this.#client = client;
    this.#target = target;
    this.#received = from;
    this.#committed = from;
  }

  /** Where the target is. */
  get committed(): Lsn {
    return this.#committed;
  }

  /** The last message that was taken ended a transaction. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Rows that were inserted, updated or deleted so far. */
  get changes(): number {
    return this.#changes;
  }

  /** Takes one message, and sends SQL when there is enough. @throws E_MOVE_FAILED as {@link commit} */
  async take(bytes: Buffer): Promise<void> {
    const message = decodeMessage(bytes);
    switch (message.type) {
      case "begin":
        this.#skips = message.commitLsn < this.#committed;
        this.#isWhole = false;
        return;
      case "commit":
        if (!this.#skips) this.#received = message.endLsn;
        this.#isWhole = true;
        return;
      case "relation":
        this.#relations.set(message.relation.id, message.relation);
        return;
      case "message":
        this.#marks.push(message.content);
        return;
      case "truncate":
        if (!this.#skips) await this.#truncate(message.relations);
        return;
      case "insert":
      case "update":
      case "delete":
        if (!this.#skips) this.#add(message);
        if (this.#sqlLength > maximumSqlLength || this.#statements.length > maximumStatements)
          await this.#send();
        return;
      case "other":
        return;
    }
  }

  /**
   * Commits what came; only to be called when it {@link isWhole}. Returns the marks that are behind the target now.
   * @throws E_MOVE_FAILED when a row isn't as the source has it
   */
  async commit(): Promise<readonly string[]> {
    const marks = this.#marks;
    this.#endRun();
    this.#push({ sql: writeProgress(this.#target.id, this.#received), rows: 1 });
    // Only after every change was seen to meet its row.
    await this.#send();
    await this.#query("COMMIT");
    this.#isOpen = false;
    this.#committed = this.#received;
    this.#marks = [];
    return marks;
  }

  #add(change: Change): void {
    const relation = this.#relation(change.relation);
    this.#changes++;
    if (change.type === "update") {
      this.#endRun();
      this.#push(updateStatement(this.#target.schema, relation, change.old, change.row));
      return;
    }
    const row = change.type === "insert" ? change.row : change.old;
    if (this.#run?.type !== change.type || this.#run.relation !== relation) {
      this.#endRun();
      this.#run = { type: change.type, relation, rows: [], bytes: 0 };
    }
    this.#run.rows.push(row);
    for (const value of row) this.#run.bytes += value?.length ?? 4;
    if (this.#run.bytes > maximumRunBytes) this.#endRun();
  }

  #endRun(): void {
    const run = this.#run;
    this.#run = undefined;
    if (!run) return;
    const { schema } = this.#target;
    if (run.type === "insert") this.#push(insertStatement(schema, run.relation, run.rows));
    else for (const statement of deleteStatement(schema, run.relation, run.rows)) this.#push(statement);
  }

  #push(statement: Statement): void {
    this.#statements.push(statement);
    this.#sqlLength += statement.sql.length;
  }

  /** One message to the server for all of it: the way there may be long. */
  async #send(): Promise<void> {
    this.#endRun();
    const statements = this.#statements;
    this.#statements = [];
    this.#sqlLength = 0;
    if (statements.length === 0) return;
    const sql = statements.map((statement) => statement.sql);
    const before = this.#isOpen ? 0 : 1;
    const results = await this.#query((this.#isOpen ? sql : ["BEGIN", ...sql]).join(";\n"));
    this.#isOpen = true;
    statements.forEach(({ rows }, index) => {
      const changed = results[index + before]?.rowCount;
      if (changed !== rows) throw differs(rows, changed);
    });
  }

  async #query(sql: string): Promise<pg.QueryResult[]> {
    const result = (await this.#client.query(sql)) as pg.QueryResult | pg.QueryResult[];
    return Array.isArray(result) ? result : [result];
  }

  /** TRUNCATE names each table that another one refers to; what the source did by partitions has to be done row by row. */
  async #truncate(relations: readonly number[]): Promise<void> {
    await this.#send();
    if (!this.#isOpen) await this.#query("BEGIN");
    this.#isOpen = true;
    const tables = relations.map(
      (id) => `ONLY ${qualifiedName(this.#target.schema, this.#relation(id).name)}`,
    );
    await this.#query("SAVEPOINT truncating");
    try {
      await this.#query(`TRUNCATE ${tables.join(", ")}`);
    } catch (error) {
      if ((error as { code?: unknown }).code !== "0A000") throw error;
      await this.#query("ROLLBACK TO truncating");
      for (const table of tables) await this.#query(`DELETE FROM ${table}`);
    }
    await this.#query("RELEASE truncating");
  }

  #relation(id: number): Relation {
    const relation = this.#relations.get(id);
    if (!relation) throw new RangeError(`The stream of changes names an unknown table ${id}.`);
    return relation;
  }
}

function differs(expected: number, changed: number | null | undefined): Error {
  return fault(
    "E_MOVE_FAILED",
    `A change of ${expected} row(s) met ${changed ?? "no"} in the copy, which so differs from the original.`,
  );
}
