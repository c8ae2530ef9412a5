package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/chatd/chatd/bench/rig"
)

// write prints, for each load, the median of each server, and of its ratio to the
// floor's run of the same round, with the smallest and the largest ratio.
func write(w io.Writer, all rig.Runs, loads []string, there []rig.Server) {
	for _, load := range loads {
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(w, "\n%s\n", load)
		fmt.Fprintln(tw, "server\tCPU ns/delivery\t÷ floor\tfrom\tto\tinstructions\t÷ floor\tper read\tp50 ms\tp99 ms\tKiB/client\tloader %\tfaults\truns\t")
		floor := all.Of("floor", load)
		for _, s := range there {
			runs := all.Of(s.Name, load)
			ratio, from, to, counted := "", "", "", ""
			if ratios := runs.Ratios(floor, rig.CPU); len(ratios) > 0 && s.Name != "floor" {
				ratio, from, to = number(ratios.Median(), 2), number(slices.Min(ratios), 2), number(slices.Max(ratios), 2)
			}
			if ratios := runs.Ratios(floor, rig.Instructions); len(ratios) > 0 && s.Name != "floor" {
				counted = number(ratios.Median(), 2)
			}
			m := func(of rig.Figure, decimals int) string { return number(runs.All(of).Median(), decimals) }
			share := func(r rig.Report) float64 { return 100 * r.LoadShare }
			for _, cell := range []string{
				s.Name, m(rig.CPU, 0), ratio, from, to, m(rig.Instructions, 0), counted, m(rig.PerRead, 1),
				m(rig.P50, 2), m(rig.P99, 2), m(rig.PerClient, 2), m(share, 0),
				fmt.Sprint(runs.Faults()), fmt.Sprint(len(runs)),
			} {
				fmt.Fprint(tw, cell, "\t")
			}
			fmt.Fprintln(tw)
		}
		_ = tw.Flush()
	}
}

// number is v, or a dash if there is none.
func number(v float64, decimals int) string {
	if v != v {
		return "–"
	}
	return fmt.Sprintf("%.*f", decimals, v)
}
