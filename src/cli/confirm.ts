import { createInterface } from "node:readline/promises";
import { fault } from "../core/error.ts";
import type { CliContext } from "./context.ts";

/**
 * Returns when the user means it: with `yes` at once, on a terminal when `answer` was typed.
 * @throws E_CONFIRMATION without a terminal, or for any other answer
 */
export async function confirm(
  { stdin, stderr }: Pick<CliContext, "stdin" | "stderr">,
  question: { readonly text: string; readonly answer: string; readonly yes: boolean },
): Promise<void> {
  if (question.yes) return;
  if (!stdin.isTTY || !stderr.isTTY) throw fault("E_CONFIRMATION");
  // On stderr, so that stdout holds the result alone.
  const terminal = createInterface({ input: stdin, output: stderr });
  const ended = new AbortController();
  terminal.once("close", () => ended.abort());
  try {
    const typed = await terminal
      .question(`${question.text}\nType ${question.answer} to go on: `, { signal: ended.signal })
      .catch(() => "");
    if (typed.trim() === question.answer) return;
    throw fault("E_CONFIRMATION", "It was not confirmed, and nothing was changed.");
  } finally {
    terminal.close();
  }
}
