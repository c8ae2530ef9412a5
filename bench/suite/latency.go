package main

import (
	"context"
	"fmt"

	"github.com/chatd/chatd/bench/rig"
)

// latencyRates are the points of the curve, in messages a second.
var latencyRates = []int{10, 30, 100, 200, 500, 1000}

const (
	latencyClients = 1000
	latencyRounds  = 3 // at most; two of them must agree
	// late is how late, in seconds, the last message may have come to everybody. A
	// server that cannot keep up falls behind by a share of the time, and what it
	// then shows is how long the run was; in 3 s, 7 % too much make so much.
	late = 0.2
)

// measureLatency raises the rate until servers no longer keep up.
func measureLatency(ctx context.Context, b *bench) error {
	b.Time += b.Time / 2
	there, rounds := b.there, min(b.rounds, latencyRounds)
	for _, rate := range latencyRates {
		runs, err := b.do(ctx, rig.Jobs(there, fmt.Sprintf("-conns %d -rate %d", latencyClients, rate)), rounds)
		if err != nil {
			return err
		}
		var still []rig.Server
		for _, s := range there {
			if len(held(runs, s.Name, rate)) > 0 {
				still = append(still, s)
				continue
			}
			fmt.Fprintf(b.Log, "%s does not keep up with %d messages a second\n", s.Name, rate)
		}
		there = still
	}
	return nil
}

// held is the runs in which a server kept up with a rate; none, if in half of them
// or more it did not.
func held(runs rig.Runs, server string, rate int) (good rig.Runs) {
	at := func(r rig.Report) bool { return r.Server == server && r.Rate == float64(rate) }
	all := 0
	for _, r := range runs {
		if at(r) {
			all++
		}
	}
	good = runs.Where(func(r rig.Report) bool {
		if !at(r) || r.Messages == 0 {
			return false
		}
		return r.Seconds <= float64(r.Messages)/r.Rate+late
	})
	if 2*len(good) <= all {
		return nil
	}
	return good
}

// latencyChart is latency against the rate, as far as servers keep up.
func latencyChart(f *results) chart {
	c := chart{File: "latency.svg"}
	for _, p := range []struct {
		title string
		of    rig.Figure
	}{{"median latency in ms", rig.P50}, {"latency of the slowest in a hundred (p99) in ms", rig.P99}} {
		shown := panel{Title: p.title, X: "messages a second"}
		for _, s := range rig.Servers() {
			l := line{Name: s.Label}
			for _, rate := range latencyRates {
				if at := held(f.runs["latency"], s.Name, rate).All(p.of); len(at) > 0 {
					l.Points = append(l.Points, [2]float64{float64(rate), at.Median()})
				}
			}
			shown.add(l)
		}
		c.Panels = append(c.Panels, shown)
	}
	return c
}

// latencyBlock is how far each server keeps up, and its latency at two rates.
func latencyBlock(f *results) string {
	runs := f.runs["latency"]
	if len(runs) == 0 {
		return ""
	}
	shown := []int{10, 100}
	t := table{head: []string{"server", "keeps up with"}}
	for _, rate := range shown {
		t.head = append(t.head, fmt.Sprintf("p50 at %d/s", rate), fmt.Sprintf("p99 at %d/s", rate))
	}
	for _, s := range rig.Servers() {
		most := "–"
		for _, rate := range latencyRates {
			if len(held(runs, s.Name, rate)) > 0 {
				most = thousands(rate) + "/s"
			}
		}
		row := []string{label(s), most}
		for _, rate := range shown {
			at := held(runs, s.Name, rate)
			row = append(row, milliseconds(at.All(rig.P50).Median()), milliseconds(at.All(rig.P99).Median()))
		}
		t.add(row)
	}
	return t.String()
}
