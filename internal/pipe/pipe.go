// Package pipe is a network without a kernel: connections between two ends in
// one process, with bounded buffers, half-close, deadlines and resets. It makes
// no system call, so it runs on the simulated clock of testing/synctest, where
// all that happens on a network can be made to happen at a known time.
package pipe

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// BufferSize is how many bytes each direction of a connection holds; a writer
// waits while it is full.
const BufferSize = 64 << 10

// Conn is one end of a connection. Any goroutine may call its methods.
type Conn struct {
	in, out       *stream
	local, remote addr
	once          sync.Once
}

// New returns the two ends of a connection.
func New() (a, b *Conn) {
	x, y := newStream(), newStream()
	a = &Conn{in: x, out: y, local: "a", remote: "b"}
	b = &Conn{in: y, out: x, local: "b", remote: "a"}
	return a, b
}

// stream is one direction.
type stream struct {
	mu      sync.Mutex
	changed *sync.Cond
	buf     []byte
	ended   bool  // no more will be written
	closed  bool  // no more will be read
	broken  error // both ends fail with it
	read    deadline
	write   deadline
}

// deadline is when an operation fails that still waits.
type deadline struct {
	timer  *time.Timer
	passed bool
	set    int // how often it was set, so that an old timer does nothing
}

func newStream() *stream {
	s := &stream{}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// Read returns what is there, and waits if that is nothing. After Abort on the
// other end it fails with ECONNRESET, but not before what was sent is read.
func (c *Conn) Read(p []byte) (int, error) {
	s := c.in
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, net.ErrClosed
		case s.read.passed:
			return 0, os.ErrDeadlineExceeded
		case len(s.buf) > 0:
			n := copy(p, s.buf)
			if s.buf = s.buf[n:]; len(s.buf) == 0 {
				s.buf = nil
			}
			s.changed.Broadcast()
			return n, nil
		case s.broken != nil:
			return 0, s.broken
		case s.ended:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		s.changed.Wait()
	}
}

// Write waits until all of p is in the buffer.
func (c *Conn) Write(p []byte) (n int, err error) {
	s := c.out
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.broken != nil:
			return n, s.broken
		case s.ended || s.closed:
			return n, syscall.EPIPE
		case s.write.passed:
			return n, os.ErrDeadlineExceeded
		case n == len(p):
			return n, nil
		}
		if room := BufferSize - len(s.buf); room > 0 {
			k := min(room, len(p)-n)
			s.buf = append(s.buf, p[n:n+k]...)
			n += k
			s.changed.Broadcast()
			continue
		}
		s.changed.Wait()
	}
}

// CloseWrite ends the output; the other end reads io.EOF after what was sent.
func (c *Conn) CloseWrite() error {
	c.out.end()
	return nil
}

func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.changed.Broadcast()
}

func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = err
	}
	s.changed.Broadcast()
}

// Close ends the output and gives up the input: what the other end still writes
// fails with EPIPE.
func (c *Conn) Close() error {
	c.once.Do(func() {
		c.out.end()
		c.in.mu.Lock()
		c.in.closed, c.in.buf = true, nil
		c.in.read.stop()
		c.in.changed.Broadcast()
		c.in.mu.Unlock()
		c.out.mu.Lock()
		c.out.write.stop()
		c.out.mu.Unlock()
	})
	return nil
}

// Abort closes so that the other end fails with ECONNRESET.
func (c *Conn) Abort() {
	c.out.fail(syscall.ECONNRESET)
	_ = c.Close()
}

// LocalAddr returns the name of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the name of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes a Read fail that still waits at t; the zero Time: never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.read, t)
	return nil
}

// SetWriteDeadline is the same for Write.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.write, t)
	return nil
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

func (s *stream) setDeadline(d *deadline, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.stop()
	d.set++
	d.passed = false
	if t.IsZero() {
		return
	}
	left := time.Until(t)
	if left <= 0 {
		d.passed = true
		s.changed.Broadcast()
		return
	}
	this := d.set
	d.timer = time.AfterFunc(left, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if d.set == this {
			d.passed = true
			s.changed.Broadcast()
		}
	})
}

// addr is the name of an end.
type addr string

func (addr) Network() string  { return "pipe" }
func (a addr) String() string { return "pipe:" + string(a) }

// Listener accepts connections made with its Dial.
type Listener struct {
	conns  chan *Conn
	closed chan struct{}
	once   sync.Once
}

// Listen returns a listener with room for backlog connections not yet accepted.
func Listen(backlog int) *Listener {
	return &Listener{conns: make(chan *Conn, backlog), closed: make(chan struct{})}
}

// Dial connects. It waits while the backlog is full.
func (l *Listener) Dial() (*Conn, error) {
	a, b := New()
	select {
	case l.conns <- b:
		return a, nil
	case <-l.closed:
		return nil, syscall.ECONNREFUSED
	}
}

// Accept waits for a connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Dial.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns the listener's name.
func (l *Listener) Addr() net.Addr { return addr("listener") }
