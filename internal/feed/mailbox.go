package feed

// mailboxSize bounds the private lines that wait for a reader, in bytes. It holds
// four of the longest messages.
const mailboxSize = 16 << 10

// collect takes over the lines that others left.
func (o *Outlet) collect() {
	o.mu.Lock()
	o.posted.Store(false)
	o.tail, o.mailbox = o.mailbox, nil
	o.mu.Unlock()
	o.tell()
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
