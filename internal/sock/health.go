package sock

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Health is what the kernel knows of the peer.
type Health struct {
	// TCP tells that the fields but Unsent mean something.
	TCP bool
	// Open: the state is ESTABLISHED or CLOSE_WAIT. Half: the peer has ended
	// its output (CLOSE_WAIT).
	Open, Half bool
	// Tries is how often in a row the kernel has sent without an answer,
	// retransmissions or keepalive probes.
	Tries int
	// LastAck is how long ago the peer last acknowledged something.
	LastAck time.Duration
	// Acked counts the bytes the peer has acknowledged; of TLS those that went
	// over the network.
	Acked uint64
	// Queued counts the bytes of TLS that were sent and not acknowledged, those
	// not sent yet among them. Otherwise it is 0.
	Queued int
	// Unsent counts the bytes the kernel holds because the peer's window or the
	// network does not take them.
	Unsent int
}

// tcp states, as in the kernel's tcp_states.h.
const (
	tcpEstablished = 1
	tcpCloseWait   = 8
)

// Prober asks the kernel. It is reused so that a walk over thousands of
// connections allocates nothing; it is for one goroutine.
type Prober struct {
	info   unix.TCPInfo
	outq   int
	errno  syscall.Errno
	tcp    bool
	tls    bool
	probed func(fd uintptr)
}

// Probe returns what the kernel knows of c's peer. ok is false if c is closed or
// no connection of the kernel's.
func (p *Prober) Probe(c *Conn) (h Health, ok bool) {
	if c.kernel == nil {
		return Health{}, false
	}
	if p.probed == nil {
		p.probed = p.probe
	}
	p.tcp, p.tls, p.outq = c.LocalAddr().Network() == "tcp", c.tls, 0
	if c.kernel.Control(p.probed) != nil || p.errno != 0 {
		return Health{}, false
	}
	if !p.tcp {
		return Health{Unsent: p.outq}, true
	}
	i := &p.info
	return Health{
		TCP:     true,
		Open:    i.State == tcpEstablished || i.State == tcpCloseWait,
		Half:    i.State == tcpCloseWait,
		Tries:   int(max(i.Retransmits, i.Probes)),
		LastAck: time.Duration(i.Last_ack_recv) * time.Millisecond,
		Acked:   i.Bytes_acked,
		Queued:  p.outq,
		Unsent:  int(i.Notsent_bytes),
	}, true
}

func (p *Prober) probe(fd uintptr) {
	if !p.tcp || p.tls {
		if p.outq, p.errno = ioctl(fd, unix.SIOCOUTQ); !p.tcp || p.errno != 0 {
			return
		}
	}
	size := uint32(unix.SizeofTCPInfo)
	_, _, p.errno = syscall.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&p.info)), uintptr(unsafe.Pointer(&size)), 0)
}

// Unread is how many bytes the peer sent that were not read yet; of TLS as they
// went over the network.
func (c *Conn) Unread() (n int) {
	if c.kernel != nil {
		_ = c.kernel.Control(func(fd uintptr) { n, _ = ioctl(fd, unix.SIOCINQ) })
	}
	return n
}

// InputEnded tells whether the peer has ended its output, whether or not all of that
// was read. Of a connection that is none of the kernel's this is not known, of TLS
// perhaps later: it has ends of its own.
func (c *Conn) InputEnded() bool {
	var p [1]unix.PollFd
	if c.kernel != nil {
		_ = c.kernel.Control(func(fd uintptr) {
			p[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLRDHUP}
			_, _ = unix.Poll(p[:], 0)
		})
	}
	return p[0].Revents&unix.POLLRDHUP != 0
}

func ioctl(fd uintptr, request uint) (int, syscall.Errno) {
	var n int32
	_, _, errno := syscall.RawSyscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(unsafe.Pointer(&n)))
	return int(n), errno
}
