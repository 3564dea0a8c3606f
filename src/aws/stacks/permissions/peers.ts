import { awsNames } from "../../resources.ts";
import type { RowhouseStack } from "../stack.ts";
import { type PolicyStatement, statement } from "./statement.ts";

export interface PeersScope {
  readonly stack: RowhouseStack;
  /** The other regions. */
  readonly regions: readonly string[];
  readonly controlRegion: string;
  /** Name of the control plane's registry table, and of a region's. */
  readonly tables: { readonly global: string; readonly region: string };
}

/** What finds the other regions' controllers: the control plane's registry names the regions, and theirs the addresses. */
export function peerStatements({ stack, regions, controlRegion, tables }: PeersScope): PolicyStatement[] {
  const others = regions.filter((region) => region !== stack.at.region);
  const registries = others.map((region) => stack.arn("dynamodb", `table/${tables.region}`, region));
  if (others.length === 0) return [];
  return [
    statement(
      "PeersRegistries",
      ["dynamodb:GetItem", "dynamodb:Query"],
      [stack.arn("dynamodb", `table/${tables.global}`, controlRegion), ...registries],
    ),
    // Their keys are known by their aliases alone.
    statement(
      "PeersKeys",
      ["kms:Decrypt"],
      others.map((region) => stack.arn("kms", "key/*", region)),
      {
        StringEquals: { "kms:ViaService": others.map((region) => `dynamodb.${region}.amazonaws.com`) },
        "ForAnyValue:StringEquals": { "kms:ResourceAliases": [awsNames.keyAlias(stack.prefix)] },
      },
    ),
  ];
}
