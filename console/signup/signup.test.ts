import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createPages } from "../../src/api/pages.ts";
import { launchBrowser } from "../../test/support/browser.ts";
import { createMemorySignups, type MemorySignups } from "../../test/support/memory-signups.ts";

let browser: Browser;
let memory: MemorySignups;
let server: Server;
let port = 0;
let page: Page;
let errors: string[];

beforeAll(async () => {
  browser = await launchBrowser();
});

afterAll(() => browser?.close());

beforeEach(async () => {
  memory = createMemorySignups();
  port = 0;
  await startServer();
  await openPage();
});

afterEach(async () => {
  await page.close();
  await stopServer();
});

/** On the same port as before, so that it can take the place of one that was stopped. */
async function startServer(): Promise<void> {
  server = createServer(getRequestListener(createPages({ signups: memory.signups }).fetch));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
}

async function stopServer(): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

async function openPage(options: Parameters<Browser["newPage"]>[0] = {}): Promise<void> {
  page = await browser.newPage(options);
  errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  await page.goto(`http://127.0.0.1:${port}/`);
  await page.locator("#form-view").waitFor();
}

async function fillForm(name = "Acme & Söhne GmbH"): Promise<void> {
  await page.getByLabel("Company name").fill(name);
  await page.getByLabel("Administrator’s e-mail").fill("ada@acme.example");
}

const submit = () => page.getByRole("button", { name: "Create my account" }).click();
const heading = () => page.getByRole("heading", { level: 1 }).textContent();

describe("the form", () => {
  it("suggests the address from the name, and shows where it will lead", async () => {
    const slug = page.getByLabel("Address");
    for (const [name, suggested] of [
      ["Acme & Söhne GmbH", "acme-and-sohne-gmbh"],
      ["  The 39 Steps, Inc. ", "the-39-steps-inc"],
      ["1001 Ærøskøbing’s Books", "aeroskobings-books"],
      ["源氏", ""],
    ] as const) {
      await page.getByLabel("Company name").fill(name);
      expect(await slug.inputValue()).toBe(suggested);
    }
    await slug.fill("Acme Books");
    expect(await slug.inputValue()).toBe("acme-books");
    expect(await page.locator("#slug-preview").textContent()).toBe(
      "Your people will open https://acme-books.bookshop.example",
    );
    await page.getByLabel("Company name").fill("Another name");
    expect(await slug.inputValue()).toBe("acme-books");
    expect(errors).toEqual([]);
  });

  it.each([
    ["admin", "kept for the platform"],
    ["1st", "begins with a letter"],
    ["acme-", "end with a hyphen"],
    ["a_b", "letters, digits and hyphens only"],
  ])("says at once what is wrong with the address %s", async (slug, problem) => {
    await page.getByLabel("Address").fill(slug);
    expect(await page.locator("#slug-problem").textContent()).toContain(problem);
    expect(await page.getByLabel("Address").getAttribute("aria-invalid")).toBe("true");
  });

  it("tells law and isolation in plain words as they are chosen", async () => {
    await page.getByRole("radio", { name: /us-east-1/ }).check();
    await page.getByRole("radio", { name: /Enterprise/ }).check();
    expect(await page.getByRole("group", { name: /Where should your data live/ }).textContent()).toContain(
      "Your data stays under EU law, in eu-west-1.",
    );
    expect(await page.locator('[data-summary="law"]').textContent()).toBe("US, in us-east-1");
    expect(await page.locator('[data-summary="isolation"]').textContent()).toContain("server of your own");
  });

  it("leads to the first field that lacks something", async () => {
    await submit();
    expect(await page.evaluate("document.activeElement.id")).toBe("name");
    expect(await page.locator("#email-problem").textContent()).toBe("Tell us where to write to.");
    await fillForm();
    await page.getByLabel("Administrator’s e-mail").fill("ada@");
    await submit();
    expect(await page.evaluate("document.activeElement.id")).toBe("email");
    expect(memory.started).toEqual([]);
  });

  it("shows at the address that it is taken, and takes the next one", async () => {
    memory.taken.add("acme-and-sohne-gmbh");
    await fillForm();
    await submit();
    await expect.poll(() => page.locator("#slug-problem").textContent()).toContain("taken");
    expect(await page.evaluate("document.activeElement.id")).toBe("slug");
    await page.getByLabel("Address").fill("acme-2");
    expect(await page.locator("#slug-problem").textContent()).toBe("");
    await page.keyboard.press("Enter");
    await expect.poll(heading).toBe("Setting up Acme & Söhne GmbH");
  });

  it("signs up once where the answer was lost on the way", async () => {
    await fillForm();
    let isLost = false;
    await page.route("**/signup", async (route) => {
      if (isLost) return route.continue();
      isLost = true;
      await route.fetch();
      await route.abort();
    });
    await submit();
    await expect.poll(() => page.locator("#form-problem").textContent()).toContain("could not be reached");
    await submit();
    await expect.poll(heading).toContain("Setting up");
    expect(memory.started).toHaveLength(1);
  });

  it("keeps what was typed over a reload, and fits 360 pixels", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await fillForm();
    await page.getByRole("radio", { name: /us-east-1/ }).check();
    await page.reload();
    expect(await page.getByLabel("Company name").inputValue()).toBe("Acme & Söhne GmbH");
    expect(await page.getByRole("radio", { name: /us-east-1/ }).isChecked()).toBe(true);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
  });
});

