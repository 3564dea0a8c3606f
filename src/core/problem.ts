import { fault, RowhouseError } from "./error.ts";
import { type ErrorCode, errorCatalog } from "./error-catalog.ts";

/** An error as an HTTP body of the type `application/problem+json`. Source: RFC 9457. */
export interface ProblemDocument {
  /** A URN that never changes, as in `urn:rowhouse:error:E_WRONG_REGION`. */
  readonly type: string;
  /** The same for every occurrence. */
  readonly title: string;
  readonly status: number;
  /** What is wrong this time. */
  readonly detail: string;
  readonly code: ErrorCode;
  readonly remedy: string;
}

/** The media type of a problem document. */
export const problemContentType = "application/problem+json";

/** The RFC 9457 document of an error. */
export function problemDocument(error: RowhouseError): ProblemDocument {
  return {
    type: `urn:rowhouse:error:${error.code}`,
    title: errorCatalog[error.code].reason,
    status: error.status,
    detail: error.reason,
    code: error.code,
    remedy: error.remedy,
  };
}

/**
 * What someone outside may read of whatever was thrown: an error made on purpose as it is, and of any other only
 * that something failed, because its message may hold SQL, paths or another's data.
 */
export function publicError(thrown: unknown): RowhouseError {
  if (thrown instanceof RowhouseError && thrown.code !== "E_INTERNAL") return thrown;
  return fault("E_INTERNAL", undefined, {
    cause: thrown,
    remedy: "Try again; if it stays so, tell whoever runs this site.",
  });
}

/** True when the client would rather read a page than JSON: its Accept names HTML, and JSON not before it. */
export function prefersHtml(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const html = accept.search(/\btext\/html\b|\bapplication\/xhtml\+xml\b/i);
  const json = accept.search(/\bapplication\/(?:[\w.-]+\+)?json\b/i);
  return html >= 0 && (json < 0 || html < json);
}
