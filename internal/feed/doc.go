// Package feed is a log that one side appends to and many readers follow, each
// at its own pace and without a queue of its own. Appending never waits for a
// reader, so memory is bounded by the log's size and not by its slowest reader.
//
// Its nouns, from the inside out:
//
//   - A [Log] is append-only bytes in immutable segments, with the end of each
//     record beside them. It has one appender and any number of readers.
//   - A [Ring] is a Log of records as they are (time, kind, name, text): the
//     truth of what was just said. It has a [Feed] for each [Format] in use,
//     which is a Log of the same records as they look in that format.
//   - A [Turn] is the right to write to one connection, in one atomic word.
//   - An [Outlet] is one connection's output: its places in the feeds it
//     follows, its mailbox of private lines, and the turn. Whoever has something
//     for the connection tries to become its writer; an outlet whose [Sink] is
//     full gets a goroutine until it is not, and costs others nothing meanwhile.
//   - A [Mark] is a place in a ring that private lines wait for. So what is posted
//     and what is followed and unfollowed stand in one order on the connection,
//     however slowly it is read: who moves reads the end of the one ring, the lines
//     posted in between, and then the other.
//
// The package knows nothing of chat: what a record means and how it looks is the
// business of the functions in a Format.
package feed
