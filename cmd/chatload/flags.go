package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// perSource is how many connections one source address is used for: the system
// has some 28,000 ports for outgoing ones.
const perSource = 20000

// windowMost and rateMost are far beyond what one thread can do, and keep what is
// remembered of messages in flight within memory.
const (
	windowMost = 1 << 20
	rateMost   = 1e8
)

// config is a run's, from the command line.
type config struct {
	target  target
	proto   protocol
	conns   int
	group   int // connections of a group; what one says, its group hears
	stalled int // of conns: never read once they are in the room
	slow    int // of conns: read slowly
	slowBPS int // bytes a second of those
	senders int // of each group
	size    int

	window int     // messages in flight in each group; or
	rate   float64 // messages a second of all groups

	time     time.Duration
	messages uint64 // of all groups; 0: time decides
	warmup   time.Duration
	patience time.Duration // how long nothing may move
	settle   time.Duration // to wait after all connections are closed; 0: no second look
	idle     bool
	spin     bool

	server   process  // 0: not known
	progress *os.File // a terminal; nil: none
}

func (c *config) groups() int { return c.conns / c.group }

// output is what is to be printed.
type output struct {
	json   bool
	fields bool // a list of the JSON's fields, and nothing is run
}

const usage = `chatload puts a load on a chat server and reports what it cost.

  chatload -addr 127.0.0.1:7777 -conns 500 -rate 100        a quiet evening: 100 messages a second
  chatload -addr 127.0.0.1:7777 -conns 1000 -window 64 -pid $(pidof chatd)
                                                            as much as it can: CPU per delivery
  chatload -addr 127.0.0.1:7777 -conns 5000 -idle -pid $(pidof chatd)
                                                            memory per client
  chatload -addr 127.0.0.1:7777 -conns 4000 -proto msg      2,000 pairs, each with one message in flight

chatd limits what one address may do. For a measurement, start it with
  CHATD_MAX_PER_ADDRESS=off CHATD_RATE=off CHATD_LISTEN=tcp://127.0.0.1:7777 chatd

Protocols:
`

// parse reads the command line.
func parse(args []string, stderr io.Writer) (cfg config, out output, err error) {
	f := flag.NewFlagSet("chatload", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, usage)
		for _, p := range protocols() {
			fmt.Fprintf(stderr, "  %-6s %s\n", p.name, p.what)
		}
		fmt.Fprintln(stderr, "\nFlags:")
		f.PrintDefaults()
	}
	addr := f.String("addr", "", "the server: `HOST:PORT` or unix:PATH")
	proto := f.String("proto", "line", "how it is spoken to: `NAME` of a protocol")
	sources := f.Int("sources", 0, "come from so many addresses, 127.0.0.1 and following, `N` (default: one for 20000 connections)")
	cfg.flags(f)
	f.BoolVar(&out.json, "json", false, "report as one JSON object")
	f.BoolVar(&out.fields, "fields", false, "list the fields of the JSON report, and do nothing else")
	if err := f.Parse(args); err != nil {
		return cfg, out, err
	}
	if f.NArg() > 0 {
		return cfg, out, fmt.Errorf("%q is not a flag; the server is named with -addr", f.Arg(0))
	}
	if out.fields {
		return cfg, out, nil
	}
	given := make(map[string]bool)
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if given["window"] && given["rate"] {
		return cfg, out, errors.New("-window or -rate, not both")
	}
	if cfg.proto, err = protocolNamed(*proto); err != nil {
		return cfg, out, err
	}
	if *addr == "" {
		return cfg, out, errors.New("-addr is missing; try -addr 127.0.0.1:7777")
	}
	if cfg.target, err = parseTarget(*addr, *sources); err != nil {
		return cfg, out, err
	}
	if cfg.conns > perSource && cfg.target.sources == 0 && cfg.target.loopback() {
		cfg.target.sources = (cfg.conns + perSource - 1) / perSource
	}
	cfg.defaults(given)
	return cfg, out, cfg.check()
}

