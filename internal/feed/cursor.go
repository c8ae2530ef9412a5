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
	feed     *Feed
	at       Place
	leaveOut []uint32 // tags of records that are not shown; its elements never change
	masks    []mask   // what leaveOut will be, in order of their places
	since    uint64   // the order that added it
	end      *end     // nil: it goes on for ever
	stop     uint64   // how many records lie before the place to which it may go now
	hole     *hole    // the last gap told; nil: none was
}

// masksMost is how many changes of what is left out may lie ahead of a reader. With
// more, the last one begins where the one before it would have.
const masksMost = 16

// mask is what is left out from a place on.
type mask struct {
	from     uint64 // how many records lie before it
	leaveOut []uint32
}

// remask changes what is left out from a place on. What is left out then is not shown
// before it either, as nothing is that was left out so far.
func (c *cursor) remask(m mask) {
	c.leaveOut = union(c.leaveOut, m.leaveOut)
	for i := range c.masks {
		c.masks[i].leaveOut = union(c.masks[i].leaveOut, m.leaveOut)
	}
	if last := len(c.masks) - 1; last >= 0 && (last == masksMost-1 || c.masks[last].from == m.from) {
		c.masks[last].leaveOut = m.leaveOut
		return
	}
	c.masks = append(c.masks, m)
}

// union returns the tags of both, neither of which it changes.
func union(a, b []uint32) []uint32 {
	for _, tag := range b {
		if !slices.Contains(a, tag) {
			a = append(slices.Clip(a), tag)
		}
	}
	return a
}

// end is where a cursor stops, and the order that said so.
type end struct {
	Place
	order uint64
}

// until is how many records lie before the cursor's end.
func (c *cursor) until() uint64 {
	if c.end == nil {
		return math.MaxUint64
	}
	return c.end.Index
}

// peekFeeds looks at each cursor once, at the one after the last one first. It
// returns again if there is something else to look at before it goes on: a gap
// notice in tail, or what had to wait for a cursor that has come to its end.
func (o *Outlet) peekFeeds() (p []byte, again bool, err error) {
	for range o.cursors {
		if o.next >= len(o.cursors) {
			o.next = 0
		}
		c := &o.cursors[o.next]
		o.viewed = o.next
		p, err = o.peekCursor(c)
		ended := len(p) == 0 && c.at.Index >= c.until()
		if ended {
			o.forget(o.next)
		} else {
			o.next++
		}
		if err != nil || len(p) > 0 || ended || len(o.tail) > 0 {
			return p, len(p) == 0, err
		}
	}
	return nil, false, nil
}

// forget drops the i-th cursor, which is at its end.
func (o *Outlet) forget(i int) {
	o.cursors = slices.Delete(o.cursors, i, i+1)
	o.mu.Lock()
	o.limit()
	o.mu.Unlock()
}

// limit sets how far each cursor may go for now. A cursor does not begin before
// those have ended that were unfollowed before it was added, nor before lines that
// were posted before and have to wait; and what the first such line waits for is
// not gone past. None of these waits for anything that was ordered or posted
// later, so all of it ends. The caller holds o.mu.
func (o *Outlet) limit() {
	before := uint64(math.MaxUint64) // the earliest order that something unfinished goes back to
	if len(o.waits) > 0 {
		before = o.waits[0].order
	}
	for i := range o.cursors {
		if e := o.cursors[i].end; e != nil {
			before = min(before, e.order)
		}
	}
	for i := range o.cursors {
		switch c := &o.cursors[i]; {
		case c.since > before:
			c.stop = 0
		case len(o.waits) > 0 && o.waits[0].concerns(c):
			c.stop = min(c.until(), o.waits[0].after.Index)
		default:
			c.stop = c.until()
		}
	}
}

// peekCursor returns what the cursor's reader is to see next, or leaves a gap
// notice in tail; neither if there are orders to obey first. It looks for orders
// after it has looked at the feed: what the feed's owner appends after an order is
// not taken before it, so who has left a room sees nothing that was said later.
func (o *Outlet) peekCursor(c *cursor) ([]byte, error) {
	for c.at.Index < c.stop {
		for len(c.masks) > 0 && c.at.Index >= c.masks[0].from {
			c.leaveOut, c.masks = c.masks[0].leaveOut, c.masks[1:]
		}
		stop := c.stop
		if len(c.masks) > 0 {
			stop = min(stop, c.masks[0].from)
		}
		v, ok := c.feed.acquire(c.at)
		if !ok {
			to := c.feed.near(resumeWithin)
			if o.ordered.Load() {
				return nil, nil
			}
			if err := o.gap(c, to); err != nil || len(o.tail) > 0 {
				return nil, err
			}
			continue
		}
		if v.from == v.to || o.ordered.Load() {
			v.release()
			break
		}
		v.to = v.from + uint32(min(uint64(v.to-v.from), stop-c.at.Index))
		if len(c.leaveOut) > 0 {
			v.narrow(c.leaveOut)
		}
		if p := v.bytes(); len(p) > 0 {
			o.view = v
			return p, nil
		}
		c.at = v.seg.place(v.to)
		v.release()
	}
	return nil, nil
}

// narrow cuts v down to its first run of records that carry none of the tags.
func (v *view) narrow(tags []uint32) {
	if len(tags) == 1 {
		v.narrowOne(tags[0])
		return
	}
	marks, i := v.seg.marks[:v.to], v.from
	for i < v.to && slices.Contains(tags, marks[i].tag) {
		i++
	}
	v.from = i
	for i < v.to && !slices.Contains(tags, marks[i].tag) {
		i++
	}
	v.to = i
}

// narrowOne is narrow for one tag.
func (v *view) narrowOne(tag uint32) {
	marks, i := v.seg.marks[:v.to], int(v.from)
	for i < len(marks) && marks[i].tag == tag {
		i++
	}
	v.from = uint32(i)
	for i < len(marks) && marks[i].tag != tag {
		i++
	}
	v.to = uint32(i)
}

// gap moves a cursor whose place is gone to one near the head, or to its end.
func (o *Outlet) gap(c *cursor, to Place) error {
	if c.end != nil && c.end.Index < to.Index {
		to = c.end.Place
	}
	missing := to.Ordinal - c.at.Ordinal
	if missing > 0 {
		if c.feed.format.Gap == nil {
			return ErrFellOff
		}
		o.tail = c.feed.format.Gap(nil, Gap{Missing: missing, First: c.at.Seq + 1, Last: to.Seq})
		o.skipped.Add(missing)
		o.Tally.gap(missing)
		c.hole = &hole{c.at, to}
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
		o.sent += c.at.Ordinal - o.view.seg.ordinal(o.view.from)
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
