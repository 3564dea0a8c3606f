import { describe, expect, it } from "vitest";
import { fault } from "./error.ts";
import { errorPage } from "./error-page.ts";
import { prefersHtml, problemDocument, publicError } from "./problem.ts";

describe("problemDocument", () => {
  it("has the members of RFC 9457, the code and the remedy", () => {
    expect(problemDocument(fault("E_TENANT_CLOSED", "Acme is closed."))).toEqual({
      type: "urn:rowhouse:error:E_TENANT_CLOSED",
      title: "The tenant was closed.",
      status: 410,
      detail: "Acme is closed.",
      code: "E_TENANT_CLOSED",
      remedy: "Nothing is served here any more.",
    });
  });
});

describe("publicError", () => {
  it("leaves an error that was made on purpose, and tells nothing of any other", () => {
    const known = fault("E_QUOTA", "Too many.");
    expect(publicError(known)).toBe(known);
    const hidden = publicError(new Error('relation "secrets" does not exist'));
    expect(JSON.stringify(problemDocument(hidden))).not.toContain("secrets");
    expect(JSON.stringify(problemDocument(publicError(fault("E_INTERNAL", "secrets"))))).not.toContain(
      "secrets",
    );
  });
});

describe("prefersHtml", () => {
  it.each([
    [undefined, false],
    ["*/*", false],
    ["application/json", false],
    ["application/problem+json, text/html;q=0.1", false],
    ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true],
    ["text/html, application/json", true],
  ])("of %s is %s", (accept, expected) => expect(prefersHtml(accept)).toBe(expected));
});

describe("errorPage", () => {
  it("escapes what it quotes and refers to nothing outside itself", () => {
    const page = errorPage(fault("E_ARGUMENT", `<script>alert("x")</script>`));
    expect(page).not.toContain("<script");
    expect(page).toContain("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;");
    expect(page).not.toMatch(/https?:|url\(|src=|href=/);
  });
});
