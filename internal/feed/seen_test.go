package feed

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// ended closes an outlet and its sink.
func ended(o *Outlet, s *fakeSink) {
	o.Close()
	close(s.closed)
	o.Wait()
}

// had is how many of the records that are shown stand whole in the stream.
func had(stream []byte) (n int) {
	for line := range bytes.Lines(stream) {
		if line[len(line)-1] == '\n' && line[0] == 'm' {
			n++
		}
	}
	return n
}

// TestSeenIsExact: whatever the sink had taken, and whatever of that had not arrived,
// the place is the one behind the last record that had: none is left out, none comes
// twice. Records that the reader does not see count for nothing.
func TestSeenIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range scale(100, 1000, 20000) {
		const hidden = 3
		sink := newFakeSink(r.IntN(1500))
		c := newChat(0, Limits{Records: 4096, Bytes: 1 << 20})
		f := c.ring.Feed(c.formats[0])
		o := NewOutlet(sink, func(err error) { t.Error(err) })
		leaveOut := []uint32{hidden}
		o.Follow(f, Place{Seq: 10}, leaveOut)
		records := r.IntN(60)
		for i := range records {
			c.append(uint64(11+i), hiddenOr(r, hidden), r.IntN(60))
			if r.IntN(3) == 0 {
				o.Flush()
			}
		}
		left := c.ring.Head()
		unfollowed := r.IntN(2) == 0
		if unfollowed {
			o.Unfollow(f, left)
		}
		o.Flush()
		sink.settle(o)
		ended(o, sink)
		if unfollowed && sink.room > 0 && len(o.cursors) > 0 {
			t.Fatal("all is written, and the ring is followed")
		}
		for unacked := range len(sink.got) + 1 {
			at, rest := o.Seen(f, left, leaveOut, uint64(unacked))
			shown := 0
			for i := range at.Index {
				if c.all[i].Tag != hidden {
					shown++
				}
			}
			if want := had(sink.got[:len(sink.got)-unacked]); shown != want {
				t.Fatalf("%d of %d bytes had not arrived: %d records were seen, says the outlet, of %d", unacked, len(sink.got), want, shown)
			}
			if rest > 0 || at.Seq != 10+at.Index || at.Ordinal != at.Index {
				t.Fatalf("%+v is no place, or lacks %d bytes", at, rest)
			}
		}
	}
}

// hiddenOr is the tag of a record that is hidden, or that of another one.
func hiddenOr(r *rand.Rand, hidden uint32) uint32 {
	if r.IntN(3) == 0 {
		return hidden
	}
	return 1
}

// TestSeenBesideLines: private lines in between move the place back, never on.
func TestSeenBesideLines(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range scale(100, 500, 10000) {
		sink := newFakeSink(r.IntN(1500))
		c := newChat(0, Limits{Records: 4096, Bytes: 1 << 20})
		f := c.ring.Feed(c.formats[0])
		o := NewOutlet(sink, func(err error) { t.Error(err) })
		o.Follow(f, Place{Seq: 10}, nil)
		for i := range 30 {
			c.append(uint64(11+i), 0, r.IntN(60))
			o.Flush()
			if r.IntN(2) == 0 {
				o.Post([]byte("private\n"))
			}
		}
		sink.settle(o)
		ended(o, sink)
		for unacked := range len(sink.got) + 1 {
			at, _ := o.Seen(f, c.ring.Head(), nil, uint64(unacked))
			if most := had(sink.got[:len(sink.got)-unacked]); int(at.Index) > most {
				t.Fatalf("%d of %d bytes had not arrived: %d records were seen, says the outlet, of %d", unacked, len(sink.got), most, at.Index)
			}
		}
	}
}

// TestSeenBeforeAGap: who may not have been told of a gap has seen what lies before
// it, and who was told has seen what lies behind it too.
func TestSeenBeforeAGap(t *testing.T) {
	sink := newFakeSink(0)
	c, o := followed(sink, func(err error) { t.Error(err) })
	for i := range 200 {
		c.append(uint64(11+i), 0, 100)
	}
	o.Flush()
	sink.settle(o)
	sink.give(o, 150) // the notice and one record, in part
	ended(o, sink)
	if len(o.cursors) != 1 || o.cursors[0].hole == nil {
		t.Fatalf("no gap was told in %q", sink.got)
	}
	hole := *o.cursors[0].hole
	notice := bytes.IndexByte(sink.got, '\n') + 1
	f := c.ring.Feed(c.formats[0])
	for unacked := range len(sink.got) + 1 {
		at, rest := o.Seen(f, c.ring.Head(), nil, uint64(unacked))
		want := hole.from
		if left := len(sink.got) - unacked; left >= notice {
			want = hole.to
			want.Index += uint64(had(sink.got[notice:left]))
		} else if rest == 0 {
			t.Errorf("%d of %d bytes had not arrived, and none of them before the gap", unacked, len(sink.got))
		}
		if at.Index != want.Index {
			t.Errorf("%d of %d bytes had not arrived: record %d is next, want %d", unacked, len(sink.got), at.Index, want.Index)
		}
	}
}

// TestSeenOfWhatIsGone: where the log no longer holds what may not have arrived, it is
// told how much that is, and Before goes back far enough.
func TestSeenOfWhatIsGone(t *testing.T) {
	sink := newFakeSink(3000)
	c, o := followed(sink, func(err error) { t.Error(err) })
	for i := range 20 {
		c.append(uint64(11+i), 0, 100)
		o.Flush()
	}
	sink.room = 0
	for i := range 500 {
		c.append(uint64(31+i), 0, 100)
	}
	ended(o, sink)
	f := c.ring.Feed(c.formats[0])
	at, rest := o.Seen(f, c.ring.Head(), nil, 100)
	most := had(sink.got)
	if rest != 100+uint64(len(o.tail)) || int(at.Index) > most+1 {
		t.Errorf("%+v, and %d bytes before it, of 100", at, rest)
	}
	if at = at.Before(rest); int(at.Index) > had(sink.got[:len(sink.got)-100]) || at.Index == 0 || at.Seq != 10+at.Index {
		t.Errorf("%+v, and %d records had arrived", at, had(sink.got[:len(sink.got)-100]))
	}
	if at = at.Before(1 << 40); at.Index != 0 || at.Seq != 0 || at.Ordinal != 0 {
		t.Errorf("%+v, and nothing had arrived", at)
	}
}

// TestSeenWaitsForWhoWrites: somebody may be in the middle of a write when an outlet
// is closed; what that one writes is seen.
func TestSeenWaitsForWhoWrites(t *testing.T) {
	for i := range scale(100, 2000, 50000) {
		sink := newFakeSink(-1)
		c, o := followed(sink, func(err error) { t.Error(err) })
		for i := range 10 {
			c.append(uint64(11+i), 0, 20)
		}
		var writing sync.WaitGroup
		writing.Go(o.Flush)
		writing.Go(func() { o.Post([]byte(fmt.Sprintln("private", i))) })
		o.Close()
		close(sink.closed)
		o.Wait()
		at, _ := o.Seen(c.ring.Feed(c.formats[0]), c.ring.Head(), nil, 0)
		if n := had(sink.got); int(at.Index) != n {
			t.Fatalf("%d records were written, and %d seen", n, at.Index)
		}
		writing.Wait()
	}
}
