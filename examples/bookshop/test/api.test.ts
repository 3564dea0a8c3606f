import { type TestTenant, testTenant } from "rowhouse/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import application from "../app.ts";

let shop: TestTenant;

beforeAll(async () => {
  shop = await testTenant(application, { seed: false });
});

afterAll(() => shop?.close());

interface BookPage {
  books: { id: number; title: string; author: string }[];
  next: number | null;
}

const send = (path: string, body: unknown, method = "POST") =>
  shop.request(path, { method, body: typeof body === "string" ? body : JSON.stringify(body) });

async function addBook(title: string, author = "Anonymous"): Promise<number> {
  const response = await send("/api/books", { title, author });
  expect(response.status).toBe(201);
  return ((await response.json()) as { id: number }).id;
}

async function listBooks(query = ""): Promise<BookPage> {
  const response = await shop.request(`/api/books${query}`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  return (await response.json()) as BookPage;
}

async function expectProblem(response: Response, status: number, code: string): Promise<void> {
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(await response.json()).toMatchObject({
    status,
    code,
    title: expect.any(String),
    detail: expect.any(String),
  });
}

describe("books", () => {
  it("are listed by id from an empty shelf on, and found by id", async () => {
    expect(await listBooks()).toEqual({ books: [], next: null });
    const response = await send("/api/books", { title: "  The  Waves ", author: "Virginia Woolf" });
    expect(response.status).toBe(201);
    const book = (await response.json()) as BookPage["books"][number];
    expect(book).toEqual({ id: expect.any(Number), title: "The Waves", author: "Virginia Woolf" });
    expect(response.headers.get("location")).toBe(`/api/books/${book.id}`);
    const committed = await shop.db.query("SELECT title FROM books WHERE id = $1", [book.id]);
    expect(committed.rows).toEqual([{ title: "The Waves" }]);
    expect(await (await shop.request(`/api/books/${book.id}`)).json()).toEqual(book);
    expect(await listBooks()).toEqual({ books: [book], next: null });
  });

  it.each([1, 2, 3, 5, 100])("are paged through by %i without a gap or a repeat", async (limit) => {
    const expected = await shop.db.query<{ id: number }>("SELECT id FROM books ORDER BY id");
    while (expected.rows.length < 6) {
      expected.rows.push({ id: await addBook(`Volume ${expected.rows.length}`) });
    }
    const ids: number[] = [];
    let after: number | null = 0;
    while (after !== null) {
      const page: BookPage = await listBooks(`?limit=${limit}&after=${after}`);
      expect(page.books.length).toBeLessThanOrEqual(limit);
      ids.push(...page.books.map((book) => book.id));
      after = page.next;
    }
    expect(ids).toEqual(expected.rows.map((row) => row.id));
  });

  it.each([
    ["/api/books?limit=0", "INVALID_LIMIT"],
    ["/api/books?limit=1000001", "INVALID_LIMIT"],
    ["/api/books?limit=ten", "INVALID_LIMIT"],
    ["/api/books?limit=", "INVALID_LIMIT"],
    ["/api/books?after=-1", "INVALID_AFTER"],
    ["/api/books?after=1.5", "INVALID_AFTER"],
    ["/api/books/one", "INVALID_ID"],
    ["/api/recommendations", "INVALID_READER"],
    ["/api/recommendations?reader=", "INVALID_READER"],
  ])("refuse %s", async (path, code) => {
    await expectProblem(await shop.request(path), 400, code);
  });

  it.each([
    ["no JSON", "{", "INVALID_JSON"],
    ["no object", "[]", "INVALID_JSON"],
    ["no title", { author: "A" }, "INVALID_TITLE"],
    ["an empty title", { title: " ", author: "A" }, "INVALID_TITLE"],
    ["a title that is a number", { title: 1, author: "A" }, "INVALID_TITLE"],
    ["a title of 301 letters", { title: "x".repeat(301), author: "A" }, "INVALID_TITLE"],
    ["a title with a zero byte", { title: "a\0b", author: "A" }, "INVALID_TITLE"],
    ["no author", { title: "T" }, "INVALID_AUTHOR"],
  ])("refuse to be added with %s", async (_, body, code) => {
    await expectProblem(await send("/api/books", body), 400, code);
  });

  it("take any script in a title of 300 letters", async () => {
    const title = "源氏物語 📚".repeat(50);
    const id = await addBook(title);
    expect(await (await shop.request(`/api/books/${id}`)).json()).toMatchObject({ title });
  });

  it("are 404 where there are none, and 413 for a body without end", async () => {
    await expectProblem(await shop.request("/api/books/999999999"), 404, "NOT_FOUND");
    await expectProblem(await shop.request("/api/books/99999999999999"), 404, "NOT_FOUND");
    await expectProblem(await shop.request("/api/magazines"), 404, "NOT_FOUND");
    await expectProblem(await send("/api/books", { title: "x".repeat(70_000) }), 413, "BODY_TOO_LARGE");
  });
});

describe("a long list of books", () => {
  it("streams in order, with a next that goes on exactly where it ended", async () => {
    await shop.db.query(
      "INSERT INTO books (title, author) SELECT 'Volume ' || n, 'Press' FROM generate_series(1, 9000) n",
    );
    const all = await shop.db.query<{ id: number }>("SELECT id FROM books ORDER BY id");
    const ids = all.rows.map((row) => row.id);
    for (const limit of [2000, 2001, 4000, ids.length - 1]) {
      const page = await listBooks(`?limit=${limit}`);
      expect(page.books.map((book) => book.id)).toEqual(ids.slice(0, limit));
      expect(page.next).toBe(ids[limit - 1]);
    }
    const whole = await listBooks("?limit=1000000");
    expect(whole.books.map((book) => book.id)).toEqual(ids);
    expect(whole.next).toBeNull();
  });

  it("asks the database only for what the client takes, and for nothing after it went away", async () => {
    let queries = 0;
    const db = new Proxy(shop.db, {
      get: (target, name) => {
        if (name !== "query") return Reflect.get(target, name);
        return (sql: string, parameters: unknown[]) => {
          queries += 1;
          return target.query(sql, parameters);
        };
      },
    });
    const { writeBooks } = await import("../src/books/stream.ts");
    const body = await writeBooks({ ...shop, db }, 0, 1_000_000);
    if (typeof body === "string") throw new Error("expected a stream");
    const reader = body.getReader();
    await reader.read();
    await reader.cancel();
    expect(queries).toBeLessThanOrEqual(2);
  });
});

describe("ratings", () => {
  const rate = (book: number | string, body: unknown) => send(`/api/books/${book}/ratings`, body);

  it("are one per reader and book: the last one counts", async () => {
    const book = await addBook("Kokoro");
    const first = await rate(book, { reader: "Ada", stars: 2 });
    expect(first.status).toBe(201);
    expect(await first.json()).toEqual({ book, reader: "Ada", stars: 2 });
    expect((await rate(book, { reader: "Ada", stars: 5 })).status).toBe(200);
    expect((await rate(book, { reader: 7, stars: 1 })).status).toBe(201);
    const { rows } = await shop.db.query(
      "SELECT reader, stars FROM ratings WHERE book_id = $1 ORDER BY reader",
      [book],
    );
    expect(rows).toEqual([
      { reader: "7", stars: 1 },
      { reader: "Ada", stars: 5 },
    ]);
  });

  it("may come from many at once, also of a reader that nobody knew", async () => {
    const books = await Promise.all(["One", "Two", "Three"].map((title) => addBook(title)));
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) => rate(books[i % 3]!, { reader: "New", stars: (i % 5) + 1 })),
    );
    expect(answers.map((answer) => answer.status).filter((status) => status === 201)).toHaveLength(3);
    expect(answers.every((answer) => answer.ok)).toBe(true);
  });

  it.each([
    [{ reader: "Ada", stars: 0 }, "INVALID_STARS"],
    [{ reader: "Ada", stars: 6 }, "INVALID_STARS"],
    [{ reader: "Ada", stars: 4.5 }, "INVALID_STARS"],
    [{ reader: "Ada", stars: "5" }, "INVALID_STARS"],
    [{ reader: "Ada" }, "INVALID_STARS"],
    [{ stars: 5 }, "INVALID_READER"],
    [{ reader: "x".repeat(101), stars: 5 }, "INVALID_READER"],
  ])("refuse %j", async (body, code) => {
    await expectProblem(await rate(await addBook("Refused"), body), 400, code);
  });

  it("of a book that is not there leave no reader behind", async () => {
    await expectProblem(await rate(999_999_999, { reader: "Nobody", stars: 3 }), 404, "NOT_FOUND");
    const { rowCount } = await shop.db.query("SELECT FROM readers WHERE name = 'Nobody'");
    expect(rowCount).toBe(0);
  });
});

