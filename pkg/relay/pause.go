package relay

import (
	"encoding/binary"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pauses let a broadcaster that has much to do make way for goroutines that wait for
// the network. Yielding does not: the runtime looks at the network only when nothing
// else is ready. Sleeping does, but for a millisecond at least if nothing else is to
// be done. So the broadcaster itself waits for the network, for something that is
// there at once.
type pauses struct {
	once sync.Once
	file *os.File // an eventfd that the runtime polls; nil: there is none
	raw  syscall.RawConn
}

// longPause is how long a pause is if there is no eventfd.
const longPause = 50 * time.Microsecond

// wait returns when those whom the network has something for have had their turn.
func (p *pauses) wait() {
	p.prepare()
	if p.file == nil {
		time.Sleep(longPause)
		return
	}
	// Of those who pause at a time, one is in here and the others wait for it.
	var count [8]byte
	rung := false
	_ = p.raw.Read(func(fd uintptr) bool {
		if rung {
			_, _ = unix.Read(int(fd), count[:])
			return true
		}
		rung = true
		binary.NativeEndian.PutUint64(count[:], 1)
		_, err := unix.Write(int(fd), count[:])
		return err != nil
	})
	// The others may have been found after us.
	runtime.Gosched()
}

// prepare opens the eventfd, unless that was done or tried before.
func (p *pauses) prepare() { p.once.Do(p.open) }

func (p *pauses) open() {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return
	}
	file := os.NewFile(uintptr(fd), "eventfd")
	if p.raw, err = file.SyscallConn(); err != nil {
		_ = file.Close()
		return
	}
	p.file = file
}

// close ends it. Nobody waits then, or will.
func (p *pauses) close() {
	p.once.Do(func() {})
	if p.file != nil {
		_ = p.file.Close()
	}
}
