// Suite measures all that docs/performance.md says and writes it there: chatd
// beside its peers and the floor (bench/floor.c), each on one processor and the
// load on another. `make bench` runs it.
//
//	go run ./bench/suite                      everything, in about an hour
//	go run ./bench/suite -only fanout,memory  these parts; what the others found stays
//	go run ./bench/suite -quick               everything, short: shows that it works
//	go run ./bench/suite -from FILE           writes the document from what was recorded
//
// Each run is a line of JSON in a file, and the document is written from that file:
// the tables between marker comments, the plots into a folder beside it (drawn by
// bench/plot). What stands around the markers is written by hand and stays.
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

	"github.com/chatd/chatd/bench/rig"
)

// options are the command line's.
type options struct {
	rig.Rig
	only   string
	rounds int
	quick  bool
	file   string // what was recorded
	from   string // only write the document, from this file
	doc    string
	pauses time.Duration // only look at the clock for so long
}

func main() {
	o := options{Rig: rig.Rig{Log: os.Stderr}}
	flag.StringVar(&o.only, "only", "", "`PARTS` to measure, separated by commas (default: all)")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds, `N`, of what scatters; the rest has fewer")
	flag.DurationVar(&o.Time, "time", 2*time.Second, "how long a run measures; some parts take a fixed share or multiple of it")
	flag.BoolVar(&o.quick, "quick", false, "one round, short runs: shows that it works")
	flag.StringVar(&o.ServerCPU, "server-cpu", "0", "`PROCESSORS` of the server, as taskset -c has them")
	flag.StringVar(&o.LoadCPU, "load-cpu", "1", "`PROCESSORS` of the load")
	flag.StringVar(&o.file, "file", ".cache/bench.jsonl", "`FILE` to record each run in, a line of JSON each")
	flag.StringVar(&o.from, "from", "", "`FILE` to write the document from, without measuring")
	flag.StringVar(&o.doc, "doc", "docs/performance.md", "`FILE` to write the tables into; plots go into a folder of its name")
	flag.DurationVar(&o.pauses, "pauses", 0, "only look at the clock for so `LONG`, and print how long this was kept from it")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "suite measures what docs/performance.md says, and writes it there.\n\nParts:")
		for _, p := range parts() {
			fmt.Fprintf(os.Stderr, "  %-8s %s\n", p.name, p.what)
		}
		fmt.Fprintln(os.Stderr, "\nFlags:")
		flag.PrintDefaults()
	}
	flag.Parse()
	if o.pauses > 0 {
		_ = json.NewEncoder(os.Stdout).Encode(watch(o.pauses))
		return
	}
	if o.quick {
		o.rounds, o.Time = 1, 400*time.Millisecond
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "suite:", err)
		stop()
		os.Exit(1)
	}
}

// run measures, unless there is a file to write the document from, and writes it.
// Parts that fail do not keep it from the rest.
func (o *options) run(ctx context.Context, out io.Writer) error {
	var failed error
	if o.from == "" {
		o.from = o.file
		wanted, err := choose(o.only)
		if err != nil {
			return err
		}
		if failed, err = o.measure(ctx, wanted); err != nil {
			return err
		}
	}
	f, err := os.Open(o.from)
	if err != nil {
		return errors.Join(failed, err)
	}
	defer f.Close()
	found, err := readResults(f)
	if err != nil {
		return errors.Join(failed, fmt.Errorf("%s: %w", o.from, err))
	}
	return errors.Join(failed, write(ctx, o.doc, found, out))
}

// measure does parts and records their runs. Failed are those that could not be done
// to their end; err is what ended it before the rest.
func (o *options) measure(ctx context.Context, wanted []part) (failed, err error) {
	if err := os.MkdirAll(filepath.Dir(o.file), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(o.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if o.Dir, err = os.MkdirTemp("", "suite"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(o.Dir)
	there, err := o.Build(ctx)
	if err != nil {
		return nil, err
	}
	m, err := machineHere(ctx, there, o.ServerCPU, o.LoadCPU)
	if err != nil {
		return nil, err
	}
	for _, p := range wanted {
		b := bench{Rig: o.Rig, part: p.name, rounds: o.rounds, quick: o.quick, there: there, file: f}
		err := b.whole(ctx, p, m)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("interrupted; what was measured is in %s", o.file)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", p.name, err)
			fmt.Fprintln(o.Log, err)
			failed = errors.Join(failed, err)
		}
	}
	return failed, nil
}

// choose is the parts named, in their own order; all, if none is.
func choose(names string) (wanted []part, err error) {
	if names == "" {
		return parts(), nil
	}
	named := make(map[string]bool)
	for n := range strings.SplitSeq(names, ",") {
		named[n] = true
	}
	for _, p := range parts() {
		if named[p.name] {
			wanted = append(wanted, p)
			delete(named, p.name)
		}
	}
	for n := range named {
		return nil, fmt.Errorf("there is no part %q; see -help", n)
	}
	return wanted, nil
}
