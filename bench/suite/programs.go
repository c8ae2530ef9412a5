package main

import (
	"context"
	"fmt"

	"github.com/chatd/chatd/bench/rig"
)

const (
	// framesMost is the bar of a delivery to a WebSocket client: its CPU in times that
	// of a client with nc.
	framesMost = 1.15
	// programsIdle is how many silent clients memory is measured with, and framesKiB
	// the bar of a WebSocket client's.
	programsIdle = 5000
	framesKiB    = 12
)

var (
	// programCrowds is what clients of each format are measured with.
	programCrowds = []crowd{{conns: 1000, window: 64}, {conns: 1000, window: 1}}
	// secureCrowds is what TLS is measured with.
	secureCrowds = []crowd{{conns: 100, window: 64}, {conns: 1000, window: 64}, {conns: 100, window: 1}, {conns: 1000, window: 1}}
)

// measurePrograms loads chatd with the same texts in each format, and over TLS beside
// the floor, in plain and with OpenSSL.
func measurePrograms(ctx context.Context, b *bench) error {
	for _, s := range []rig.Server{rig.Objects(), rig.WebSockets(), rig.OverTLS(), rig.FloorOverTLS()} {
		if err := b.Prepare(ctx, &s); err != nil {
			if s.Name != "floor-tls" {
				return err
			}
			fmt.Fprintf(b.Log, "without %s: %v\n", s.Name, err)
			continue
		}
		b.there = append(b.there, s)
	}
	var jobs []rig.Job
	for _, c := range secureCrowds {
		servers := b.only("floor", "floor-tls", "chatd", "chatd-tls")
		if c.conns == programCrowds[0].conns {
			servers = b.only("floor", "floor-tls", "chatd", "chatd-json", "chatd-ws", "chatd-tls")
		}
		jobs = append(jobs, rig.Jobs(servers, c.flags())...)
	}
	if _, err := b.do(ctx, jobs, b.rounds); err != nil {
		return err
	}
	silent := rig.Jobs(b.only("chatd", "chatd-json", "chatd-ws", "chatd-tls", "floor-tls"), fmt.Sprintf("-conns %d -idle -time 1s", programsIdle))
	_, err := b.do(ctx, silent, min(b.rounds, memoryRounds))
	return err
}

// programsBlock is a table of what a delivery costs in each format, and one of what
// silent clients take.
func programsBlock(f *results) string {
	runs := f.runs["programs"]
	if len(runs) == 0 {
		return ""
	}
	cost := table{head: []string{"clients", "bytes a delivery"}}
	for _, c := range programCrowds {
		cost.head = append(cost.head, c.String())
	}
	bytes := func(server string) string { return figure(programCrowds[0].of(runs, server).All(rig.Bytes).Median()) }
	row := func(name, bytes string, cell func(c crowd) string) {
		cells := []string{name, bytes}
		for _, c := range programCrowds {
			cells = append(cells, cell(c))
		}
		cost.add(cells)
	}
	ratios := func(server, base string, bold bool) func(crowd) string {
		return func(c crowd) string { return spread(c.of(runs, server).Ratios(c.of(runs, base), rig.CPU), bold) }
	}
	counted := func(server, base string) func(crowd) string {
		return func(c crowd) string {
			return ratio(c.of(runs, server).Ratios(c.of(runs, base), rig.Instructions).Median())
		}
	}
	row("text lines", bytes("chatd"), func(c crowd) string { return cpuTime(c.of(runs, "chatd").All(rig.CPU).Median()) })
	row("JSON lines ÷ text lines", bytes("chatd-json"), ratios("chatd-json", "chatd", false))
	row("… by instructions", "–", counted("chatd-json", "chatd"))
	row("**WebSocket** ÷ text lines", bytes("chatd-ws"), ratios("chatd-ws", "chatd", true))
	row("… by instructions", "–", counted("chatd-ws", "chatd"))
	row("WebSocket ÷ JSON lines", "–", ratios("chatd-ws", "chatd-json", false))
	row("… by instructions", "–", counted("chatd-ws", "chatd-json"))
	silent := table{head: []string{thousands(programsIdle) + " silent clients", "KiB of each"}}
	for _, s := range []struct{ name, server string }{
		{"text lines", "chatd"},
		{"JSON lines", "chatd-json"},
		{"**WebSocket**", "chatd-ws"},
		{"text lines over TLS", "chatd-tls"},
		{"floor with TLS", "floor-tls"},
	} {
		silent.add([]string{s.name, figure(silentOf(runs, s.server).Median())})
	}
	return cost.String() + "\n" + silent.String()
}

