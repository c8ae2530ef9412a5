package feed

import (
	"math"
	"slices"
)

// resumeWithin is how far behind the head, in bytes, a reader goes on that fell off
// a feed: a screen or several, and what a slow line takes in a second or two, so
// that it does not fall off again at once.
const resumeWithin = 64 << 10

// cursor is an outlet's place in one feed.
type cursor struct {
	feed  *Feed
	at    Place
	until Place  // where to stop following
	mask  uint32 // records with this tag are left out; 0: none
}

// endless is the until of a cursor that goes on for ever.
var endless = Place{Index: math.MaxUint64}

// peekFeeds looks at each cursor once, at the one after the last one first.
func (o *Outlet) peekFeeds() ([]byte, error) {
	for left := len(o.cursors); left > 0; left-- {
		if o.next >= len(o.cursors) {
			o.next = 0
		}
		if o.early(o.next) {
			o.next++
			continue
		}
		o.viewed = o.next
		c := &o.cursors[o.next]
		p, err := o.peekCursor(c)
		if c.at.Index >= c.until.Index && len(p) == 0 {
			o.cursors = slices.Delete(o.cursors, o.next, o.next+1)
			left = len(o.cursors) + 1 // one that had to wait may not have to now
		} else {
			o.next++
		}
		if err != nil || len(p) > 0 || len(o.tail) > 0 {
			return p, err
		}
	}
	return nil, nil
}

// early tells that the i-th cursor's ring is followed by an earlier one, which
// has not come yet to where it stops: the outlet left the ring and came back.
func (o *Outlet) early(i int) bool {
	for _, c := range o.cursors[:i] {
		if c.feed.ring == o.cursors[i].feed.ring {
			return true
		}
	}
	return false
}

// peekCursor returns what the cursor's reader is to see next, or leaves a gap
// notice in tail.
func (o *Outlet) peekCursor(c *cursor) ([]byte, error) {
	for c.at.Index < c.until.Index {
		v, ok := c.feed.acquire(c.at)
		if !ok {
			if err := o.gap(c); err != nil || len(o.tail) > 0 {
				return nil, err
			}
			continue
		}
		if v.from == v.to {
			v.release()
			break
		}
		v.to = v.from + uint32(min(uint64(v.to-v.from), c.until.Index-c.at.Index))
		c.leaveOut(&v)
		if p := v.bytes(); len(p) > 0 {
			o.view = v
			return p, nil
		}
		c.at = v.seg.place(v.to)
		v.release()
	}
	return nil, nil
}

// leaveOut narrows v to its first run of records that the reader is to see.
func (c *cursor) leaveOut(v *view) {
	if c.mask == 0 {
		return
	}
	marks := v.seg.marks[:v.to]
	for v.from < v.to && marks[v.from].tag == c.mask {
		v.from++
	}
	for i := v.from; i < v.to; i++ {
		if marks[i].tag == c.mask {
			v.to = i
			return
		}
	}
}

// gap moves a cursor whose place is gone to one near the head.
func (o *Outlet) gap(c *cursor) error {
	to := c.feed.near(resumeWithin)
	if c.until.Index < to.Index {
		to = c.until
	}
	missing := to.Ordinal - c.at.Ordinal
	if missing > 0 {
		if c.feed.format.Gap == nil {
			return ErrFellOff
		}
		o.tail = c.feed.format.Gap(nil, Gap{Missing: missing, First: c.at.Seq + 1, Last: to.Seq})
		o.skipped.Add(missing)
	}
	c.at = to
	return nil
}

// took notes that the first n bytes of what peek returned have left, or that
// the caller has a copy.
func (o *Outlet) took(n int) {
	o.written.Store(o.written.Load() + uint64(n))
	if o.view.seg == nil {
		if o.tail = o.tail[n:]; len(o.tail) == 0 {
			o.tail = nil
		}
		return
	}
	c := &o.cursors[o.viewed]
	if n > 0 {
		end := o.view.seg.end(o.view.from) + uint32(n)
		i := o.view.to
		if end < o.view.seg.end(i) {
			i = o.view.cut(end)
		}
		c.at = o.view.seg.place(i)
		if rest := o.view.seg.buf[end:o.view.seg.end(i)]; len(rest) > 0 {
			o.tail = append([]byte(nil), rest...)
		}
	}
	o.view.release()
}

// cut is how many records of the segment end at end or have begun before it.
func (v *view) cut(end uint32) uint32 {
	lo, hi := v.from, v.to
	for lo < hi {
		mid := (lo + hi) / 2
		if v.seg.end(mid) < end {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// obey carries out the orders that others left.
func (o *Outlet) obey() {
	o.mu.Lock()
	o.ordered.Store(false)
	orders := o.orders
	o.orders = nil
	o.mu.Unlock()
	for _, do := range orders {
		do()
	}
}

// order has do run by the holder of the turn, between two records.
func (o *Outlet) order(do func()) {
	o.mu.Lock()
	o.orders = append(o.orders, do)
	o.ordered.Store(true)
	o.mu.Unlock()
	o.Flush()
}

// Follow adds f to the feeds that are written, from the place from on, leaving
// out records that carry mask if that is not 0. Lines posted before come first,
// if they need not wait for records.
func (o *Outlet) Follow(f *Feed, from Place, mask uint32) {
	o.order(func() {
		if len(o.cursors) == 0 {
			o.after.Store(0) // what lines waited for was in another ring
		}
		o.cursors = append(o.cursors, cursor{f, from, endless, mask})
	})
}

// Switch goes on in the feed to where it leaves off in the feed from, which is of
// the same ring.
func (o *Outlet) Switch(from, to *Feed) {
	o.order(func() {
		for i := range o.cursors {
			if c := &o.cursors[i]; c.feed == from {
				c.feed = to
				c.at.Offset = to.At(c.at.Index).Offset
			}
		}
	})
}

// Mask changes which records of f are left out from here on.
func (o *Outlet) Mask(f *Feed, mask uint32) {
	o.order(func() {
		for i := range o.cursors {
			if o.cursors[i].feed == f {
				o.cursors[i].mask = mask
			}
		}
	})
}

// Unfollow writes no more of f than what lies before until.
func (o *Outlet) Unfollow(f *Feed, until Place) {
	o.order(func() {
		for i := range o.cursors {
			if c := &o.cursors[i]; c.feed == f && until.Index < c.until.Index {
				c.until = until
			}
		}
	})
}
