package main

// tally is what the ledgers of all groups count together.
type tally struct {
	senders  int     // of all groups
	issued   uint64  // messages begun
	complete uint64  // messages nobody is waited for
	missed   []int64 // by connection: messages it has not got though a later one came

	lost, repeated, reordered int64
	strayed                   int64             // came to another group than the sender's
	slowMissed                int64             // by those who read slowly
	missing                   map[miss]struct{} // what may still come, late
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

func newTally(conns, senders int) *tally {
	return &tally{senders: senders, missed: make([]int64, conns), missing: make(map[miss]struct{})}
}

func (t *tally) inFlight() int { return int(t.issued - t.complete) }

// unsaid takes a message that its sender has not said in the group it came to.
func (t *tally) unsaid(from uint16, elsewhere bool) {
	if elsewhere && int(from) < t.senders {
		t.strayed++
	} else {
		t.repeated++ // never said: as wrong as said twice
	}
}

// miss notes that conn has not got n messages; waited tells whether it should have.
func (t *tally) miss(conn int, n int64, waited bool) {
	t.missed[conn] += n
	if waited {
		t.lost += n
	} else {
		t.slowMissed += n
	}
}

// skip is miss for one message that may still come.
func (t *tally) skip(m miss, waited bool) {
	if len(t.missing) < missingMost {
		t.missing[m] = struct{}{}
	}
	t.miss(int(m.conn), 1, waited)
}

// late takes a message that is older than another one that has come.
func (t *tally) late(m miss, waited bool) {
	if _, skipped := t.missing[m]; !skipped {
		t.repeated++
		return
	}
	delete(t.missing, m)
	t.reordered++
	t.miss(int(m.conn), -1, waited)
}
