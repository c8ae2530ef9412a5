// Package store keeps history in a folder: one SQLite database, chatd.db, which
// the sqlite3 shell reads (SELECT * FROM history), and chatd.lock, which holds the
// process id of the one server that may write. It is a relay.Journal and a
// relay.Registry.
//
// What it promises:
//
//   - A message is called stored only after it is on the disk: one goroutine, the
//     writer, commits what has gathered, up to 256 messages or 5 ms, and each commit
//     is synced (WAL, synchronous=FULL).
//   - Append never waits. Of what it is given 4,096 messages or 8 MiB wait for the
//     writer. When there are more, when one has waited for 2 s, or when a commit
//     fails, saving pauses: what waits and what comes is refused and counted, and
//     once a commit succeeds again an entry in each room says how many messages
//     are missing where.
//   - No number is given twice. After an end without Close, numbers that were
//     shown may not have been committed: then a new epoch begins, every room goes
//     on 100,000 numbers later, and an entry in each says that messages may be
//     missing.
//   - What Forget deletes is in none of the files any more.
//
// Its parts, from the outside in: a queue with its writer, which knows nothing of
// SQLite and is tested with a disk that is not there; the tables and the statements
// of the writer; and a Reader, which is all that another process may open.
package store
