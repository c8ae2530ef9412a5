//go:build fanout

package main

import (
	"context"
	"strings"
	"testing"
	"time"
)

// fanOutMost is what a delivery may cost chatd, relative to what it costs an epoll
// loop that writes one shared buffer to everyone, in the same minute.
const fanOutMost = 1.5

// TestFanOut brings 1,000 connections 64 messages in flight. It measures, so it
// wants the machine for itself and is built with a tag of its own.
func TestFanOut(t *testing.T) {
	t.Chdir("../..")
	b := bench{
		names: []string{"floor", "chatd"}, loads: []string{"-conns 1000 -window 64"},
		rounds: 5, time: time.Second, serverCPU: "0", loadCPU: "1",
		dir: t.TempDir(), log: t.Output(),
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	there, err := b.prepare(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var runs table
	if err := b.run(ctx, there, &runs); err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	runs.write(&shown, b.loads, there)
	t.Log("\n" + shown.String())

	floor, chatd := runs.of("floor", b.loads[0]), runs.of("chatd", b.loads[0])
	var ratios []float64
	for round, r := range chatd {
		if r.faults() > 0 {
			t.Errorf("round %d: %s", round, r.brief())
		}
		if f := floor[round]; f.CPUPerDelivery > 0 && r.CPUPerDelivery > 0 {
			ratios = append(ratios, r.CPUPerDelivery/f.CPUPerDelivery)
		}
	}
	if len(ratios) < b.rounds {
		t.Fatalf("of %d rounds %d could be measured", b.rounds, len(ratios))
	}
	if got := median(ratios); got > fanOutMost {
		t.Errorf("a delivery costs %.2f times the floor, at most %.2f", got, fanOutMost)
	}
}
