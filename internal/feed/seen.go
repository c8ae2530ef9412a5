package feed

import (
	"runtime"
	"slices"
)

// leastRecord is how few bytes a counted record takes at least, as far as is
// assumed where the record itself is gone.
const leastRecord = 8

// hole is the last gap that a reader was told of: what lies between was not shown.
type hole struct{ from, to Place }

// Seen is the place in f's ring up to which the reader surely has everything, when
// the last unacked bytes that the sink took may not have arrived. It is for an
// outlet that is closed, after Wait. Where the outlet no longer follows the ring, or
// never came to do so, it had written all up to left, but for what carries a tag in
// leaveOut. As other lines may stand in between, the place may be a little too far
// back, and never too far on; its offset is one in the feed that was followed.
//
// Of the unacked bytes, rest were written before that place, in records that are not
// held any more.
func (o *Outlet) Seen(f *Feed, left Place, leaveOut []uint32, unacked uint64) (at Place, rest uint64) {
	for o.turn.held() { // somebody is about to find that the outlet is closed
		runtime.Gosched()
	}
	for i := range o.cursors {
		c := &o.cursors[i]
		if c.feed.ring != f.ring {
			continue
		}
		unacked += uint64(len(o.tail))
		at, rest = c.feed.before(c.at, unacked, c.leaveOut)
		if c.hole != nil && (rest > 0 || at.Index < c.hole.to.Index) { // it may not know of the gap
			return c.feed.before(c.hole.from, unacked, c.leaveOut)
		}
		return at, rest
	}
	return f.before(left, unacked, leaveOut)
}

// Before is a place so far before p that no so many bytes of records reach back
// beyond it.
func (p Place) Before(bytes uint64) Place {
	n := (bytes + leastRecord - 1) / leastRecord
	p.Index -= min(n, p.Index)
	p.Ordinal -= min(n, p.Ordinal)
	p.Seq -= min(n, p.Seq)
	return p
}

// before is the place from which on so many bytes before at were written, to a reader
// that leaves out what carries the tags, or what is left of them at the oldest record
// there is. Any goroutine may ask.
func (l *Log) before(at Place, bytes uint64, leaveOut []uint32) (_ Place, rest uint64) {
	segs := *l.segs.Load()
	for i := len(segs) - 1; i >= 0 && bytes > 0; i-- {
		s := segs[i]
		if s.start.Index >= at.Index {
			continue
		}
		j := uint32(min(at.Index-s.start.Index, uint64(s.n.Load())))
		for ; j > 0 && bytes > 0; j-- {
			if !slices.Contains(leaveOut, s.marks[j-1].tag) {
				bytes -= min(bytes, uint64(s.end(j)-s.end(j-1)))
			}
		}
		at = s.place(j)
	}
	return at, bytes
}
