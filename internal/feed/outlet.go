package feed

import (
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// mailboxSize bounds the private lines that wait for a reader, in bytes. It
	// holds four of the longest messages.
	mailboxSize = 16 << 10
	// resumeWithin is how far behind the head, in bytes, a reader goes on that
	// fell off a feed: a screen or several, and what a slow line takes in a
	// second or two, so that it does not fall off again at once.
	resumeWithin = 64 << 10
)

var (
	// ErrFellOff ends an outlet that is too far behind in a format that has no
	// way to tell a gap.
	ErrFellOff = errors.New("too far behind")
	// ErrClosed is what waiting on a closed outlet ends with.
	ErrClosed = errors.New("outlet closed")
)

// Sink is where an outlet's bytes go. One goroutine at a time calls its methods.
type Sink interface {
	// TryWrite takes what it can of p without waiting; fewer bytes and no error
	// mean that it is full.
	TryWrite(p []byte) (n int, err error)
	// Drain writes what peek returns, waiting where it must, until peek returns
	// nothing. After each write, or before it if it copies, it calls took with
	// the number of bytes. It holds no bytes of peek's while it waits. It ends
	// early only with an error; the sink's being closed is one.
	Drain(peek func() ([]byte, error), took func(n int)) error
}

// Outlet is one connection's output. Whole records and private lines leave it
// one after the other, and each feed's records in order, none twice; where
// counted records are missing between two, a gap notice stands between them.
//
// Its methods may be called by any goroutine unless they say otherwise. None of
// them waits for the sink but Send, Flushed and Wait.
type Outlet struct {
	// Set once.
	sink Sink
	fail func(error) // called once, by any goroutine, and must not wait

	turn Turn

	// Owned by the holder of the turn.
	cursors []cursor
	first   [1]cursor // most follow one feed
	next    int       // the cursor whose feed is looked at next
	tail    []byte    // bytes that must leave before anything else
	view    view      // what peek returned, if it is not tail
	viewed  int       // the cursor it belongs to

	// Read by anyone, written by the holder of the turn.
	written atomic.Uint64 // bytes the sink has taken
	skipped atomic.Uint64 // counted records told as gaps
	parked  atomic.Int64  // when the sink was found full, ns since 1970; 0: it is not

	after   atomic.Uint64 // the records that come before the mailbox, of the first cursor
	posted  atomic.Bool   // the mailbox holds something
	ordered atomic.Bool   // there are orders

	waited atomic.Bool // somebody listens to news

	mu      sync.Mutex
	mailbox []byte
	orders  []func()       // run by the holder of the turn, between records
	news    chan struct{}  // capacity 1, never closed: look again
	drains  sync.WaitGroup // goroutines in drain
}

// cursor is an outlet's place in one feed.
type cursor struct {
	feed  *Feed
	at    Place
	until Place  // where to stop following
	mask  uint32 // records with this tag are left out; 0: none
}

// endless is the until of a cursor that goes on for ever.
var endless = Place{Index: math.MaxUint64}

// NewOutlet returns an outlet that follows nothing yet. fail is called when the
// sink fails or the outlet cannot go on; the outlet is closed then.
func NewOutlet(sink Sink, fail func(error)) *Outlet {
	o := &Outlet{sink: sink, fail: fail}
	o.cursors = o.first[:0]
	return o
}

// Flush writes what is due, as far as the sink takes it. It does nothing if
// somebody else is writing; that one will see to it.
func (o *Outlet) Flush() {
	if o.turn.take() && o.write() {
		o.park()
	}
}

// write writes what is due. It gives the turn back and returns false, unless the
// sink is full: then the turn is still the caller's.
func (o *Outlet) write() bool {
	for {
		full, err := o.push()
		switch {
		case err != nil:
			o.end(err)
			return false
		case full:
			return true
		case o.turn.release():
			o.tell()
			return false
		}
	}
}

// push writes until nothing is due or the sink is full.
func (o *Outlet) push() (full bool, err error) {
	for {
		p, err := o.peek()
		if err != nil || len(p) == 0 {
			return false, err
		}
		n, err := o.sink.TryWrite(p)
		o.took(n)
		if err != nil || n < len(p) {
			return true, err
		}
	}
}

// park leaves the turn to a goroutine that waits for the sink.
func (o *Outlet) park() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.turn.closed() {
		return
	}
	o.drains.Add(1)
	o.parked.Store(time.Now().UnixNano())
	go o.drain()
}

// drain ends when nothing is due, or when the sink is closed.
func (o *Outlet) drain() {
	defer o.drains.Done()
	for {
		if err := o.sink.Drain(o.peek, o.took); err != nil {
			o.end(err)
			return
		}
		o.parked.Store(0)
		if !o.write() {
			return
		}
		o.parked.Store(time.Now().UnixNano())
	}
}

