import type { RestorationResult, RestorationStatus } from "../../control/backup/restoration.ts";
import { fault, fromErrorJson } from "../../core/error.ts";
import { hasEnded } from "../../core/workflow/state.ts";
import type { ApiClient } from "../client.ts";
import type { Output } from "../output.ts";

/** Shows each step as it begins. @throws the fault that the restore or import failed with */
export async function followRestore(
  client: ApiClient,
  begun: RestorationStatus,
  output: Output,
): Promise<RestorationResult> {
  let last = begun;
  let shown = "";
  for (;;) {
    const line = last.title === null ? "" : `${last.title} …`;
    if (line !== "" && line !== shown) output.progress(line);
    shown = line;
    if (hasEnded(last.state)) break;
    last = await client.request<RestorationStatus>(`/v1/restores/${last.id}?seen=${last.events}`);
  }
  if (last.error) throw fromErrorJson(last.error);
  if (!last.result) throw fault("E_INTERNAL", `The restore ${last.id} has no result.`);
  return last.result;
}

/** What was done, for people. */
export function describeRestore(result: RestorationResult): string {
  const { slug, backup, takenAt, at, secondsBefore, rows, files, before, writePauseMs, durationMs } = result;
  const source = backup === null ? "the archive" : `the backup ${backup}`;
  const lines = [`${slug} has the data of ${source}, as of ${takenAt}: ${rows} rows, ${files} files.`];
  if (at !== null)
    lines.push(`That is ${secondsBefore} s before ${at}: what was written in between is not there.`);
  if (writePauseMs !== null) lines.push(`Requests waited for ${writePauseMs} ms.`);
  if (before !== null) lines.push(`The state before is kept as the backup ${before}.`);
  lines.push(`Ready in ${durationMs} ms.`);
  return lines.join("\n");
}
