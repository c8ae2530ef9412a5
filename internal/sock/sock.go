// Package sock is one accepted stream connection with what a fan-out server
// needs beyond net.Conn: reading that holds no buffer while it waits, writing
// that never waits, what the kernel knows of the peer, and the ways to end it.
// The kernel's own connections (TCP, Unix) get all of it through SyscallConn;
// any other net.Conn is served with blocking calls.
package sock

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// Conn is one connection. ReadChunk and Release are for one goroutine, TryWrite
// and Drain for one at a time; the rest may be called by any.
type Conn struct {
	net.Conn
	raw syscall.RawConn // nil: blocking calls only

	// Owned by the reader.
	chunk *[ChunkSize]byte // nil while nothing was read
	nread int
	rerr  error
	read  func(fd uintptr) bool // tryRecv, made once

	// Owned by the writer.
	out   []byte
	nsent int
	serr  error
	write func(fd uintptr) bool // trySend, made once
}

// New returns nc as a Conn. Nothing about nc is changed.
func New(nc net.Conn) *Conn {
	c := &Conn{Conn: nc}
	switch nc := nc.(type) {
	case *net.TCPConn:
		c.raw, _ = nc.SyscallConn()
	case *net.UnixConn:
		c.raw, _ = nc.SyscallConn()
	}
	c.read, c.write = c.tryRecv, c.trySend
	return c
}

const (
	// sendBuffer is the socket send buffer for peers across a network, in bytes
	// as passed to SO_SNDBUF. The default lets a stalled peer take megabytes of
	// kernel memory.
	sendBuffer = 32 << 10
	// localSendBuffer is that for loopback and Unix peers: with less, delayed
	// acknowledgements on loopback stretch a burst of 300 KB to 40–90 ms.
	localSendBuffer = 64 << 10
)

// Tune sets what every accepted connection should have: a small send buffer and,
// for TCP, keepalive probes that find a vanished peer within 35 s. Failures are
// ignored; the connection works without.
func (c *Conn) Tune() {
	switch nc := c.Conn.(type) {
	case *net.TCPConn:
		size := sendBuffer
		if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok && a.IP.IsLoopback() {
			size = localSendBuffer
		}
		_ = nc.SetWriteBuffer(size)
		_ = nc.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 4,
		})
	case *net.UnixConn:
		_ = nc.SetWriteBuffer(localSendBuffer)
	}
}

// Wake makes a ReadChunk that waits, now or later, fail with
// os.ErrDeadlineExceeded.
func (c *Conn) Wake() { _ = c.SetReadDeadline(time.Unix(1, 0)) }

// CloseWrite sends the end of output, if the connection knows such a thing.
func (c *Conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}

// Abort closes at once and lets the kernel forget what was not sent.
func (c *Conn) Abort() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

const (
	// lingerTime and lingerBytes bound how long a connection that has ended is
	// kept to read what the peer still sends: closing with unread input resets
	// the connection, and the peer may lose the last words.
	lingerTime  = time.Second
	lingerBytes = 64 << 10
)

// Linger closes the way that lets the peer read everything: it ends the output
// and reads on, for at most a second or 64 KiB, until the peer closes too.
func (c *Conn) Linger() {
	defer c.Close()
	if c.CloseWrite() != nil || c.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	defer c.Release()
	for n := 0; n < lingerBytes; {
		p, err := c.ReadChunk()
		if err != nil {
			return
		}
		n += len(p)
	}
}

// Discard reads and forgets what has come in, at most 64 KiB, without waiting, so
// that a Close is no reset.
func (c *Conn) Discard() {
	if c.raw == nil {
		return
	}
	_ = c.raw.Control(func(fd uintptr) {
		for n := 0; n < lingerBytes && c.tryRecv(fd) && c.nread > 0; {
			n += c.nread
			c.Release()
		}
	})
	c.Release()
}

// ChunkSize is how many bytes one read returns at most. Together with the
// begun line of a session this keeps what it holds within 8 KiB.
const ChunkSize = 4096

// chunks lends the buffers of reads, so that who waits holds none.
var chunks = sync.Pool{New: func() any { return new([ChunkSize]byte) }}
