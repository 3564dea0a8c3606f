import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApplicationFolder, createApplicationFolder } from "../../test/support/application.ts";
import { assetUrl, ReleaseAssets, registerAssets } from "./assets.ts";

let release: ApplicationFolder;
let server: Server;
let base: string;

const style = "body { color: teal }";
const files = [
  { file: "fonts/a b.woff2", sha256: "b".repeat(64) },
  { file: "style.css", sha256: "a".repeat(64) },
];

beforeAll(async () => {
  release = await createApplicationFolder({
    "assets/style.css": style,
    "assets/fonts/a b.woff2": "font",
    secret: "s",
  });
  const assets = new ReleaseAssets(join(release.folder, "assets"), files);
  server = createServer((request, response) => void assets.answer(request.url ?? "", request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(assetUrl("style.css")).toBe("/_rowhouse/assets/none/style.css");
  registerAssets(assets);
});

afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  await release.remove();
});

describe("the assets of a release", () => {
  it("are served for ever under the address that assetUrl gives", async () => {
    const response = await fetch(base + assetUrl("style.css"));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^text\/css/);
    expect(response.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(await response.text()).toBe(style);
    const again = await fetch(base + assetUrl("style.css"), {
      headers: { "if-none-match": response.headers.get("etag")! },
    });
    expect(again.status).toBe(304);
    const head = await fetch(base + assetUrl("style.css"), { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe(String(style.length));
  });

  it("may lie in folders and have names that a URL must escape", async () => {
    expect(assetUrl("fonts/a b.woff2")).toMatch(/\/fonts\/a%20b\.woff2$/);
    expect(await (await fetch(base + assetUrl("fonts/a b.woff2"))).text()).toBe("font");
  });

  it("answer another release's address with their own file, not to be kept", async () => {
    const response = await fetch(`${base}/_rowhouse/assets/0123456789ab/style.css`);
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-cache");
  });

  it.each([
    "/_rowhouse/assets/none/gone.css",
    "/_rowhouse/assets/none/..%2fsecret",
    "/_rowhouse/assets/none/%",
    "/_rowhouse/assets/",
  ])("are 404 for %s", async (path) => {
    expect((await fetch(base + path)).status).toBe(404);
  });

  it("only let themselves be read", async () => {
    const response = await fetch(base + assetUrl("style.css"), { method: "POST" });
    expect(response.status).toBe(405);
  });

  it("name the nearest file when a page asks for one that the release lacks", () => {
    expect(() => assetUrl("styles.css")).toThrow(/did you mean "style\.css"/);
  });
});
