// Crowd measures what a large crowd leaves behind: 19,000 clients join one chatd,
// talk and leave, several times over. Nothing may be lost, the descriptors must be
// closed again, and the last crowd may leave no more memory in use than the first.
//
//	go run ./bench/crowd
//	go run ./bench/crowd -crowds 10 -time 30s
//
// It builds cmd/chatd and cmd/chatload, so it is run from the root of this module.
// A process may open 20,000 files on many machines, and each client takes one on
// either side. chatd gets the environment of this program, with all limits off.
//
// After each crowd it waits until chatd has as many descriptors open as before the
// first. Then two clients come and talk, as they did before the first crowd, and when
// they have left it waits until resident memory stays what it is. Without them it
// would be chance what is seen: the Go runtime collects garbage when memory is asked
// for, and otherwise every two minutes, and only then gives back what is free.
//
// Three lines of JSON go to stdout: faults, memory and descriptors.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/chatd/chatd/bench/rig"
)

// bench is one measurement.
type bench struct {
	conns  int
	window int // messages in flight
	crowds int
	time   time.Duration // how long each crowd talks

	dir string // built programs
	log io.Writer
}

func main() { rig.Main("crowd", command) }

func command(ctx context.Context, args []string) error {
	b, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	return rig.Measure(ctx, "crowd", func(dir string) ([]rig.Bar, error) {
		b.dir = dir
		seen, err := b.measure(ctx)
		if err != nil {
			return nil, err
		}
		return seen.bars(&b), nil
	})
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (bench, error) {
	b := bench{log: stderr}
	f := flag.NewFlagSet("crowd", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&b.conns, "conns", 19000, "clients of a crowd, `N`")
	f.IntVar(&b.window, "window", 64, "messages in flight, `W`")
	f.IntVar(&b.crowds, "crowds", 4, "crowds, `N`, one after the other")
	f.DurationVar(&b.time, "time", 5*time.Second, "how long each talks")
	if err := f.Parse(args); err != nil {
		return b, err
	}
	switch {
	case f.NArg() > 0:
		return b, fmt.Errorf("%q is not a flag; see -help", f.Arg(0))
	case b.crowds < 2:
		return b, errors.New("-crowds must be at least 2: the last one is compared with the first")
	case b.conns < 2 || b.window < 1 || b.time <= 0:
		return b, errors.New("-conns must be at least 2, -window at least 1 and -time above 0")
	}
	return b, nil
}

// measure does all crowds.
func (b *bench) measure(ctx context.Context) (*record, error) {
	programs := rig.Rig{Dir: b.dir, Log: b.log}
	for _, name := range []string{"chatd", "chatload"} {
		if err := programs.Compile(ctx, name, "./cmd/"+name); err != nil {
			return nil, err
		}
	}
	d, err := startDaemon(ctx, filepath.Join(b.dir, "chatd"), b.dir, b.log)
	if err != nil {
		return nil, err
	}
	defer d.stop()
	var seen record
	if seen.before, err = b.pair(ctx, d); err != nil {
		return nil, err
	}
	fmt.Fprintf(b.log, "before: %s\n", seen.before)
	for n := range b.crowds {
		r, err := b.load(ctx, d, b.conns, b.time)
		if err != nil {
			return nil, fmt.Errorf("crowd %d: %w", n+1, err)
		}
		if err := emptied(ctx, seen.before.files, d.holds); err != nil {
			return nil, fmt.Errorf("after crowd %d: %w", n+1, err)
		}
		left, err := b.pair(ctx, d)
		if err != nil {
			return nil, fmt.Errorf("after crowd %d: %w", n+1, err)
		}
		seen.add(r, left)
		fmt.Fprintf(b.log, "crowd %d of %d: %s deliveries, %d faults, %.1f MiB with all there; left: %s\n",
			n+1, b.crowds, thousands(r.Deliveries), r.Faults(), mib(int64(r.Memory.RSS)), left)
		if r.Error != "" {
			fmt.Fprintf(b.log, "chatload: %s\n", r.Error)
		}
	}
	return &seen, nil
}

// pairTime is how long two talk so that garbage is collected: they say some 100,000
// messages a second, and each takes some 300 bytes.
const pairTime = 2 * time.Second

// pair has two clients come, talk and leave, and returns what is held after them.
func (b *bench) pair(ctx context.Context, d *daemon) (holds, error) {
	r, err := b.load(ctx, d, 2, pairTime)
	if err == nil && r.Faults() > 0 {
		err = fmt.Errorf("two clients alone: %d faults", r.Faults())
	}
	if err != nil {
		return holds{}, err
	}
	return settled(ctx, d.holds)
}

// pause returns after so long, or with ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
