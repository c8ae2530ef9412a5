// Package wire is what lies between bytes on a connection and the lines people
// read: it cuts a stream into lines, takes telnet commands out of it, makes
// what a person said safe for a terminal, and recognises callers that speak
// another protocol.
//
// Everything here is a pure function or a small state machine fed by its
// caller. Nothing here reads, writes, waits, logs or locks, and nothing knows
// what a room is.
//
// A reader of a text connection puts the parts together in this order:
//
//	data := telnet.Strip(chunk)
//	out = telnet.Reply(out)
//	for {
//		line, rest, ok := lines.Next(data)
//		if !ok {
//			break
//		}
//		data = rest
//		// use line, which is valid until the next call of Next
//	}
package wire
