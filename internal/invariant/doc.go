// Package invariant checks, in tests, what a chat relay promises of the messages
// that go through it:
//
//   - I1: one order for all. What each client sees, and what each sender says,
//     is a part of one sequence, and rises in it.
//   - I2: a message arrives whole or not at all.
//   - I3: where messages are missing between two shown, a notice with the exact
//     count and the right numbers stands between them.
//   - I4: nothing is repeated on one connection.
//   - I5: what was confirmed as stored was said, and is there afterwards.
//   - I6: nobody waits for anybody. The package measures how long messages take;
//     what is too long is for the test to say, by comparison.
//
// A [Checker] is one test's. Each sender's messages are numbered from 1 and
// carry their sender, number, length, checksum and time of sending ([Checker.Text]).
// Each connection is a [Client], to which all that it receives is given: bytes of
// a line connection ([Client.Write]), or an [Event] after the other where a test
// has decoded them itself ([Client.Add]). In the end [Checker.Check] says what was
// broken:
//
//	check := invariant.New()
//	ana, bob := check.Client("ana"), check.Client("bob")
//	check.Observer(ana)
//	go io.Copy(ana, anasConn)
//	go io.Copy(bob, bobsConn)
//	fmt.Fprintf(bobsConn, "%s\n", check.Text(nil, 1, 1, 80))
//	…
//	for _, err := range check.Check() { t.Error(err) }
//
// The package knows nothing of connections, rooms or time limits. It works on the
// simulated clock of testing/synctest.
package invariant
