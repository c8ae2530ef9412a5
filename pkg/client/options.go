package client

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// None, put into a History, asks for no earlier messages.
const None = -1

// Options says how a Client behaves. The zero value of every field is its documented
// default, so Options{} joins the room everyone begins in, as a guest, and is shown
// what people are shown.
type Options struct {
	// Name is the name to have. It is asked for at each connection. If it cannot be
	// had the client is a guest and a Refused event says why. Default: a guest's.
	Name string
	// Password is that of Name, if the name is registered.
	Password string
	// ServerPassword is that of the chat, if it has one.
	ServerPassword string
	// Session is a secret of 16 to 64 random characters by which the server knows
	// that it is the same program again, and gives it its name back. A program that
	// wants that over its own restarts too keeps it. Default: a new one.
	Session string

	// Rooms are the rooms to be in, after those that the URL names. Default: the room
	// everyone begins in. Not nil but empty: none.
	Rooms []RoomOptions
	// History is how many earlier messages are shown in the rooms that the URL names,
	// or else in the one everyone begins in. Default: as many as people are shown; with
	// Bot, none.
	History int
	// NoEcho spares the client its own messages. Send says their positions all the
	// same.
	NoEcho bool
	// Bot spares the client the message of the day, and history where none is asked
	// for.
	Bot bool
	// SendOnly is for a program that only says something: there are no events, Next
	// fails, and what others say is read and thrown away. It includes Bot and NoEcho.
	SendOnly bool

	// Queue is how many requests, messages among them, may wait for their answers.
	// Who makes one more waits. Default 64.
	Queue int
	// Buffer is how many events wait to be taken with Next, at most; they hold a
	// megabyte at most, whatever it says. While they are that many, the connection is
	// not read. Default 1,024.
	Buffer int
	// Timeout is how long one attempt to connect may take, to the server's welcome.
	// Default 10 s.
	Timeout time.Duration
	// RetryBase and RetryCap bound the time until the client connects again. The n-th
	// wait, counted from 0, is random between nothing and RetryBase times 2 to the n,
	// but no more than RetryCap. Counting begins anew after a connection that lasted
	// longer than RetryCap. Defaults: 250 ms and 30 s.
	RetryBase, RetryCap time.Duration

	// TLS is the configuration for tls and wss. Default: the system's certificates,
	// and the host's name.
	TLS *tls.Config
	// Dial makes the connection that everything runs over, TLS and WebSocket too.
	// Network is tcp or unix. Default: a net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// RoomOptions names a room to be in, and where to begin in it.
type RoomOptions struct {
	Room     string
	Password string // if the room is locked
	// After is a position up to which the program has seen the room: it is shown what
	// was said since. Zero: it is shown as much as History says.
	After Position
	// History is how many messages of before are shown, at most 1,000. Default: as many
	// as people are shown; with Bot, none.
	History int
}

// withDefaults fills in what is not set.
func (o Options) withDefaults() Options {
	def(&o.Session, newID())
	def(&o.Queue, 64)
	def(&o.Buffer, 1024)
	def(&o.Timeout, 10*time.Second)
	def(&o.RetryBase, 250*time.Millisecond)
	def(&o.RetryCap, 30*time.Second)
	if o.SendOnly {
		o.Bot, o.NoEcho = true, true
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	return o
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
