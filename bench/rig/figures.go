package rig

import (
	"math"
	"slices"
)

// Runs are reports of one bench.
type Runs []Report

// Where is those that did not fail and that keep accepts.
func (rs Runs) Where(keep func(Report) bool) (found Runs) {
	for _, r := range rs {
		if r.Error == "" && keep(r) {
			found = append(found, r)
		}
	}
	return found
}

// Of is the runs of a server under a load that did not fail.
func (rs Runs) Of(server, load string) Runs {
	return rs.Where(func(r Report) bool { return r.Server == server && r.Load == load })
}

// Figure is one number of a report; 0 is none.
type Figure func(Report) float64

// The figures that are compared.
func CPU(r Report) float64          { return r.CPUPerDelivery }          // ns a delivery
func Instructions(r Report) float64 { return r.Instructions }            // a delivery
func PerRead(r Report) float64      { return r.PerRead }                 // messages
func Bytes(r Report) float64        { return r.BytesPerS / r.PerSecond } // a delivery
func PerClient(r Report) float64    { return r.PerClient / 1024 }
func P50(r Report) float64          { return r.P50 / 1e3 } // ms
func P99(r Report) float64          { return r.P99 / 1e3 } // ms

// All is what a figure is in each of the runs.
func (rs Runs) All(of Figure) Spread {
	var s Spread
	for _, r := range rs {
		if v := of(r); v != 0 && v == v {
			s = append(s, v)
		}
	}
	return s
}

// Ratios are those of a figure of rs to the same figure of base, run by run of the
// same round; rounds that one of them lacks are left out.
func (rs Runs) Ratios(base Runs, of Figure) Spread {
	var s Spread
	for _, r := range rs {
		for _, b := range base {
			if b.Round == r.Round && of(b) > 0 && of(r) > 0 {
				s = append(s, of(r)/of(b))
				break
			}
		}
	}
	return s
}

// Faults is how much went wrong in all of them.
func (rs Runs) Faults() (n int64) {
	for _, r := range rs {
		n += r.Faults()
	}
	return n
}

// Spread is what one figure was in several runs.
type Spread []float64

// Median is the middle one, or that between the two middle ones; of none, NaN.
func (s Spread) Median() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	in := slices.Sorted(slices.Values(s))
	n := len(in)
	return (in[(n-1)/2] + in[n/2]) / 2
}
