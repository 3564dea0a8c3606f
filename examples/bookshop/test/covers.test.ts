import { type TestTenant, testTenant } from "rowhouse/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import application from "../app.ts";
import { drawCover } from "../src/covers/default-cover.ts";

let shop: TestTenant;
let id: number;

beforeAll(async () => {
  shop = await testTenant(application, { seed: false });
  const { rows } = await shop.db.query<{ id: number }>(
    "INSERT INTO books (title, author) VALUES ('Emma & <Co>', 'Jane Austen') RETURNING id",
  );
  id = rows[0]!.id;
});

afterAll(() => shop?.close());

/** The smallest PNG: one transparent pixel. */
const pixel = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

const put = (body: Uint8Array<ArrayBuffer> | string, contentType: string, book = id) =>
  shop.request(`/api/books/${book}/cover`, { method: "PUT", body, headers: { "content-type": contentType } });

describe("a cover", () => {
  it("is drawn from the title until there is another", async () => {
    const response = await shop.request(`/api/books/${id}/cover`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("image/svg+xml");
    expect(response.headers.get("content-security-policy")).toContain("sandbox");
    const svg = await response.text();
    expect(svg).toContain("Emma &amp;");
    expect(svg).not.toContain("<Co>");
    const etag = response.headers.get("etag")!;
    const again = await shop.request(`/api/books/${id}/cover`, { headers: { "if-none-match": etag } });
    expect(again.status).toBe(304);
    expect(again.headers.get("etag")).toBe(etag);
  });

  it("is what was put, byte for byte, and the page's address for it changes", async () => {
    const address = async () =>
      /\/api\/books\/\d+\/cover\?v=[\w-]+/.exec(await (await shop.request("/")).text())?.[0];
    const before = await address();
    const response = await put(pixel, "image/png; charset=binary");
    expect(response.status).toBe(200);
    const stored = await shop.request(`/api/books/${id}/cover`);
    expect(stored.headers.get("content-type")).toBe("image/png");
    expect(stored.headers.get("etag")).toBe(response.headers.get("etag"));
    expect(stored.headers.get("cache-control")).toBe("no-cache");
    expect(Buffer.from(await stored.arrayBuffer())).toEqual(pixel);
    const after = await address();
    expect(after).not.toBe(before);
    const lasting = await shop.request(after!, {
      headers: { "if-none-match": response.headers.get("etag")! },
    });
    expect(lasting.status).toBe(304);
    expect(lasting.headers.get("cache-control")).toContain("immutable");
  });

  it.each(["text/html", "image/svg+xml", "application/octet-stream", ""])(
    "is refused as %j",
    async (type) => {
      const response = await put(pixel, type);
      expect(response.status).toBe(415);
      expect(await response.json()).toMatchObject({ code: "COVER_TYPE" });
    },
  );

  it("is refused when it is empty or larger than 1 MB, said beforehand or not", async () => {
    expect((await put("", "image/png")).status).toBe(400);
    expect((await put(new Uint8Array(1024 * 1024), "image/png")).status).toBe(200);
    expect((await put(new Uint8Array(1024 * 1024 + 1), "image/png")).status).toBe(413);
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
    });
    const response = await shop.request(`/api/books/${id}/cover`, {
      method: "PUT",
      body: endless,
      headers: { "content-type": "image/png" },
      duplex: "half",
    } as RequestInit);
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ code: "BODY_TOO_LARGE" });
  });

  it("needs a book", async () => {
    expect((await put(pixel, "image/png", 999_999)).status).toBe(404);
    expect((await shop.request("/api/books/999999/cover")).status).toBe(404);
  });

  it("can come from the page's form", async () => {
    const form = new FormData();
    form.set("cover", new File([pixel], "cover.png", { type: "image/png" }));
    const response = await shop.request(`/books/${id}/cover`, { method: "POST", body: form });
    expect(response.status).toBe(303);
    const stored = await shop.request(`/api/books/${id}/cover`);
    expect(Buffer.from(await stored.arrayBuffer())).toEqual(pixel);
  });
});

describe("drawCover", () => {
  it("gives the same picture for the same book and another for another", async () => {
    const emma = await drawCover({ id: 1, title: "Emma", author: "Jane Austen" });
    expect(await drawCover({ id: 1, title: "Emma", author: "Jane Austen" })).toEqual(emma);
    expect((await drawCover({ id: 2, title: "Emma", author: "Jane Austen" })).svg).not.toBe(emma.svg);
  });

  it.each(["x".repeat(300), "A ".repeat(150).trim(), "源".repeat(300), "I"])(
    "keeps any title inside the board",
    async (title) => {
      const { svg } = await drawCover({ id: 1, title, author: "Y".repeat(200) });
      const lines = [...svg.matchAll(/<tspan x="200" y="(\d+)">([^<]*)<\/tspan>/g)];
      expect(lines.length).toBeGreaterThan(1);
      for (const [, y, line] of lines) {
        expect(Number(y)).toBeLessThan(560);
        expect(Number(y)).toBeGreaterThan(230);
        expect([...line!].length).toBeLessThanOrEqual(26);
      }
    },
  );
});
