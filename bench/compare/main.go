// Compare measures chat servers beside each other: the same load, each server on
// one processor and the load on another, in turn, several rounds. It prints what a
// delivery costs each server in CPU time, and how that compares to the floor
// (bench/floor.c) in the same round: only such ratios carry from one machine, and
// from one moment, to another. Where the processor counts instructions, it prints
// them and their ratio too: they do not change with other work on the machine, but
// know nothing of caches.
//
//	go run ./bench/compare                          what is installed, four loads, five rounds
//	go run ./bench/compare -servers floor,chatd -load '-conns 1000 -window 64'
//	go run ./bench/compare -load '-conns 1000 -rate 500' -load '-conns 5000 -idle'
//	go run ./bench/compare -chatd '/tmp/mine 127.0.0.1:PORT'
//
// Each -load is flags of cmd/chatload. -json FILE adds a line for each run:
// chatload's report with server, round and load in front.
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
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// bench is one comparison.
type bench struct {
	names     []string
	loads     []string
	rounds    int
	time      time.Duration
	serverCPU string
	loadCPU   string
	chatd     string

	dir    string // built programs and configurations
	log    io.Writer
	record io.Writer // JSON lines; nil: none
}

// defaultLoads are those that the bars are set for.
var defaultLoads = []string{
	"-conns 100 -window 64",
	"-conns 1000 -window 64",
	"-conns 100 -window 1",
	"-conns 1000 -window 1",
}

type list []string

func (l *list) String() string     { return strings.Join(*l, "; ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func main() {
	b := bench{log: os.Stderr}
	var loads list
	names := flag.String("servers", "", "`NAMES`, separated by commas (default: all that are there)")
	flag.Var(&loads, "load", "`FLAGS` of chatload; may be given several times (default: 100 and 1000 connections, 64 messages and 1 in flight)")
	flag.IntVar(&b.rounds, "rounds", 5, "rounds, `N`")
	flag.DurationVar(&b.time, "time", 2*time.Second, "how long each run measures")
	flag.StringVar(&b.serverCPU, "server-cpu", "0", "`PROCESSORS` of the server, as taskset -c has them")
	flag.StringVar(&b.loadCPU, "load-cpu", "1", "`PROCESSORS` of the load")
	flag.StringVar(&b.chatd, "chatd", "", "`COMMAND` to run as chatd, with PORT in it (default: cmd/chatd of this tree)")
	file := flag.String("json", "", "`FILE` to append a line of JSON for each run to")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "compare runs chat servers beside each other and prints what a delivery costs them.\n\nServers:")
		for _, s := range servers() {
			fmt.Fprintf(os.Stderr, "  %-9s %s\n", s.name, s.what)
		}
		fmt.Fprintln(os.Stderr, "\nFlags:")
		flag.PrintDefaults()
	}
	flag.Parse()
	if b.loads = loads; len(loads) == 0 {
		b.loads = defaultLoads
	}
	if *names != "" {
		b.names = strings.Split(*names, ",")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.main(ctx, *file, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		stop()
		os.Exit(1)
	}
}