describe("the progress", () => {
  beforeEach(async () => {
    await fillForm();
    await submit();
    await expect.poll(heading).toBe("Setting up Acme & Söhne GmbH");
  });

  const steps = (state: string) =>
    page.locator(`#progress-steps [data-state="${state}"] .title`).allTextContents();

  it("shows each step, says it to screen readers, and ends in a link", async () => {
    expect(await page.evaluate("document.activeElement.id")).toBe("progress-title");
    await expect.poll(() => steps("running")).toEqual(["Reserving the address"]);
    memory.advance();
    await expect.poll(() => steps("running")).toEqual(["Checking the plan's limits"]);
    expect(await steps("done")).toEqual(["Reserving the address"]);
    await expect
      .poll(() => page.locator("#progress-announcer").textContent())
      .toBe("Checking the plan's limits");
    memory.finish();
    await expect.poll(heading).toBe("Acme & Söhne GmbH is ready");
    expect(await page.locator("#progress-lead").textContent()).toBe(
      "Its data lives in eu-west-1, under EU law.",
    );
    const link = page.getByRole("link", { name: "Open Acme & Söhne GmbH" });
    expect(await link.getAttribute("href")).toBe("https://acme-and-sohne-gmbh.bookshop.example");
    expect(await page.locator("#progress-view").textContent()).not.toContain("Telling the CRM");
    expect(errors).toEqual([]);
  });

  it("is found again after a reload", async () => {
    memory.advance();
    await page.reload();
    await expect.poll(() => steps("running")).toEqual(["Checking the plan's limits"]);
    expect(await heading()).toBe("Setting up Acme & Söhne GmbH");
  });

  it("goes on by itself when the server was restarted", async () => {
    await stopServer();
    await expect.poll(() => page.locator("#progress-lead").textContent()).toContain("connection was lost");
    memory.advance();
    await startServer();
    await expect.poll(() => steps("running"), { timeout: 15_000 }).toEqual(["Checking the plan's limits"]);
    memory.finish();
    await expect.poll(heading).toContain("is ready");
  });

  it("goes on by itself when a proxy answers for a server that is away", async () => {
    await page.route("**/signup/**", (route) => route.fulfill({ status: 502, body: "Bad gateway" }));
    await stopServer();
    await startServer();
    await expect.poll(() => page.locator("#progress-lead").textContent()).toContain("connection was lost");
    await expect.poll(() => errors.some((error) => error.includes("502")), { timeout: 15_000 }).toBe(true);
    await page.unroute("**/signup/**");
    memory.finish();
    await expect.poll(heading, { timeout: 15_000 }).toContain("is ready");
  });

  it("tells why it failed, and keeps what was typed for another try", async () => {
    memory.advance();
    memory.fail("The database server in zone a has no room.");
    await expect.poll(heading).toBe("Acme & Söhne GmbH could not be set up");
    expect(await page.locator("#progress-problem").textContent()).toBe(
      "The database server in zone a has no room.",
    );
    expect(await steps("failed")).toEqual(["Checking the plan's limits"]);
    expect(await steps("undone")).toEqual(["Reserving the address"]);
    await page.getByRole("button", { name: "Back to the form" }).click();
    expect(await page.getByLabel("Administrator’s e-mail").inputValue()).toBe("ada@acme.example");
    await submit();
    await expect.poll(heading).toBe("Setting up Acme & Söhne GmbH");
    expect(memory.started).toHaveLength(2);
  });

  it("leads back to the form when nobody knows the sign-up any more", async () => {
    memory.forget();
    await page.reload();
    await expect
      .poll(() => page.locator("#form-problem").textContent(), { timeout: 15_000 })
      .toContain("Nobody here knows");
    expect(await page.getByLabel("Company name").inputValue()).toBe("Acme & Söhne GmbH");
  });
});
