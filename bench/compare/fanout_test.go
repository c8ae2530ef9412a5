//go:build fanout

package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chatd/chatd/bench/rig"
)

// fanOutMost is what a delivery may cost chatd, relative to what it costs an epoll
// loop that writes one shared buffer to everyone, in the same minute.
const fanOutMost = 1.5

// TestFanOut brings 1,000 connections 64 messages in flight. It measures, so it
// wants the machine for itself and is built with a tag of its own.
func TestFanOut(t *testing.T) {
	t.Chdir("../..")
	const load = "-conns 1000 -window 64"
	b := bench{
		Rig: rig.Rig{
			Time: time.Second, ServerCPU: "0", LoadCPU: "1", Dir: t.TempDir(), Log: t.Output(),
		},
		loads: []string{load}, rounds: 5,
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	there, err := b.Build(ctx, "floor", "chatd")
	if err != nil {
		t.Fatal(err)
	}
	runs, err := b.run(ctx, there)
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	write(&shown, runs, b.loads, there)
	t.Log("\n" + shown.String())

	chatd := runs.Of("chatd", load)
	for _, r := range chatd {
		if r.Faults() > 0 {
			t.Errorf("round %d: %s", r.Round, r.Brief())
		}
	}
	ratios := chatd.Ratios(runs.Of("floor", load), rig.CPU)
	if len(ratios) < b.rounds {
		t.Fatalf("of %d rounds %d could be measured", b.rounds, len(ratios))
	}
	if got := ratios.Median(); got > fanOutMost {
		t.Errorf("bringing 1,000 clients a message costs chatd %.2f times the CPU per delivery that the floor takes (rounds: %.2f); at most %.2f is allowed",
			got, ratios, fanOutMost)
	}
}
