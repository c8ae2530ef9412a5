package client

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Client is a connection to a chat that is made again when it is lost. Dial and New
// make one; any goroutine may call its methods.
type Client struct {
	// Set by New.
	o      Options
	to     target
	events *queue
	life   context.Context // its cause is why the client has ended
	end    context.CancelCauseFunc
	slots  chan struct{} // a place for each request that waits for its answer
	wake   chan struct{} // tells the writer that there is something to look at
	first  chan error    // the outcome of the first attempt
	over   chan struct{} // closed by run when it has ended

	mu      sync.Mutex
	pending []*request // that wait for their answers, in the order in which they are sent
	closed  bool       // nothing may be added to pending
	state   state
}

// Dial connects to a chat and returns when the server has welcomed the client. Ctx
// bounds only that. From then on the client connects again whenever the connection is
// lost, until Close. The error is an [*Error] if the server has refused the client.
//
// The package's documentation says what a url may be.
func Dial(ctx context.Context, url string, o Options) (*Client, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := New(url, o)
	if err != nil {
		return nil, err
	}
	select {
	case err = <-c.first:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// New is Dial for a program that does not want to wait: the client connects by itself,
// tries again if that fails, and tells it with events. The error is about url or o.
func New(url string, o Options) (*Client, error) {
	to, err := parse(url)
	if err != nil {
		return nil, err
	}
	if n := len(o.Session); n > 0 && (n < 16 || n > 64) {
		return nil, fmt.Errorf("client: Session has %d bytes; 16 to 64 random characters are needed", n)
	}
	o = o.withDefaults()
	life, end := context.WithCancelCause(context.Background())
	c := &Client{
		o:      o,
		to:     to,
		events: newQueue(o.Buffer, life.Done()),
		life:   life,
		end:    end,
		slots:  make(chan struct{}, max(o.Queue, 1)),
		wake:   make(chan struct{}, 1),
		first:  make(chan error, 1),
		over:   make(chan struct{}),
	}
	c.state.begin(to.rooms, o)
	go c.run()
	return c, nil
}

// Next returns what comes next, and waits for it. It is to be called again and again,
// for as long as the client lives: while Options.Buffer events wait, nothing is read
// from the server, answers to requests neither. After Close the error is ErrClosed. If
// the client has ended by itself, because its password or its version is refused, the
// error is that, once all events are taken.
//
// Each event is returned once, to one caller.
func (c *Client) Next(ctx context.Context) (Event, error) {
	if c.o.SendOnly {
		return nil, ErrSendOnly
	}
	if context.Cause(c.life) == ErrClosed {
		return nil, ErrClosed
	}
	select {
	case x := <-c.events.ch:
		return c.events.took(x), nil
	default:
	}
	select {
	case x := <-c.events.ch:
		return c.events.took(x), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.over:
		return c.last()
	}
}

// last returns what is left when nothing more comes.
func (c *Client) last() (Event, error) {
	cause := context.Cause(c.life)
	if cause == ErrClosed {
		return nil, ErrClosed
	}
	select {
	case x := <-c.events.ch:
		return c.events.took(x), nil
	default:
		return nil, cause
	}
}

// Close leaves the chat and ends the client. What was sent and is not answered may or
// may not be said; what was not sent is not. When it returns, after a second at most,
// every goroutine of the client has ended and every method that waits has returned.
func (c *Client) Close() error {
	c.end(ErrClosed)
	<-c.over
	return nil
}

// closePatience is how long Close waits for the server.
const closePatience = time.Second
