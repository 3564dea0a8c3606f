import { randomUUID } from "node:crypto";
import {
  type AttributeValue,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  paginateQuery,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { fault } from "../core/error.ts";
import { checkNamedAttributes, checkRegistryWrite, itemTooLarge } from "../core/registry/attributes.ts";
import type { Registry, RegistryAttributes, RegistryItem } from "../ports/registry.ts";
import { isAwsError } from "./fault.ts";

type StoredItem = Record<string, AttributeValue>;

const attributesName = { "#attributes": "attributes" };

/** What one write does to an item. */
interface Write {
  readonly domain: string;
  readonly name: string;
  /** Clauses of an UpdateExpression; `#version` and `#write` are named, `:one` and `:write` given. */
  readonly set: readonly string[];
  readonly remove?: readonly string[];
  readonly condition?: string | undefined;
  readonly names?: Readonly<Record<string, string>>;
  readonly values?: Readonly<StoredItem>;
}

/**
 * The launch registry in a DynamoDB table: partition key `domain`, sort key `name`, the attributes in the map
 * `attributes`, beside it the number `version` and the id of the last `write`. All reads are consistent.
 */
export function createRegistry(options: {
  readonly client: DynamoDBClient;
  readonly table: string;
}): Registry {
  return new DynamoRegistry(options);
}

class DynamoRegistry implements Registry {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor({ client, table }: { readonly client: DynamoDBClient; readonly table: string }) {
    this.#client = client;
    this.#table = table;
  }

  async get(domain: string, name: string): Promise<RegistryItem | undefined> {
    const { Item } = await this.#client.send(
      new GetItemCommand({ TableName: this.#table, Key: keyOf(domain, name), ConsistentRead: true }),
    );
    return Item && toItem(Item);
  }

  async put(
    domain: string,
    name: string,
    attributes: RegistryAttributes,
    options: { readonly ifVersion?: number } = {},
  ): Promise<RegistryItem> {
    checkRegistryWrite(domain, name, attributes);
    const { ifVersion } = options;
    const values: StoredItem = { ":attributes": { M: toStored(attributes) }, ":zero": { N: "0" } };
    const written = await this.#write({
      domain,
      name,
      set: ["#attributes = :attributes", "#version = if_not_exists(#version, :zero) + :one"],
      names: attributesName,
      values: ifVersion ? { ...values, ":expected": { N: String(ifVersion) } } : values,
      condition:
        ifVersion === undefined
          ? undefined
          : ifVersion === 0
            ? "attribute_not_exists(#version)"
            : "#version = :expected",
    });
    return "item" in written ? written.item : conflict(domain, name);
  }

  async update(
    domain: string,
    name: string,
    changes: Readonly<Record<string, string | number | boolean | null>>,
    options: { readonly ifVersion?: number } = {},
  ): Promise<RegistryItem> {
    checkRegistryWrite(domain, name, changes);
    checkNamedAttributes(changes);
    const { ifVersion } = options;
    const { equalities, removed, names, values } = inExpressions(changes);
    const written = await this.#write({
      domain,
      name,
      set: ["#version = #version + :one", ...equalities],
      remove: removed,
      names,
      values: ifVersion === undefined ? values : { ...values, ":expected": { N: String(ifVersion) } },
      condition: ifVersion === undefined ? "attribute_exists(#version)" : "#version = :expected",
    });
    if ("item" in written) return written.item;
    if (written.isPresent) return conflict(domain, name);
    throw fault("E_NOT_FOUND", `The registry has no item ${domain}/${name}.`);
  }

  /** The item as it is now, or whether there is one that the condition did not fit. */
  async #write(write: Write): Promise<{ readonly item: RegistryItem } | { readonly isPresent: boolean }> {
    const { domain, name, remove = [] } = write;
    const writeId = randomUUID();
    const set = `SET ${[...write.set, "#write = :write"].join(", ")}`;
    try {
      const { Attributes = {} } = await this.#client.send(
        new UpdateItemCommand({
          TableName: this.#table,
          Key: keyOf(domain, name),
          UpdateExpression: remove.length > 0 ? `${set} REMOVE ${remove.join(", ")}` : set,
          ConditionExpression: write.condition,
          // DynamoDB refuses a name or a value that no expression uses.
          ExpressionAttributeNames: { "#version": "version", "#write": "write", ...write.names },
          ExpressionAttributeValues: { ":one": { N: "1" }, ":write": { S: writeId }, ...write.values },
          ReturnValues: "ALL_NEW",
          ReturnValuesOnConditionCheckFailure: "ALL_OLD",
        }),
      );
      return { item: toItem(Attributes) };
    } catch (error) {
      if (isAwsError(error, "ValidationException") && error.message.includes("Item size"))
        throw itemTooLarge(domain, name);
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      // The SDK asks again when an answer was lost; then what stands in the way is this write itself.
      if (error.Item?.write?.S === writeId) return { item: toItem(error.Item) };
      return { isPresent: error.Item !== undefined };
    }
  }

  async query(domain: string, where: RegistryAttributes = {}): Promise<readonly RegistryItem[]> {
    checkNamedAttributes(where);
    const { equalities, names, values } = inExpressions(where);
    const pages = paginateQuery(
      { client: this.#client },
      {
        TableName: this.#table,
        ConsistentRead: true,
        KeyConditionExpression: "#domain = :domain",
        FilterExpression: equalities.length > 0 ? equalities.join(" AND ") : undefined,
        ExpressionAttributeNames: { "#domain": "domain", ...names },
        ExpressionAttributeValues: { ":domain": { S: domain }, ...values },
      },
    );
    const items: RegistryItem[] = [];
    for await (const { Items = [] } of pages) items.push(...Items.map(toItem));
    return items;
  }

  async delete(domain: string, name: string): Promise<void> {
    await this.#client.send(new DeleteItemCommand({ TableName: this.#table, Key: keyOf(domain, name) }));
  }
}

