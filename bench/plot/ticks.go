package main

import (
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

// ticksFor are marks for a logarithmic axis that shows from–to, both above 0: the
// first at or below from, the last at or above to, all of them labelled. Over two
// powers of ten there are 1, 2 and 5 of each; over four, 1 and 3; beyond, 1.
func ticksFor(from, to float64) []plot.Tick {
	steps := []float64{1}
	switch powers := math.Log10(to / from); {
	case powers <= 2:
		steps = []float64{1, 2, 5}
	case powers <= 4:
		steps = []float64{1, 3}
	}
	var ticks []plot.Tick
	for power := int(math.Floor(math.Log10(from))); ; power++ {
		for _, step := range steps {
			// What strconv reads is the number nearest to what it shows.
			v, _ := strconv.ParseFloat(strconv.FormatFloat(step, 'g', 1, 64)+"e"+strconv.Itoa(power), 64)
			if v <= from {
				ticks = ticks[:0]
			}
			ticks = append(ticks, plot.Tick{Value: v, Label: label(v)})
			if v >= to && len(ticks) > 1 {
				return ticks
			}
		}
	}
}

// label writes 0.05, 3 or 10,000.
func label(v float64) string {
	whole, rest, _ := strings.Cut(strconv.FormatFloat(v, 'f', -1, 64), ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		whole += "." + rest
	}
	return whole
}
