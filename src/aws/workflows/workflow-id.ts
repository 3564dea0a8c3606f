import { fault } from "../../core/error.ts";

const longestWorkflowId = 256;

/**
 * SWF's name of a workflow, from which its id can be read again. SWF takes no colon, slash, bar or control character,
 * and older versions of its reference forbid `arn` anywhere, newer ones as the whole: such characters, and the escape
 * itself, become `_` with the two hexadecimal digits, in capitals, of each byte.
 * @throws E_ARGUMENT when that is empty or longer than 256 characters
 */
export function toSwfId(id: string): string {
  const swfId = id.replace(/[^A-Za-z0-9.-]|a(?=rn)/gu, (character) =>
    [...Buffer.from(character)]
      .map((byte) => `_${byte.toString(16).toUpperCase().padStart(2, "0")}`)
      .join(""),
  );
  if (swfId !== "" && swfId.length <= longestWorkflowId) return swfId;
  throw fault("E_ARGUMENT", `A workflow's id has 1 to ${longestWorkflowId} characters, not "${id}".`);
}

/** The id that {@link toSwfId} made this name of. */
export function fromSwfId(swfId: string): string {
  return Buffer.from(
    swfId.replace(/_([0-9A-F]{2})/g, (_, byte: string) => String.fromCharCode(Number.parseInt(byte, 16))),
    "latin1",
  ).toString();
}
