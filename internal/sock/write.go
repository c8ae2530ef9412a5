package sock

import (
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxCopy is how much of a stream's output is copied for one blocking write.
const maxCopy = 16 << 10

// copies are for streams that write; a thousand TLS clients would else allocate some
// megabytes in each sweep.
var copies = sync.Pool{New: func() any { return new([maxCopy]byte) }}

// send makes one system call that does not wait. It does not rely on O_NONBLOCK.
// The scheduler is not told of it: in a sweep over a thousand sockets it would
// take our processor away for being in the kernel so often, at a fifth of the
// speed, though no call waits.
func send(fd uintptr, p []byte) (n int, err error) {
	for {
		r, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, fd,
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(r), nil
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return 0, nil
		}
		return 0, errno
	}
}

// TryWrite takes what the kernel takes of p without waiting; fewer bytes and no
// error mean that its buffer is full. A connection that can only block takes
// nothing.
func (c *Conn) TryWrite(p []byte) (int, error) {
	if c.raw == nil {
		return 0, nil
	}
	c.out, c.nsent, c.serr = p, 0, nil
	err := c.raw.Write(c.write)
	c.out = nil
	if err == nil {
		err = c.serr
	}
	return c.nsent, err
}

func (c *Conn) trySend(fd uintptr) (done bool) {
	c.nsent, c.serr = send(fd, c.out)
	return true
}

// Drain writes what peek returns, waiting where it must, until peek returns
// nothing. It calls took with the number of bytes that need not be kept for it
// any longer. It fails when the connection does or is closed, or when peek does.
func (c *Conn) Drain(peek func() ([]byte, error), took func(n int)) error {
	if c.raw == nil {
		return c.drainStream(peek, took)
	}
	var failed error
	err := c.raw.Write(func(fd uintptr) bool {
		for {
			p, err := peek()
			if err != nil || len(p) == 0 {
				failed = err
				return true
			}
			n, err := send(fd, p)
			took(n)
			if err != nil {
				failed = err
				return true
			}
			if n < len(p) {
				return false
			}
		}
	})
	if err == nil {
		err = failed
	}
	return err
}

func (c *Conn) drainStream(peek func() ([]byte, error), took func(n int)) error {
	growStack()
	buf := copies.Get().(*[maxCopy]byte)
	defer copies.Put(buf)
	for {
		p, err := peek()
		if err != nil || len(p) == 0 {
			return err
		}
		n := copy(buf[:], p)
		took(n)
		if _, err := c.Conn.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// growStack makes room for TLS on a new goroutine's stack while there is next to
// nothing on it that has to be moved. Deep in TLS, where it would grow twice, that
// takes as long as encrypting.
//
//go:noinline
func growStack() byte {
	var room [stackRoom]byte
	return room[len(os.Args)&(stackRoom-1)]
}

const stackRoom = 4 << 10
