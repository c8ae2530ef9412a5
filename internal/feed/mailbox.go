package feed

// mailboxSize bounds the private lines that wait for a reader, in bytes, with what
// is kept of the places they wait for. It holds nearly four of the longest messages.
const mailboxSize = 16 << 10

// Mark is a place in a ring that lines wait for: before it lie Index records. For
// the zero Mark nothing waits.
type Mark struct {
	Ring  *Ring
	Index uint64
}

// wait is what the mailbox waits for from some line on.
type wait struct {
	after Mark
	from  int    // bytes of the mailbox before that line
	order uint64 // the latest that was made before; what was followed later is not waited for
}

const waitSize = 32 // bytes

// Post puts private bytes into the mailbox, whole lines, and returns true, or
// false if the mailbox is full because nobody reads at the other end. Bytes that
// are larger than the mailbox are taken only if it is empty.
func (o *Outlet) Post(p []byte) bool { return o.PostAfter(Mark{}, p) }

// PostAfter is Post, but the bytes, and what is posted later, are written where the
// mark is: after the records before it, as far as there are any, and, if they were
// not written yet, before those behind it. It does not matter in which feed the
// outlet follows the ring. If it does not, or no longer, or not yet, nothing is
// waited for.
func (o *Outlet) PostAfter(after Mark, p []byte) bool {
	if !o.deposit(after, p) {
		return false
	}
	o.Flush()
	return true
}

func (o *Outlet) deposit(after Mark, p []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	waits := o.waits
	if after.Ring != nil && !o.waitsFor(after) {
		waits = append(waits, wait{after, len(o.mailbox), o.made})
	}
	switch size := len(o.mailbox) + len(p) + len(waits)*waitSize; {
	case o.turn.closed() || len(o.mailbox) > 0 && size > mailboxSize:
		return false
	case len(p) == 0:
		return true
	}
	o.mailbox, o.waits = append(o.mailbox, p...), waits
	o.posted.Store(true)
	return true
}

// waitsFor tells that what is posted now waits for after in any case.
func (o *Outlet) waitsFor(after Mark) bool {
	if len(o.waits) == 0 {
		return false
	}
	w := &o.waits[len(o.waits)-1]
	return w.after.Ring == after.Ring && w.after.Index >= after.Index && w.order == o.made
}

// collect takes over the lines that need not wait. It returns false if all of them
// have to, true if there is something to look at: the lines, in tail, or orders,
// which may begin what a line waits for.
func (o *Outlet) collect() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.orders) > 0 {
		return true
	}
	n, left := len(o.mailbox), []wait(nil)
	for i := range o.waits {
		if w := &o.waits[i]; o.owes(w) {
			n, left = w.from, o.waits[i:]
			break
		}
	}
	for i := range left {
		left[i].from -= n
	}
	o.waits = left
	o.limit()
	if n == 0 {
		return false
	}
	o.tail, o.mailbox = o.mailbox[:n:n], o.mailbox[n:]
	if len(o.mailbox) == 0 {
		o.mailbox = nil
		o.posted.Store(false)
	}
	o.tell()
	return true
}

// owes tells whether records are there that come before the lines that wait for w.
func (o *Outlet) owes(w *wait) bool {
	for i := range o.cursors {
		if c := &o.cursors[i]; w.concerns(c) && c.at.Index < min(c.until(), c.feed.Head().Index) {
			return true
		}
	}
	return false
}

// concerns tells that c is in the ring, before the mark, and was so when the lines
// were posted.
func (w *wait) concerns(c *cursor) bool {
	return c.feed.ring == w.after.Ring && c.since <= w.order && c.at.Index < w.after.Index
}

// Send is PostAfter for long answers: it waits until there is room in the mailbox, so
// that the caller goes no faster than the reader. It fails with ErrClosed, or
// when done is closed. One goroutine at a time may call Send, Spare or Flushed.
func (o *Outlet) Send(done <-chan struct{}, after Mark, p []byte) error {
	return o.await(done, func() bool { return o.PostAfter(after, p) })
}

// Spare waits until the mailbox has room for n more bytes, of 16 KiB, so that what is
// posted next is not turned away. It fails as Send does.
func (o *Outlet) Spare(done <-chan struct{}, n int) error {
	return o.await(done, func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.mailbox)+len(o.waits)*waitSize+n <= mailboxSize && !o.turn.closed()
	})
}

// Flushed waits until nothing is due and nobody writes. It fails as Send does.
func (o *Outlet) Flushed(done <-chan struct{}) error {
	return o.await(done, func() bool {
		o.Flush()
		return o.turn.free() && !o.posted.Load() && !o.ordered.Load()
	})
}

func (o *Outlet) await(done <-chan struct{}, try func() bool) error {
	if try() {
		return nil
	}
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
