package client

import (
	"context"
	"fmt"
	"unicode/utf8"
)

// idMost is how long an id may be, in bytes.
const idMost = 64

// Draft is something to be said.
type Draft struct {
	Room string // default: the room that was joined first
	Text string
	Act  bool // as /me does
	// ID makes it safe to say it again: the server says a text once for an ID. Default:
	// a new one. It is random, of 16 to 64 characters, and never used for two texts.
	ID string
	// UntilStored has the client say it again if the connection is lost until the server
	// has stored it, not only until it is said: what was said last before a server broke
	// down may be lost.
	UntilStored bool
}

// Sending is something that is being said. Post makes one.
type Sending struct {
	c           *Client
	r           *request
	untilStored bool
	said        chan struct{} // closed when it is said, or cannot be
	stored      chan struct{} // closed after that, when it is stored, or cannot be

	// Guarded by Client.mu, and never changed after their channel is closed.
	heard     bool // said is closed
	saidAt    Position
	saidErr   error
	storedAt  Position // another one than saidAt if the server lost it in between
	storedErr error
}

// Send says text in a room, or, if that is empty, in the one that was joined first. It
// returns when everybody will see it, with its position. If the connection is lost
// before, it is sent again, and said once.
//
// If ctx ends before, a message that was not yet sent is not said. With one that was
// sent the error is ErrUnsure besides: to find out, Post it again with the same ID.
func (c *Client) Send(ctx context.Context, room, text string) (Position, error) {
	s, err := c.Post(ctx, Draft{Room: room, Text: text})
	if err != nil {
		return Position{}, err
	}
	return s.finish(ctx, s.said, s.wasSaid)
}

// SendStored is Send that returns when the message outlives the server as well, or,
// where the server keeps history in memory, what the memory outlives. If it was said
// and cannot be kept, the position is returned and the error has the code NotStored.
func (c *Client) SendStored(ctx context.Context, room, text string) (Position, error) {
	s, err := c.Post(ctx, Draft{Room: room, Text: text, UntilStored: true})
	if err != nil {
		return Position{}, err
	}
	return s.finish(ctx, s.stored, s.wasStored)
}

// finish waits for done, which is one of s's channels. If it gives up, it takes the
// message back if it can.
func (s *Sending) finish(ctx context.Context, done <-chan struct{}, result func() (Position, error)) (Position, error) {
	var p Position
	err := s.c.wait(ctx, s.r, done, func() (err error) {
		p, err = result()
		return err
	})
	return p, err
}

// Post has d be said after all that was posted before, and returns at once, unless
// Options.Queue requests wait for their answers: then it waits for one of them. Ctx
// bounds only that.
func (c *Client) Post(ctx context.Context, d Draft) (*Sending, error) {
	def(&d.ID, newID())
	def(&d.Room, c.home())
	if len(d.ID) > idMost || !utf8.ValidString(d.ID) {
		return nil, &Error{Code: Invalid, Text: fmt.Sprintf("an id has at most %d bytes of UTF-8", idMost)}
	}
	s := &Sending{c: c, untilStored: d.UntilStored, said: make(chan struct{}), stored: make(chan struct{})}
	s.r = &request{
		id:      d.ID,
		line:    encode(ask{Type: "say", Room: d.Room, Text: d.Text, Act: d.Act, ID: d.ID}),
		text:    len(d.Text),
		again:   true,
		takes:   s.takes,
		dropped: s.fail,
	}
	if err := c.enqueue(ctx, s.r); err != nil {
		return nil, err
	}
	return s, nil
}

// ID is the message's, under which it comes back as an event.
func (s *Sending) ID() string { return s.r.id }

// Said waits until the message is said, and returns its position. The end of ctx does
// not change that it will be said.
func (s *Sending) Said(ctx context.Context) (Position, error) {
	return s.watch(ctx, s.said, s.wasSaid)
}

// Stored waits until the message is stored, and returns its position. If the connection
// is lost after it was said, the error is ErrUnsure, unless Draft.UntilStored was set.
func (s *Sending) Stored(ctx context.Context) (Position, error) {
	return s.watch(ctx, s.stored, s.wasStored)
}

// wasSaid returns the outcome once said is closed, wasStored once stored is.
func (s *Sending) wasSaid() (Position, error)   { return s.saidAt, s.saidErr }
func (s *Sending) wasStored() (Position, error) { return s.storedAt, s.storedErr }

// watch waits for done, which is one of s's channels.
func (s *Sending) watch(ctx context.Context, done <-chan struct{}, result func() (Position, error)) (Position, error) {
	select {
	case <-done:
		return result()
	default:
	}
	select {
	case <-done:
		return result()
	case <-ctx.Done():
		return Position{}, ctx.Err()
	case <-s.c.events.stuckFor():
		return Position{}, ErrNotReading
	}
}

// takes is told the answers. Client.mu is held.
func (s *Sending) takes(a *object) (last bool) {
	switch a.Type {
	case "said":
		s.storedAt = a.position()
		s.wasHeard(a)
	case "stored":
		s.storedAt = a.position()
		s.wasHeard(a)
		close(s.stored)
		return true
	}
	return false
}

// wasHeard notes that the message is said. It may be told more than once, with another
// position too: when the server has lost it, and it was said again.
func (s *Sending) wasHeard(a *object) {
	if !s.heard {
		s.heard, s.saidAt = true, a.position()
		s.r.again = s.untilStored
		close(s.said)
	}
}

// fail ends the sending with err. Client.mu is held.
func (s *Sending) fail(err error) {
	s.storedErr = err
	if !s.heard {
		s.heard, s.saidErr = true, err
		close(s.said)
	}
	close(s.stored)
}
