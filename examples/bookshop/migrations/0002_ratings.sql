CREATE TABLE readers (
  name text PRIMARY KEY CHECK (char_length(name) BETWEEN 1 AND 100),
  joined_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ratings (
  book_id integer NOT NULL REFERENCES books (id) ON DELETE CASCADE,
  reader text NOT NULL REFERENCES readers (name),
  stars smallint NOT NULL CHECK (stars BETWEEN 1 AND 5),
  rated_at timestamptz NOT NULL DEFAULT now(),
  -- One rating per reader and book. The stars ride along, so that averages need the index alone.
  PRIMARY KEY (book_id, reader) INCLUDE (stars)
);

CREATE INDEX ratings_by_reader ON ratings (reader, book_id);
