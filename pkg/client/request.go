package client

import (
	"context"
	"slices"
)

// request is one that is sent, or is going to be, and waits for its answer.
type request struct {
	// Set when it is made.
	id    string
	line  []byte
	text  int          // bytes that its text has
	again bool         // it is sent again if the connection is lost before the answer
	join  *RoomOptions // of a join
	own   bool         // the client makes it for itself: it has no slot, and ends with the connection
	done  chan struct{}

	// Guarded by Client.mu.
	link    *link // on which it was sent last; nil: it is to be sent
	sent    bool  // on whatever connection
	takes   func(*object) (last bool)
	dropped func(error) // told instead of done and err, if it is there
	err     error       // set before done is closed
}

// ask makes a request and waits until takes, which is called with every answer that is
// no error while Client.mu is held, has said that one was the last.
func (c *Client) ask(ctx context.Context, q ask, again bool, takes func(*object) bool) error {
	q.ID = newID()
	return c.do(ctx, &request{id: q.ID, line: encode(q), text: len(q.Text), again: again, takes: takes})
}

// do sends r and waits for its answer.
func (c *Client) do(ctx context.Context, r *request) error {
	r.done = make(chan struct{})
	if err := c.enqueue(ctx, r); err != nil {
		return err
	}
	return c.wait(ctx, r, r.done, func() error { return r.err })
}

// enqueue has r be sent as soon as there is a connection. It waits for a slot.
func (c *Client) enqueue(ctx context.Context, r *request) error {
	if err := c.slot(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		<-c.slots
		return context.Cause(c.life)
	}
	c.pending = append(c.pending, r)
	c.wakeUp()
	return nil
}

// slot waits for a place for a request.
func (c *Client) slot(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.life.Done():
		return context.Cause(c.life)
	case <-c.events.stuckFor():
		return ErrNotReading
	}
}

// wait waits for what closes done. Who gives up before has the request withdrawn.
func (c *Client) wait(ctx context.Context, r *request, done <-chan struct{}, result func() error) error {
	var err error
	select {
	case <-done:
		return result()
	case <-ctx.Done():
		err = ctx.Err()
	case <-c.events.stuckFor():
		err = ErrNotReading
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-done: // meanwhile
		return result()
	default:
	}
	return c.withdraw(r, err)
}

// withdraw takes r back, because of err, and returns what is to be told. It is called
// with mu held.
func (c *Client) withdraw(r *request, err error) error {
	c.remove(r)
	if r.sent {
		return unsure(err)
	}
	return err
}

// remove ends the waiting for an answer. It is called with mu held.
func (c *Client) remove(r *request) {
	i := slices.Index(c.pending, r)
	if i < 0 {
		return
	}
	c.pending = slices.Delete(c.pending, i, i+1)
	if !r.own {
		<-c.slots
	}
}

// finish ends r with err. It is called with mu held.
func (c *Client) finish(r *request, err error) {
	c.remove(r)
	switch {
	case r.dropped != nil:
		r.dropped(err)
	case r.done != nil:
		r.err = err
		close(r.done)
	}
}

// waiting returns the request with an id, or nil. It is called with mu held.
func (c *Client) waiting(id string) *request {
	if id == "" {
		return nil
	}
	for _, r := range c.pending {
		if r.id == id {
			return r
		}
	}
	return nil
}

// unsent returns the next request to be sent on l, or nil.
func (c *Client) unsent(l *link) *request {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.pending {
		if r.link == nil {
			r.link, r.sent = l, true
			return r
		}
	}
	return nil
}

// lost does what is due when a connection has ended, because of err: some requests are
// sent again on the next one, the others fail.
func (c *Client) lost(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range slices.Clone(c.pending) {
		switch {
		case r.own:
			c.finish(r, unsure(err))
		case r.link == nil:
		case r.again:
			r.link = nil
		default:
			c.finish(r, unsure(err))
		}
	}
	c.state.disconnected()
}

// abandon fails all requests when the client ends.
func (c *Client) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	cause := context.Cause(c.life)
	for _, r := range slices.Clone(c.pending) {
		err := cause
		if r.sent {
			err = unsure(cause)
		}
		c.finish(r, err)
	}
}

// wakeUp has the writer look for requests.
func (c *Client) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
