// Package sock is one accepted stream connection with what a fan-out server
// needs beyond net.Conn: reading that holds no buffer while it waits, writing
// that never waits, what the kernel knows of the peer, and the ways to end it.
// The kernel's own connections (TCP, Unix) get all of it through SyscallConn;
// any other net.Conn is served with blocking calls. What the kernel knows of the
// connection below TLS counts for that too, but nothing is read or written there.
package sock

import (
	"crypto/tls"
	"net"
	"sync"
	"syscall"
	"time"
)

// Conn is one connection. ReadChunk and Release are for one goroutine, TryWrite
// and Drain for one at a time; the rest may be called by any.
type Conn struct {
	net.Conn
	bottom net.Conn        // what is below all that stands on it
	kernel syscall.RawConn // bottom, to ask the kernel; nil: it is not the kernel's
	raw    syscall.RawConn // bottom, to read and write there; nil: blocking calls only
	tls    bool            // what goes over bottom is not what Read and Write see
	base   *Base           // TLS stands on it, and it need not wait; nil: none

	// Owned by the reader.
	first []byte           // was read already, and comes before all else
	dry   bool             // base: there was nothing to read
	chunk *[ChunkSize]byte // nil while nothing was read
	nread int
	rerr  error
	read  func(fd uintptr) bool // tryRecv, made once
	await func(fd uintptr) bool // readable

	// Owned by the writer.
	out   []byte
	nsent int
	serr  error
	write func(fd uintptr) bool // trySend, made once
}

// Unwrapper is a connection that adds nothing to the bytes of another one on which it
// stands, but knows better whose it is.
type Unwrapper interface {
	// Unwrap returns the connection below, and what was read there already and is
	// to be read first; below TLS that is nothing. It is asked once, and nothing is
	// read through the Unwrapper afterwards.
	Unwrap() (below net.Conn, first []byte)
}

// New returns nc as a Conn. Nothing about nc is changed. It looks through
// Unwrappers, *tls.Conn and what that stands on for the kernel's connection.
func New(nc net.Conn) *Conn {
	c := &Conn{Conn: nc, bottom: nc}
	c.descend()
	switch nc := c.bottom.(type) { // and nothing that only looks like one
	case *net.TCPConn:
		c.kernel, _ = nc.SyscallConn()
	case *net.UnixConn:
		c.kernel, _ = nc.SyscallConn()
	}
	if !c.tls {
		c.raw = c.kernel
	}
	c.read, c.await, c.write = c.tryRecv, readable, c.trySend
	return c
}

// descend finds the bottom.
func (c *Conn) descend() {
	ready := false
	for {
		switch nc := c.bottom.(type) {
		case Unwrapper:
			below, first := nc.Unwrap()
			c.first = append(c.first, first...)
			c.bottom = below
		case *tls.Conn:
			c.tls, c.bottom = true, nc.NetConn()
			ready = nc.ConnectionState().HandshakeComplete
		case *Base:
			if ready && nc.raw != nil { // a handshake would fail if it could not wait
				c.base = nc
			}
			c.bottom = nc.Conn
		default:
			return
		}
	}
}

// Encrypted tells whether what goes over the connection cannot be read on its way
// to the peer's end of it.
func (c *Conn) Encrypted() bool { return c.tls }

// Transport is what the connection is made of: tcp, unix or tls, or another name
// for what is not the kernel's.
func (c *Conn) Transport() string {
	if c.tls {
		return "tls"
	}
	return c.LocalAddr().Network()
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

// Loopback tells whether this is TCP to the machine itself, whoever is said to be
// behind the peer.
func (c *Conn) Loopback() bool {
	a, ok := c.bottom.RemoteAddr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

// Tune sets what every accepted connection should have: a small send buffer and,
// for TCP, keepalive probes that find a vanished peer within 35 s. Failures are
// ignored; the connection works without.
func (c *Conn) Tune() {
	switch nc := c.bottom.(type) {
	case *net.TCPConn:
		size := sendBuffer
		if c.Loopback() {
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

// CloseWrite sends the end of output, if the connection knows such a thing: of
// TLS close_notify, and then that of TCP, for peers that wait for that. For a peer
// that does not read, TLS waits for some seconds.
func (c *Conn) CloseWrite() error {
	if c.tls {
		// Who still writes gives up, and the lock it holds, if the peer does not read.
		_ = c.bottom.SetWriteDeadline(time.Now().Add(lingerTime))
		_ = closeWrite(c.Conn) // it fails before the handshake
	}
	return closeWrite(c.bottom)
}

func closeWrite(nc net.Conn) error {
	if h, ok := nc.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}

// Abort closes at once and lets the kernel forget what was not sent. TLS does not
// get to say its goodbye, for which it would wait.
func (c *Conn) Abort() {
	if tcp, ok := c.bottom.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.bottom.Close()
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
// that a Close is no reset. Nothing can be read any more.
func (c *Conn) Discard() {
	if c.kernel == nil {
		return
	}
	_ = c.kernel.Control(func(fd uintptr) {
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
