package main

import (
	"context"

	"github.com/chatd/chatd/bench/rig"
)

const (
	// keepingMost is the bar: CPU per delivery with the history on disk, in times that
	// with the history in memory. It is to be 1.3 one day.
	keepingMost = 1.5
	// sustainTimes is how long clients send without a pause, in times a run: 60 s.
	sustainTimes = 30
)

// keepingCrowd is what chatd has to do meanwhile.
var keepingCrowd = crowd{conns: 1000, window: 64}

// measureHistory loads chatd with its history in memory and on disk, and has
// bench/history do the rest.
func measureHistory(ctx context.Context, b *bench) error {
	keeping := rig.Keeping()
	if err := b.Prepare(ctx, &keeping); err != nil {
		return err
	}
	both := append(b.only("chatd"), keeping)
	if _, err := b.do(ctx, rig.Jobs(both, keepingCrowd.flags()), b.rounds); err != nil {
		return err
	}
	return b.judge(ctx, "history", "-time", (sustainTimes * b.Time).String())
}

// historyBars are that of the runs, and what bench/history has found.
func historyBars(f *results) []rig.Bar {
	runs := f.runs["history"]
	disk, memory := keepingCrowd.of(runs, "chatd-disk"), keepingCrowd.of(runs, "chatd")
	ratios := disk.Ratios(memory, rig.CPU)
	note := between(ratios)
	if counted := disk.Ratios(memory, rig.Instructions); len(counted) > 0 && note != "" {
		note += "; by instructions " + measured(counted.Median(), "x")
	}
	return append([]rig.Bar{{
		Name: "history-cpu", Work: keepingCrowd.String() + ", history on disk: CPU per delivery ÷ that with history in memory",
		Figure: ratios.Median(), Unit: "x", Limit: keepingMost, Better: rig.Lower, Note: note,
	}}, f.bars["history"]...)
}
