package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/chatd/chatd/bench/rig"
)

// part is what can be measured by itself.
type part struct {
	name, what string
	// measure does it. Runs that fail are recorded as failed and are no error.
	measure func(ctx context.Context, b *bench) error
}

// parts are all of them, in the order in which they are measured.
func parts() []part {
	all := []part{
		{"fanout", "CPU per delivery beside the floor, 100 to 10,000 clients", measureFanout},
		{"curve", "CPU per delivery against the number of clients", measureCurve},
		{"latency", "latency against the rate, 1,000 clients", measureLatency},
		{"memory", "memory of silent clients", measureMemory},
		{"stalled", "what 100 clients that do not read cost the others", measureStalled},
		{"pairs", "private messages beside a Go echo server", measurePairs},
		{"history", "what keeping history on disk takes and allows", measureHistory},
		{"slices", "a lone message beside a busy room", measureSlices},
		{"programs", "JSON, WebSockets and TLS beside text in plain", measurePrograms},
	}
	for _, p := range programs() {
		all = append(all, part{p.name, p.what, func(ctx context.Context, b *bench) error { return b.judge(ctx, p.name) }})
	}
	return all
}

// bench measures one part.
type bench struct {
	rig.Rig
	part   string
	rounds int
	quick  bool
	there  []rig.Server // that can be run
	file   io.Writer
}

// whole does a part from its beginning to its end.
func (b *bench) whole(ctx context.Context, p part, m machine) error {
	fmt.Fprintf(b.Log, "== %s: %s\n", p.name, p.what)
	begin := time.Now()
	defer func() { fmt.Fprintf(b.Log, "== %s took %v\n", p.name, time.Since(begin).Round(time.Second)) }()
	if err := b.begin(m); err != nil {
		return err
	}
	return p.measure(ctx, b)
}

// begin records that a part is measured anew: what stands before of it in the file
// counts no more.
func (b *bench) begin(m machine) error {
	return json.NewEncoder(b.file).Encode(beginning{
		Part: b.part, Begun: time.Now().UTC().Truncate(time.Second), Rounds: b.rounds, Seconds: b.Time.Seconds(), Machine: &m,
	})
}

// The figures of large crowds scatter most: with more than so many clients, a run
// measures so much longer.
const (
	largeCrowd = 1000
	largeTimes = 3
)

// do does jobs and records the runs. In a quick bench the warm-up is short too.
func (b *bench) do(ctx context.Context, jobs []rig.Job, rounds int) (runs rig.Runs, err error) {
	for i := range jobs {
		jobs[i].Load = b.timed(jobs[i].Load)
	}
	err = b.Measure(ctx, jobs, rounds, func(r rig.Report) error {
		r.Part = b.part
		runs = append(runs, r)
		line, err := r.Line()
		if err == nil {
			_, err = b.file.Write(line)
		}
		return err
	})
	return runs, err
}

// timed is a load with the time that it measures, unless it says that, and in a quick
// bench with a short warm-up.
func (b *bench) timed(load string) string {
	if rig.Conns(load) > largeCrowd && !strings.Contains(load, "-time ") {
		load += fmt.Sprintf(" -time %v", largeTimes*b.Time)
	}
	if b.quick {
		load += " -warmup 300ms"
	}
	return load
}

// only is the servers named, of those that can be run.
func (b *bench) only(names ...string) (some []rig.Server) {
	for _, n := range names {
		for _, s := range b.there {
			if s.Name == n {
				some = append(some, s)
			}
		}
	}
	return some
}
