import { describe, expect, it } from "vitest";
import { createMemorySignups, signupOptions } from "../../test/support/memory-signups.ts";
import { createPages } from "./pages.ts";

const input = {
  name: "Acme Ltd",
  slug: "acme",
  region: "eu-west-1",
  plan: "starter",
  email: "ada@acme.example",
};

function open() {
  const memory = createMemorySignups();
  let elapsedMilliseconds = 0;
  const faults: unknown[] = [];
  const pages = createPages({
    signups: memory.signups,
    elapsedMilliseconds: () => elapsedMilliseconds,
    onFault: (error) => faults.push(error),
  });
  const post = (body: unknown, headers: Record<string, string> = {}, address?: string) =>
    pages.request(
      "/signup",
      {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
      },
      address === undefined ? undefined : { incoming: { socket: { remoteAddress: address } } },
    );
  return {
    memory,
    pages,
    post,
    faults,
    pass: (milliseconds: number) => (elapsedMilliseconds += milliseconds),
  };
}

describe("the page", () => {
  it("is asked for anew each time, answered from its ETag, and runs only its own script", async () => {
    const { pages } = open();
    const page = await pages.request("/");
    expect(page.status).toBe(200);
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(page.headers.get("cache-control")).toBe("no-cache");
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'; script-src 'self'");
    const again = await pages.request("/", { headers: { "if-none-match": page.headers.get("etag")! } });
    expect(again.status).toBe(304);
    const names = [...(await page.text()).matchAll(/(?:href|src)="(\/signup\/assets\/[^"]+)"/g)].map(
      (match) => match[1]!,
    );
    expect(names.length).toBeGreaterThan(2);
    for (const name of names) expect((await pages.request(name)).status).toBe(200);
    expect((await pages.request("/signup/assets/signup.js")).headers.get("content-type")).toContain(
      "text/javascript",
    );
  });

  it.each(["/nothing", "/signup/assets/nothing.js", "/signup/assets/..%2findex.html"])(
    "is 404 at %s",
    async (path) => {
      const response = await open().pages.request(path);
      expect(response.status).toBe(404);
      expect(response.headers.get("content-type")).toBe("application/problem+json");
    },
  );

  it("tells the choices and the rules for an address", async () => {
    const response = await open().pages.request("/signup/options");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual({
      ...signupOptions,
      slug: {
        pattern: expect.stringContaining("[a-z]"),
        reserved: expect.arrayContaining(["www", "console"]),
      },
    });
  });
});

describe("POST /signup", () => {
  it("answers 202 with the id, and the same id for the same key", async () => {
    const { post, memory } = open();
    const response = await post(input, { "idempotency-key": "k" });
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual({ id: memory.started[0] });
    expect(response.headers.get("location")).toBe(`/signup/${memory.started[0]}`);
    expect(await (await post(input, { "idempotency-key": "k" })).json()).toEqual({ id: memory.started[0] });
    expect(memory.started).toHaveLength(1);
  });

  it("names each field that is wrong", async () => {
    const response = await open().post({ name: " ", slug: "acme", region: "eu-west-1", email: "ada" });
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json()).toMatchObject({
      code: "E_ARGUMENT",
      errors: [
        { field: "name", detail: "The company name must not be empty." },
        { field: "plan", detail: "The plan is missing." },
        { field: "email", detail: "The e-mail address is not an e-mail address." },
      ],
    });
  });

  it("says at the address that it is taken", async () => {
    const { post, memory } = open();
    memory.taken.add("acme");
    const response = await post(input);
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({
      code: "E_TENANT_SLUG_TAKEN",
      errors: [{ field: "slug", detail: "This address is taken. Choose another one." }],
    });
  });

  it.each([
    ["no JSON", "{", {}, 400, "E_ARGUMENT"],
    ["a form", "slug=acme", { "content-type": "application/x-www-form-urlencoded" }, 400, "E_ARGUMENT"],
    ["20 kB", { ...input, name: "x".repeat(20_000) }, {}, 413, "E_BODY_TOO_LARGE"],
    ["a malformed key", input, { "idempotency-key": "a b" }, 400, "E_ARGUMENT"],
  ] as const)("refuses %s", async (_, body, headers, status, code) => {
    const response = await open().post(body, headers);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code });
  });

  it("tells nothing of a fault that nobody foresaw, but to the log", async () => {
    const { post, memory, faults } = open();
    memory.signups.start = async () => {
      throw new Error("relation secret.tenants does not exist");
    };
    const response = await post(input);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("secret");
    expect(faults).toMatchObject([{ message: "relation secret.tenants does not exist" }]);
  });

  it("takes ten a minute from one address, and any number from this machine", async () => {
    const { post, pass } = open();
    const statuses = async (count: number, address: string) => {
      const answers: number[] = [];
      for (let i = 0; i < count; i++) answers.push((await post(input, {}, address)).status);
      return answers;
    };
    expect(await statuses(11, "192.0.2.1")).toEqual([...Array(10).fill(202), 429]);
    expect(await statuses(1, "192.0.2.2")).toEqual([202]);
    expect(await statuses(20, "::ffff:127.0.0.1")).not.toContain(429);
    pass(6_000);
    expect(await statuses(2, "192.0.2.1")).toEqual([202, 429]);
  });
});

describe("the events of a sign-up", () => {
  it("are its statuses up to the last", async () => {
    const { pages, post, memory } = open();
    await post(input);
    const response = await pages.request(`/signup/${memory.started[0]}/events`);
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    const readUntil = async (wanted: RegExp) => {
      while (!wanted.test(text)) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
      }
      expect(text).toMatch(wanted);
    };
    await readUntil(/"reserve-slug","title":"[^"]*","state":"running"/);
    memory.advance();
    await readUntil(/"check-quota","title":"[^"]*","state":"running"/);
    memory.finish();
    await readUntil(/"state":"completed"/);
    expect((await reader.read()).done).toBe(true);
    const states = [...text.matchAll(/^data: (.*)$/gm)].map((match) => JSON.parse(match[1]!).state);
    expect(states).toEqual(["running", "running", "completed"]);
  });

  it("are 404 for a sign-up that nobody knows", async () => {
    const { pages } = open();
    expect((await pages.request("/signup/eu-west-1.9/events")).status).toBe(404);
    expect((await pages.request("/signup/eu-west-1.9")).status).toBe(404);
  });
});
