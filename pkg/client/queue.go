package client

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// bytesMost is how many bytes, as they came over the wire, events may hold that
	// wait to be taken; one more event than that may be there.
	bytesMost = 1 << 20
	// patience is how long a request waits for its answer while the connection is not
	// read and nobody takes events.
	patience = 5 * time.Second
)

// queue holds the events that wait to be taken. Who puts waits while it is full: that
// is the back-pressure. One goroutine puts, any may take.
type queue struct {
	ch      chan waiting
	bytes   atomic.Int64
	taken   chan struct{} // has a token if something was taken
	done    <-chan struct{}
	blocked atomic.Bool // a put waits

	mu      sync.Mutex
	stalled chan struct{} // closed when a put has waited for too long
	stuck   bool          // it is closed
}

// waiting is an event and how many bytes it was.
type waiting struct {
	event Event
	size  int
}

func newQueue(most int, done <-chan struct{}) *queue {
	return &queue{
		ch:      make(chan waiting, max(most, 1)),
		taken:   make(chan struct{}, 1),
		done:    done,
		stalled: make(chan struct{}),
	}
}

// put adds an event when there is room, unless done is closed before.
func (q *queue) put(e Event, size int) {
	x := waiting{e, size}
	if q.room() != nil {
		select {
		case q.ch <- x:
			q.bytes.Add(int64(size))
			return
		default:
		}
	}
	q.blocked.Store(true)
	defer q.blocked.Store(false)
	t := time.NewTimer(patience)
	defer t.Stop()
	for {
		select {
		case q.room() <- x:
			q.bytes.Add(int64(size))
			q.moves()
			return
		case <-q.taken:
			q.moves()
			t.Reset(patience)
		case <-t.C:
			q.stall()
		case <-q.done:
			return
		}
	}
}

// room returns the channel to put into, or nil while too many bytes wait.
func (q *queue) room() chan waiting {
	if q.bytes.Load() >= bytesMost {
		return nil
	}
	return q.ch
}

// took does what is due when x was taken out of ch.
func (q *queue) took(x waiting) Event {
	q.bytes.Add(-int64(x.size))
	select {
	case q.taken <- struct{}{}:
	default:
	}
	return x.event
}

// stuckFor returns a channel that is closed once nobody has taken an event for too long.
func (q *queue) stuckFor() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.stalled
}

func (q *queue) stall() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.stuck {
		q.stuck = true
		close(q.stalled)
	}
}

func (q *queue) moves() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stuck {
		q.stuck, q.stalled = false, make(chan struct{})
	}
}
