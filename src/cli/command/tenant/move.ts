import type { Command } from "commander";
import type { MoveResult, MoveStatus } from "../../../control/move/status.ts";
import { fault, fromErrorJson } from "../../../core/error.ts";
import { hasEnded } from "../../../core/workflow/state.ts";
import type { ApiClient } from "../../client.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";
import type { Output } from "../../output.ts";

interface MoveOptions {
  readonly region?: string;
  readonly plan?: string;
  readonly consent?: string;
}

/** `rowhouse tenant move <slug>`: shows each step, and returns when the tenant is served from its new home. */
export function addTenantMove(parent: Command, invocation: Invocation): void {
  parent
    .command("move")
    .description("move a tenant to another region or plan while it is used")
    .argument("<slug>", "the tenant's slug")
    .option("--region <region>", "where it is to live")
    .option("--plan <plan>", "the plan it is to have, with that one's isolation")
    .option("--consent <reference>", "what says that the customer agreed to another jurisdiction")
    .addHelpText("after", example(invocation, "$0 tenant move acme --region eu-central-1"))
    .action(async (slug: string, { region, plan, consent }: MoveOptions, command: Command) => {
      if (region === undefined && plan === undefined)
        throw fault("E_ARGUMENT", "It is not said where the tenant is to go.", {
          remedy: "Name a --region, a --plan, or both.",
        });
      await using client = await openControlApi(invocation, command);
      const move = await client.request<MoveStatus>(`/v1/tenants/${encodeURIComponent(slug)}/move`, {
        method: "POST",
        body: { region, plan, consent },
      });
      const result = await follow(client, move, invocation.output);
      invocation.output.result(result, () => describeMove(result));
    });
}

/** Shows each step as it begins, and how far the rows are. @throws the fault that the move failed with */
async function follow(client: ApiClient, begun: MoveStatus, output: Output): Promise<MoveResult> {
  let shown = "";
  let move = begun;
  for (;;) {
    const line = progressLine(move);
    if (line !== shown) output.progress(line);
    shown = line;
    if (hasEnded(move.state)) break;
    move = await client.request<MoveStatus>(`/v1/moves/${move.id}?seen=${move.events}`);
  }
  if (move.error) throw fromErrorJson(move.error);
  if (!move.result) throw fault("E_INTERNAL", `The move ${move.id} has no result.`);
  return move.result;
}

function progressLine({ state, steps, copiedBytes, totalBytes }: MoveStatus): string {
  if (state === "undoing") return "Taking back what was done …";
  const running = steps.find((step) => step.state === "running");
  if (!running) return state === "completed" ? "Moved." : "Not moved.";
  const isCopying = running.name === "copy-rows" && copiedBytes > 0;
  return isCopying
    ? `${running.title}: ${megabytes(copiedBytes)} of about ${megabytes(totalBytes)} …`
    : `${running.title} …`;
}

function describeMove(result: MoveResult): string {
  const { slug, region, plan, isolation, rows, bytes, writePauseMs, durationMs, verified, differs } = result;
  const lines = [
    `${slug} is served from ${region.to} with the plan ${plan.to} (${isolation.to}); it was ${region.from}, ${plan.from} (${isolation.from}).`,
    `${rows} rows, ${megabytes(bytes)}, in ${(durationMs / 1000).toFixed(1)} s; writes waited ${writePauseMs} ms.`,
    verified === "whole"
      ? "Both copies were compared row by row."
      : "Both copies were compared at the first copy; a crash came between.",
  ];
  if (differs !== undefined)
    lines.push(`They differ: ${differs} The old copy is kept. Tell whoever runs the database.`);
  return lines.join("\n");
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
