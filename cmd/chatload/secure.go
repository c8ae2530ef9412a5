package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// open makes of a connection what its protocol speaks: TLS, a WebSocket, or both.
func (c *conn) open(cfg *config) error {
	if cfg.proto.secure {
		c.tls = newSecure(c.fd)
		if err := c.tls.shake(); err != nil {
			return err
		}
	}
	if cfg.proto.wire == frames {
		return c.upgrade(cfg.target.name)
	}
	return nil
}

// recv and send are those of the descriptor, or of TLS on it.
func (c *conn) recv(p []byte) (int, error) {
	if c.tls == nil {
		return recv(c.fd, p)
	}
	return c.tls.recv(p)
}

func (c *conn) send(p []byte) (int, error) {
	if c.tls == nil {
		return send(c.fd, p)
	}
	return c.tls.send(p)
}

// arrived is how many bytes came over the network for n that were received.
func (c *conn) arrived(n int) int {
	if c.tls == nil {
		return n
	}
	n, c.tls.below.got = c.tls.below.got, 0
	return n
}

// secure is TLS on a connection that does not wait.
type secure struct {
	*tls.Conn
	below descriptor
}

// newSecure returns TLS that takes any certificate.
func newSecure(fd int) *secure {
	s := &secure{below: descriptor{fd: fd}}
	s.Conn = tls.Client(&s.below, &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true})
	return s
}

// shake makes the handshake, which waits.
func (s *secure) shake() error {
	s.below.deadline = time.Now().Add(connectTime)
	defer func() { s.below.deadline = time.Time{} }()
	if err := s.Handshake(); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	return nil
}

// recv is as recv of a descriptor, but what it returns is at most one record's, and
// what it has decrypted may be more.
func (s *secure) recv(p []byte) (int, error) {
	n, err := s.Read(p)
	if n > 0 {
		return n, nil
	}
	if err == (nothing{}) {
		err = unix.EAGAIN
	}
	return 0, err
}

// send takes all of p, unless there is something that it took before and that the
// kernel does not take yet.
func (s *secure) send(p []byte) (int, error) {
	if err := s.below.push(); err != nil || len(p) == 0 {
		return 0, err
	}
	return s.Write(p)
}

// owes tells whether the kernel has not taken all that was sent.
func (s *secure) owes() bool { return s != nil && len(s.below.owed) > 0 }

// descriptor is what TLS stands on. Read fails with nothing if there is none, and
// Write keeps what the kernel does not take.
type descriptor struct {
	net.Conn // nil: TLS asks for no more than what follows

	fd       int
	deadline time.Time // not zero: until then, Read waits
	owed     []byte    // was written, and the kernel has not taken it
	got      int       // bytes read since it was last asked
}

// nothing says that there is nothing to read just now. TLS goes on after errors that
// are temporary.
type nothing struct{}

func (nothing) Error() string   { return "nothing to read" }
func (nothing) Timeout() bool   { return false }
func (nothing) Temporary() bool { return true }

func (d *descriptor) Read(p []byte) (int, error) {
	for {
		n, err := recv(d.fd, p)
		switch {
		case err == unix.EAGAIN && d.deadline.IsZero():
			return 0, nothing{}
		case err == unix.EAGAIN:
			if err := await(d.fd, unix.POLLIN, time.Until(d.deadline)); err != nil {
				return 0, err
			}
			continue
		case err == nil && n == 0:
			return 0, net.ErrClosed
		}
		d.got += n
		return n, err
	}
}

func (d *descriptor) Write(p []byte) (int, error) {
	d.owed = append(d.owed, p...)
	if err := d.push(); err != nil && err != unix.EAGAIN {
		return 0, err
	}
	return len(p), nil
}

// push writes what is owed, and fails with EAGAIN if the kernel does not take all.
func (d *descriptor) push() error {
	for len(d.owed) > 0 {
		n, err := send(d.fd, d.owed)
		if err != nil {
			return err
		}
		d.owed = d.owed[:copy(d.owed, d.owed[n:])]
	}
	return nil
}
