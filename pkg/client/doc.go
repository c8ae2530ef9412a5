// Package client is for programs that talk in a chatd: bots, bridges, scripts,
// terminals. It speaks the JSON lines of docs/protocol.md, connects again when the
// connection is lost, and goes on where it was: what is said arrives without gap or
// repeat, and what the program says is said once.
//
// A whole program, which answers whoever says ping:
//
//	package main
//
//	import (
//		"context"
//		"log"
//
//		"github.com/chatd/chatd/pkg/client"
//	)
//
//	func main() {
//		ctx := context.Background()
//		c, err := client.Dial(ctx, "chat.example.org/lobby", client.Options{Name: "echo", Bot: true})
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer c.Close()
//		for {
//			e, err := c.Next(ctx)
//			if err != nil {
//				log.Fatal(err)
//			}
//			switch e := e.(type) {
//			case client.Message:
//				if e.Text == "ping" && !e.Old {
//					c.Post(ctx, client.Draft{Room: e.Room, Text: "pong, " + e.From})
//				}
//			case client.Disconnected:
//				log.Printf("%v; again at %s", e.Err, e.Retry.Format("15:04:05"))
//			}
//		}
//	}
//
// One that only says something:
//
//	c, err := client.Dial(ctx, "chat.example.org", client.Options{Name: "backup", SendOnly: true})
//	…
//	defer c.Close()
//	_, err = c.SendStored(ctx, "", "backup of db1 is done")
//
// # Addresses
//
//	HOST, HOST:PORT               the same as tcp://; the port is 7777 if none is given
//	tcp://HOST:PORT/ROOM          lines
//	tls://HOST:PORT/ROOM          lines within TLS; the port is 7778 if none is given
//	unix:///PATH                  lines on a Unix socket
//	ws://HOST:PORT/PATH           a WebSocket; the path is /ws if none is given
//	wss://HOST:PORT/PATH          a WebSocket within TLS
//
// The room is where to be; without one it is the room everyone begins in. Behind any
// address ?room=ONE&room=OTHER names rooms, and ?serve=json says that the listener has
// that in its own address too, and speaks nothing but JSON.
//
// # Events
//
// What happens comes from [Client.Next], in order: messages, who joins and leaves, and
// what becomes of the connection. Answers are returned by the method that asked.
//
// A message comes once. Where some are missing between two, a [Gap] tells exactly how
// many; where a server that broke down may have lost some, a [Reset] says so. Between
// [Joined] and [Live] stands what was said before, or while there was no connection: its
// messages are Old. A program that ends, and wants to go on where it was, keeps the
// Position of the last message of each room and gives it to [RoomOptions] as After.
//
// # What is said
//
// [Client.Post] queues a message, [Client.Send] waits until it is said as well, and
// [Client.SendStored] until it is stored. Each has an id; when the connection is lost
// before the answer, it is sent again with the same id, and the server says it once. So
// are questions, such as [Client.HistoryAfter] and [Client.Who]. What cannot be repeated
// safely, [Client.Direct], [Client.Command] and [Client.Register], fails with [ErrUnsure]
// then.
//
// # Memory
//
// Everything is bounded. While Options.Buffer events, or a megabyte of them, wait to be
// taken, nothing is read from the connection: the server notices that the program is
// slow, holds what is said for it for a while, and then tells it of a gap. Answers wait
// behind events. So a program has one goroutine that calls Next all the time; whoever
// waits for answers in it, while very much is said, gets [ErrNotReading] after five
// seconds instead of waiting for ever. Post does not wait for an answer.
//
// # Goroutines
//
// A Client has four at most. They have ended when [Client.Close] returns. The package
// has no state of its own, logs nothing and reads no environment variable.
package client
