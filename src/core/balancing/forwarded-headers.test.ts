import { describe, expect, it } from "vitest";
import { forwardRequestHeaders, forwardResponseHeaders } from "./forwarded-headers.ts";

const who = { clientAddress: "203.0.113.9", requestId: "r-1", fromEdge: false };

function toMap(headers: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: headers.length / 2 }, (_, i) => headers.slice(2 * i, 2 * i + 2)),
  );
}

describe("forwardRequestHeaders", () => {
  it("drops what is meant for the connection, and what Connection names", () => {
    const headers = forwardRequestHeaders(
      [
        "Host",
        "acme.localhost:8080",
        "Connection",
        "close, X-Secret",
        "X-Secret",
        "1",
        "TE",
        "gzip",
        "Accept",
        "*/*",
      ],
      who,
    );
    expect(toMap(headers)).toEqual({
      host: "acme.localhost:8080",
      accept: "*/*",
      "x-forwarded-for": "203.0.113.9",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "acme.localhost:8080",
      "x-request-id": "r-1",
    });
  });

  it("lets Connection take away neither the host, nor the length, nor what this server adds", () => {
    const connection = "host, content-length, x-forwarded-for";
    const headers = forwardRequestHeaders(
      ["Host", "a", "Content-Length", "3", "Connection", connection],
      who,
    );
    expect(toMap(headers)).toMatchObject({
      host: "a",
      "content-length": "3",
      "x-forwarded-for": "203.0.113.9",
    });
  });

  it("believes no client's word on where it comes from, and the edge's", () => {
    const claims = ["Forwarded", "for=1.2.3.4", "X-Forwarded-For", "1.2.3.4", "X-Real-IP", "1.2.3.4"];
    const sent = [
      "Host",
      "acme.localhost",
      ...claims,
      "X-Request-Id",
      "mine",
      "X-Rowhouse-Edge",
      "guess",
      "X-Rowhouse-Tenant",
      "other",
    ];
    expect(toMap(forwardRequestHeaders(sent, who))).toEqual({
      host: "acme.localhost",
      "x-forwarded-for": "203.0.113.9",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "acme.localhost",
      "x-request-id": "r-1",
    });
    const fromEdge = toMap(forwardRequestHeaders(sent, { ...who, fromEdge: true }));
    expect(fromEdge).toMatchObject({ "x-forwarded-for": "1.2.3.4", "x-request-id": "mine" });
    expect(fromEdge).not.toHaveProperty("x-rowhouse-edge");
  });

  it("keeps repeated headers apart and in order", () => {
    const headers = forwardRequestHeaders(["Cookie", "a=1", "cookie", "b=2"], { ...who, fromEdge: true });
    expect(headers).toEqual(["cookie", "a=1", "cookie", "b=2"]);
  });
});

describe("forwardResponseHeaders", () => {
  it("drops what is meant for the connection and keeps each cookie a line of its own", () => {
    const headers = forwardResponseHeaders({
      connection: "keep-alive, x-hop",
      "keep-alive": "timeout=5",
      "transfer-encoding": "chunked",
      "x-hop": "1",
      "set-cookie": ["a=1", "b=2"],
      etag: '"1"',
    });
    expect(headers).toEqual(["set-cookie", "a=1", "set-cookie", "b=2", "etag", '"1"']);
  });
});
