package listen

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// While the machine is short of something, Accept tries again after 5 ms
	// and then after twice as long each time, up to 640 ms: a newcomer is told,
	// and the end of the shortage noticed, within a second, and an hour of it
	// costs 6,000 system calls.
	firstDelay = 5 * time.Millisecond
	lastDelay  = 640 * time.Millisecond

	// maxRefusals bounds how many newcomers are turned away between two waits,
	// so that a flood of them costs no whole core, and one who comes again at
	// once is not let in faster for it.
	maxRefusals = 256

	// reportEvery is the shortest time between two calls of OnError.
	reportEvery = time.Second

	// maxUnread is how much of what a newcomer has said already is read before
	// it is closed: closing with unread bytes is a reset, which can overtake
	// the refusal.
	maxUnread = 64 << 10
)

// keepalive notices a vanished peer after 35 s; Go's default takes 150 s.
var keepalive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 4}

// What accept(2) can fail with and Accept does not return.
var (
	// No descriptor is left, in the process or the machine.
	full = []error{unix.EMFILE, unix.ENFILE}

	// The kernel has no memory for a connection, or (ENOSPC) the user has no
	// epoll watch left for one.
	short = []error{unix.ENOBUFS, unix.ENOMEM, unix.ENOSPC}

	// One newcomer is lost, and the next may be fine. Linux hands errors of the
	// new connection to accept(2); see its manual page.
	lost = []error{
		unix.ECONNABORTED, unix.ECONNRESET, unix.EPROTO, unix.ENETDOWN, unix.ENETUNREACH,
		unix.EHOSTDOWN, unix.EHOSTUNREACH, unix.ENONET, unix.ENOPROTOOPT, unix.ETIMEDOUT,
	}
)

func isAny(err error, kinds []error) bool {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// Accept waits for the next connection and returns it: a *net.TCPConn with
// keepalive set, a *net.UnixConn, or a *Conn whose handshake is to be made. It returns an error only if there is no use
// in calling it again (net.ErrClosed after Close) or the deadline has passed
// (os.ErrDeadlineExceeded). When descriptors or memory run out it waits until
// there are some, and turns newcomers away meanwhile.
//
// A connection is returned only while the reserved descriptor is held; one that
// came in its place is refused. So whoever takes the last descriptor, the next
// newcomer can be told.
func (l *Listener) Accept() (net.Conn, error) {
	delay, refused := firstDelay, 0 // refused since the last wait
	for {
		conn, err := l.socket.Accept()
		waiting := isAny(err, full) && l.waiting() // it fails even if nobody wants in
		if waiting && l.spare.release() {
			conn, err = l.socket.Accept()
		}
		held := l.spare.hold()
		switch {
		case err == nil && held:
			if tcp, ok := conn.(*net.TCPConn); ok {
				// Here and not in a net.ListenConfig, which the sockets of systemd
				// never saw. It fails if the connection is over; reading will tell.
				tcp.SetKeepAliveConfig(keepalive)
			}
			return l.dress(conn), nil
		case err == nil:
			l.refuse(conn)
			l.spare.hold()
			l.report(unix.EMFILE)
			if refused++; refused < maxRefusals {
				continue
			}
		case isAny(err, lost):
			continue
		case isAny(err, short), waiting && isAny(err, full):
			l.report(err)
		case isAny(err, full):
		default:
			return nil, err
		}
		l.wait(delay)
		delay, refused = min(2*delay, lastDelay), 0
	}
}

// dress returns a connection as it is to be served.
func (l *Listener) dress(conn net.Conn) net.Conn {
	proxy := l.proxies.holds(conn.RemoteAddr())
	if !proxy && l.tls == nil {
		return conn
	}
	c := newConn(conn, proxy, l.tls, l.report)
	if l.spec.forBrowsers() {
		c.speak = speakHTTPS
	}
	return c
}

// wait returns after d, or earlier if something happened that Accept should see.
func (l *Listener) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.closed:
	case <-l.deadline:
	}
}

// refuse tells a newcomer that there is no room, and closes the connection.
func (l *Listener) refuse(conn net.Conn) {
	defer conn.Close()
	l.refused.Add(1)
	if l.refusal == "" {
		return
	}
	// A new connection's buffers are empty, so this does not wait; should the
	// kernel have other ideas, it does not wait long.
	conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
	io.WriteString(conn, l.refusal)
	switch conn := conn.(type) {
	case *net.TCPConn:
		conn.CloseWrite()
		discard(conn.SyscallConn())
	case *net.UnixConn:
		conn.CloseWrite()
		discard(conn.SyscallConn())
	}
}

// report calls OnError, unless it did so less than a second ago.
func (l *Listener) report(err error) {
	if l.onError == nil {
		return
	}
	l.mu.Lock()
	now, refused := time.Now(), l.refused.Load()
	since := refused - l.reported
	if now.Sub(l.lastReport) < reportEvery {
		l.mu.Unlock()
		return
	}
	l.lastReport, l.reported = now, refused
	l.mu.Unlock()

	if isAny(err, full) {
		err = fmt.Errorf("no file descriptor is left, raise the limit (LimitNOFILE); newcomers turned away: %d: %w", since, err)
	}
	l.onError(fmt.Errorf("%s: %w", l.URL(), err))
}

// A spare is a descriptor kept back for turning newcomers away. The listeners
// that are opened together share one.
type spare struct {
	mu    sync.Mutex
	fd    int // -1: given up for the moment
	users int // listeners that are open
}

// hold makes sure that the descriptor is held, and reports whether it is.
func (s *spare) hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		return true // nothing is accepted any more
	}
	if s.fd < 0 {
		// The cheapest thing that occupies a descriptor and needs no file.
		if fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC); err == nil {
			s.fd = fd
		}
	}
	return s.fd >= 0
}

// release gives the descriptor up until the next hold. It reports false if that
// was done already.
func (s *spare) release() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return false
	}
	unix.Close(s.fd)
	s.fd = -1
	return true
}

func (s *spare) enter() {
	s.mu.Lock()
	s.users++
	s.mu.Unlock()
	s.hold()
}

func (s *spare) leave() {
	s.mu.Lock()
	s.users--
	last := s.users == 0
	s.mu.Unlock()
	if last {
		s.release()
	}
}

// waiting reports whether somebody waits to be accepted.
func (l *Listener) waiting() bool {
	raw, err := l.socket.SyscallConn()
	if err != nil {
		return false
	}
	ready := 0
	raw.Control(func(fd uintptr) {
		ready, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	})
	return ready > 0
}

// discard reads what has arrived, without waiting for more.
func discard(raw syscall.RawConn, err error) {
	if err != nil {
		return
	}
	raw.Read(func(fd uintptr) bool {
		var buf [4096]byte
		for read := 0; read < maxUnread; {
			n, _, err := unix.Recvfrom(int(fd), buf[:], unix.MSG_DONTWAIT)
			if err != nil || n == 0 {
				break
			}
			read += n
		}
		return true
	})
}
