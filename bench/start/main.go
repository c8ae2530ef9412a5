// Start measures how long chatd takes to listen, from just before it is executed,
// and says how large it is: as it is released, without cgo, symbols and paths, and as
// go build makes it.
//
//	go run ./bench/start
//	go run ./bench/start -starts 100
//
// It is run from the root of this module, and chatd gets its environment. The two
// programs are started in turn, in an empty folder, and the first start of each does
// not count: it reads the program from the disk. A start ends with the line by which
// chatd says that it listens; how long it takes until somebody is connected is noted
// beside it.
//
// Four lines of JSON go to stdout: two times, two sizes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/chatd/chatd/bench/rig"
)

// build is a way to make chatd.
type build struct {
	name string // of its program
	bars string // what the names of its bars end with
	what string
	env  []string // added to the environment of go build
	args []string // of go build
}

func builds() []build {
	return []build{{
		name: "chatd", what: "as released (CGO_ENABLED=0 -trimpath -ldflags '-s -w')",
		env: []string{"CGO_ENABLED=0"}, args: []string{"-trimpath", "-ldflags", "-s -w"},
	}, {
		name: "chatd-plain", bars: "-plain", what: "as go build makes it",
	}}
}

// bench is one measurement.
type bench struct {
	starts int

	dir string // built programs
	log io.Writer
}

func main() { rig.Main("start", command) }

func command(ctx context.Context, args []string) error {
	b, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	return rig.Measure(ctx, "start", func(dir string) ([]rig.Bar, error) {
		b.dir = dir
		return b.measure(ctx)
	})
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (bench, error) {
	b := bench{log: stderr}
	f := flag.NewFlagSet("start", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&b.starts, "starts", 20, "starts of each program, `N`")
	if err := f.Parse(args); err != nil {
		return b, err
	}
	switch {
	case f.NArg() > 0:
		return b, fmt.Errorf("%q is not a flag; see -help", f.Arg(0))
	case b.starts < 1:
		return b, errors.New("-starts must be at least 1")
	}
	return b, nil
}

// measure returns the bars: times, then sizes.
func (b *bench) measure(ctx context.Context) ([]rig.Bar, error) {
	all := builds()
	for _, p := range all {
		if err := b.make(ctx, p); err != nil {
			return nil, err
		}
	}
	taken := make([]times, len(all))
	for n := range b.starts + 1 {
		for i, p := range all {
			listening, connected, err := start(ctx, b.program(p))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			if n == 0 {
				continue
			}
			fmt.Fprintf(b.log, "start %d of %d: %s listens after %.1f ms, is connected to after %.1f ms\n",
				n, b.starts, p.name, ms(listening), ms(connected))
			taken[i].add(listening, connected)
		}
	}
	var bars []rig.Bar
	for i, p := range all {
		bars = append(bars, taken[i].bar(p))
	}
	for _, p := range all {
		info, err := os.Stat(b.program(p))
		if err != nil {
			return nil, err
		}
		bars = append(bars, sizeBar(p, info.Size()))
	}
	return bars, nil
}

func (b *bench) program(p build) string { return filepath.Join(b.dir, p.name) }

// make builds a program.
func (b *bench) make(ctx context.Context, p build) error {
	args := append([]string{"build", "-o", b.program(p)}, p.args...)
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/chatd")...)
	cmd.Env = append(os.Environ(), p.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

func sizeBar(p build, bytes int64) rig.Bar {
	return rig.Bar{
		Name: "size" + p.bars, Work: "the program chatd, " + p.what,
		Figure: math.Round(100*float64(bytes)/(1<<20)) / 100, Unit: "MiB", Better: rig.NoLimit,
	}
}
