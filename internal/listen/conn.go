package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/chatd/chatd/internal/sock"
)

// handshakeTime is how long a peer has for all that comes before its first own
// byte. People on the worst of lines take one or two seconds.
const handshakeTime = 5 * time.Second

// What a peer that has not begun as it has to is told in plain text.
const (
	speakTLS   = "* this port speaks TLS: use  openssl s_client -quiet -connect HOST:PORT  or  ncat --ssl HOST PORT\r\n"
	speakHTTPS = "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\nThis port speaks TLS: write https:// before its address.\r\n"
	speakProxy = "* connections from this address have to begin with a PROXY header: come through the proxy, or from another machine\r\n"
)

var (
	errSlow   = fmt.Errorf("not done within %v", handshakeTime)
	errNotTLS = errors.New("what came in is not TLS")
)

// Conn is a connection that is not yet what it is to be: a proxy says first for
// whom it speaks, or TLS agrees on keys. HandshakeContext sees to both. As with
// tls.Conn, Read and Write wait for it if nobody has called it, and so does
// RemoteAddr behind a proxy.
//
// Unwrap leads to the *net.TCPConn below, so that what came through a proxy
// without TLS can be read and written there as if it had not.
type Conn struct {
	// Set when accepted, never changed.
	net.Conn             // what is read and written: below, or TLS on it
	below    *transport  // the accepted connection
	tls      *tls.Conn   // nil: none
	proxy    bool        // the peer begins with a PROXY header
	speak    string      // the answer to what is not TLS
	report   func(error) // is told of a proxy that does not

	mu   sync.Mutex // held during the handshake; guards what follows
	done bool       // the handshake is over
	err  error      // how it ended
}

// newConn returns nc as it is to be served. config is nil for a connection without
// TLS, report may be for one that comes through no proxy.
func newConn(nc net.Conn, proxy bool, config *tls.Config, report func(error)) *Conn {
	c := &Conn{below: &transport{Conn: nc}, proxy: proxy, speak: speakTLS, report: report}
	c.Conn = c.below
	if config != nil {
		c.below.Conn = sock.NewBase(nc)
		c.tls = tls.Server(c.below, config)
		c.Conn = c.tls
	}
	return c
}

// HandshakeContext reads the PROXY header and makes the TLS handshake, whichever
// are to come, within 5 seconds or until ctx is done. Who began with something else
// has been told what to do when it returns an error; closing is left to the caller.
// Later calls return what the first one did.
func (c *Conn) HandshakeContext(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.done {
		c.err, c.done = c.shake(ctx), true
	}
	return c.err
}

func (c *Conn) shake(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, handshakeTime, errSlow)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.below.SetDeadline(time.Unix(1, 0)) })
	answer, err := c.begin()
	if !stop() { // the deadline is set, or will be
		if err = context.Cause(ctx); errors.Is(ctx.Err(), context.Canceled) {
			return err
		}
	}
	if err == nil {
		return nil
	}
	if answer == speakProxy {
		err = fmt.Errorf("no PROXY header from %v: %w", c.below.Conn.RemoteAddr(), err)
		if !errors.Is(err, io.EOF) { // as when a balancer looks whether anybody is there
			c.report(err)
		}
	}
	if answer != "" {
		// A new connection's buffers are empty, so this does not wait.
		_ = c.below.SetDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = io.WriteString(c.below, answer)
	}
	return err
}

// begin does what comes before the peer's first own byte. answer is for a peer that
// has not begun with that.
func (c *Conn) begin() (answer string, err error) {
	if c.proxy {
		if err := c.below.readHeader(); err != nil {
			return speakProxy, err
		}
	}
	if c.tls == nil {
		return "", nil
	}
	switch first, err := c.below.peek(); {
	case err != nil:
		return c.speak, err
	case first != recordHandshake:
		return c.speak, errNotTLS
	}
	return "", c.tls.Handshake()
}

// FromProxy tells whether the peer is a proxy, whose own address says nothing of
// the person behind it.
func (c *Conn) FromProxy() bool { return c.proxy }

// RemoteAddr is the address that counts: where it comes through a proxy, the one
// which that has named.
func (c *Conn) RemoteAddr() net.Addr {
	if c.proxy {
		_ = c.HandshakeContext(context.Background())
	}
	return c.below.RemoteAddr()
}

// Read is as of net.Conn, after the handshake.
func (c *Conn) Read(p []byte) (int, error) {
	if err := c.HandshakeContext(context.Background()); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write is as of net.Conn, after the handshake.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.HandshakeContext(context.Background()); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// CloseWrite ends the output: with close_notify if this is TLS.
func (c *Conn) CloseWrite() error { return c.Conn.(interface{ CloseWrite() error }).CloseWrite() }

// Unwrap returns what is read and written after the handshake, and gives away what
// was read behind a header; after a handshake that has failed it is the connection in
// which it did. Before, the way down is good for asking and closing alone.
func (c *Conn) Unwrap() (below net.Conn, first []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tls != nil && c.err == nil {
		return c.tls, nil
	}
	first, c.below.ahead = c.below.ahead, nil
	return c.below.Conn, first
}

// transport is the accepted connection less its PROXY header.
type transport struct {
	net.Conn
	remote net.Addr // nil: the connection's own
	ahead  []byte   // was read already
}

// Read returns what was read ahead first.
func (t *transport) Read(p []byte) (int, error) {
	if len(t.ahead) == 0 {
		return t.Conn.Read(p)
	}
	n := copy(p, t.ahead)
	if t.ahead = t.ahead[n:]; len(t.ahead) == 0 {
		t.ahead = nil
	}
	return n, nil
}

// peek waits for the next byte and returns it, unread.
func (t *transport) peek() (byte, error) {
	if len(t.ahead) == 0 {
		var first [1]byte
		if _, err := io.ReadFull(t.Conn, first[:]); err != nil {
			return 0, err
		}
		t.ahead = first[:]
	}
	return t.ahead[0], nil
}

// RemoteAddr is the address that the PROXY header has named, or the connection's.
func (t *transport) RemoteAddr() net.Addr {
	if t.remote != nil {
		return t.remote
	}
	return t.Conn.RemoteAddr()
}

// CloseWrite ends the output, if the connection knows such a thing.
func (t *transport) CloseWrite() error {
	if c, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// Unwrap leads on from TLS, which reads what was read ahead itself.
func (t *transport) Unwrap() (below net.Conn, first []byte) { return t.Conn, nil }
