// History measures what keeping what is said on a disk allows and takes: how many
// messages a second 100 clients can say for long, and how soon a room of a million
// messages is looked at.
//
//	go run ./bench/history
//	go run ./bench/history -time 10s -groups 100
//
// The clients (cmd/chatload) are in one room, and then in twenty of five, and send as
// fast as they are read. The server, pkg/relay with internal/store, runs in this
// process, so that it can be seen how full the journal's queue is; its history is in a
// temporary folder (TMPDIR says on which disk). Nothing is bound to a processor:
// server, journal and load have the machine.
//
// What is said is compared with what is kept: each message of the load must have come
// to everybody in its room once and in order, which chatload sees, and stand in the
// database, which is read through at the end. Saving must not have paused.
//
// Then a bare loop, a benchmark of internal/store, inserts the same messages once more,
// in batches of the same size, into a database of the same make: what the disk, SQLite
// and its index allow on this machine, at this time. The rate at which messages were
// kept is compared with that.
//
// The room of a million messages is made once, in the folder that -cache names. A
// benchmark of internal/store asks for its last 50 messages, and for those that have a
// common word, as /last 50 and /search do.
//
// It is run from the root of this module. Lines of JSON, one for each bar, go to
// stdout.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/chatd/chatd/bench/rig"
)

// bench is one measurement.
type bench struct {
	clients int
	groups  []int // how many clients a room has; a load for each
	time    time.Duration
	cache   string // folder of the history of a million messages

	dir string // built programs and histories
	log io.Writer
}

func main() { rig.Main("history", command) }

func command(ctx context.Context, args []string) error {
	b, err := parse(args, os.Stderr)
	if err != nil {
		return err
	}
	return rig.Measure(ctx, "history", func(dir string) ([]rig.Bar, error) {
		b.dir = dir
		return b.measure(ctx)
	})
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (bench, error) {
	b := bench{log: stderr}
	f := flag.NewFlagSet("history", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&b.clients, "clients", 100, "clients, `N`, all of which send")
	groups := f.String("groups", "100,5", "`SIZES` of their rooms; they send once with each")
	f.DurationVar(&b.time, "time", time.Minute, "how long they send")
	f.StringVar(&b.cache, "cache", ".cache", "`FOLDER` for the history of a million messages")
	if err := f.Parse(args); err != nil {
		return b, err
	}
	switch {
	case f.NArg() > 0:
		return b, fmt.Errorf("%q is not a flag; see -help", f.Arg(0))
	case b.time <= 0:
		return b, errors.New("-time must be above 0")
	}
	for word := range strings.SplitSeq(*groups, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 || b.clients < 1 || b.clients%n != 0 {
			return b, fmt.Errorf("-groups %s: %d clients cannot be divided into rooms of %q", *groups, b.clients, word)
		}
		b.groups = append(b.groups, n)
	}
	return b, nil
}

// measure does all of it, one after the other.
func (b *bench) measure(ctx context.Context) (bars []rig.Bar, err error) {
	programs := &rig.Rig{Dir: b.dir, Log: b.log}
	if err := programs.Compile(ctx, "chatload", "./cmd/chatload"); err != nil {
		return nil, err
	}
	for _, group := range b.groups {
		dir := filepath.Join(b.dir, fmt.Sprint("rooms-of-", group))
		s, err := b.sustain(ctx, dir, group)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(b.log, "rooms of %d: %s\n", group, s.brief())
		if s.bare, err = b.bare(ctx, programs, dir); err != nil {
			return nil, err
		}
		fmt.Fprintf(b.log, "a bare loop: %s messages a second\n", thousands(int64(s.bare)))
		bars = append(bars, s.bars(b.clients, group)...)
	}
	million, err := b.million(ctx, programs)
	return append(bars, million...), err
}
