// Package listen turns listener URLs into sockets that accept: TCP ports, with
// or without TLS, Unix sockets, and sockets that systemd opened before. What goes
// wrong is told in sentences for the person who wrote the URL. It promises that
//
//   - a Unix socket never takes the path of one that somebody answers on, nor
//     of anything that is not a socket, and nobody connects to it before its
//     mode and group are set;
//   - a newcomer for whom the process has no file descriptor left is told so
//     instead of being left to wait, and the accept loop does not spin;
//   - accepting waits for nobody's bytes;
//   - what is accepted is a *net.TCPConn or *net.UnixConn, unwrapped, or, with TLS
//     or from a proxy, a *Conn.
//
// It knows the names of the services that connections can be given and nothing
// else about them.
package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Error is why a listener cannot be had: one sentence for the person who asked
// for it, with what to do next.
type Error struct {
	URL    string // the listener, as it was written
	Reason string // without a full stop
	Err    error  // what the system said; nil if nothing was asked of it
}

// Error returns the URL and the reason.
func (e *Error) Error() string { return e.URL + ": " + e.Reason }

// Unwrap returns what the system said, for errors.Is.
func (e *Error) Unwrap() error { return e.Err }

// Config says how listeners are opened. The zero Config opens tcp and unix.
type Config struct {
	// Sockets are what fd:// names. Nil: systemd handed nothing over.
	Sockets *Sockets

	// TLS is what tls:// and https:// are served with. Nil: nothing is.
	TLS *tls.Config

	// Proxies are peers that are believed for whom they speak: their connections
	// to any TCP port begin with a PROXY header, version 1 or 2.
	Proxies Peers

	// Refusal returns the text, with its line end, for newcomers of a service
	// when no file descriptor is left for them; it is asked once a listener.
	// Nil or an empty text: they are closed without a word. At most a few
	// hundred bytes. With TLS it is an alert instead.
	Refusal func(Service) string

	// OnError is told, at most once a second and listener, of what keeps
	// newcomers out although Accept goes on. It is called by Accept, and by
	// handshakes of proxies that send no header. Nil: nobody is told.
	OnError func(error)
}

// Open opens all listeners, or none: if any fails, those already open are
// closed again and the mistakes of all are returned, each an *Error, joined.
// One fd:// Spec can be several listeners, because the sockets of a systemd
// unit share a name. ctx bounds the look-up of host names and the wait for
// another server that is starting on the same Unix socket path.
func (c Config) Open(ctx context.Context, specs ...Spec) ([]*Listener, error) {
	var (
		listeners []*Listener
		mistakes  []error
		spare     = &spare{fd: -1}
	)
	for _, spec := range specs {
		opened, err := c.open(ctx, spec, spare)
		if err != nil {
			mistakes = append(mistakes, err)
		}
		listeners = append(listeners, opened...)
	}
	if len(mistakes) > 0 {
		for _, l := range listeners {
			l.Close()
		}
		return nil, errors.Join(mistakes...)
	}
	return listeners, nil
}

func (c Config) open(ctx context.Context, spec Spec, spare *spare) ([]*Listener, error) {
	// A Spec need not come from Parse.
	for _, reason := range []string{judge("scheme", spec.Scheme, schemes), judge("service", string(spec.Service), append(slices.Clip(services), string(Ops)))} {
		if reason != "" {
			return nil, &Error{URL: spec.String(), Reason: reason}
		}
	}
	var (
		sockets []socket
		file    os.FileInfo
		err     error
	)
	if spec.TLS() && c.TLS == nil {
		return nil, &Error{URL: spec.String(), Reason: "there is no certificate for TLS"}
	}
	switch spec.Scheme {
	case "tcp", "tls", "http", "https":
		sockets, err = openTCP(ctx, spec)
	case "unix":
		sockets, file, err = openUnix(ctx, spec)
	case "fd":
		sockets, err = c.Sockets.take(spec.Name)
	}
	if err != nil {
		err := explained(spec, err)
		if names := c.Sockets.names(); len(names) > 0 && errors.Is(err, unix.EADDRINUSE) {
			err.Reason += "; systemd has handed over " + shown(list(names, "and")) + ", which fd://NAME serves"
		}
		return nil, err
	}
	var listeners []*Listener
	for _, s := range sockets {
		listeners = append(listeners, c.newListener(spec, s, file, spare))
	}
	if spec.Backlog == 0 {
		return listeners, nil
	}
	for _, l := range listeners {
		if err := setBacklog(l.socket, spec.Backlog); err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return nil, explained(spec, err)
		}
	}
	return listeners, nil
}

// explained makes any error an *Error about spec.
func explained(spec Spec, err error) *Error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Reason: shown(plain(err)), Err: err}
	}
	e.URL = spec.String()
	return e
}

// plain is the system's own words without the address, which the URL has said.
func plain(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}

// setBacklog calls listen(2) once more, which changes the backlog of a socket
// that listens already and nothing else.
func setBacklog(s socket, backlog int) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.Listen(int(fd), backlog) }); err != nil {
		return err
	}
	return os.NewSyscallError("listen", failed)
}

// socket is what *net.TCPListener and *net.UnixListener have in common.
type socket interface {
	net.Listener
	syscall.Conn
	SetDeadline(time.Time) error
}

// Listener is a net.Listener that gets by when the machine runs short, and that
// can say how to reach it. Its methods may be called at the same time.
type Listener struct {
	// Set when opened, never changed.
	socket  socket
	spec    Spec
	file    os.FileInfo // the Unix socket's file, if it is ours to remove
	tls     *tls.Config // nil: none
	proxies Peers
	refusal string
	onError func(error)
	spare   *spare
	close   func() error

	closed   chan struct{} // closed by Close
	deadline chan struct{} // holds one token after SetDeadline; never closed

	refused atomic.Uint64 // newcomers turned away

	mu         sync.Mutex // guards what follows
	lastReport time.Time  // when onError was last called
	reported   uint64     // what refused was then
}

