package main

import (
	"context"
	"fmt"

	"github.com/chatd/chatd/bench/rig"
)

const (
	stalledClients = 100
	readingClients = 900
	stalledTotal   = stalledClients + readingClients
	// stalledFlags bring each client 50 KiB a second, so that those who do not read
	// have filled their kernel buffers when the warm-up ends.
	stalledFlags = "-rate 50 -size 1024 -warmup 6s"
	// What the others may notice of it, whichever is more, and what each may take.
	stalledLate   = 0.05 // of the p99
	stalledLateMS = 1
	stalledKiB    = 16
)

// measureStalled loads chatd with readers; with as many and stalled ones besides;
// and with so many who all read.
func measureStalled(ctx context.Context, b *bench) error {
	b.Time *= 2
	var jobs []rig.Job
	for _, clients := range []string{
		fmt.Sprintf("-conns %d", readingClients),
		fmt.Sprintf("-conns %d -stalled %d", stalledTotal, stalledClients),
		fmt.Sprintf("-conns %d", stalledTotal),
	} {
		jobs = append(jobs, rig.Jobs(b.only("chatd"), clients+" "+stalledFlags)...)
	}
	_, err := b.do(ctx, jobs, b.rounds)
	return err
}

// stalledBars are what the readers notice, compared with the same readers alone,
// and what a stalled client takes more than one who reads.
func stalledBars(f *results) []rig.Bar {
	runs := func(conns, stalled int) rig.Runs {
		return f.runs["stalled"].Where(func(r rig.Report) bool { return r.Conns == conns && r.Stalled == stalled })
	}
	alone, with, all := runs(readingClients, 0), runs(stalledTotal, stalledClients), runs(stalledTotal, 0)
	before, after := alone.All(rig.P99).Median(), with.All(rig.P99).Median()
	rss := func(r rig.Report) float64 { return r.Memory.RSS / 1024 }
	more := (with.All(rss).Median() - all.All(rss).Median()) / stalledClients
	work := fmt.Sprintf("%d clients read, %d do not: ", readingClients, stalledClients)
	return []rig.Bar{{
		Name: "stalled-p99", Work: work + "p99 of the readers, more than without those", Figure: after - before, Unit: "ms",
		Limit: max(stalledLateMS, stalledLate*before), Better: rig.Lower,
		Note: fmt.Sprintf("%s, without %s", milliseconds(after), milliseconds(before)),
	}, {
		Name: "stalled-memory", Work: work + "memory of each of those, more than of one who reads", Figure: more, Unit: "KiB",
		Limit: stalledKiB, Better: rig.Lower,
	}}
}
