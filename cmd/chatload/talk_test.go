package main

import (
	"slices"
	"testing"
)

// talker is a load in its talk whose messages go nowhere.
func talker(cfg config) *load {
	cfg.time, cfg.size = 1, 64
	l := newLoad(cfg)
	l.conns = make([]conn, cfg.conns)
	for i := range l.conns {
		l.conns[i] = conn{fd: -1, group: int32(i / cfg.group), place: int32(i % cfg.group)}
	}
	l.sender = make([]sender, l.tally.senders)
	for g := range l.groups {
		l.groups[g].expect = int32(cfg.group)
		l.ready.add(g)
	}
	l.clock()
	return l
}

func (l *load) inFlight() (n []int) {
	for i := range l.groups {
		n = append(n, l.groups[i].inFlight())
	}
	return n
}

// However late a message is sent, it counts from when it was due.
func TestPumpRate(t *testing.T) {
	l := talker(config{conns: 4, group: 2, senders: 1, rate: 1000})
	l.start = l.now - 1e9
	if wait := l.pump(); wait != 0 {
		t.Errorf("a second late, it waits for %v", wait)
	}
	for m := range pumpMost {
		g := &l.groups[m%2]
		if due := g.flights[uint64(m/2)&g.mask].due; due != l.start+int64(m)*1e6 {
			t.Fatalf("message %d is due %d ns after the start", m, due-l.start)
		}
	}
	if got := l.inFlight(); !slices.Equal(got, []int{pumpMost / 2, pumpMost / 2}) {
		t.Errorf("in flight: %v", got)
	}
	// Nothing is sent before it is due.
	l.start = l.now - int64(l.tally.issued)*1e6 + 1e12
	if wait := l.pump(); wait <= 0 || l.tally.issued != pumpMost {
		t.Errorf("it waits for %v, having sent %d", wait, l.tally.issued)
	}
}

// Each group has so many messages in flight, and a new one for each that is
// complete.
func TestPumpWindow(t *testing.T) {
	l := talker(config{conns: 6, group: 2, senders: 2, window: 3})
	l.pump()
	if got := l.inFlight(); !slices.Equal(got, []int{3, 3, 3}) {
		t.Errorf("in flight: %v", got)
	}
	for l.reading = 2; l.reading < 4; l.reading++ { // group 1
		if l.pump(); l.tally.issued != 9 {
			t.Errorf("sent before all have heard: %v", l.inFlight())
		}
		l.heard(2, 0)
	}
	if got := l.inFlight(); !slices.Equal(got, []int{3, 2, 3}) {
		t.Errorf("in flight: %v", got)
	}
	l.pump()
	if got := l.inFlight(); !slices.Equal(got, []int{3, 3, 3}) || l.groups[1].issued != 4 {
		t.Errorf("in flight: %v", got)
	}
	// No more than are wanted.
	l.limit = 11
	for place := range 2 {
		l.groups[0].heard(place, 0, 0, true)
		l.groups[0].heard(place, 1, 0, true)
	}
	l.ready.add(0)
	l.sending = true
	if l.pump(); l.tally.issued != 11 || l.sending {
		t.Errorf("%d sent, still sending: %v", l.tally.issued, l.sending)
	}
}

func TestRota(t *testing.T) {
	r := newRota(3)
	var got []int
	for _, g := range []int{2, 0, 2, 1} {
		r.add(g)
	}
	for range 2 {
		g, _ := r.next()
		got = append(got, g)
		r.pop()
	}
	r.add(0)
	r.add(2)
	for g, ok := r.next(); ok; g, ok = r.next() {
		got = append(got, g)
		r.pop()
	}
	if !slices.Equal(got, []int{2, 0, 1, 0, 2}) {
		t.Errorf("in turn: %v", got)
	}
}
