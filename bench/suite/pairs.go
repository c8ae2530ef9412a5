package main

import (
	"context"

	"github.com/chatd/chatd/bench/rig"
)

// pairsMost is the bar: chatd's CPU per delivery in times the echo server's. The
// author of a private message gets it back with its time, so each is two deliveries;
// an echo is one.
const pairsMost = 1.5

// measurePairs has 2,000 messages in flight with either server: in each of 2,000
// pairs both speak in turn, and each of 2,000 clients talks to itself.
func measurePairs(ctx context.Context, b *bench) error {
	echo := rig.Echo()
	if err := b.Prepare(ctx, &echo); err != nil {
		return err
	}
	jobs := rig.Jobs(b.only("chatd"), "-proto msg -group 2 -senders 2 -conns 4000 -window 1")
	jobs = append(jobs, rig.Job{Server: &echo, Load: "-proto line -group 1 -conns 2000 -window 1"})
	_, err := b.do(ctx, jobs, b.rounds)
	return err
}

func pairsBars(f *results) []rig.Bar {
	of := func(server string) rig.Runs {
		return f.runs["pairs"].Where(func(r rig.Report) bool { return r.Server == server })
	}
	message := func(r rig.Report) float64 { return r.CPUPerMessage }
	ratios := of("chatd").Ratios(of("echo"), rig.CPU)
	note := "per message, its author's copy included, " + measured(of("chatd").Ratios(of("echo"), message).Median(), "x")
	if len(ratios) > 1 {
		note = between(ratios) + "; " + note
	}
	return []rig.Bar{{
		Name: "pairs", Work: "2,000 pairs say something to each other: CPU per delivery ÷ that of a Go echo server",
		Figure: ratios.Median(), Unit: "x", Limit: pairsMost, Better: rig.Lower, Note: note,
	}}
}
