package main

import "testing"

func TestHistogram(t *testing.T) {
	var h histogram
	for ns := int64(1); ns <= 100_000; ns++ {
		h.add(ns)
	}
	for _, c := range []struct {
		q    float64
		want int64
	}{{0.5, 50_000}, {0.99, 99_000}, {0.999, 99_900}, {1, 100_000}} {
		if got := int64(h.quantile(c.q)); got < c.want || got > c.want*104/100 {
			t.Errorf("quantile %g is %d, want %d or up to 4 %% more", c.q, got, c.want)
		}
	}
	for i := range bucket(1 << 62) {
		if end := bucketEnd(i); bucket(end) != i || bucket(end+1) != i+1 {
			t.Fatalf("bucket %d does not end with %d", i, end)
		}
	}
}
