import { mkdir } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchBrowser } from "../support/browser.ts";
import { createSystem, type System } from "../support/system.ts";

const screenshots = new URL("../../.cache/screenshots/", import.meta.url).pathname;

describe("sign-up in the browser", () => {
  let system: System;
  let browser: Browser;
  beforeAll(async () => {
    await mkdir(screenshots, { recursive: true });
    [system, browser] = await Promise.all([createSystem(), launchBrowser()]);
    await system.up();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await system.dispose();
  }, 60_000);

  it.each([
    ["eu-west-1", "starter"],
    ["us-east-1", "business"],
  ])(
    "makes a tenant in %s on the plan %s, shows each step, and leads into the shop",
    async (region, plan) => {
      const slug = `page-${plan}`;
      const page = await browser.newPage();
      await page.goto(system.url);
      await page.getByLabel("Company name").fill(`The ${plan} page`);
      await page.getByLabel("Address", { exact: true }).fill(slug);
      await page.locator(`[name=region][value="${region}"]`).check({ force: true });
      await page.locator(`[name=plan][value="${plan}"]`).check({ force: true });
      await page.getByLabel("Administrator’s e-mail").fill("ada@page.example");
      await page.screenshot({ path: `${screenshots}signup-${plan}.png`, fullPage: true });
      await page.getByRole("button", { name: "Create my account" }).click();
      const link = page.getByRole("link", { name: `Open The ${plan} page` });
      await link.waitFor({ timeout: 30_000 });
      await page.screenshot({ path: `${screenshots}signed-up-${plan}.png`, fullPage: true });
      expect(await link.getAttribute("href")).toContain(`${slug}.localhost`);
      await link.click();
      await page.waitForURL(new RegExp(`${slug}\\.localhost`));
      await page.getByText(`The ${plan} page`).first().waitFor();
      await page.screenshot({ path: `${screenshots}shop-${plan}.png`, fullPage: true });
      const tenant = await system.json<{ state: string; region: string }>("tenant", "show", slug);
      expect(tenant).toMatchObject({ state: "active", region });
      await page.close();
    },
    90_000,
  );
});
