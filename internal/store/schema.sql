-- Format 1. Times are nanoseconds since 1970, UTC. Texts are kept as they were
-- sent, whatever their bytes are: a shell shows one up to its first NUL.

CREATE TABLE rooms (
  id       INTEGER PRIMARY KEY,
  name     TEXT    NOT NULL UNIQUE,
  last     INTEGER NOT NULL, -- the highest number given, kept or not
  messages INTEGER NOT NULL  -- how many are kept
) STRICT;

-- An epoch ends when a start follows an end that was not clean.
CREATE TABLE epochs (
  epoch  INTEGER PRIMARY KEY,
  began  INTEGER NOT NULL,
  closed INTEGER,            -- when chatd ended; NULL while it runs, and if it did not end cleanly
  floor  INTEGER NOT NULL    -- the number that new rooms go on from
) STRICT;

-- The last number of each epoch in each room, but of the epoch that goes on.
CREATE TABLE ends (
  epoch INTEGER NOT NULL REFERENCES epochs ON DELETE CASCADE,
  room  INTEGER NOT NULL REFERENCES rooms,
  last  INTEGER NOT NULL,
  PRIMARY KEY (epoch, room)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
  room   INTEGER NOT NULL REFERENCES rooms,
  seq    INTEGER NOT NULL,
  epoch  INTEGER NOT NULL,
  time   INTEGER NOT NULL,
  kind   INTEGER NOT NULL,   -- 0 said, 1 done (/me), 2 topic, 3 announced; 255: messages are missing up to this one
  author TEXT    NOT NULL,
  text   TEXT    NOT NULL,
  PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;

-- The words of each message, folded, with spaces between them; its row is
-- room << 40 | seq. The words are in the index only.
CREATE VIRTUAL TABLE words USING fts5(text, content='', columnsize=0, tokenize='ascii');

-- Under which rules the words were cut.
CREATE TABLE cut (
  rules TEXT NOT NULL
) STRICT;

CREATE VIEW history AS
SELECT rooms.name AS room,
       messages.seq AS number,
       strftime('%Y-%m-%dT%H:%M:%fZ', messages.time / 1e9, 'unixepoch') AS time,
       CASE messages.kind WHEN 0 THEN 'say' WHEN 1 THEN 'act' WHEN 2 THEN 'topic' WHEN 3 THEN 'announce'
         WHEN 255 THEN 'hole' ELSE messages.kind END AS kind,
       messages.author AS author,
       messages.text AS text
FROM messages JOIN rooms ON rooms.id = messages.room;

CREATE TABLE accounts (
  key  TEXT PRIMARY KEY,     -- by which a name is found; look-alikes have the same
  name TEXT NOT NULL,
  hash TEXT NOT NULL,        -- of the password, a PHC string
  made INTEGER,
  seen INTEGER               -- the last login
) STRICT;

CREATE TABLE sanctions (
  id      INTEGER PRIMARY KEY,
  mute    INTEGER NOT NULL,  -- 1; 0: a ban
  name    TEXT NOT NULL,
  key     TEXT NOT NULL,
  address TEXT,              -- a prefix; NULL: it is for a name
  until   INTEGER,           -- NULL: for ever
  reason  TEXT NOT NULL,
  by      TEXT NOT NULL,
  made    INTEGER
) STRICT;

CREATE TABLE room_states (
  name     TEXT PRIMARY KEY,
  topic    TEXT NOT NULL,
  topic_by TEXT NOT NULL,
  topic_at INTEGER,
  locked   INTEGER NOT NULL,
  hash     TEXT NOT NULL,    -- of the password that opens it
  owner    TEXT NOT NULL
) STRICT;

CREATE TABLE invitations (
  room TEXT NOT NULL REFERENCES room_states ON DELETE CASCADE,
  key  TEXT NOT NULL,
  PRIMARY KEY (room, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE tickets (
  hash    TEXT PRIMARY KEY,
  name    TEXT NOT NULL,
  account TEXT NOT NULL,
  room    TEXT NOT NULL,
  epoch   INTEGER NOT NULL,
  seq     INTEGER NOT NULL,
  expires INTEGER
) STRICT;
