package main

import "testing"

// said is a ledger of 3 connections, all waited for, and 2 senders with n
// messages issued.
func said(n int) *ledger {
	l := newLedger(newTally(3, 2), 0, 3, 2, 1024)
	l.expect = 3
	for i := range n {
		l.issue(int64(i))
	}
	return &l
}

func (l *ledger) mustBe(t *testing.T, lost, repeated, reordered int64, inFlight int) {
	t.Helper()
	if s := l.tally; s.lost != lost || s.repeated != repeated || s.reordered != reordered || l.inFlight() != inFlight || s.inFlight() != inFlight {
		t.Errorf("%d lost, %d repeated, %d reordered, %d (of all %d) in flight; want %d, %d, %d, %d",
			s.lost, s.repeated, s.reordered, l.inFlight(), s.inFlight(), lost, repeated, reordered, inFlight)
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

// What is in flight when a run is given up is lost to all who have not got it.
func TestLedgerForfeits(t *testing.T) {
	l := said(3)
	l.heard(0, 0, 0, true)
	l.heard(1, 1, 0, true)
	for place, want := range []int64{2, 2, 3} {
		if n := l.behind(place); n != want {
			t.Errorf("place %d is %d behind, want %d", place, n, want)
		}
		l.forfeit(place, place != 2)
	}
	l.mustBe(t, 4, 0, 0, 3)
	if l.tally.slowMissed != 3 {
		t.Errorf("%d missed by the slow one, want 3", l.tally.slowMissed)
	}
}

// What another group says is no message here, though its number would be right.
func TestLedgerStrays(t *testing.T) {
	tally := newTally(6, 4)
	var groups []ledger
	for g := range 2 {
		groups = append(groups, newLedger(tally, g, 3, 2, 16))
		groups[g].expect = 3
		groups[g].issue(0)
	}
	for _, from := range []uint16{0, 1, 4, probe} {
		if _, fresh := groups[1].heard(0, from, 0, true); fresh {
			t.Errorf("a message of sender %d is taken", from)
		}
	}
	if _, fresh := groups[1].heard(0, 2, 0, true); !fresh || tally.strayed != 2 || tally.repeated != 2 {
		t.Errorf("its own is taken: %v; %d strayed, %d never said", fresh, tally.strayed, tally.repeated)
	}
}

// Who reads slowly is not waited for, and misses nothing that counts as lost.
func TestLedgerSlow(t *testing.T) {
	l := said(4)
	l.expect = 2
	l.heard(2, 0, 1, false)
	l.heard(2, 0, 0, false)
	if s := l.tally; s.slowMissed != 0 || s.missed[2] != 0 || s.reordered != 1 || s.lost != 0 {
		t.Errorf("%d missed, %d reordered, %d lost", s.slowMissed, s.reordered, s.lost)
	}
}

// Authors that do not hear themselves are not waited for.
func TestLedgerSelfless(t *testing.T) {
	l := newLedger(newTally(2, 2), 0, 2, 2, 1024)
	l.expect, l.selfless = 2, true
	l.issue(0)
	l.issue(0)
	l.heard(1, 0, 0, true)
	l.mustBe(t, 0, 0, 0, 1)
	if l.behind(0) != 1 || l.behind(1) != 0 {
		t.Errorf("%d and %d behind", l.behind(0), l.behind(1))
	}
	l.gone(0) // 1's message was for it alone
	l.mustBe(t, 1, 0, 0, 0)
}
