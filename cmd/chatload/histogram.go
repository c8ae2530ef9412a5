package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets that are 3 % wide, from 1 ns on.
type histogram struct {
	counts [64 * histogramSteps]int64
	total  int64
	most   int64
}

const (
	histogramBits  = 5
	histogramSteps = 1 << histogramBits // in each doubling
)

func (h *histogram) add(ns int64) {
	h.counts[bucket(ns)]++
	h.total++
	if ns > h.most {
		h.most = ns
	}
}

// bucket numbers durations; those below histogramSteps have one each.
func bucket(ns int64) int {
	if ns < histogramSteps {
		return int(max(ns, 0))
	}
	shift := bits.Len64(uint64(ns)) - 1 - histogramBits
	return (shift+1)<<histogramBits + int(ns>>shift) - histogramSteps
}

// bucketEnd is the largest duration of a bucket.
func bucketEnd(i int) int64 {
	if i < histogramSteps {
		return int64(i)
	}
	shift := i>>histogramBits - 1
	return (int64(i&(histogramSteps-1)+histogramSteps)+1)<<shift - 1
}

// quantile is the duration that a share of q did not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int64(q * float64(h.total))
	for i, n := range h.counts {
		if rank -= n; rank < 0 {
			return time.Duration(min(bucketEnd(i), h.most))
		}
	}
	return time.Duration(h.most)
}
