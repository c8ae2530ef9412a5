package main

import (
	"context"
	"fmt"

	"github.com/chatd/chatd/bench/rig"
)

// memoryClients are the points of the curve.
var memoryClients = []int{100, 300, 1000, 3000, 10000}

const (
	memoryRounds = 2 // at most; memory scatters little
	// memoryMost is the bar, in KiB per client at the largest point.
	memoryMost = 8
)

func measureMemory(ctx context.Context, b *bench) error {
	for _, n := range memoryClients {
		jobs := rig.Jobs(b.there, fmt.Sprintf("-conns %d -idle -time 1s", n))
		if _, err := b.do(ctx, jobs, min(b.rounds, memoryRounds)); err != nil {
			return err
		}
	}
	return nil
}

// idle is KiB per client of a server with so many silent ones.
func idle(f *results, server string, n int) rig.Spread {
	return f.runs["memory"].Where(func(r rig.Report) bool {
		return r.Server == server && r.Idle && r.Conns == n
	}).All(rig.PerClient)
}

// memoryChart is memory per client against clients.
func memoryChart(f *results) chart {
	p := panel{Title: "resident memory per silent client in KiB", X: "clients"}
	for _, s := range rig.Servers() {
		l := line{Name: s.Label}
		for _, n := range memoryClients {
			if m := idle(f, s.Name, n).Median(); m > 0 {
				l.Points = append(l.Points, [2]float64{float64(n), m})
			}
		}
		p.add(l)
	}
	return chart{File: "memory.svg", Panels: []panel{p}}
}

// memoryBlock is memory per client at the most clients that a server has.
func memoryBlock(f *results) string {
	if len(f.runs["memory"]) == 0 {
		return ""
	}
	t := table{head: []string{"server", "clients", "KiB per silent client"}}
	for _, s := range rig.Servers() {
		row := []string{label(s), "–", "–"}
		for _, n := range memoryClients {
			if m := idle(f, s.Name, n); len(m) > 0 {
				row = []string{label(s), thousands(n), figure(m.Median())}
			}
		}
		t.add(row)
	}
	return t.String()
}

func memoryBars(f *results) []rig.Bar {
	most := memoryClients[len(memoryClients)-1]
	m := idle(f, "chatd", most)
	return []rig.Bar{{
		Name: "idle", Work: thousands(most) + " silent clients: memory of each",
		Figure: m.Median(), Unit: "KiB", Limit: memoryMost, Better: rig.Lower, Note: between(m),
	}}
}