// silentOf is KiB per silent client of a server.
func silentOf(runs rig.Runs, server string) rig.Spread {
	return runs.Where(func(r rig.Report) bool { return r.Server == server && r.Idle }).All(rig.PerClient)
}

// secureBlock is the table of what TLS costs a delivery, in C and in chatd.
func secureBlock(f *results) string {
	runs := f.runs["programs"]
	if len(runs) == 0 {
		return ""
	}
	t := table{head: []string{"CPU per delivery"}}
	for _, c := range secureCrowds {
		t.head = append(t.head, c.String())
	}
	row := func(name string, cell func(c crowd) string) {
		cells := []string{name}
		for _, c := range secureCrowds {
			cells = append(cells, cell(c))
		}
		t.add(cells)
	}
	row("floor", func(c crowd) string { return cpuTime(c.of(runs, "floor").All(rig.CPU).Median()) })
	for _, p := range []struct{ name, server, base string }{
		{"floor with TLS ÷ floor", "floor-tls", "floor"},
		{"chatd with TLS ÷ chatd", "chatd-tls", "chatd"},
		{"**chatd with TLS** ÷ floor with TLS", "chatd-tls", "floor-tls"},
	} {
		row(p.name, func(c crowd) string {
			return spread(c.of(runs, p.server).Ratios(c.of(runs, p.base), rig.CPU), p.base == "floor-tls")
		})
		row("… by instructions", func(c crowd) string {
			return ratio(c.of(runs, p.server).Ratios(c.of(runs, p.base), rig.Instructions).Median())
		})
	}
	return t.String() + "\n" + faults(runs, "floor", "floor-tls", "chatd", "chatd-json", "chatd-ws", "chatd-tls")
}

// programsBars are WebSocket clients beside those with nc, and what TLS costs beside
// what it costs the floor.
func programsBars(f *results) (bars []rig.Bar) {
	runs := f.runs["programs"]
	for _, c := range programCrowds {
		frames, text := c.of(runs, "chatd-ws"), c.of(runs, "chatd")
		bars = append(bars, rig.Bar{
			Name: fmt.Sprintf("websocket-%d", c.window), Work: c.String() + ", all WebSockets: CPU per delivery ÷ that of text lines",
			Figure: frames.Ratios(text, rig.CPU).Median(), Unit: "x", Limit: framesMost, Better: rig.Lower,
			Note: noteRatios(frames, text),
		})
	}
	silent := silentOf(runs, "chatd-ws")
	bars = append(bars, rig.Bar{
		Name: "websocket-idle", Work: thousands(programsIdle) + " silent WebSocket clients: memory of each",
		Figure: silent.Median(), Unit: "KiB", Limit: framesKiB, Better: rig.Lower, Note: between(silent),
	}, rig.Bar{
		Name: "tls-idle", Work: thousands(programsIdle) + " silent clients over TLS: memory of each",
		Figure: silentOf(runs, "chatd-tls").Median(), Unit: "KiB",
	})
	for _, c := range secureCrowds {
		encrypted, plain := c.of(runs, "chatd-tls"), c.of(runs, "chatd")
		note := noteRatios(encrypted, plain)
		if floor := c.of(runs, "floor-tls").Ratios(c.of(runs, "floor"), rig.CPU); len(floor) > 0 {
			note += "; the floor's with OpenSSL ÷ in plain " + measured(floor.Median(), "x")
		}
		bars = append(bars, rig.Bar{
			Name: fmt.Sprintf("tls-%d-%d", c.conns, c.window), Work: c.String() + ", all over TLS: CPU per delivery ÷ that in plain",
			Figure: encrypted.Ratios(plain, rig.CPU).Median(), Unit: "x", Note: note,
		})
	}
	return bars
}

// noteRatios is what belongs to a median of ratios: the smallest and the largest, and
// what it is by instructions.
func noteRatios(runs, base rig.Runs) string {
	note := between(runs.Ratios(base, rig.CPU))
	if counted := runs.Ratios(base, rig.Instructions); len(counted) > 0 {
		if note != "" {
			note += "; "
		}
		note += "by instructions " + measured(counted.Median(), "x")
	}
	return note
}
