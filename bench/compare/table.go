package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// table collects the runs and prints the middle of them.
type table struct{ runs []report }

func (t *table) add(r report) { t.runs = append(t.runs, r) }

// of is the good runs of a server under a load, by round.
func (t *table) of(server, load string) map[int]report {
	found := make(map[int]report)
	for _, r := range t.runs {
		if r.Server == server && r.Load == load && r.Error == "" {
			found[r.Round] = r
		}
	}
	return found
}

// write prints, for each load, the median of each server, and of its ratio to the
// floor's run of the same round, with the smallest and the largest ratio.
func (t *table) write(w io.Writer, loads []string, there []server) {
	for _, load := range loads {
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(w, "\n%s\n", load)
		fmt.Fprintln(tw, "server\tCPU ns/delivery\t÷ floor\tfrom\tto\tinstructions\t÷ floor\tper read\tp50 ms\tp99 ms\tKiB/client\tloader %\tfaults\truns\t")
		floor := t.of("floor", load)
		for _, s := range there {
			runs := t.of(s.name, load)
			if len(runs) == 0 {
				fmt.Fprintf(tw, "%s\t–\t\t\t\t\t\t\t\t\t\t\t\t0\t\n", s.name)
				continue
			}
			var ratios, counted []float64
			var faults int64
			for round, r := range runs {
				faults += r.faults()
				if f, ok := floor[round]; ok && f.CPUPerDelivery > 0 {
					ratios = append(ratios, r.CPUPerDelivery/f.CPUPerDelivery)
				}
				if f, ok := floor[round]; ok && f.Instructions > 0 {
					counted = append(counted, r.Instructions/f.Instructions)
				}
			}
			ratio, count := "\t\t", ""
			if len(ratios) > 0 && s.name != "floor" {
				ratio = fmt.Sprintf("%.2f\t%.2f\t%.2f", median(ratios), slices.Min(ratios), slices.Max(ratios))
			}
			if len(counted) > 0 && s.name != "floor" {
				count = fmt.Sprintf("%.2f", median(counted))
			}
			m := func(of func(report) float64) float64 {
				var values []float64
				for _, r := range runs {
					values = append(values, of(r))
				}
				return median(values)
			}
			fmt.Fprintf(tw, "%s\t%.0f\t%s\t%.0f\t%s\t%.1f\t%.2f\t%.2f\t%.2f\t%.0f\t%d\t%d\t\n", s.name,
				m(func(r report) float64 { return r.CPUPerDelivery }), ratio,
				m(func(r report) float64 { return r.Instructions }), count,
				m(func(r report) float64 { return r.PerRead }),
				m(func(r report) float64 { return r.P50 / 1e3 }),
				m(func(r report) float64 { return r.P99 / 1e3 }),
				m(func(r report) float64 { return r.PerClient / 1024 }),
				m(func(r report) float64 { return 100 * r.LoadShare }),
				faults, len(runs))
		}
		_ = tw.Flush()
	}
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}
