// Chatload puts a load on a server that passes what one connection says to all
// of them, and reports what that cost: CPU per delivery (one message read by one
// client), latency, memory, and whether each client got every message once and in
// order.
//
// It is one thread that reads with epoll, so that the server is what is measured.
// There are two ways to send. With -window W, W messages are in flight: when all
// who read have got one, the next is sent, so the server is as busy as it can be.
// With -rate R, messages are due at R a second whatever the server does, and
// latency counts from when a message was due: a stall is not hidden.
//
// Senders take turns. The measurement begins and ends with nothing in flight, so
// what the server's CPU was spent on is what was delivered.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// self is this process.
var self = process(os.Getpid())

// perSource is how many connections one source address is used for: the system
// has some 28,000 ports for outgoing ones.
const perSource = 20000

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

// command runs the program: 0 all is well; 1 something was lost, repeated,
// reordered or torn, or the run failed; 2 the flags make no sense.
func command(args []string, stdout, stderr io.Writer) int {
	cfg, asJSON, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "chatload:", err)
		return 2
	}
	if f, ok := stderr.(*os.File); ok && terminal(f) {
		cfg.progress = f
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	runtime.LockOSThread()
	l := newLoad(cfg)
	r, err := l.measure(ctx)
	runtime.UnlockOSThread()
	if err != nil {
		r.Error = err.Error()
	}
	if asJSON {
		_ = json.NewEncoder(stdout).Encode(r)
	} else {
		r.write(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "chatload:", err)
	}
	if err != nil || r.faults() > 0 {
		return 1
	}
	return 0
}

const usage = `chatload puts a load on a chat server and reports what it cost.

  chatload -addr 127.0.0.1:7777 -conns 500 -rate 100        a quiet evening: 100 messages a second
  chatload -addr 127.0.0.1:7777 -conns 1000 -window 64 -pid $(pidof chatd)
                                                            as much as it can: CPU per delivery
  chatload -addr 127.0.0.1:7777 -conns 5000 -idle -pid $(pidof chatd)
                                                            memory per client

chatd limits what one address may do. For a measurement, start it with
  CHATD_MAX_PER_ADDRESS=off CHATD_RATE=off CHATD_LISTEN=tcp://127.0.0.1:7777 chatd

Protocols:
`

// parse reads the command line.
func parse(args []string, stderr io.Writer) (cfg config, asJSON bool, err error) {
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
	f.IntVar(&cfg.conns, "conns", 100, "connections, `N`")
	f.IntVar(&cfg.senders, "senders", 0, "how many of them send, taking turns, `S` (default: as many as the window, at most 64)")
	f.IntVar(&cfg.stalled, "stalled", 0, "how many of them never read, `K`")
	f.IntVar(&cfg.slow, "slow", 0, "how many of them read slowly, `K`")
	f.IntVar(&cfg.slowBPS, "slow-speed", 4096, "`BYTES` a second that a slow one reads")
	f.IntVar(&cfg.size, "size", 64, "`BYTES` of a message, the end of its line among them")
	f.IntVar(&cfg.window, "window", 64, "messages in flight, `W`")
	f.Float64Var(&cfg.rate, "rate", 0, "messages a second, `R`, instead of a window")
	f.DurationVar(&cfg.time, "time", 5*time.Second, "how long to measure, or to hold an idle load")
	f.Uint64Var(&cfg.messages, "messages", 0, "measure so many, `M`, instead of a time")
	f.DurationVar(&cfg.warmup, "warmup", time.Second, "how long to send before measuring")
	f.DurationVar(&cfg.patience, "patience", 10*time.Second, "give up when nothing has moved for so long")
	f.BoolVar(&cfg.idle, "idle", false, "connect and say nothing")
	f.BoolVar(&cfg.spin, "spin", false, "never sleep: the server then wakes nobody, as with clients on other machines")
	sources := f.Int("sources", 0, "come from so many addresses, 127.0.0.1 and following, `N` (default: one for 20000 connections)")
	f.IntVar((*int)(&cfg.server), "pid", 0, "process of the server, `PID`, on this machine: reports its CPU and memory")
	f.BoolVar(&asJSON, "json", false, "report as one JSON object")
	if err := f.Parse(args); err != nil {
		return cfg, asJSON, err
	}
	if f.NArg() > 0 {
		return cfg, asJSON, fmt.Errorf("%q is not a flag; the server is named with -addr", f.Arg(0))
	}
	given := make(map[string]bool)
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if given["window"] && given["rate"] {
		return cfg, asJSON, errors.New("-window or -rate, not both")
	}
	if cfg.proto, err = protocolNamed(*proto); err != nil {
		return cfg, asJSON, err
	}
	if *addr == "" {
		return cfg, asJSON, errors.New("-addr is missing; try -addr 127.0.0.1:7777")
	}
	if cfg.target, err = parseTarget(*addr, *sources); err != nil {
		return cfg, asJSON, err
	}
	if cfg.conns > perSource && cfg.target.sources == 0 && cfg.target.loopback() {
		cfg.target.sources = (cfg.conns + perSource - 1) / perSource
	}
	if cfg.senders == 0 {
		cfg.senders = 64
		if cfg.rate == 0 {
			cfg.senders = min(cfg.window, 64)
		}
		cfg.senders = max(min(cfg.senders, cfg.conns-cfg.stalled-cfg.slow), 1)
	}
	return cfg, asJSON, cfg.check()
}

func protocolNamed(name string) (protocol, error) {
	var names []string
	for _, p := range protocols() {
		if p.name == name {
			return p, nil
		}
		names = append(names, p.name)
	}
	return protocol{}, fmt.Errorf("-proto %s is not known; there are %s", name, strings.Join(names, ", "))
}

// check says what is wrong with a configuration.
func (c *config) check() error {
	var limit unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	const ours = 16 // standard streams, epoll, the runtime's, /proc
	switch live := c.conns - c.stalled - c.slow; {
	case c.conns < 1 || c.stalled < 0 || c.slow < 0:
		return errors.New("-conns must be at least 1, -stalled and -slow at least 0")
	case uint64(c.conns)+ours > limit.Cur:
		return fmt.Errorf("-conns %d needs more open files than the limit of %d; raise it with ulimit -n", c.conns, limit.Cur)
	case c.idle:
		return nil
	case live < 2:
		return errors.New("at least 2 connections must be neither stalled nor slow: one speaks, one hears")
	case c.senders < 1 || c.senders > live || c.senders > sendersMost:
		return fmt.Errorf("-senders must be between 1 and %d", min(live, sendersMost))
	case c.window < 1 || c.rate < 0:
		return errors.New("-window must be at least 1 and -rate at least 0")
	case c.size < markLen+1 || c.size > 64<<10:
		return fmt.Errorf("-size must be between %d and %d", markLen+1, 64<<10)
	}
	return nil
}