/** Attributes as clauses of expressions, for a SET as for a filter, and what the clauses' placeholders stand for. */
function inExpressions(attributes: Readonly<Record<string, string | number | boolean | null>>) {
  const entries = Object.entries(attributes).map(([key, value], index) => ({ key, value, index }));
  const given = entries.flatMap(({ value, index }) => (value === null ? [] : [{ value, index }]));
  return {
    equalities: given.map(({ index }) => `#attributes.#${index} = :${index}`),
    removed: entries.flatMap(({ value, index }) => (value === null ? [`#attributes.#${index}`] : [])),
    names: {
      ...(entries.length > 0 ? attributesName : {}),
      ...Object.fromEntries(entries.map(({ key, index }) => [`#${index}`, key])),
    },
    values: Object.fromEntries(given.map(({ value, index }) => [`:${index}`, toValue(value)])),
  };
}

function keyOf(domain: string, name: string): StoredItem {
  return { domain: { S: domain }, name: { S: name } };
}

function toStored(attributes: RegistryAttributes): StoredItem {
  return Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, toValue(value)]));
}

/** The SDK's own `marshall` refuses numbers beyond the safe integers; the table keeps 38 digits. */
function toValue(value: string | number | boolean): AttributeValue {
  if (typeof value === "string") return { S: value };
  return typeof value === "number" ? { N: String(value) } : { BOOL: value };
}

function fromValue({ S, N, BOOL }: AttributeValue): string | number | boolean {
  return S ?? (N === undefined ? BOOL === true : Number(N));
}

function toItem({ name, attributes, version }: StoredItem): RegistryItem {
  return {
    name: name?.S ?? "",
    attributes: Object.fromEntries(
      Object.entries(attributes?.M ?? {}).map(([key, value]) => [key, fromValue(value)]),
    ),
    version: Number(version?.N),
  };
}

function conflict(domain: string, name: string): never {
  throw fault("E_CONFLICT", `The registry item ${domain}/${name} does not have the expected version.`);
}
