package feed

import (
	"fmt"
	"slices"
	"testing"
)

// nullSink takes everything.
type nullSink struct{}

func (nullSink) TryWrite(p []byte) (int, error)                { return len(p), nil }
func (nullSink) Drain(func() ([]byte, error), func(int)) error { return nil }

// audience is a ring in one format and outlets that follow it.
func audience(n int, leaveOut []uint32) (*Ring, []*Outlet) {
	ring := NewRing(Place{}, Limits{Records: 4096, Bytes: 1 << 20}, nil)
	f := ring.Feed(&Format{Render: func(dst []byte, r *Record) []byte {
		dst = append(append(dst, "12:00 "...), r.Name...)
		return append(append(append(dst, ": "...), r.Text...), '\n')
	}})
	outlets := make([]*Outlet, n)
	for i := range outlets {
		outlets[i] = NewOutlet(nullSink{}, func(err error) { panic(err) })
		outlets[i].Follow(f, f.Head(), leaveOut)
	}
	return ring, outlets
}

// line is a record as people write them, 64 bytes with all that stands around it.
func line() *Record {
	return &Record{Name: []byte("alice"), Text: []byte(fmt.Sprintf("%050d", 7)), Tag: 1}
}

// TestNoAllocations: neither a message nor a delivery allocates; the segments that
// messages come to lie in are another matter and left out here.
func TestNoAllocations(t *testing.T) {
	for name, leaveOut := range map[string][]uint32{
		"all": nil, "with a mask": {2}, "with several": {2, 3, 4}, "one's own left out": {1}, "own and others left out": {2, 3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			const outlets, messages = 100, 1000
			ring, all := audience(outlets, leaveOut)
			rec := line()
			for i := range 5000 { // until segments are large
				rec.Seq++
				if ring.Append(rec); i%100 == 0 {
					for _, o := range all {
						o.Flush()
					}
				}
			}
			ring.roll(0, 0)
			ring.feeds[0].roll(0, 0)
			segs := [2]any{ring.segs.Load(), ring.feeds[0].segs.Load()}
			perMessage := testing.AllocsPerRun(messages/2, func() {
				rec.Seq++
				ring.Append(rec)
			})
			perRun := testing.AllocsPerRun(messages/2-2, func() {
				rec.Seq++
				ring.Append(rec)
				for _, o := range all {
					o.Flush()
				}
			})
			if segs != [2]any{ring.segs.Load(), ring.feeds[0].segs.Load()} {
				t.Fatal("a segment was begun, so this measures something else")
			}
			if perMessage != 0 || perRun != 0 {
				t.Errorf("%v allocations for a message, %v for one with %d deliveries; want none", perMessage, perRun, outlets)
			}
			var written uint64
			for _, o := range all {
				written += o.Written()
			}
			if (written == 0) != slices.Contains(leaveOut, rec.Tag) {
				t.Errorf("%d bytes were written", written)
			}
		})
	}
}

// BenchmarkAppend is one message: into the ring and one feed, segments included.
func BenchmarkAppend(b *testing.B) {
	ring, _ := audience(0, nil)
	rec := line()
	b.ReportAllocs()
	for b.Loop() {
		rec.Seq++
		ring.Append(rec)
	}
}

// BenchmarkSweep is messages brought to 1,000 outlets whose sinks cost nothing.
func BenchmarkSweep(b *testing.B) {
	const outlets = 1000
	for _, messages := range []int{1, 64} {
		for name, leaveOut := range map[string][]uint32{"all": nil, "masked": {2}, "masks=8": {2, 3, 4, 5, 6, 7, 8, 9}} {
			b.Run(fmt.Sprintf("messages=%d/%s", messages, name), func(b *testing.B) {
				ring, all := audience(outlets, leaveOut)
				rec := line()
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					for range messages {
						rec.Seq++
						ring.Append(rec)
					}
					for _, o := range all {
						o.Flush()
					}
					n += outlets
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/outlet")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*messages), "ns/delivery")
			})
		}
	}
}

// BenchmarkAcquire is a look at the head that finds nothing, and one that finds all
// of a segment.
func BenchmarkAcquire(b *testing.B) {
	ring, _ := audience(0, nil)
	rec := line()
	for range 10000 {
		rec.Seq++
		ring.Append(rec)
	}
	for name, at := range map[string]Place{"head": ring.Head(), "tail": ring.Tail()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v, ok := ring.acquire(at)
				if !ok {
					b.Fatal("gone")
				}
				v.release()
			}
		})
	}
}
