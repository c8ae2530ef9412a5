package relay

import (
	"time"

	"github.com/rs/zerolog"
)

// Unlimited, put into a limit of Config, switches that limit off.
const Unlimited = -1

// Config says how a Server behaves. The zero value of every field is its
// documented default, so Config{} is a whole and safe configuration; a limit is
// switched off with Unlimited.
type Config struct {
	// Name is what the greeting calls this server. Default: the machine's
	// host name.
	Name string
	// Room is the room newcomers are in. Default: lobby.
	Room string
	// Zone is the time zone of the stamps people see. Default: time.Local.
	Zone *time.Location
	// MOTD returns the message of the day, any number of lines. It is called
	// whenever a newcomer is greeted and must be safe for concurrent use.
	// Default: none.
	MOTD func() string

	// History is how many lines a newcomer is shown. Default 20.
	History int
	// LogMemory bounds the bytes that all feeds hold together. Default 64 MiB.
	LogMemory int64
	// NoEcho spares authors their own lines, unless they say /echo on.
	NoEcho bool

	// MaxClients bounds the connections. Default: the limit of open files
	// less 64.
	MaxClients int
	// MaxPerAddress bounds the connections of one IP address, for IPv6 of one
	// /64. Default 64.
	MaxPerAddress int
	// MaxPending bounds the connections that are accepted but not yet greeted;
	// beyond it the kernel keeps the queue. Default 1024.
	MaxPending int
	// MaxLine is the longest message in bytes; longer lines become several
	// messages. Default 4096, at least 64.
	MaxLine int
	// Rate is how many messages a second a session may send for long; one that
	// is faster is read more slowly. Default 10.
	Rate float64
	// Burst is how many messages a session may send at once. Default 40.
	Burst int

	// ReapInterval is how often every session is looked at. Default 5 s.
	ReapInterval time.Duration
	// IdleTimeout ends a session that has sent nothing for so long, after a
	// warning. Default: never.
	IdleTimeout time.Duration
	// StallTimeout ends a session whose peer takes no bytes for so long.
	// Default 15 min.
	StallTimeout time.Duration

	// Logger gets a line when a connection begins and one when it ends.
	// Default: silence.
	Logger *zerolog.Logger
	// OnError is told of errors of accepting that do not end Serve. It must
	// not block. Default: they are only logged.
	OnError func(error)
}
