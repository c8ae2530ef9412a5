package main

import (
	"context"

	"github.com/chatd/chatd/bench/rig"
)

// curveClients are the points of the curve.
var curveClients = []int{10, 30, 100, 300, 1000, 3000, 10000}

const (
	curveRounds = 3 // at most: the largest take minutes
	curveFlags  = "-warmup 500ms"
)

func measureCurve(ctx context.Context, b *bench) error {
	b.Time /= 2
	for _, n := range curveClients {
		jobs := rig.Jobs(b.there, crowd{conns: n, window: 64}.flags()+" "+curveFlags)
		if _, err := b.do(ctx, jobs, min(b.rounds, curveRounds)); err != nil {
			return err
		}
	}
	return nil
}

// curveChart is CPU per delivery against clients.
func curveChart(f *results) chart {
	p := panel{Title: "CPU per delivery in µs, 64 messages in flight", X: "clients"}
	for _, s := range rig.Servers() {
		l := line{Name: s.Label}
		for _, n := range curveClients {
			if cost := (crowd{conns: n, window: 64}).of(f.runs["curve"], s.Name).All(rig.CPU); len(cost) > 0 {
				l.Points = append(l.Points, [2]float64{float64(n), cost.Median() / 1e3})
			}
		}
		p.add(l)
	}
	return chart{File: "curve.svg", Panels: []panel{p}}
}
