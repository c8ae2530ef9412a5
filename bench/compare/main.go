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
//
// What docs/performance.md says is measured by bench/suite.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/chatd/chatd/bench/rig"
)

// bench is one comparison.
type bench struct {
	rig.Rig
	names  []string
	loads  []string
	rounds int
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
	b := bench{Rig: rig.Rig{Log: os.Stderr}}
	var loads list
	names := flag.String("servers", "", "`NAMES`, separated by commas (default: all that are there)")
	flag.Var(&loads, "load", "`FLAGS` of chatload; may be given several times (default: 100 and 1000 connections, 64 messages and 1 in flight)")
	flag.IntVar(&b.rounds, "rounds", 5, "rounds, `N`")
	flag.DurationVar(&b.Time, "time", 2*time.Second, "how long each run measures")
	flag.StringVar(&b.ServerCPU, "server-cpu", "0", "`PROCESSORS` of the server, as taskset -c has them")
	flag.StringVar(&b.LoadCPU, "load-cpu", "1", "`PROCESSORS` of the load")
	flag.StringVar(&b.Chatd, "chatd", "", "`COMMAND` to run as chatd, with PORT in it (default: cmd/chatd of this tree)")
	file := flag.String("json", "", "`FILE` to append a line of JSON for each run to")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "compare runs chat servers beside each other and prints what a delivery costs them.\n\nServers:")
		for _, s := range rig.Servers() {
			fmt.Fprintf(os.Stderr, "  %-9s %s\n", s.Name, s.What)
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
	if b.Dir, err = os.MkdirTemp("", "compare"); err != nil {
		return err
	}
	defer os.RemoveAll(b.Dir)
	if file != "" {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		b.record = f
	}
	there, err := b.Build(ctx, b.names...)
	if err != nil {
		return err
	}
	runs, err := b.run(ctx, there)
	write(out, runs, b.loads, there)
	return err
}

// run does all rounds and records each run.
func (b *bench) run(ctx context.Context, there []rig.Server) (runs rig.Runs, err error) {
	err = b.Measure(ctx, rig.Jobs(there, b.loads...), b.rounds, func(r rig.Report) error {
		runs = append(runs, r)
		if b.record == nil {
			return nil
		}
		line, err := r.Line()
		if err == nil {
			_, err = b.record.Write(line)
		}
		return err
	})
	return runs, err
}
