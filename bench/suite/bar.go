package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/chatd/chatd/bench/rig"
)

// program judges bars by itself.
type program struct{ name, what string }

// programs are those under bench that do.
func programs() []program {
	return []program{
		{"burst", "many messages at once"},
		{"crowd", "many who come at once"},
		{"start", "how long until it serves"},
	}
}

// judge runs a program under bench, which prints its bars, and records them.
func (b *bench) judge(ctx context.Context, name string, args ...string) error {
	if err := b.Compile(ctx, name, "./bench/"+name); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(b.Dir, name), args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+b.Dir)
	cmd.Stderr = b.Log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	out, failed := cmd.Output()
	bars, err := readBars(out)
	err = errors.Join(err, b.record(bars...))
	if err == nil && failed == nil && len(bars) == 0 {
		err = fmt.Errorf("bench/%s has judged nothing", name)
	}
	if err != nil {
		return err
	}
	return failed
}

// record notes bars of the part.
func (b *bench) record(bars ...rig.Bar) (err error) {
	for _, one := range bars {
		if err == nil {
			err = json.NewEncoder(b.file).Encode(judgement{b.part, one})
		}
	}
	return err
}

// readBars reads what a program has printed.
func readBars(out []byte) (bars []rig.Bar, err error) {
	for line := range bytes.Lines(out) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var b rig.Bar
		if err := json.Unmarshal(line, &b); err != nil {
			return bars, fmt.Errorf("%q is no bar: %w", line, err)
		}
		if err := b.Check(); err != nil {
			return bars, err
		}
		bars = append(bars, b)
	}
	return bars, nil
}

// allBars are those that were measured, computed here or judged by programs.
func allBars(f *results) (bars []rig.Bar) {
	for _, b := range slices.Concat(fanoutBars(f), memoryBars(f), stalledBars(f), pairsBars(f), historyBars(f), f.bars["slices"], programsBars(f)) {
		if b.Figure == b.Figure {
			bars = append(bars, b)
		}
	}
	for _, p := range programs() {
		bars = append(bars, f.bars[p.name]...)
	}
	return bars
}

// barsBlock is the table of them.
func barsBlock(f *results) string {
	bars := allBars(f)
	if len(bars) == 0 {
		return ""
	}
	t := table{head: []string{"work", "bar", "measured", "held"}}
	for _, b := range bars {
		most, held := limit(b.Limit, b.Unit), "yes"
		switch {
		case b.Better == rig.NoLimit:
			most, held = "–", "–"
		case b.Better == rig.Higher:
			most = "≥ " + most
		case b.Limit != 0:
			most = "≤ " + most
		}
		if !b.Held() {
			held = "**no**"
		}
		got := measured(b.Figure, b.Unit)
		if b.Note != "" {
			got += " (" + b.Note + ")"
		}
		t.add([]string{b.Work, most, got, held})
	}
	return t.String()
}

// between is the smallest and the largest of several figures.
func between(s rig.Spread) string {
	if len(s) < 2 {
		return ""
	}
	return ratio(slices.Min(s)) + "–" + ratio(slices.Max(s))
}
