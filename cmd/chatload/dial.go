package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// connectTime is how long one connection may take to be made.
	connectTime = 10 * time.Second
	// nearTime is how long a try may take on this machine. A server whose backlog
	// is full is silent, and the kernel would ask again only after a second.
	nearTime = 20 * time.Millisecond
)

// target is where a server listens.
type target struct {
	family  int
	addr    unix.Sockaddr
	name    string // what a WebSocket's handshake calls it
	sources int    // how many addresses of 127.0.0.0/8 to come from; 0: the system's choice
}

var errSources = errors.New("-sources: only a server on 127.0.0.0/8 can be reached from several addresses")

// parseTarget reads HOST:PORT or unix:PATH.
func parseTarget(s string, sources int) (target, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if sources > 0 {
			return target{}, errSources
		}
		path = strings.TrimPrefix(path, "//")
		return target{family: unix.AF_UNIX, addr: &unix.SockaddrUnix{Name: path}, name: "localhost"}, nil
	}
	tcp, err := net.ResolveTCPAddr("tcp", s)
	if err != nil {
		return target{}, fmt.Errorf("-addr %s: %w; it must be HOST:PORT or unix:PATH", s, err)
	}
	ip := tcp.AddrPort().Addr().Unmap()
	if !ip.IsValid() || ip.IsUnspecified() {
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if sources > 0 && !(ip.Is4() && ip.IsLoopback()) {
		return target{}, errSources
	}
	t := target{name: s, sources: sources}
	if ip.Is4() {
		t.family, t.addr = unix.AF_INET, &unix.SockaddrInet4{Port: tcp.Port, Addr: ip.As4()}
	} else {
		t.family, t.addr = unix.AF_INET6, &unix.SockaddrInet6{Port: tcp.Port, Addr: ip.As16()}
	}
	return t, nil
}

// loopback tells whether the server is on 127.0.0.0/8.
func (t target) loopback() bool {
	a, ok := t.addr.(*unix.SockaddrInet4)
	return ok && a.Addr[0] == 127
}

// dial makes connection i and returns its descriptor, which does not block.
func (t target) dial(i int) (fd int, err error) {
	deadline := time.Now().Add(connectTime)
	for {
		try := deadline
		if t.loopback() {
			try = time.Now().Add(nearTime)
		}
		fd, err = t.try(i, try)
		if !errors.Is(err, unix.ETIMEDOUT) || time.Now().After(deadline) {
			return fd, err
		}
	}
}

// try is dial, once.
func (t target) try(i int, deadline time.Time) (_ int, err error) {
	fd, err := unix.Socket(t.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	if t.sources > 0 {
		// The port is chosen when connecting: then it need differ only among
		// connections to the same server from the same address.
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return -1, fmt.Errorf("IP_BIND_ADDRESS_NO_PORT: %w", err)
		}
		n := 1 + i%t.sources
		from := &unix.SockaddrInet4{Addr: [4]byte{127, 0, byte(n >> 8), byte(n)}}
		if err := unix.Bind(fd, from); err != nil {
			return -1, fmt.Errorf("bind: %w", err)
		}
	}
	if t.family != unix.AF_UNIX {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return -1, fmt.Errorf("TCP_NODELAY: %w", err)
		}
	}
	if err := t.connect(fd, deadline); err != nil {
		return -1, fmt.Errorf("connect: %w", err)
	}
	return fd, nil
}

// connect waits for the connection, since a full backlog makes it take a while.
func (t target) connect(fd int, deadline time.Time) error {
	for {
		err := unix.Connect(fd, t.addr)
		switch {
		case err == unix.EAGAIN && time.Now().Before(deadline):
			time.Sleep(time.Millisecond) // a Unix socket's backlog is full
			continue
		case err == unix.EINTR:
			continue
		case err != unix.EINPROGRESS:
			return err
		}
		break
	}
	if err := await(fd, unix.POLLOUT, time.Until(deadline)); err != nil {
		return err
	}
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	return err
}

// await returns when a descriptor is ready, or with ETIMEDOUT after so long.
func await(fd int, events int16, most time.Duration) error {
	poll := []unix.PollFd{{Fd: int32(fd), Events: events}}
	for deadline := time.Now().Add(most); ; {
		n, err := unix.Poll(poll, int(max(time.Until(deadline).Milliseconds(), 0)))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case n == 0:
			return unix.ETIMEDOUT
		}
		return nil
	}
}
