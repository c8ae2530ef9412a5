package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/chatd/chatd/bench/rig"
)

// shareLeast is how much of what more processors could bring must come: two write a
// burst at least 1.6 times as fast as one.
const shareLeast = 0.8

// bar is what came out for the i-th number of processors.
func (b *bench) bar(times [][]timing, i int) rig.Bar {
	var ratios, base, other, had rig.Spread
	for round, t := range times[i] {
		first := times[0][round]
		base = append(base, ms(first.took))
		other = append(other, ms(t.took))
		had = append(had, t.had())
		ratios = append(ratios, ms(first.took)/ms(t.took))
	}
	return rig.Bar{
		Name: "burst",
		Work: fmt.Sprintf("a burst of %d messages to %s clients, %s against %s",
			b.messages, thousands(b.conns), cores(b.procs[i]), words(b.procs[0])),
		Figure: rounded(ratios.Median()), Unit: "x", Limit: rounded(shareLeast * float64(b.procs[i]) / float64(b.procs[0])), Better: rig.Higher,
		Note: fmt.Sprintf("median of %d rounds; %.2f to %.2f; %.1f ms against %.1f ms; the server had %.2f processors",
			b.rounds, slices.Min(ratios), slices.Max(ratios), other.Median(), base.Median(), had.Median()),
	}
}

// rounded is v with two decimals.
func rounded(v float64) float64 { return math.Round(v*100) / 100 }

// cores is a number of them.
func cores(n int) string {
	if n == 1 {
		return "one core"
	}
	return words(n) + " cores"
}

// words writes small numbers as words.
func words(n int) string {
	small := []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight"}
	if n < len(small) {
		return small[n]
	}
	return fmt.Sprint(n)
}

// thousands writes 10000 as 10,000.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
