package main

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/chatd/chatd/bench/rig"
)

const (
	// bareLeast is how much of what the bare loop inserts must be kept.
	bareLeast = 0.5
	// lastMost and searchMost are what a room of a million messages may take to
	// answer, in milliseconds.
	lastMost   = 5
	searchMost = 50
)

// missing is how much of what was said, as the load counts or as the server does, is
// not kept, and what has not come to everybody as it should have.
func (s *sustained) missing() int64 {
	return max(s.load.Messages-s.kept.messages, s.said-s.kept.messages-s.kept.probes) + s.load.Faults()
}

// rate is messages kept, a second.
func (s *sustained) rate() float64 { return float64(s.kept.messages) / s.took.Seconds() }

// brief is all of it in a few words.
func (s *sustained) brief() string {
	return fmt.Sprintf("%s messages said, %s kept, %s a second; the queue at most %.0f %% full, senders slowed for %.0f %% of the messages; saving paused %d times",
		thousands(s.load.Messages), thousands(s.kept.messages), thousands(int64(s.rate())), 100*s.full, 100*s.deep, s.pauses)
}

// bars are the two of it.
func (s *sustained) bars(clients, group int) []rig.Bar {
	where := "in one room"
	if clients > group {
		where = fmt.Sprintf("in %d rooms", clients/group)
	}
	name := fmt.Sprintf("history-%d", clients/group)
	work := fmt.Sprintf("%d clients %s send as fast as they are read, all is kept on disk: ", clients, where)
	return []rig.Bar{{
		Name: name + "-rate", Work: work + "messages a second ÷ those of a bare loop of inserts",
		Figure: rounded(s.rate() / s.bare), Unit: "x", Limit: bareLeast, Better: rig.Higher,
		Note: fmt.Sprintf("%s against %s, for %.0f s; the queue was at most %.0f %% full, and senders slowed for %.0f %% of the messages",
			thousands(int64(s.rate())), thousands(int64(s.bare)), s.took.Seconds(), 100*s.full, 100*s.deep),
	}, {
		Name: name + "-lost", Work: work + "said and seen, but not kept",
		Figure: float64(s.missing()), Unit: "messages", Limit: 0, Better: rig.Lower,
		Note: fmt.Sprintf("of %s; saving paused %d times", thousands(s.load.Messages), s.pauses),
	}}
}

// bareShare is how long the bare loop goes on, as a share of the time before.
const bareShare = 6

// bare is how many messages a second the bare loop inserts of those in dir.
func (b *bench) bare(ctx context.Context, programs *rig.Rig, dir string) (float64, error) {
	long := max(b.time/bareShare, time.Second)
	found, err := programs.Bench(ctx, "./internal/store", "^BenchmarkBare$", long.String(), "CHATD_BENCH_FROM="+dir)
	if err != nil {
		return 0, err
	}
	return found[0].Figures["messages/s"], nil
}

// million asks a room of a million messages, which is made if it is not there.
func (b *bench) million(ctx context.Context, programs *rig.Rig) (bars []rig.Bar, err error) {
	dir, err := filepath.Abs(b.cache)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(b.log, "a room of a million messages, in", dir)
	for _, c := range []struct {
		name, bench, work string
		most              float64
	}{
		{"history-last", "Last50", "a room of a million messages: its last 50", lastMost},
		{"history-search", "Common", "a room of a million messages: the last 20 with a common word", searchMost},
	} {
		found, err := programs.Bench(ctx, "./internal/store", "^BenchmarkMillion$/^"+c.bench+"$", "1s", "CHATD_BENCH_DIR="+dir)
		if err != nil {
			return nil, err
		}
		f := found[0].Figures
		bars = append(bars, rig.Bar{
			Name: c.name, Work: c.work, Figure: rounded(f["ns/op"] / 1e6), Unit: "ms", Limit: c.most, Better: rig.Lower,
			Note: fmt.Sprintf("the slowest time %.1f ms", f["ms-slowest"]),
		})
	}
	return bars, nil
}

// rounded is v with two decimals.
func rounded(v float64) float64 { return math.Round(v*100) / 100 }

// thousands writes 10000 as 10,000.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
