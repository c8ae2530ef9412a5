package client

import (
	"errors"
	"math/rand/v2"
	"time"
)

// run keeps the client connected until it ends.
func (c *Client) run() {
	defer close(c.over)
	defer c.abandon()
	for failures := 0; c.life.Err() == nil; failures++ {
		began := time.Now()
		err := c.session()
		if time.Since(began) > c.o.RetryCap {
			failures = 0
		}
		select {
		case c.first <- err:
		default:
		}
		c.lost(err)
		if c.life.Err() != nil {
			return
		}
		if final(err) {
			c.tell(Disconnected{Err: err})
			c.end(err)
			return
		}
		wait := c.backOff(failures)
		c.tell(Disconnected{Err: err, Retry: time.Now().Add(wait)})
		c.pause(wait)
	}
}

// session makes one connection and serves it until it ends.
func (c *Client) session() error {
	l, err := c.connect()
	if err != nil {
		return err
	}
	select {
	case c.first <- nil:
	default:
	}
	return c.serve(l)
}

// final tells whether err would come again, however often the client tried.
func final(err error) bool {
	var bye *ByeError
	if errors.As(err, &bye) && (bye.Code == ByeSentAway || bye.Code == ByeTakenOver) {
		return true
	}
	return errors.Is(err, &Error{Code: WrongPassword}) || errors.Is(err, &Error{Code: Version})
}

// backOff returns how long to wait after so many failures in a row, but for the last:
// any time up to what doubles with each. So clients that a server has lost all at once
// do not come back all at once.
func (c *Client) backOff(failures int) time.Duration {
	most := c.o.RetryBase
	for range failures {
		if most >= c.o.RetryCap {
			break
		}
		most *= 2
	}
	return rand.N(max(min(most, c.o.RetryCap), 1))
}

// pause waits, unless the client ends.
func (c *Client) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.life.Done():
	}
}

// tell puts an event into the queue.
func (c *Client) tell(e Event) { c.tellSized(e, 0) }

func (c *Client) tellSized(e Event, size int) {
	if e != nil && !c.o.SendOnly {
		c.events.put(e, size+eventSize)
	}
}

// eventSize is about how many bytes an event has beside those of its line.
const eventSize = 256
