// This file is one connection's side: what it has received, in order.

package invariant

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// Event is something a client received: a Message, a Gap, a Notice or a Receipt.
type Event interface{ event() }

// Message is one of a test's messages.
type Message struct {
	Sender uint32
	N      uint64        // the sender's own count, from 1
	Seq    uint64        // the relay's number, where the client is told; 0: it is not
	Sent   time.Duration // since the Checker was made; 0: not known
}

// Gap tells that so many messages are missing, numbered by the relay from First
// to Last.
type Gap struct{ Count, First, Last uint64 }

// Notice is anything else the relay says.
type Notice string

// Receipt tells that a message is stored.
type Receipt Message

func (Message) event() {}
func (Gap) event()     {}
func (Notice) event()  {}
func (Receipt) event() {}

func (m Message) String() string { return fmt.Sprintf("%d.%d", m.Sender, m.N) }

// id is what makes a message itself.
type id struct {
	sender uint32
	n      uint64
}

func (m Message) id() id { return id{m.Sender, m.N} }

func (i id) String() string { return fmt.Sprintf("%d.%d", i.sender, i.n) }

// Client is one connection. Any goroutine may call its methods, but what it
// received must be given to it in order.
type Client struct {
	// Set once.
	name    string
	checker *Checker

	mu       sync.Mutex
	news     chan struct{} // closed and replaced when something comes in
	held     []byte        // the begun line
	entries  []entry
	gaps     []Gap
	receipts []id
	notices  int
	latest   map[uint32]uint64 // by sender: the highest number seen
	took     Latencies
	torn     []string
	without  map[uint32]bool // senders whose messages it is not shown
	all      bool            // it was there to the end
}

// entry is a message, or a place where gaps stand.
type entry struct {
	id
	seq  uint64
	gaps int // if not 0, so many gaps were seen up to here, and this is the last
}

// Without says that the client is not shown messages of the senders given, such
// as its own, and that no gap tells of them.
func (c *Client) Without(senders ...uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range senders {
		c.without[s] = true
	}
}

// Write takes bytes of a line connection. It never fails, so that io.Copy goes on.
func (c *Client) Write(p []byte) (int, error) {
	now := time.Since(c.checker.began)
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := p
	for {
		line, after, ok := bytes.Cut(rest, []byte("\n"))
		if !ok {
			c.held = append(c.held, rest...)
			break
		}
		rest = after
		if len(c.held) > 0 {
			line = append(c.held, line...)
			c.held = c.held[:0]
		}
		c.line(bytes.TrimSuffix(line, []byte("\r")), now)
	}
	c.tell()
	return len(p), nil
}

func (c *Client) line(line []byte, now time.Duration) {
	if e, err := ParseLine(line); err != nil {
		c.tear(fmt.Sprintf("%v: %q", err, line))
	} else {
		c.add(e, now)
	}
}

// tornMost is how many torn lines are kept: more of them say nothing new.
const tornMost = 10

func (c *Client) tear(what string) {
	if len(c.torn) < tornMost {
		c.torn = append(c.torn, what)
	}
}

// Add takes an event.
func (c *Client) Add(e Event) {
	now := time.Since(c.checker.began)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(e, now)
	c.tell()
}

func (c *Client) add(e Event, now time.Duration) {
	switch e := e.(type) {
	case Message:
		c.entries = append(c.entries, entry{id: e.id(), seq: e.Seq})
		c.latest[e.Sender] = max(c.latest[e.Sender], e.N)
		if e.Sent > 0 {
			c.took = append(c.took, now-e.Sent)
		}
	case Gap:
		c.gaps = append(c.gaps, e)
		c.entries = append(c.entries, entry{gaps: len(c.gaps)})
	case Receipt:
		c.receipts = append(c.receipts, Message(e).id())
	case Notice:
		c.notices++
	}
}

// End takes the end of the connection: after io.EOF or nil, nothing may have
// been begun and not finished; any other error explains that.
func (c *Client) End(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if (err == nil || err == io.EOF) && len(c.held) > 0 {
		c.tear(fmt.Sprintf("ended in a line: %q", c.held))
	}
	c.held = nil
	c.tell()
}

// SawAll says that the client has received all there was to the end, so that what
// is missing behind the last message it saw is missing too.
func (c *Client) SawAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = true
}

// tell wakes who waits in Await.
func (c *Client) tell() {
	if c.news != nil {
		close(c.news)
		c.news = nil
	}
}

// Await waits until the client has seen the sender's n-th message or a later one.
func (c *Client) Await(ctx context.Context, sender uint32, n uint64) error {
	return c.await(ctx, func() bool { return c.latest[sender] >= n })
}

func (c *Client) await(ctx context.Context, enough func() bool) error {
	for {
		c.mu.Lock()
		if enough() {
			c.mu.Unlock()
			return nil
		}
		if c.news == nil {
			c.news = make(chan struct{})
		}
		news := c.news
		c.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Seen is how much a client has received.
type Seen struct{ Messages, Gaps, Notices int }

// Seen returns how much the client has received so far.
func (c *Client) Seen() Seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Seen{Messages: len(c.entries) - len(c.gaps), Gaps: len(c.gaps), Notices: c.notices}
}
