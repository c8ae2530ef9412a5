package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/chatd/chatd/bench/rig"
)

// crowd is a load that keeps the server as busy as it can be.
type crowd struct {
	conns, window int // clients, messages in flight
	most          float64
}

// crowds are the columns of the table; most is the bar of chatd's CPU per delivery,
// in times the floor's.
func crowds() []crowd {
	return []crowd{{100, 64, 1.25}, {1000, 64, 1.25}, {10000, 64, 1.25}, {100, 1, 1.3}, {1000, 1, 1.3}}
}

func (c crowd) String() string {
	return fmt.Sprintf("%s clients, %d in flight", thousands(c.conns), c.window)
}

func (c crowd) flags() string { return fmt.Sprintf("-conns %d -window %d", c.conns, c.window) }

// of is the runs of a server with this crowd.
func (c crowd) of(runs rig.Runs, server string) rig.Runs {
	return runs.Where(func(r rig.Report) bool {
		return r.Server == server && r.Conns == c.conns && r.Window == c.window
	})
}

// crowdMost is how many clients peers are measured with beside the floor: with more,
// some take minutes.
const crowdMost = 1000

func measureFanout(ctx context.Context, b *bench) error {
	var jobs []rig.Job
	for _, c := range crowds() {
		there := b.there
		if c.conns > crowdMost {
			there = b.only("floor", "chatd")
		}
		jobs = append(jobs, rig.Jobs(there, c.flags())...)
	}
	_, err := b.do(ctx, jobs, b.rounds)
	return err
}

// fanoutBlock is the table of CPU per delivery, that of messages per read, and what
// went wrong.
func fanoutBlock(f *results) string {
	runs := f.runs["fanout"]
	if len(runs) == 0 {
		return ""
	}
	cost := table{head: []string{"server"}}
	reads := table{head: []string{"messages per read"}}
	for _, c := range crowds() {
		cost.head = append(cost.head, c.String())
		if c.window > 1 {
			reads.head = append(reads.head, thousands(c.conns)+" clients")
		}
	}
	for _, s := range rig.Servers() {
		name := label(s)
		if s.Name != "floor" {
			name += " ÷ floor"
		}
		row, read, counted := []string{name}, []string{label(s)}, []string{"… by instructions"}
		for _, c := range crowds() {
			of, floor := c.of(runs, s.Name), c.of(runs, "floor")
			ratios := of.Ratios(floor, rig.CPU)
			switch {
			case s.Name == "floor":
				row = append(row, cpuTime(of.All(rig.CPU).Median()))
			default:
				row = append(row, spread(ratios, s.Name == "chatd"))
			}
			counted = append(counted, ratio(of.Ratios(floor, rig.Instructions).Median()))
			if c.window > 1 {
				read = append(read, figure(of.All(rig.PerRead).Median()))
			}
		}
		cost.add(row)
		if s.Name == "chatd" {
			cost.add(counted)
		}
		reads.add(read)
	}
	var names []string
	for _, s := range rig.Servers() {
		names = append(names, s.Name)
	}
	return cost.String() + "\n" + reads.String() + "\n" + faults(runs, names...)
}

// spread is the median of ratios, with the smallest and the largest if there are
// several.
func spread(ratios rig.Spread, bold bool) string {
	s := ratio(ratios.Median())
	if bold && len(ratios) > 0 {
		s = "**" + s + "**"
	}
	if len(ratios) > 1 {
		s += fmt.Sprintf(" (%s–%s)", ratio(slices.Min(ratios)), ratio(slices.Max(ratios)))
	}
	return s
}

// faults says what went wrong in all runs of servers, those that failed among them.
func faults(runs rig.Runs, servers ...string) string {
	var wrong []string
	for _, name := range servers {
		of := runs.Where(func(r rig.Report) bool { return r.Server == name })
		if n := of.Faults(); n > 0 {
			wrong = append(wrong, fmt.Sprintf("%s %s", labelOf(name), thousands(int(n))))
		}
	}
	all := fmt.Sprintf("In %d runs ", len(runs))
	if len(wrong) == 0 {
		all += "no message was lost, repeated, reordered or torn, and no server closed a connection"
	} else {
		all += "these lost, repeated, reordered or tore messages or closed connections: " + strings.Join(wrong, ", ")
	}
	if n := len(runs) - len(runs.Where(func(rig.Report) bool { return true })); n > 0 {
		all += fmt.Sprintf("; %d could not be completed", n)
	}
	return all + ".\n"
}

// labelOf is how a server is written for people.
func labelOf(name string) string {
	for _, s := range rig.Servers() {
		if s.Name == name {
			return s.Label
		}
	}
	return name
}

// fanoutBars are chatd beside the floor, and beside the best of its peers.
func fanoutBars(f *results) (bars []rig.Bar) {
	runs := f.runs["fanout"]
	for _, c := range crowds() {
		ratios := c.of(runs, "chatd").Ratios(c.of(runs, "floor"), rig.CPU)
		bars = append(bars, rig.Bar{
			Name: fmt.Sprintf("fanout-%d-%d", c.conns, c.window), Work: c.String() + ": CPU per delivery ÷ the floor's",
			Figure: ratios.Median(), Unit: "x", Limit: c.most, Better: rig.Lower, Note: between(ratios),
		})
	}
	c := crowd{conns: 1000, window: 64}
	best := bestOf(c, runs, "ncat", "nats", "ngircd")
	ratios := best.Ratios(c.of(runs, "chatd"), rig.CPU)
	return append(bars, rig.Bar{
		Name: "peers", Work: c.String() + ": CPU per delivery of the best of ncat, nats-server and ngIRCd ÷ chatd's",
		Figure: ratios.Median(), Unit: "x", Limit: 2, Better: rig.Higher, Note: between(ratios),
	})
}

// bestOf is, of each round, the run of that server which spent least.
func bestOf(c crowd, runs rig.Runs, servers ...string) (best rig.Runs) {
	of := make(map[int]int) // round → place in best
	for _, s := range servers {
		for _, r := range c.of(runs, s) {
			i, ok := of[r.Round]
			switch {
			case !ok:
				of[r.Round] = len(best)
				best = append(best, r)
			case r.CPUPerDelivery < best[i].CPUPerDelivery:
				best[i] = r
			}
		}
	}
	return best
}