func (c Config) newListener(spec Spec, s socket, file os.FileInfo, spare *spare) *Listener {
	l := &Listener{
		socket:   s,
		spec:     spec,
		file:     file,
		proxies:  c.Proxies,
		onError:  c.OnError,
		closed:   make(chan struct{}),
		deadline: make(chan struct{}, 1),
		spare:    spare,
	}
	if c.Refusal != nil {
		l.refusal = c.Refusal(spec.Service)
	}
	switch {
	case !spec.TLS():
	case spec.forBrowsers():
		l.tls, l.refusal = c.TLS, fullAlert
	default:
		l.tls, l.refusal = forChat(c.TLS), fullAlert
	}
	l.close = sync.OnceValue(l.shut)
	spare.enter()
	return l
}

// Spec returns what the listener was opened from. Its port is 0 if that was
// asked for; Addr has the one that was picked.
func (l *Listener) Spec() Spec { return l.spec }

// Addr returns the address that was bound.
func (l *Listener) Addr() net.Addr { return l.socket.Addr() }

// URL returns what was bound, such as tcp://127.0.0.1:41233, tls://:7778 for
// every address, or unix:///run/chatd/chatd.sock.
func (l *Listener) URL() string { return boundURL(l.spec, l.Addr()) }

// Hints returns commands that reach the listener, such as nc 192.0.2.7 7777,
// each to be typed as it is, or addresses for a browser or a WebSocket client. A listener on every address has one for the first
// IPv4 and one for the first IPv6 address that other machines can reach, or one
// for localhost if there is none.
func (l *Listener) Hints() []string { return hints(l.spec, l.Addr(), reachable()) }

// Refused returns how many newcomers were turned away because no file
// descriptor was left.
func (l *Listener) Refused() uint64 { return l.refused.Load() }

// SetDeadline ends calls of Accept, those under way too, at time t with an
// error that is os.ErrDeadlineExceeded; connections stay in the kernel's queue.
// The zero time lets Accept go on.
func (l *Listener) SetDeadline(t time.Time) error {
	err := l.socket.SetDeadline(t)
	select {
	case l.deadline <- struct{}{}:
	default:
	}
	return err
}

// SyscallConn returns the socket itself, for options.
func (l *Listener) SyscallConn() (syscall.RawConn, error) { return l.socket.SyscallConn() }

// Close ends accepting and removes the Unix socket's file, if the listener made
// it and nobody has put another in its place. Later calls return what the first
// one did.
func (l *Listener) Close() error { return l.close() }

func (l *Listener) shut() error {
	close(l.closed)
	// Removed while still listening: as long as somebody answers, no other
	// server takes the path, so what is removed is ours. And while the socket
	// is open its inode's number is not given to another file.
	if l.file != nil {
		if now, err := os.Lstat(l.spec.Path); err == nil && os.SameFile(now, l.file) {
			os.Remove(l.spec.Path)
		}
	}
	err := l.socket.Close()
	l.spare.leave()
	return err
}

// boundURL is the URL of a bound address.
func boundURL(spec Spec, addr net.Addr) string {
	switch addr := addr.(type) {
	case *net.TCPAddr:
		host := addr.IP.String()
		switch {
		case addr.IP.IsUnspecified() && addr.IP.To4() == nil:
			host = "" // IPv4 and IPv6
		case addr.Zone != "":
			host += "%" + addr.Zone
		}
		return spec.boundScheme() + "://" + hostPort(host, uint16(addr.Port))
	case *net.UnixAddr:
		return Spec{Scheme: "unix", Path: addr.Name, Service: Chat}.String()
	}
	return spec.String()
}

// boundScheme is the scheme by which what was bound is reached: that of the service,
// whoever bound it.
func (s Spec) boundScheme() string {
	switch {
	case s.forBrowsers() && s.TLS():
		return "https"
	case s.forBrowsers():
		return "http"
	case s.TLS():
		return "tls"
	}
	return "tcp"
}

// hints are the commands that reach addr, on a machine that others reach at
// ours.
func hints(spec Spec, addr net.Addr, ours []netip.Addr) []string {
	switch addr := addr.(type) {
	case *net.UnixAddr:
		if name, ok := strings.CutPrefix(addr.Name, "@"); ok { // abstract, which nc cannot
			return []string{"socat - ABSTRACT-CONNECT:" + shellWord(name)}
		}
		if spec.Service == HTTP || spec.Service == Ops {
			return []string{"curl --unix-socket " + shellWord(addr.Name) + " http://localhost/" + spec.page()}
		}
		return []string{"nc -U " + shellWord(addr.Name)}
	case *net.TCPAddr:
		reach := nc
		switch scheme := spec.boundScheme(); scheme {
		case "tls":
			reach = openssl
		case "http", "https":
			reach = spec.address
		}
		if spec.Service == Ops {
			reach = spec.curl
		}
		port := addr.AddrPort()
		if !port.Addr().Unmap().IsUnspecified() {
			return []string{reach(port.Addr().Unmap().String(), port.Port())}
		}
		var commands []string
		var has4, has6 bool
		for _, a := range ours {
			switch {
			case a.Is4() && !has4:
				has4 = true
			case a.Is6() && !has6 && port.Addr().Is6():
				has6 = true
			default:
				continue
			}
			commands = append(commands, reach(a.String(), port.Port()))
		}
		if commands == nil {
			commands = append(commands, reach("localhost", port.Port()))
		}
		return commands
	}
	return nil
}
