package sock

import (
	"io"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ReadChunk waits for bytes and returns what is there, at most ChunkSize. They
// are valid until Release or the next call. It fails with io.EOF at the end of
// input and with os.ErrDeadlineExceeded after a read deadline or Wake.
func (c *Conn) ReadChunk() ([]byte, error) {
	c.Release()
	if len(c.first) > 0 {
		p := c.first[:min(len(c.first), ChunkSize)]
		if c.first = c.first[len(p):]; len(c.first) == 0 {
			c.first = nil
		}
		return p, nil
	}
	var err error
	switch {
	case c.raw != nil:
		err = c.raw.Read(c.read)
	case c.base != nil:
		err = c.readTLS()
	default:
		c.chunk = chunks.Get().(*[ChunkSize]byte)
		for c.nread, c.rerr = 0, nil; c.nread == 0 && c.rerr == nil; { // no bytes and no error is no end
			c.nread, c.rerr = c.Conn.Read(c.chunk[:])
		}
	}
	if err == nil && c.nread == 0 {
		if err = c.rerr; err == nil {
			err = io.EOF
		}
	}
	if err != nil {
		c.Release()
		return nil, err
	}
	return c.chunk[:c.nread], nil
}

// Release gives the buffer of the last ReadChunk back.
func (c *Conn) Release() {
	if c.chunk != nil {
		chunks.Put(c.chunk)
		c.chunk = nil
	}
}

// tryRecv makes one system call. It does not rely on O_NONBLOCK, which belongs
// to the description and may have been cleared by whoever shares it. As in send,
// the scheduler is not told.
func (c *Conn) tryRecv(fd uintptr) (done bool) {
	chunk := chunks.Get().(*[ChunkSize]byte)
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, fd,
		uintptr(unsafe.Pointer(chunk)), ChunkSize, unix.MSG_DONTWAIT, 0, 0)
	switch errno {
	case 0:
		c.chunk, c.nread, c.rerr = chunk, int(n), nil
		return true
	case unix.EAGAIN:
		chunks.Put(chunk)
		return false
	case unix.EINTR:
		chunks.Put(chunk)
		return c.tryRecv(fd)
	}
	chunks.Put(chunk)
	c.nread, c.rerr = 0, errno
	return true
}
