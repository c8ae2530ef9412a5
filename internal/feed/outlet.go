package feed

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
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
	// Tally is told what Deliver does not return. Set before use; nil: nothing is.
	Tally *Tally

	// Set once.
	sink Sink
	fail func(error) // called once, by any goroutine, and must not wait

	// Set by anyone, to tell who writes, or is to write.
	turn    Turn
	posted  atomic.Bool // the mailbox holds something
	ordered atomic.Bool // there are orders
	waited  atomic.Bool // somebody listens to news

	// Owned by the holder of the turn.
	cursors []cursor
	first   [1]cursor // most follow one feed
	next    int       // the cursor whose feed is looked at next
	tail    []byte    // bytes that must leave before anything else
	view    view      // what peek returned, if it is not tail
	viewed  int       // the cursor it belongs to
	sent    uint64    // counted records that the sink was given since somebody was told
	obeyed  uint64    // orders carried out

	// Read by anyone, written by the holder of the turn.
	written atomic.Uint64 // bytes the sink has taken
	skipped atomic.Uint64 // counted records told as gaps
	parked  atomic.Int64  // when the sink was found full, ns since 1970; 0: it is not

	mu      sync.Mutex // guards the next four
	mailbox []byte
	waits   []wait         // what parts of the mailbox wait for, in their order
	orders  []func()       // run by the holder of the turn, between records
	made    uint64         // orders, so far
	news    chan struct{}  // capacity 1, never closed: look again
	drains  sync.WaitGroup // goroutines in drain
}

// NewOutlet returns an outlet that follows nothing yet. fail is called when the
// sink fails or the outlet cannot go on; the outlet is closed then.
func NewOutlet(sink Sink, fail func(error)) *Outlet {
	o := &Outlet{sink: sink, fail: fail}
	o.cursors = o.first[:0]
	return o
}

// Flush writes what is due, as far as the sink takes it. It does nothing if
// somebody else is writing; that one will see to it.
func (o *Outlet) Flush() { o.Tally.sent(o.Deliver()) }

// Deliver is Flush for one who counts for many outlets: it returns how many counted
// records the sink was given, and does not tell the Tally.
func (o *Outlet) Deliver() (records uint64) {
	if !o.turn.take() {
		return 0
	}
	records, full := o.write()
	if full {
		o.park()
	}
	return records
}

// write writes what is due, and returns how many counted records that were. It gives
// the turn back, unless the sink is full: then the turn is still the caller's.
func (o *Outlet) write() (records uint64, full bool) {
	for {
		full, err := o.push()
		records += o.sent
		o.sent = 0
		switch {
		case err != nil:
			o.end(err)
			return records, false
		case full:
			return records, true
		case o.turn.release():
			o.tell()
			return records, false
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
		o.turn.release()
		return
	}
	o.drains.Add(1)
	o.Tally.park(1)
	o.parked.Store(time.Now().UnixNano())
	go o.drain()
}

// drain ends when nothing is due, or when the sink is closed.
func (o *Outlet) drain() {
	defer o.drains.Done()
	for {
		err := o.sink.Drain(o.peek, o.drained)
		o.Tally.park(-1)
		if err != nil {
			o.end(err)
			return
		}
		o.parked.Store(0)
		records, full := o.write()
		if o.Tally.sent(records); !full {
			return
		}
		o.Tally.park(1)
		o.parked.Store(time.Now().UnixNano())
	}
}

// drained is took for a sink that waits: it may be long until somebody is told.
func (o *Outlet) drained(n int) {
	o.took(n)
	o.Tally.sent(o.sent)
	o.sent = 0
}

// end gives the turn back for good: nobody takes it any more.
func (o *Outlet) end(err error) {
	if o.close() {
		o.fail(err)
	}
	o.turn.release()
}

// peek returns what must leave next: the rest of what was begun, the lines that
// need not wait, the feeds; nothing if nothing is due. took must follow.
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
		if o.posted.Load() && o.collect() {
			continue
		}
		p, again, err := o.peekFeeds()
		if err != nil || len(p) > 0 {
			return p, err
		}
		if !again && !o.ordered.Load() && !(o.posted.Load() && o.collect()) {
			return nil, nil
		}
	}
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
