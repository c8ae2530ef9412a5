// Burst measures how much sooner a burst of messages is written to a large room
// when the server may use more processors: the time from the sending of 64
// messages, at once, until all of them are written to each of 10,000 clients.
//
//	go run ./bench/burst
//	go run ./bench/burst -conns 5000 -rounds 9 -procs 1,2,4
//
// The server, pkg/relay, runs in this process. The clients are a process of their
// own, which is stopped (SIGSTOP) during the burst: all processors are the server's,
// and what it writes stays in the kernel's receive buffers. Who sends the burst is
// one more client, in the server's process.
//
// The clock runs from the one system call that sends the burst until the sender has
// its own last message back and a Probe sent after that is answered. The echo shows
// that the sweep which brings the last message to everybody is under way; the room's
// broadcaster answers a probe before or after a sweep, never during one. So when it
// does, the sweep is over. (Two probes and no echo would show nothing: the broadcaster
// takes all that is in its inbox before it sweeps.) The kernel is asked then whether it
// holds the whole burst for every client, and when the clients go on, they look at
// every message.
//
// Each round is done with each number of processors, in turn, and only the ratios of
// one round are compared. GOMAXPROCS sets the number: nothing in this process but the
// server's Go code runs for long. How many processors it really had, by the CPU time of
// the process, is told beside the figure: on a machine with other work they are fewer.
// A round that leaves a client without a message is
// an error, and there is no figure.
//
// A line of JSON for each number of processors after the first goes to stdout.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// bench is one measurement.
type bench struct {
	conns    int
	messages int
	size     int // of a message in bytes, with the end of its line
	rounds   int
	procs    []int // numbers of processors; the first is what the others are compared with

	log io.Writer
}

func main() {
	args := os.Args[1:]
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	run := command
	if len(args) > 0 && args[0] == clientsCommand {
		// They end with their standard input: Ctrl-C is for who started them.
		stop()
		signal.Ignore(os.Interrupt)
		run, args = clientsMain, args[1:]
	}
	err := run(ctx, args)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "burst:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	b, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	times, err := b.measure(ctx)
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case err != nil:
		return err
	}
	for i := range b.procs[1:] {
		if err := b.bar(times, i+1).Write(os.Stdout); err != nil {
			return err
		}
	}
	return nil
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (bench, error) {
	b := bench{log: stderr}
	f := flag.NewFlagSet("burst", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&b.conns, "conns", 10000, "clients, `N`, beside the one that sends")
	f.IntVar(&b.messages, "messages", 64, "messages of a burst, `M`")
	f.IntVar(&b.size, "size", 64, "`BYTES` of a message, the end of its line among them")
	f.IntVar(&b.rounds, "rounds", 5, "rounds, `N`")
	procs := f.String("procs", "1,2", "`NUMBERS` of processors; the first is what the others are compared with")
	if err := f.Parse(args); err != nil {
		return b, err
	}
	if f.NArg() > 0 {
		return b, fmt.Errorf("%q is not a flag; see -help", f.Arg(0))
	}
	for word := range strings.SplitSeq(*procs, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 {
			return b, fmt.Errorf("-procs %s: %q is no number of processors", *procs, word)
		}
		b.procs = append(b.procs, n)
	}
	return b, b.check()
}

const (
	// rendered is what a message has at most beside its text: the time and a name.
	rendered = 32
	// received is how much the kernel holds for a client that does not read, in
	// bytes, with room to spare: a receive buffer begins with 128 KiB, and half of
	// that is for what surrounds the bytes.
	received = 48 << 10
	// filesKept is how many descriptors a process needs beside its connections.
	filesKept = 64
)

// check says what is wrong with the flags.
func (b *bench) check() error {
	var limit unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	switch most := slices.Max(b.procs); {
	case len(b.procs) < 2:
		return errors.New("-procs needs at least two numbers: one to compare with")
	case most > runtime.NumCPU():
		return fmt.Errorf("-procs %d: there are only %d processors", most, runtime.NumCPU())
	case b.conns < 1 || b.messages < 1 || b.rounds < 1:
		return errors.New("-conns, -messages and -rounds must be at least 1")
	case uint64(b.conns)+filesKept > limit.Cur:
		return fmt.Errorf("-conns %d needs more open files than the limit of %d; raise it with ulimit -n", b.conns, limit.Cur)
	case b.size < sizeLeast || b.size > sizeMost:
		return fmt.Errorf("-size must be between %d and %d", sizeLeast, sizeMost)
	case b.messages*(b.size+rendered) > received:
		return fmt.Errorf("a burst of %d messages of %d bytes is more than a stopped client is sent; the limit is %d KiB", b.messages, b.size, received>>10)
	}
	return nil
}

// measure returns the timings by the index of procs and by round.
func (b *bench) measure(ctx context.Context) ([][]timing, error) {
	h, err := newHost()
	if err != nil {
		return nil, err
	}
	defer h.close()
	burst, err := b.talk(ctx, h)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(b.log, "%d clients join\n", b.conns)
	c, err := startCrowd(ctx, h.addr(), b)
	if err != nil {
		return nil, err
	}
	defer c.close()
	times := make([][]timing, len(b.procs))
	for round := range b.rounds + 1 { // the first does not count: buffers grow in it
		for _, i := range order(len(b.procs), round) {
			t, err := b.burst(ctx, h, c, burst, b.procs[i])
			if err != nil {
				return nil, fmt.Errorf("burst %d on %s: %w", burst, processors(b.procs[i]), err)
			}
			burst++
			if round > 0 {
				times[i] = append(times[i], t)
				fmt.Fprintf(b.log, "round %d of %d: %s, %.1f ms, had %.2f\n", round, b.rounds, processors(b.procs[i]), ms(t.took), t.had())
			}
		}
	}
	return times, nil
}

// talked is how many bytes are said in the room before anybody else comes: in a
// new one, each second burst or so would meet the end of a segment of the feed, and
// be two writes for each client. Segments have their full size after a quarter of
// a MiB, and then one burst in some forty is.
const talked = 512 << 10

// talk has the sender join and talk to itself. It returns the number of the next
// burst.
func (b *bench) talk(ctx context.Context, h *host) (burst int, err error) {
	if err := h.join(ctx); err != nil {
		return 0, err
	}
	for said := 0; said < talked; burst++ {
		t, err := h.burst(ctx, texts(burst, b.messages, b.size))
		if err != nil {
			return 0, fmt.Errorf("talking before: %w", err)
		}
		said += t.size
	}
	return burst, nil
}

// order is that in which n things are done in a round: each second one backwards,
// so that what changes steadily on the machine changes for all of them.
func order(n, round int) []int {
	var in []int
	for i := range n {
		in = append(in, i)
	}
	if round%2 == 1 {
		slices.Reverse(in)
	}
	return in
}

// burst does one, with the clients stopped. When it returns, all of them have had it.
func (b *bench) burst(ctx context.Context, h *host, c *crowd, number, procs int) (t timing, err error) {
	before := runtime.GOMAXPROCS(procs)
	defer runtime.GOMAXPROCS(before)
	runtime.GC() // not during the burst, if it need not be
	if err := c.halt(); err != nil {
		return t, err
	}
	t, err = h.burst(ctx, texts(number, b.messages, b.size))
	if err == nil {
		err = h.allWritten(t.size, b.conns)
	}
	c.resume()
	if err != nil {
		return t, err
	}
	return t, c.heard(number, b.conns)
}

func processors(n int) string {
	if n == 1 {
		return "1 processor"
	}
	return fmt.Sprintf("%d processors", n)
}
