package feed

import "sync/atomic"

// Tally counts what many outlets do together. Its zero value is ready; an outlet that
// has none counts nothing. What happens for each delivery is not counted here: Deliver
// returns that, for whoever writes to many outlets to add up.
type Tally struct {
	// Records is how many counted records the sinks were given, but for those that
	// Deliver returned and nobody has added: one of which a sink has the first bytes
	// counts.
	Records atomic.Uint64
	// Parked is how many outlets wait for their sink; one whose sink can only block
	// does so whenever something is due.
	Parked atomic.Int64
	// Gaps is how many gap notices were written, and Skipped of how many counted
	// records they told.
	Gaps, Skipped atomic.Uint64
}

func (t *Tally) sent(records uint64) {
	if t != nil && records > 0 {
		t.Records.Add(records)
	}
}

func (t *Tally) park(n int64) {
	if t != nil {
		t.Parked.Add(n)
	}
}

func (t *Tally) gap(missing uint64) {
	if t != nil {
		t.Gaps.Add(1)
		t.Skipped.Add(missing)
	}
}
