package feed

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// begun counts the records of which at least the first byte was written, and the gap
// notices.
func begun(got []byte) (records, gaps int) {
	return bytes.Count(got, []byte("<")), bytes.Count(got, []byte("["))
}

// counted is a ring of records "<N>" and an outlet that follows it, which leaves out
// those that carry tag 2.
func counted(sink Sink, tally *Tally, limits Limits) (*Ring, *Outlet) {
	ring := NewRing(Place{}, limits, nil)
	f := ring.Feed(&Format{
		Render: func(dst []byte, r *Record) []byte {
			if r.Seq == 0 {
				return append(dst, "notice\n"...)
			}
			return append(dst, r.Text...)
		},
		Gap: func(dst []byte, g Gap) []byte { return fmt.Appendf(dst, "[%d]\n", g.Missing) },
	})
	o := NewOutlet(sink, func(err error) { panic(err) })
	o.Tally = tally
	o.Follow(f, f.Head(), []uint32{2})
	return ring, o
}

// TestTally: whatever a sink takes at a time, and whoever writes, the records that it
// was given are what Deliver returns and what the Tally holds, together.
func TestTally(t *testing.T) {
	var swept, others, missed uint64 // of all seeds
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		sink := newFakeSink(rnd.IntN(100))
		sink.copying, sink.piece = seed%3 == 0, 1+rnd.IntN(40)
		var tally Tally
		ring, o := counted(sink, &tally, Limits{Records: 60, Bytes: 20 << 10})
		var seq, delivered uint64
		for range 300 {
			switch rnd.IntN(6) {
			case 0, 1:
				seq++
				ring.Append(&Record{Seq: seq, Tag: uint32(1 + rnd.IntN(2)), Text: fmt.Appendf(nil, "<%0*d>\n", 1+rnd.IntN(50), seq)})
			case 2:
				ring.Append(&Record{})
			case 3:
				delivered += o.Deliver()
			case 4:
				o.Post([]byte("private\n"))
			case 5:
				sink.give(o, rnd.IntN(200))
			}
			sink.settle(o)
			if n := tally.Parked.Load(); sink.waiting.Load() != (n == 1) {
				t.Fatalf("seed %d: %d outlets are parked; it waits: %v", seed, n, sink.waiting.Load())
			}
		}
		for range 100 { // all that is left
			sink.give(o, -1)
			delivered += o.Deliver()
			sink.settle(o)
		}
		records, gaps := begun(sink.got)
		if n := delivered + tally.Records.Load(); n != uint64(records) || tally.Gaps.Load() != uint64(gaps) {
			t.Fatalf("seed %d: %d records and %d gaps are counted, and %d and %d were written:\n%s",
				seed, n, tally.Gaps.Load(), records, gaps, sink.got)
		}
		if tally.Skipped.Load() != o.Skipped() {
			t.Fatalf("seed %d: %d records are counted as skipped, and %d were told", seed, tally.Skipped.Load(), o.Skipped())
		}
		o.Close()
		close(sink.closed)
		o.Wait()
		if n := tally.Parked.Load(); n != 0 {
			t.Fatalf("seed %d: %d outlets are parked in the end", seed, n)
		}
		swept, others, missed = swept+delivered, others+tally.Records.Load(), missed+tally.Skipped.Load()
	}
	if swept < 1000 || others < 1000 || missed < 500 {
		t.Errorf("only %d records by Deliver, %d otherwise, %d skipped", swept, others, missed)
	}
}
