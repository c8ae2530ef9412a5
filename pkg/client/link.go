package client

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

const (
	// pingAfter is how long the server may be silent before it is asked whether it is
	// there, silentMost how long after which it is not. A server pings WebSockets every
	// 30 s.
	pingAfter  = 45 * time.Second
	silentMost = 60 * time.Second
	// watchEvery is how often that is looked at.
	watchEvery = 5 * time.Second
)

// link is one connection.
type link struct {
	conn  *heardConn
	wire  wire
	hello string  // the id of its hello
	first []Event // that it has begun with

	pinged atomic.Bool
	failed atomic.Pointer[error] // why the client ended it, if it did
}

// heardConn is a connection that knows when something came last.
type heardConn struct {
	net.Conn
	heard atomic.Int64 // nanoseconds since 1970
}

func (h *heardConn) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.alive()
	return n, err
}

func (h *heardConn) alive() { h.heard.Store(time.Now().UnixNano()) }

func (h *heardConn) quiet() time.Duration { return time.Since(time.Unix(0, h.heard.Load())) }

// connect makes a connection and is welcomed on it.
func (c *Client) connect() (*link, error) {
	ctx, cancel := context.WithTimeoutCause(c.life, c.o.Timeout,
		fmt.Errorf("client: no welcome within %s: %w", c.o.Timeout, context.DeadlineExceeded))
	defer cancel()
	conn, err := c.o.Dial(ctx, c.to.network, c.to.address)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("client: %w", err)
	}
	l := &link{conn: &heardConn{Conn: conn}, hello: newID()}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err = l.open(ctx, c.to, c.o)
	if err == nil {
		err = c.greet(l)
	}
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return l, nil
}

// open does what comes before the first object.
func (l *link) open(ctx context.Context, to target, o Options) error {
	var conn net.Conn = l.conn
	if to.tls {
		cfg := new(tls.Config)
		if o.TLS != nil {
			cfg = o.TLS.Clone()
		}
		def(&cfg.ServerName, to.host)
		t := tls.Client(conn, cfg)
		if err := t.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("client: %w", err)
		}
		conn = t
	}
	if to.web == nil {
		w := newLines(conn)
		l.wire = w
		if to.json {
			return nil
		}
		return w.write([]byte("/json"))
	}
	r, err := upgrade(conn, to)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	l.wire = newFrames(conn, r)
	return nil
}

// upgrade makes a WebSocket of conn.
func upgrade(conn net.Conn, to target) (*bufio.Reader, error) {
	d := ws.Dialer{Protocols: []string{subprotocol}}
	r, _, err := d.Upgrade(conn, to.web)
	return r, err
}

// serve reads and writes until the connection has ended, and says why.
func (c *Client) serve(l *link) error {
	var others sync.WaitGroup
	stop := make(chan struct{})
	unhook := context.AfterFunc(c.life, func() {
		_ = l.conn.SetDeadline(time.Now().Add(closePatience))
	})
	others.Go(func() { c.watch(l, stop) })
	others.Go(func() {
		if err := c.write(l, stop); err != nil {
			// What the server said before it closed is still to be read.
			l.fail(ended(err))
			_ = l.conn.SetReadDeadline(time.Now().Add(closePatience))
		}
	})
	err := c.read(l)
	close(stop)
	unhook()
	_ = l.conn.Close()
	others.Wait()
	return l.why(err)
}

// read does what the server says until the connection ends.
func (c *Client) read(l *link) error {
	for _, e := range l.first {
		c.tell(e)
	}
	for {
		line, err := l.wire.read()
		if err != nil {
			return err
		}
		o, err := decode(line)
		if err != nil {
			return err
		}
		e, err := c.receive(o, l.hello)
		if err != nil {
			return err
		}
		c.tellSized(e, len(line))
	}
}

// write sends requests until stop is closed or the client ends.
func (c *Client) write(l *link, stop <-chan struct{}) error {
	for {
		if err := c.sendAll(l); err != nil {
			return err
		}
		select {
		case <-c.wake:
		case p := <-l.wire.replies():
			if err := l.wire.reply(p); err != nil {
				return err
			}
		case <-c.life.Done():
			_ = l.wire.write(encode(ask{Type: "quit"}))
			_ = l.wire.flush()
			return nil
		case <-stop:
			return nil
		}
	}
}

// sendAll sends the requests that wait for it.
func (c *Client) sendAll(l *link) error {
	if l.pinged.CompareAndSwap(true, false) {
		if err := l.wire.write(encode(ask{Type: "ping"})); err != nil {
			return err
		}
	}
	for r := c.unsent(l); r != nil; r = c.unsent(l) {
		if c.tooLong(r) {
			continue
		}
		if err := l.wire.write(r.line); err != nil {
			return err
		}
	}
	return l.wire.flush()
}

// tooLong refuses what the server would not read: a line that it cannot take apart has
// no id for an answer.
func (c *Client) tooLong(r *request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	most := c.state.welcome.MaxText
	if most == 0 || r.text <= most && len(r.line) <= 2*most+1024 {
		return false
	}
	c.finish(r, &Error{Code: TooLong, Text: fmt.Sprintf("a text has at most %d bytes, in JSON twice as many", most)})
	return true
}

// watch ends l when the server has been silent for too long.
func (c *Client) watch(l *link, stop <-chan struct{}) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for asked := false; ; {
		select {
		case <-tick.C:
		case <-stop:
			return
		}
		quiet := l.conn.quiet()
		switch {
		case c.events.blocked.Load(): // it is us who do not read
			l.conn.alive()
		case quiet >= silentMost:
			l.fail(ErrSilent)
			_ = l.conn.Close()
			return
		case quiet < pingAfter:
			asked = false
		case !asked:
			asked = true
			l.pinged.Store(true)
			c.wakeUp()
		}
	}
}

// fail notes why the client ends the connection. The first reason counts.
func (l *link) fail(err error) { l.failed.CompareAndSwap(nil, &err) }

// why returns why the connection has ended; err is what reading says. That counts more
// than that writing failed: it may be what the server said last.
func (l *link) why(err error) error {
	failed := l.failed.Load()
	if failed != nil && (*failed == ErrSilent || errors.Is(err, os.ErrDeadlineExceeded)) {
		return *failed
	}
	return err
}