// flags declares those that are taken as they are.
func (c *config) flags(f *flag.FlagSet) {
	f.IntVar(&c.conns, "conns", 100, "connections, `N`")
	f.IntVar(&c.group, "group", 0, "divide them into groups of `G`; what one says, only its group hears (default: all are one; with -proto msg 2)")
	f.IntVar(&c.senders, "senders", 0, "how many of each group send, taking turns, `S` (default: as many as the window, and all if there are groups; at most 64)")
	f.IntVar(&c.stalled, "stalled", 0, "how many of all never read, `K`, spread over the groups")
	f.IntVar(&c.slow, "slow", 0, "how many of all read slowly, `K`, spread over the groups")
	f.IntVar(&c.slowBPS, "slow-speed", 4096, "`BYTES` a second that a slow one reads")
	f.IntVar(&c.size, "size", 64, "`BYTES` of a message, the end of its line among them")
	f.IntVar(&c.window, "window", 0, "messages in flight in each group, `W` (default: 64, and 1 if there are groups)")
	f.Float64Var(&c.rate, "rate", 0, "messages a second, `R`, instead of a window; the groups take turns")
	f.DurationVar(&c.time, "time", 5*time.Second, "how long to measure, or to hold an idle load")
	f.Uint64Var(&c.messages, "messages", 0, "measure so many of all groups, `M`, instead of a time")
	f.DurationVar(&c.warmup, "warmup", time.Second, "how long to send before measuring")
	f.DurationVar(&c.patience, "patience", 10*time.Second, "give up when nothing has moved for so long")
	f.DurationVar(&c.settle, "settle", 0, "after closing all connections wait so long, and report the server's memory then")
	f.BoolVar(&c.idle, "idle", false, "connect and say nothing")
	f.BoolVar(&c.spin, "spin", false, "never sleep: the server then wakes nobody, as with clients on other machines")
	f.IntVar((*int)(&c.server), "pid", 0, "process of the server, `PID`, on this machine: reports its CPU and memory")
}

// sendersDefault bounds how many of a group send unless it is said: more make no
// difference to a server.
const sendersDefault = 64

// defaults fills in what depends on other flags.
func (c *config) defaults(given map[string]bool) {
	if !given["group"] {
		c.group = c.conns
		if c.proto.group > 0 {
			c.group = c.proto.group
		}
	}
	if c.conns < 1 || c.group < 1 || c.conns < c.group {
		return // check says so
	}
	grouped := given["group"] || c.proto.group > 0
	if !given["window"] {
		c.window = 64
		if grouped {
			c.window = 1
		}
	}
	if c.idle {
		c.window, c.senders = 1, 1
	}
	if c.senders == 0 {
		c.senders = min(c.live(), sendersDefault, sendersMost/c.groups())
		if c.rate == 0 && !grouped {
			c.senders = min(c.senders, c.window)
		}
		c.senders = max(c.senders, 1)
	}
}

// live is how many of a group are neither stalled nor slow, in the group that has
// the fewest.
func (c *config) live() int {
	n := c.groups()
	return c.group - (c.stalled+n-1)/n - (c.slow+n-1)/n
}

// kind is what the connection at a place of a group does: the last ones of a group
// are stalled, those before them slow, and the first groups have one more if they
// cannot be shared out evenly.
func (c *config) kind(group, place int) kind {
	share := func(k int) int { return (k + c.groups() - 1 - group) / c.groups() }
	switch last := c.group - place; {
	case last <= share(c.stalled):
		return stalled
	case last <= share(c.stalled)+share(c.slow):
		return slow
	}
	return prompt
}

// check says what is wrong with a configuration.
func (c *config) check() error {
	var limit unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	const ours = 16 // standard streams, epoll, the runtime's, /proc
	switch {
	case c.conns < 1 || c.stalled < 0 || c.slow < 0:
		return errors.New("-conns must be at least 1, -stalled and -slow at least 0")
	case c.group < 1 || c.conns%c.group != 0:
		return fmt.Errorf("-conns %d cannot be divided into groups of %d", c.conns, c.group)
	case c.proto.group > 0 && c.group != c.proto.group:
		return fmt.Errorf("-proto %s needs groups of %d", c.proto.name, c.proto.group)
	case uint64(c.conns)+ours > limit.Cur:
		return fmt.Errorf("-conns %d needs more open files than the limit of %d; raise it with ulimit -n", c.conns, limit.Cur)
	case c.time <= 0 || c.warmup < 0 || c.patience <= 0 || c.settle < 0:
		return errors.New("-time and -patience must be longer than 0, -warmup and -settle not shorter")
	case c.settle > 0 && c.server == 0:
		return errors.New("-settle looks at the server's memory and needs -pid")
	case c.idle:
		return nil
	}
	return c.checkTalk()
}

// checkTalk is check for what is sent.
func (c *config) checkTalk() error {
	switch live := c.live(); {
	case live < min(c.group, 2):
		return errors.New("at least 2 connections of each group must be neither stalled nor slow: one speaks, one hears")
	case c.senders < 1 || c.senders > live || c.senders > sendersMost/c.groups():
		return fmt.Errorf("-senders must be between 1 and %d", min(live, sendersMost/c.groups()))
	case c.window < 1 || c.window > windowMost || !(c.rate >= 0 && c.rate <= rateMost):
		return fmt.Errorf("-window must be between 1 and %d, -rate between 0 and %g", windowMost, rateMost)
	case c.slowBPS < 1:
		return errors.New("-slow-speed must be at least 1")
	case c.size < markLen+1 || c.size > 64<<10:
		return fmt.Errorf("-size must be between %d and %d", markLen+1, 64<<10)
	}
	return nil
}
