package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/chatd/chatd/bench/rig"
)

const (
	// slicesMost is the bar on one processor: the p99 of a lone message in times that
	// without slices.
	slicesMost = 1. / 3
	// slicesTimes is how long a lone message is measured each time, in times a run.
	slicesTimes = 5
)

// beside is what a lone message met beside a busy room, in each round.
type beside struct {
	p50, p99 rig.Spread // ms
	busy     rig.Spread // messages a second of the busy room
}

func (l *beside) add(b rig.Benchmark) {
	l.p50 = append(l.p50, b.Figures["p50-ms"])
	l.p99 = append(l.p99, b.Figures["p99-ms"])
	l.busy = append(l.busy, b.Figures["busy-messages/s"])
}

func (l *beside) String() string {
	return fmt.Sprintf("p50 %s, p99 %s", milliseconds(l.p50.Median()), milliseconds(l.p99.Median()))
}

// measureSlices runs the benchmark of pkg/relay, once a round: each has all four.
func measureSlices(ctx context.Context, b *bench) error {
	found := make(map[string]*beside)
	for round := range b.rounds {
		all, err := b.Bench(ctx, "./pkg/relay", "^BenchmarkSlices$", "1x", "CHATD_BENCH_TIME="+(slicesTimes*b.Time).String())
		if err != nil {
			return err
		}
		for _, one := range all {
			if found[one.Name] == nil {
				found[one.Name] = new(beside)
			}
			found[one.Name].add(one)
			fmt.Fprintf(b.Log, "round %d of %d: %s, p50 %.2f ms, p99 %.2f ms; the server had %.2f processors\n", round+1, b.rounds,
				one.Name, one.Figures["p50-ms"], one.Figures["p99-ms"], one.Figures["processors"])
		}
	}
	one, err := slicesBar("one", "one processor", found)
	if err != nil {
		return err
	}
	one.Limit, one.Better = slicesMost, rig.Lower
	two, err := slicesBar("two", "two processors", found)
	if err != nil {
		return err
	}
	return b.record(one, two)
}

// slicesBar compares the rounds on so many processors, without a limit.
func slicesBar(name, processors string, found map[string]*beside) (bar rig.Bar, err error) {
	whole, in := found["Slices/"+name+"/whole"], found["Slices/"+name+"/slices"]
	if whole == nil || in == nil {
		return bar, fmt.Errorf("BenchmarkSlices has measured nothing on %s", processors)
	}
	var ratios, busy rig.Spread
	for i := range in.p99 {
		ratios = append(ratios, in.p99[i]/whole.p99[i])
		busy = append(busy, in.busy[i]/whole.busy[i])
	}
	return rig.Bar{
		Name: "slices-" + name, Work: "a message in a room of two, beside a busy one of 3,000 on " + processors + ": p99 ÷ that without slices",
		Figure: ratios.Median(), Unit: "x",
		Note: fmt.Sprintf("%s to %s; %s; without slices %s; the busy room says %s times as much",
			ratio(slices.Min(ratios)), ratio(slices.Max(ratios)), in, whole, ratio(busy.Median())),
	}, nil
}
