package sock

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Base is what TLS can stand on so that who waits for input holds no buffer, and
// waits on a short stack: 8 KiB less for each silent client. It is a net.Conn like
// the one below, until it is told to read only what is there.
type Base struct {
	net.Conn
	raw syscall.RawConn // nil: it can only wait

	// Owned by the reader.
	tries bool // Read does not wait
	p     []byte
	n     int
	errno syscall.Errno
	recv  func(fd uintptr) bool // tryRecv, made once
}

// NewBase returns nc as something that TLS can stand on.
func NewBase(nc net.Conn) *Base {
	b := &Base{Conn: nc}
	if tcp, ok := nc.(*net.TCPConn); ok {
		b.raw, _ = tcp.SyscallConn()
	}
	b.recv = b.tryRecv
	return b
}

// CloseWrite ends the output, if the connection below knows such a thing.
func (b *Base) CloseWrite() error { return closeWrite(b.Conn) }

// Read is as of net.Conn, but while it tries it fails with errNothing if there is
// nothing to read.
func (b *Base) Read(p []byte) (int, error) {
	if !b.tries {
		return b.Conn.Read(p)
	}
	b.p = p
	err := b.raw.Read(b.recv)
	b.p = nil
	switch {
	case err != nil:
		return 0, err
	case b.errno == unix.EAGAIN:
		return 0, errNothing{}
	case b.errno != 0:
		return 0, b.errno
	case b.n == 0 && len(p) > 0:
		return b.Conn.Read(p) // which knows how to say that this is the end
	}
	return b.n, nil
}

func (b *Base) tryRecv(fd uintptr) (done bool) {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, fd,
			uintptr(unsafe.Pointer(unsafe.SliceData(b.p))), uintptr(len(b.p)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			b.n, b.errno = int(n), errno
			return true
		}
	}
}

// errNothing says that there is nothing to read just now. TLS goes on after errors
// that are temporary.
type errNothing struct{}

func (errNothing) Error() string   { return "nothing to read" }
func (errNothing) Timeout() bool   { return false }
func (errNothing) Temporary() bool { return true }

// readTLS reads what is there into a chunk, and waits without one.
func (c *Conn) readTLS() error {
	for {
		if c.dry {
			if err := c.kernel.Read(c.await); err != nil {
				return err
			}
			c.dry = false
		}
		c.chunk = chunks.Get().(*[ChunkSize]byte)
		c.base.tries = true
		c.nread, c.rerr = c.Conn.Read(c.chunk[:])
		c.base.tries = false
		if c.rerr != (errNothing{}) {
			if c.nread > 0 || c.rerr != nil {
				return nil
			}
			continue
		}
		c.dry = true
		c.Release()
	}
}

// readable tells whether there is something to read, or the end of it.
func readable(fd uintptr) bool {
	var one [1]byte
	for {
		_, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, fd,
			uintptr(unsafe.Pointer(&one)), 1, unix.MSG_DONTWAIT|unix.MSG_PEEK, 0, 0)
		if errno != unix.EINTR {
			return errno != unix.EAGAIN
		}
	}
}
