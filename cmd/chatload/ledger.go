package main

// ledger knows what was said in one group and who has heard it. Messages are
// numbered as they are issued, the senders taking turns, so that message m is the
// sender's number m/senders; each receiver must see each sender's numbers rising
// by one. Receivers and senders go by their place in the group, the senders being
// the first ones.
//
// A message is complete when every receiver that is waited for has it or is known
// to have missed it; the count of receivers a message lacks stands in a ring of
// the messages in flight.
type ledger struct {
	// Set once.
	tally   *tally // of all groups
	conn    int    // the group's first connection, and
	sender  int    // its first sender, among those of all groups
	senders int    // in the group
	mask    uint64

	expect int32 // receivers of a message, its author among them
	// selfless: authors do not get their own messages back.
	selfless bool

	issued   uint64 // messages begun
	oldest   uint64 // the first that is not complete
	complete uint64
	flights  []flight
	next     []uint32 // by place and sender: the number that must come
}

type flight struct {
	due  int64 // when it was to be sent, or was
	left int32 // receivers that lack it
}

// newLedger returns group number group's, for so many connections and senders in
// each group, with at most room messages in flight, rounded up.
func newLedger(t *tally, group, conns, senders, room int) ledger {
	size := 1
	for size < room {
		size *= 2
	}
	return ledger{
		tally: t, conn: group * conns, sender: group * senders, senders: senders,
		mask:    uint64(size - 1),
		flights: make([]flight, size),
		next:    make([]uint32, conns*senders),
	}
}

// room tells whether one more message may be in flight.
func (l *ledger) room() bool { return l.issued-l.oldest <= l.mask }

func (l *ledger) inFlight() int { return int(l.issued - l.complete) }

// issue begins a message and says whose it is.
func (l *ledger) issue(due int64) (sender int) {
	m := l.issued
	l.issued++
	l.tally.issued++
	left := l.expect
	if l.selfless {
		left--
	}
	l.flights[m&l.mask] = flight{due: due, left: left}
	if left <= 0 {
		l.flights[m&l.mask].left = 1
		l.settle(m)
	}
	return int(m % uint64(l.senders))
}

// heard notes that a place got a message and returns when that one was due. from
// numbers the senders of all groups. fresh is false for what it should not have
// got, or not now; waited tells whether it is one of those that are waited for.
func (l *ledger) heard(place int, from uint16, seq uint32, waited bool) (due int64, fresh bool) {
	sender := uint(from) - uint(l.sender)
	m := uint64(seq)*uint64(l.senders) + uint64(sender)
	if sender >= uint(l.senders) || m >= l.issued {
		l.tally.unsaid(from, sender >= uint(l.senders))
		return 0, false
	}
	next := &l.next[place*l.senders+int(sender)]
	if seq != *next && !l.irregular(place, from, seq, next, waited) {
		return 0, false
	}
	*next = seq + 1
	due = l.flights[m&l.mask].due
	if waited {
		l.settle(m)
	}
	return due, true
}

// irregular takes a number that was not the next one. It returns true if those
// before it are missing, and false if it is an earlier one.
func (l *ledger) irregular(place int, from uint16, seq uint32, next *uint32, waited bool) bool {
	if seq < *next {
		l.tally.late(miss{int32(l.conn + place), from, seq}, waited)
		return false
	}
	for ; *next < seq; *next++ {
		l.tally.skip(miss{int32(l.conn + place), from, *next}, waited)
		if waited {
			l.settle(uint64(*next)*uint64(l.senders) + uint64(from) - uint64(l.sender))
		}
	}
	return true
}

// settle notes that one receiver need not be waited for any longer.
func (l *ledger) settle(m uint64) {
	f := &l.flights[m&l.mask]
	if f.left--; f.left != 0 {
		return
	}
	l.complete++
	l.tally.complete++
	for l.oldest < l.issued && l.flights[l.oldest&l.mask].left <= 0 {
		l.oldest++
	}
}

// gone notes that a receiver that was waited for has ended: what it had not got
// of the messages in flight, it has lost.
func (l *ledger) gone(place int) {
	l.expect--
	for m := l.oldest; m < l.issued; m++ {
		sender := int(m % uint64(l.senders))
		if l.selfless && sender == place {
			continue
		}
		if uint32(m/uint64(l.senders)) >= l.next[place*l.senders+sender] {
			l.tally.miss(l.conn+place, 1, true)
			l.settle(m)
		}
	}
}

// behind is how many messages a place has neither got nor missed.
func (l *ledger) behind(place int) (n int64) {
	for s := range l.senders {
		if l.selfless && s == place {
			continue
		}
		said := (l.issued + uint64(l.senders-1-s)) / uint64(l.senders)
		n += int64(said) - int64(l.next[place*l.senders+s])
	}
	return n
}

// forfeit has a place miss all that it is behind. Nothing may be counted for it
// after that.
func (l *ledger) forfeit(place int, waited bool) {
	l.tally.miss(l.conn+place, l.behind(place), waited)
}
