/** The shop's own codes, for programs that talk to it. */
export type ProblemCode =
  | "INVALID_JSON"
  | "INVALID_FORM"
  | "INVALID_ID"
  | "INVALID_LIMIT"
  | "INVALID_AFTER"
  | "INVALID_TITLE"
  | "INVALID_AUTHOR"
  | "INVALID_READER"
  | "INVALID_STARS"
  | "BODY_TOO_LARGE"
  | "COVER_TYPE"
  | "COVER_EMPTY"
  | "NOT_FOUND";

const answers = {
  400: "That is not quite right",
  404: "Not on our shelves",
  413: "That is too large",
  415: "That kind of file won't do",
} as const;

export type ProblemStatus = keyof typeof answers;

/** Something the caller can put right; `message` tells them what, in a sentence. */
export class Problem extends Error {
  readonly status: ProblemStatus;
  readonly code: ProblemCode;

  constructor(status: ProblemStatus, code: ProblemCode, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }

  get title(): string {
    return answers[this.status];
  }

  /** As a problem document. Source: RFC 9457. */
  toResponse(): Response {
    const { status, code, title, message } = this;
    const document = { type: `urn:bookshop:problem:${code}`, title, status, detail: message, code };
    return Response.json(document, { status, headers: { "content-type": "application/problem+json" } });
  }
}

export function noSuchBook(): Problem {
  return new Problem(404, "NOT_FOUND", "There is no book with this id.");
}
