import type { Browser, Page } from "playwright-core";
import { type TestTenant, testTenant } from "rowhouse/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchBrowser } from "../../../test/support/browser.ts";
import application from "../app.ts";
import { seed } from "../src/seed.ts";

let shop: TestTenant;
let base: string;
let browser: Browser;

beforeAll(async () => {
  shop = await testTenant(application, { name: "Acme & Daughters" });
  base = shop.url;
  browser = await launchBrowser();
});

afterAll(async () => {
  await browser?.close();
  await shop?.close();
});

async function openPage(
  path = "/",
  options: Parameters<Browser["newPage"]>[0] = {},
): Promise<{ page: Page; errors: string[] }> {
  const page = await browser.newPage(options);
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.goto(base + path);
  return { page, errors };
}

describe("the seed", () => {
  it("fills the shelves once", async () => {
    await seed(shop);
    const { rows } = await shop.db.query(
      "SELECT (SELECT count(*)::int FROM books) AS books, (SELECT count(*)::int FROM readers) AS readers",
    );
    expect(rows).toEqual([{ books: 24, readers: 7 }]);
  });
});

describe("the shop's page", () => {
  it("shows every book with its cover under the tenant's name, without an error", async () => {
    const { page, errors } = await openPage();
    expect(await page.title()).toBe("Acme & Daughters");
    expect(await page.locator(".shelf > li").count()).toBe(24);
    await page.locator(".shelf > li").last().scrollIntoViewIfNeeded();
    const drawn = () =>
      page.evaluate("[...document.images].every((image) => image.complete && image.naturalWidth > 0)");
    await expect.poll(drawn).toBe(true);
    expect(errors).toEqual([]);
    await page.close();
  });

  it("rates by a click, keeps it over a reload, and then recommends other books", async () => {
    const { page, errors } = await openPage();
    const book = page.locator(".shelf > li", { hasText: "Anna Karenina" });
    const before = await book.locator("[data-average]").textContent();
    await book.getByRole("radio", { name: "4 stars" }).check({ force: true });
    await expect.poll(() => page.locator("[data-announcer]").textContent()).toContain("4 out of 5");
    expect(await book.locator("[data-average]").textContent()).not.toBe(before);
    expect(await page.locator(".reader summary").textContent()).toMatch(/Reading as Guest \d+/);
    await page.reload();
    expect(await book.getByRole("radio", { name: "4 stars" }).isChecked()).toBe(true);
    expect(await page.locator(".strip").textContent()).not.toContain("Anna Karenina");
    expect(errors).toEqual([]);
    await page.close();
  });

  it("can be used with the keyboard alone", async () => {
    const { page } = await openPage();
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Skip to the books");
    const book = page.locator(".shelf > li", { hasText: "Middlemarch" });
    await book.getByRole("radio", { name: "1 star", exact: true }).focus();
    await page.keyboard.press("Space");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await expect.poll(() => page.locator("[data-announcer]").textContent()).toContain("3 out of 5");
    await page.close();
  });

  it("works without any script", async () => {
    const { page } = await openPage("/", { javaScriptEnabled: false });
    const book = page.locator(".shelf > li", { hasText: "Walden" });
    await book.getByRole("radio", { name: "2 stars" }).check({ force: true });
    await book.getByRole("button", { name: "Rate" }).click();
    expect(page.url()).toMatch(/\/books\/\d+$/);
    expect(await page.getByRole("radio", { name: "2 stars" }).isChecked()).toBe(true);
    await page.close();
  });

  it("adds a book and shows it first", async () => {
    const { page } = await openPage();
    await page.getByRole("textbox", { name: "Title" }).fill("<b>Bold</b> & Brave");
    await page.getByRole("textbox", { name: "Author" }).fill("Q. Uote");
    await page.getByRole("button", { name: "Add to the shelves" }).click();
    expect(await page.locator("h1").textContent()).toBe("<b>Bold</b> & Brave");
    await page.goto(base);
    expect(await page.locator(".shelf h3").first().textContent()).toBe("<b>Bold</b> & Brave");
    await page.close();
  });

  it("finds by title or author, and says so when there is nothing", async () => {
    const { page } = await openPage("/?q=brontë");
    expect(await page.locator(".shelf h3").allTextContents()).toEqual(["Wuthering Heights", "Jane Eyre"]);
    await page.goto(`${base}/?q=100%25`);
    expect(await page.locator(".empty").textContent()).toContain("No title or author");
    await page.close();
  });

  it("remembers a reader's name", async () => {
    const { page } = await openPage();
    await page.locator(".reader summary").click();
    await page.getByLabel("Your name").fill("Ada");
    await page.getByRole("button", { name: "Save" }).click();
    expect(await page.locator("#picks").textContent()).toBe("Next for Ada");
    await page.close();
  });

  it.each([360, 1280])("does not scroll sideways at %i pixels", async (width) => {
    const { page } = await openPage("/", { viewport: { width, height: 800 } });
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
    await page.goto(`${base}/books/10`);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
    await page.close();
  });

  it("shows a page and not a document where a person goes astray", async () => {
    const { page } = await openPage("/books/999999");
    expect(await page.locator("h1").textContent()).toBe("Not on our shelves");
    await page.close();
    const response = await shop.request("/books/999999");
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
  });
});

describe("more than a page of books", () => {
  it("is reached by the link at the end", async () => {
    await shop.db.query(
      "INSERT INTO books (title, author) SELECT 'Volume ' || n, 'Press' FROM generate_series(1, 60) n",
    );
    const { rows } = await shop.db.query("SELECT count(*)::int AS count FROM books");
    const { page } = await openPage();
    let shown = await page.locator(".shelf > li").count();
    expect(shown).toBe(48);
    await page.getByRole("link", { name: "More books" }).click();
    shown += await page.locator(".shelf > li").count();
    expect(shown).toBe(rows[0]?.count);
    expect(await page.getByRole("link", { name: "More books" }).count()).toBe(0);
    await page.close();
  });
});
