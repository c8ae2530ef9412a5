package main

import "testing"

// said is a ledger of 3 connections, all waited for, and 2 senders with n
// messages issued.
func said(n int) *ledger {
	l := newLedger(3, 2, 1)
	l.expect = 3
	for i := range n {
		l.issue(int64(i))
	}
	return l
}

func (l *ledger) mustBe(t *testing.T, lost, repeated, reordered int64, inFlight int) {
	t.Helper()
	if l.lost != lost || l.repeated != repeated || l.reordered != reordered || l.inFlight() != inFlight {
		t.Errorf("%d lost, %d repeated, %d reordered, %d in flight; want %d, %d, %d, %d",
			l.lost, l.repeated, l.reordered, l.inFlight(), lost, repeated, reordered, inFlight)
	}
}

func TestLedgerInOrder(t *testing.T) {
	l := said(4)
	for conn := range 3 {
		for m := range 4 {
			due, fresh := l.heard(conn, uint16(m%2), uint32(m/2), true)
			if due != int64(m) || !fresh {
				t.Errorf("message %d: due %d, fresh %v", m, due, fresh)
			}
		}
	}
	l.mustBe(t, 0, 0, 0, 0)
}

func TestLedgerFaults(t *testing.T) {
	l := said(8) // sender 0: 0…3, sender 1: 0…3
	for _, conn := range []int{1, 2} {
		for m := range 8 {
			l.heard(conn, uint16(m%2), uint32(m/2), true)
		}
	}
	l.mustBe(t, 0, 0, 0, 8)
	l.heard(0, 0, 0, true)
	l.heard(0, 0, 3, true) // 1 and 2 are missing
	l.mustBe(t, 2, 0, 0, 4)
	l.heard(0, 0, 2, true) // late
	l.mustBe(t, 1, 0, 1, 4)
	l.heard(0, 0, 2, true) // and again
	l.mustBe(t, 1, 1, 1, 4)
	l.heard(0, 0, 4, true) // never said
	l.heard(0, 9, 0, true)
	l.mustBe(t, 1, 3, 1, 4)
	l.gone(0) // without having heard any of sender 1
	l.mustBe(t, 5, 3, 1, 0)
}

func TestLedgerAbandons(t *testing.T) {
	l := said(2)
	l.heard(0, 0, 0, true)
	l.abandon()
	l.mustBe(t, 5, 0, 0, 0)
}

// Who reads slowly is not waited for, and misses nothing that counts as lost.
func TestLedgerSlow(t *testing.T) {
	l := said(4)
	l.expect = 2
	l.heard(2, 0, 1, false)
	l.heard(2, 0, 0, false)
	if l.slowMissed != 0 || l.reordered != 1 || l.lost != 0 {
		t.Errorf("%d missed, %d reordered, %d lost", l.slowMissed, l.reordered, l.lost)
	}
}

// Authors that do not hear themselves are not waited for.
func TestLedgerSelfless(t *testing.T) {
	l := newLedger(2, 2, 1)
	l.expect, l.selfless = 2, true
	l.issue(0)
	l.issue(0)
	l.heard(1, 0, 0, true)
	l.mustBe(t, 0, 0, 0, 1)
	l.gone(0) // 1's message was for it alone
	l.mustBe(t, 1, 0, 0, 0)
}

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
