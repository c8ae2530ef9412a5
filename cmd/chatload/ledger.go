package main

// ledger knows what was said and who has heard it. Messages are numbered as they
// are issued, the senders taking turns, so that message m is the sender's number
// m/senders; each receiver must see each sender's numbers rising by one.
//
// A message is complete when every receiver that is waited for has it or is known
// to have missed it; the count of receivers a message lacks stands in a ring of
// the messages in flight.
type ledger struct {
	// Set once.
	senders int
	mask    uint64

	expect int32 // receivers of a message, its author among them
	// selfless: authors do not get their own messages back.
	selfless bool

	issued   uint64 // messages begun
	oldest   uint64 // the first that is not complete
	complete uint64
	flights  []flight
	next     []uint32 // by connection and sender: the number that must come

	// What went wrong.
	lost, repeated, reordered int64
	slowMissed                int64             // by those who read slowly
	missing                   map[miss]struct{} // what may still come, late
}

type flight struct {
	due  int64 // when it was to be sent, or was
	left int32 // receivers that lack it
}

// miss is a message that one receiver has not got though it got a later one.
type miss struct {
	conn   int32
	sender uint16
	seq    uint32
}

// missingMost bounds what is remembered of lost messages, 50 MB of it; beyond it
// a late one would count as repeated.
const missingMost = 1 << 20

// newLedger returns one for so many connections and senders with at most room
// messages in flight, rounded up.
func newLedger(conns, senders, room int) *ledger {
	size := 1024
	for size < room {
		size *= 2
	}
	return &ledger{
		senders: senders, mask: uint64(size - 1),
		flights: make([]flight, size),
		next:    make([]uint32, conns*senders),
		missing: make(map[miss]struct{}),
	}
}

// room tells whether one more message may be in flight.
func (l *ledger) room() bool { return l.issued-l.oldest <= l.mask }

func (l *ledger) inFlight() int { return int(l.issued - l.complete) }

// issue begins a message and says whose it is.
func (l *ledger) issue(due int64) (sender int) {
	m := l.issued
	l.issued++
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

// heard notes that conn got a message and returns when that one was due. fresh is
// false for what it should not have got, or not now; waited tells whether conn is
// one of those that are waited for.
func (l *ledger) heard(conn int, sender uint16, seq uint32, waited bool) (due int64, fresh bool) {
	if int(sender) >= l.senders || uint64(seq)*uint64(l.senders)+uint64(sender) >= l.issued {
		l.repeated++ // never said: as wrong as said twice
		return 0, false
	}
	next := &l.next[conn*l.senders+int(sender)]
	if seq != *next && !l.irregular(conn, sender, seq, next, waited) {
		return 0, false
	}
	*next = seq + 1
	m := uint64(seq)*uint64(l.senders) + uint64(sender)
	due = l.flights[m&l.mask].due
	if waited {
		l.settle(m)
	}
	return due, true
}

// irregular takes a number that was not the next one. It returns true if those
// before it are missing, and false if it is an earlier one.
func (l *ledger) irregular(conn int, sender uint16, seq uint32, next *uint32, waited bool) bool {
	if seq < *next {
		key := miss{int32(conn), sender, seq}
		if _, late := l.missing[key]; late {
			delete(l.missing, key)
			l.reordered++
			if waited {
				l.lost--
			} else {
				l.slowMissed--
			}
		} else {
			l.repeated++
		}
		return false
	}
	for ; *next < seq; *next++ {
		if len(l.missing) < missingMost {
			l.missing[miss{int32(conn), sender, *next}] = struct{}{}
		}
		if waited {
			l.lost++
			l.settle(uint64(*next)*uint64(l.senders) + uint64(sender))
		} else {
			l.slowMissed++
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
	for l.oldest < l.issued && l.flights[l.oldest&l.mask].left <= 0 {
		l.oldest++
	}
}

// gone notes that a receiver that was waited for has ended: what it had not got
// of the messages in flight, it has lost.
func (l *ledger) gone(conn int) {
	l.expect--
	for m := l.oldest; m < l.issued; m++ {
		sender := int(m % uint64(l.senders))
		if l.selfless && sender == conn {
			continue
		}
		if uint32(m/uint64(l.senders)) >= l.next[conn*l.senders+sender] {
			l.lost++
			l.settle(m)
		}
	}
}

// abandon counts as lost what is still in flight. Nothing is counted after it.
func (l *ledger) abandon() {
	for m := l.oldest; m < l.issued; m++ {
		if left := l.flights[m&l.mask].left; left > 0 {
			l.lost += int64(left)
		}
	}
	l.oldest, l.complete = l.issued, l.issued
}