func (b *bench) main(ctx context.Context, file string, out io.Writer) (err error) {
	if b.dir, err = os.MkdirTemp("", "compare"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if file != "" {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		b.record = f
	}
	there, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	var t table
	err = b.run(ctx, there, &t)
	t.write(out, b.loads, there)
	return err
}

// prepare builds what is built here and finds what is installed.
func (b *bench) prepare(ctx context.Context) (there []server, err error) {
	if err := build(ctx, filepath.Join(b.dir, "chatload"), "./cmd/chatload"); err != nil {
		return nil, err
	}
	wanted := make(map[string]bool)
	for _, n := range b.names {
		wanted[n] = true
	}
	for _, s := range servers() {
		if len(b.names) > 0 && !wanted[s.name] {
			continue
		}
		delete(wanted, s.name)
		if err := s.prepare(ctx, b); err != nil {
			if len(b.names) > 0 {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			fmt.Fprintf(b.log, "without %s: %v\n", s.name, err)
			continue
		}
		there = append(there, s)
	}
	for n := range wanted {
		return nil, fmt.Errorf("there is no server %q; see -help", n)
	}
	return there, nil
}

// run does all rounds. One run follows the other; what changes on the machine
// meanwhile changes for all servers.
func (b *bench) run(ctx context.Context, there []server, t *table) error {
	for round := range b.rounds {
		for _, load := range b.loads {
			for i := range there {
				s := &there[i]
				if conns := connections(load); s.most > 0 && conns > s.most {
					continue
				}
				fmt.Fprintf(b.log, "round %d of %d: %s, %s ", round+1, b.rounds, s.name, load)
				r, err := b.once(ctx, s, load)
				if ctx.Err() != nil {
					return errors.New("interrupted")
				}
				if err != nil {
					fmt.Fprintln(b.log, "failed:", err)
					r.Error = err.Error()
				} else {
					fmt.Fprintln(b.log, r.brief())
				}
				r.Server, r.Round, r.Load = s.name, round+1, load
				t.add(r)
				if b.record == nil {
					continue
				}
				line, err := r.line()
				if err == nil {
					_, err = b.record.Write(line)
				}
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// connections is what follows -conns in a load.
func connections(load string) (n int) {
	words := strings.Fields(load)
	for i, w := range words[:max(len(words)-1, 0)] {
		if strings.TrimLeft(w, "-") == "conns" {
			_, _ = fmt.Sscan(words[i+1], &n)
		}
	}
	return n
}

// report is what is read of chatload's, and what is put before it.
type report struct {
	Server string `json:"server"`
	Round  int    `json:"round"`
	Load   string `json:"load"`
	Error  string `json:"error,omitempty"`

	Idle           bool    `json:"idle"`
	Rate           float64 `json:"rate"`
	Deliveries     int64   `json:"deliveries"`
	PerRead        float64 `json:"deliveries_per_read"`
	Lost           int64   `json:"lost"`
	Repeated       int64   `json:"repeated"`
	Reordered      int64   `json:"reordered"`
	Torn           int64   `json:"torn"`
	Closed         int64   `json:"closed"`
	CPUPerDelivery float64 `json:"server_cpu_per_delivery_ns"`
	LoadShare      float64 `json:"load_cpu_share"`
	Instructions   float64 `json:"server_instructions_per_delivery"`
	P50            float64 `json:"latency_p50_us"`
	P99            float64 `json:"latency_p99_us"`
	PerClient      float64 `json:"server_rss_per_client"`

	all map[string]json.RawMessage
}

func readReport(out []byte) (r report, err error) {
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("chatload's report: %w", err)
	}
	return r, json.Unmarshal(out, &r.all)
}

// line is the report as it is recorded.
func (r *report) line() ([]byte, error) {
	head, err := json.Marshal(struct {
		Server string `json:"server"`
		Round  int    `json:"round"`
		Load   string `json:"load"`
		Error  string `json:"error,omitempty"`
	}{r.Server, r.Round, r.Load, r.Error})
	if err != nil {
		return nil, err
	}
	delete(r.all, "error")
	tail, err := json.Marshal(r.all)
	if err != nil {
		return nil, err
	}
	if len(r.all) > 0 {
		head = append(append(head[:len(head)-1], ','), tail[1:]...)
	}
	return append(head, '\n'), nil
}

func (r *report) faults() int64 { return r.Lost + r.Repeated + r.Reordered + r.Torn + r.Closed }

func (r *report) brief() string {
	s := fmt.Sprintf("%.0f ns a delivery, %.1f a read, p99 %.1f ms", r.CPUPerDelivery, r.PerRead, r.P99/1e3)
	if r.Idle {
		s = fmt.Sprintf("%.2f KiB a client", r.PerClient/1024)
	}
	if n := r.faults(); n > 0 {
		s += fmt.Sprintf("; %d FAULTS", n)
	}
	return s
}