describe("recommendations", () => {
  it("rank by the Bayesian average what the reader has not rated", async () => {
    await shop.db.query("DELETE FROM ratings");
    const [crowd, lone, poor, own] = await Promise.all(
      ["Crowd", "Lone", "Poor", "Own"].map((title) => addBook(title)),
    );
    const rate = (book: number | undefined, reader: string, stars: number) =>
      send(`/api/books/${book}/ratings`, { reader, stars });
    for (const [index, stars] of [5, 5, 5, 5, 4, 5, 5, 5].entries())
      await rate(crowd, `reader ${index}`, stars);
    await rate(lone, "reader 0", 5);
    for (const [index, stars] of [1, 2, 1, 2].entries()) await rate(poor, `reader ${index}`, stars);
    await rate(own, "Ada", 5);
    const response = await shop.request("/api/recommendations?reader=Ada&limit=3");
    const mean = (39 + 5 + 6 + 5) / 14;
    const score = (sum: number, count: number) => Math.round(((5 * mean + sum) / (5 + count)) * 1000) / 1000;
    expect(await response.json()).toEqual({
      reader: "Ada",
      books: [
        { id: crowd, title: "Crowd", author: "Anonymous", ratings: 8, average: 39 / 8, score: score(39, 8) },
        { id: lone, title: "Lone", author: "Anonymous", ratings: 1, average: 5, score: score(5, 1) },
        { id: poor, title: "Poor", author: "Anonymous", ratings: 4, average: 1.5, score: score(6, 4) },
      ],
    });
  });

  it("are there for a reader that nobody knows, and none where nothing is rated", async () => {
    const known = (await (await shop.request("/api/recommendations?reader=Stranger")).json()) as BookPage;
    expect(known.books).toHaveLength(4);
    await shop.db.query("DELETE FROM ratings");
    const none = await shop.request("/api/recommendations?reader=Stranger");
    expect(await none.json()).toEqual({ reader: "Stranger", books: [] });
  });
});
