import type { Tenant } from "rowhouse";

const books: readonly (readonly [title: string, author: string])[] = [
  ["The Epic of Gilgamesh", "Sîn-lēqi-unninni"],
  ["The Odyssey", "Homer"],
  ["Meditations", "Marcus Aurelius"],
  ["The Tale of Genji", "Murasaki Shikibu"],
  ["The Divine Comedy", "Dante Alighieri"],
  ["Don Quixote", "Miguel de Cervantes"],
  ["Robinson Crusoe", "Daniel Defoe"],
  ["Candide", "Voltaire"],
  ["Pride and Prejudice", "Jane Austen"],
  ["Frankenstein; or, The Modern Prometheus", "Mary Shelley"],
  ["The Count of Monte Cristo", "Alexandre Dumas"],
  ["Jane Eyre", "Charlotte Brontë"],
  ["Wuthering Heights", "Emily Brontë"],
  ["Moby-Dick; or, The Whale", "Herman Melville"],
  ["Walden", "Henry David Thoreau"],
  ["Madame Bovary", "Gustave Flaubert"],
  ["Alice’s Adventures in Wonderland", "Lewis Carroll"],
  ["Crime and Punishment", "Fyodor Dostoevsky"],
  ["Little Women", "Louisa May Alcott"],
  ["Middlemarch", "George Eliot"],
  ["Anna Karenina", "Leo Tolstoy"],
  ["The Picture of Dorian Gray", "Oscar Wilde"],
  ["The Time Machine", "H. G. Wells"],
  ["A Room with a View", "E. M. Forster"],
];

/** Stars by book, in the order above; 0 for a book that the reader has not rated. */
const readers: Readonly<Record<string, string>> = {
  Ada: "054300005500040050405004",
  Basho: "405540300000035003040000",
  Clara: "000005005045430040354500",
  Dmitri: "040040040450004305005030",
  Esi: "300500450500030045040455",
  Farid: "550340054030500030500040",
  Greta: "004050305054045500045045",
};

/** Fills a new shop's shelves; a shop that has books is left as it is. */
export async function seed(tenant: Tenant): Promise<void> {
  await tenant.db.transaction(async (client) => {
    const stock = await client.query("SELECT FROM books LIMIT 1");
    if (stock.rowCount !== 0) return;
    const { rows } = await client.query<{ id: number }>(
      "INSERT INTO books (title, author) SELECT * FROM unnest($1::text[], $2::text[]) RETURNING id",
      [books.map(([title]) => title), books.map(([, author]) => author)],
    );
    const ratings = Object.entries(readers).flatMap(([reader, stars]) =>
      [...stars].flatMap((given, index) =>
        given === "0" ? [] : [{ reader, given: Number(given), book: rows[index]?.id }],
      ),
    );
    await client.query("INSERT INTO readers (name) SELECT unnest($1::text[])", [Object.keys(readers)]);
    await client.query(
      "INSERT INTO ratings (book_id, reader, stars) SELECT * FROM unnest($1::integer[], $2::text[], $3::smallint[])",
      [
        ratings.map(({ book }) => book),
        ratings.map(({ reader }) => reader),
        ratings.map(({ given }) => given),
      ],
    );
  });
}
