package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/chatd/chatd/bench/rig"
)

// record is what was seen of all crowds.
type record struct {
	before     holds
	left       []holds // after each
	there      []int64 // memory with each there, in bytes
	deliveries int64
	faults     int64
}

func (s *record) add(r rig.Report, left holds) {
	s.left = append(s.left, left)
	s.there = append(s.there, int64(r.Memory.RSS))
	s.deliveries += r.Deliveries
	s.faults += r.Faults()
}

// bars are the three that a bench is for.
func (s *record) bars(b *bench) []rig.Bar {
	work := fmt.Sprintf("%s clients join, talk and leave, %d times over", thousands(int64(b.conns)), b.crowds)
	first, last := s.left[0], s.left[len(s.left)-1]
	open := 0
	for _, h := range s.left {
		open = max(open, h.files-s.before.files)
	}
	var left, there []int64
	for i, h := range s.left {
		left, there = append(left, h.memory), append(there, s.there[i])
	}
	return []rig.Bar{{
		Name: "crowd-faults", Work: work + ": lost, repeated, reordered, torn, closed",
		Figure: float64(s.faults), Unit: "faults", Limit: 0, Better: rig.Lower,
		Note: thousands(s.deliveries) + " deliveries",
	}, {
		Name: "crowd-memory", Work: work + ": resident memory after the last against after the first",
		Figure: math.Round(1000*float64(last.memory)/float64(first.memory)) / 1000, Unit: "x", Limit: 1.05, Better: rig.Lower,
		Note: fmt.Sprintf("MiB: %.1f before, %s with all there, %s after",
			mib(s.before.memory), mibs(there), mibs(left)),
	}, {
		Name: "crowd-descriptors", Work: work + ": descriptors left open",
		Figure: float64(open), Unit: "descriptors", Limit: 0, Better: rig.Lower,
		Note: fmt.Sprintf("%d before", s.before.files),
	}}
}

// mibs writes bytes as MiB.
func mibs(values []int64) string {
	var words []string
	for _, v := range values {
		words = append(words, fmt.Sprintf("%.1f", mib(v)))
	}
	return strings.Join(words, " ")
}

// thousands writes 10000 as 10,000.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
