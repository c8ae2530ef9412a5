package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// pauses are when a program that only looks at the clock was not run: what others on
// the machine, or on the host of a virtual one, took. Latencies cannot be shorter.
type pauses struct {
	Longest float64 `json:"longest_ms"`
	Share   float64 `json:"share"` // of the time, in pauses of pauseLeast and more
}

const (
	pauseLeast = 100 * time.Microsecond
	// pausesTime is how long the clock is looked at: a few times what such pauses
	// are apart.
	pausesTime = 5 * time.Second
)

// watch looks at the clock for so long.
func watch(long time.Duration) (p pauses) {
	begin := time.Now()
	var before, lost, longest time.Duration
	for before < long {
		now := time.Since(begin)
		if gap := now - before; gap >= pauseLeast {
			lost += gap
			longest = max(longest, gap)
		}
		before = now
	}
	return pauses{Longest: float64(longest) / float64(time.Millisecond), Share: float64(lost) / float64(before)}
}

// pausesOn looks at the clock on several processors at once, as taskset -c has them,
// and returns the worst of all. It starts this program with -pauses.
func pausesOn(ctx context.Context, processors ...string) (worst *pauses, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	type answer struct {
		out []byte
		err error
	}
	answers := make(chan answer, len(processors))
	for _, cpus := range processors {
		go func() {
			out, err := exec.CommandContext(ctx, "taskset", "-c", cpus, self, "-pauses", pausesTime.String()).Output()
			answers <- answer{out, err}
		}()
	}
	worst = new(pauses)
	for range processors {
		a := <-answers
		var p pauses
		if a.err == nil {
			a.err = json.Unmarshal(a.out, &p)
		}
		if a.err != nil && err == nil {
			err = fmt.Errorf("looking at the clock: %w", a.err)
		}
		worst.Longest, worst.Share = max(worst.Longest, p.Longest), max(worst.Share, p.Share)
	}
	return worst, err
}

// String says it in a sentence.
func (p *pauses) String() string {
	return fmt.Sprintf("Before the first server was started, a program that only looks at the clock was kept from its processor for up to %s at a time, %s %% of the time in all; latencies have such pauses in them, whichever the server.",
		milliseconds(p.Longest), ratio(100*p.Share))
}
