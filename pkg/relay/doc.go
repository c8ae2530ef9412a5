// Package relay is a chat relay: people who connect with nc, telnet or anything
// that sends lines hear each other.
//
// A [Server] serves any net.Listener, or single connections:
//
//	s := relay.New(relay.Config{})
//	l, err := net.Listen("tcp", ":7777")
//	if err != nil {
//		log.Fatal(err)
//	}
//	log.Fatal(s.Serve(context.Background(), l))
//
// Now
//
//	$ nc localhost 7777
//	* chatd on example, room lobby; here: nobody
//	* you are guest1: /nick NAME changes it, /help lists the rest
//	* your own lines come back with their time; /echo off stops that
//	* the last 10000 messages are kept until the server stops; times are UTC
//	hello
//	* guest1 joined
//	12:00 guest1: hello
//
// # How it works
//
// A goroutine per connection reads lines and sends them to the room's
// broadcaster, the one goroutine that numbers them. The broadcaster renders a
// message once for each wire format in use into a log that all members share, and
// then sweeps: each member is written, in one system call that never waits, all
// that is new to it. A member whose kernel buffer is full is left to a goroutine
// of its own until it reads again; it holds no message, and nobody waits for it.
// One that is so far behind that the log has moved on is told exactly how many
// messages it missed.
//
// # Promises
//
// In each room everyone sees one order. A message arrives whole or not at all.
// Where messages are missing between two that are shown, a notice with the exact
// count stands between them. Nothing is shown twice on one connection. No
// client's state delays a message to another.
//
// # Goroutines
//
// Every goroutine that a Server starts has ended when Shutdown or Close returns.
// Package relay reads no environment variable, sets no signal handler and logs
// nothing unless it is given a logger.
package relay
