package relay

import (
	"os"
	"syscall"
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
	// Version is what /stats calls the program's version. Default: what Go has built
	// into it, if anything.
	Version string
	// Room is the room newcomers are in. Default: lobby.
	Room string
	// Zone is the time zone of the stamps people see. Default: time.Local.
	Zone *time.Location
	// MOTD returns the message of the day, any number of lines. It is called
	// whenever a newcomer is greeted and must be safe for concurrent use.
	// Default: none.
	MOTD func() string

	// History is how many lines a newcomer is shown. Default 20; less than 0:
	// none.
	History int
	// Keep bounds what is kept of what is said in each room. Without a Journal the
	// default is 10,000 messages; with one it says what that one does.
	Keep Keep
	// Journal keeps what is said. The server uses it alone, and does not close it.
	// Default: memory, until the server stops.
	Journal Journal
	// Registry keeps what else outlives a restart: accounts, bans, topics, locks.
	// Default: nothing does.
	Registry Registry
	// State is what is known from before: what Journal and Registry hold. See
	// LoadState.
	State State
	// Password returns what every newcomer must know, or nothing. It is called for
	// each and must be safe for concurrent use. Raw listeners do not ask. Default:
	// nobody is asked.
	Password func() string
	// Operators are registered names that may moderate.
	Operators []string
	// LogMemory bounds the bytes that all rooms hold together for those who are
	// behind. Default 64 MiB.
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
	// messages. Default 4096; at least 64, at most 64 KiB.
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

// withDefaults fills in what is not set.
func (c Config) withDefaults() Config {
	def(&c.Name, hostName())
	def(&c.Room, "lobby")
	def(&c.Zone, time.Local)
	def(&c.History, 20)
	if c.Journal == nil {
		def(&c.Keep.Count, memoryMessages)
	}
	def(&c.LogMemory, 64<<20)
	def(&c.MaxClients, max(descriptorLimit()-64, descriptorLimit()/2))
	def(&c.MaxPerAddress, 64)
	def(&c.MaxPending, 1024)
	def(&c.MaxLine, 4096)
	c.MaxLine = min(max(c.MaxLine, 64), maxLineMost)
	def(&c.Rate, 10)
	def(&c.Burst, 40)
	def(&c.ReapInterval, 5*time.Second)
	def(&c.StallTimeout, 15*time.Minute)
	if c.Logger == nil {
		nop := zerolog.Nop()
		c.Logger = &nop
	}
	return c
}

// maxLineMost keeps a message within a segment of a feed.
const maxLineMost = 64 << 10

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "this machine"
	}
	return name
}

// descriptorLimit is how many files the process may have open.
func descriptorLimit() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || limit.Cur > 1<<30 {
		return 1 << 30
	}
	return int(limit.Cur)
}