// end keeps the turn for good.
func (o *Outlet) end(err error) {
	if o.close() {
		o.fail(err)
	}
}

// peek returns what must leave next: the rest of what was begun, the mailbox,
// the feeds; nothing if nothing is due. took must follow.
func (o *Outlet) peek() ([]byte, error) {
	for {
		switch {
		case o.turn.closed():
			return nil, ErrClosed
		case len(o.tail) > 0:
			return o.tail, nil
		case o.ordered.Load():
			o.obey() // at once, though lines may have to wait: an end is an end
			continue
		}
		posted := o.posted.Load()
		if posted && !o.owes() {
			o.collect()
			continue
		}
		p, err := o.peekFeeds()
		if err != nil || len(p) > 0 {
			return p, err
		}
		if len(o.tail) == 0 {
			if !posted {
				return nil, nil
			}
			o.collect() // what was to come first does not come
		}
	}
}

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

// collect takes over the lines that others left.
func (o *Outlet) collect() {
	o.mu.Lock()
	o.posted.Store(false)
	o.tail, o.mailbox = o.mailbox, nil
	o.mu.Unlock()
	o.tell()
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

// Post puts private bytes into the mailbox, whole lines, and returns true, or
// false if the mailbox is full because nobody reads at the other end. Bytes that
// are larger than the mailbox are taken only if it is empty.
func (o *Outlet) Post(p []byte) bool {
	if !o.deposit(p) {
		return false
	}
	o.Flush()
	return true
}

func (o *Outlet) deposit(p []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.turn.closed() || len(o.mailbox) > 0 && len(o.mailbox)+len(p) > mailboxSize {
		return false
	}
	o.mailbox = append(o.mailbox, p...)
	o.posted.Store(true)
	return true
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

// Close ends all writing, in the middle of a record if need be. It does not
// close the sink: who does, so ends the goroutine of an outlet that waits.
func (o *Outlet) Close() { o.close() }

func (o *Outlet) close() (first bool) {
	o.mu.Lock() // no goroutine is begun afterwards
	first = o.turn.close()
	o.mu.Unlock()
	o.tell()
	return first
}

// Wait returns when the outlet has no goroutine. It and its sink must be closed.
func (o *Outlet) Wait() { o.drains.Wait() }

// Written is how many bytes the sink has taken so far.
func (o *Outlet) Written() uint64 { return o.written.Load() }

// Skipped is how many counted records the reader was told it missed.
func (o *Outlet) Skipped() uint64 { return o.skipped.Load() }

// Parked is since when the outlet waits for its sink, the zero Time if it does not.
func (o *Outlet) Parked() time.Time {
	if ns := o.parked.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// PostAfter is Post, but the bytes, and what others post meanwhile, are written
// after the records of the first feed followed that lie before the given index.
func (o *Outlet) PostAfter(index uint64, p []byte) bool {
	for {
		before := o.after.Load()
		if index <= before || o.after.CompareAndSwap(before, index) {
			return o.Post(p)
		}
	}
}

// owes tells whether records are due before the mailbox.
func (o *Outlet) owes() bool {
	return len(o.cursors) > 0 && o.cursors[0].at.Index < o.after.Load()
}

// Send is PostAfter for long answers: it waits until there is room in the mailbox, so
// that the caller goes no faster than the reader. It fails with ErrClosed, or
// when done is closed. One goroutine at a time may call Send or Flushed.
func (o *Outlet) Send(done <-chan struct{}, after uint64, p []byte) error {
	return o.await(done, func() bool { return o.PostAfter(after, p) })
}

// Flushed waits until nothing is due and nobody writes. It fails as Send does.
func (o *Outlet) Flushed(done <-chan struct{}) error {
	return o.await(done, func() bool {
		o.Flush()
		return o.turn.free() && !o.posted.Load() && !o.ordered.Load()
	})
}

func (o *Outlet) await(done <-chan struct{}, try func() bool) error {
	if o.news == nil {
		o.news = make(chan struct{}, 1)
	}
	o.waited.Store(true)
	defer o.waited.Store(false)
	for !try() {
		if o.turn.closed() {
			return ErrClosed
		}
		select {
		case <-o.news:
		case <-done:
			return ErrClosed
		}
	}
	return nil
}

// tell wakes who waits in await. It comes after what it tells of, as waited is
// set before await looks.
func (o *Outlet) tell() {
	if !o.waited.Load() {
		return
	}
	select {
	case o.news <- struct{}{}:
	default:
	}
}
