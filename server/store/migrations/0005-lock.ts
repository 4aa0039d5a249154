/** The log of a locked mesh: entries that admins signed, in order. */
export const lock = `
CREATE TABLE lock_entry (
  n INTEGER PRIMARY KEY CHECK (n >= 0),
  body TEXT NOT NULL,
  signature TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  added_at INTEGER NOT NULL
) STRICT;
`;
