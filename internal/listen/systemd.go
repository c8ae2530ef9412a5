package listen

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// Sockets are listening sockets that systemd opened for this process. A nil
// *Sockets has none. It is not for use by several goroutines at once.
type Sockets struct {
	files []*os.File // not yet opened by name; each File's name is its socket's
}

// FromSystemd takes the sockets that the environment says were handed over
// (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES) and removes those variables, so that
// a second call finds none. The caller passes them to a Config, and calls Close
// when it has opened those it wants.
func FromSystemd() *Sockets {
	return &Sockets{files: activation.Files(true)}
}

// Specs returns an fd:// Spec for each name among the sockets that are not open
// yet, in the order they were handed over. Its service is the one the name
// says, with TLS if that is tls or https; any other name is chat.
func (s *Sockets) Specs() []Spec {
	var specs []Spec
	for _, name := range s.names() {
		spec := Spec{Scheme: "fd", Name: name}
		spec.Service, spec.Secure = spec.usualService(), spec.usuallySecure()
		specs = append(specs, spec)
	}
	return specs
}

// Close closes the sockets that were not opened.
func (s *Sockets) Close() {
	if s == nil {
		return
	}
	for _, f := range s.files {
		f.Close()
	}
	s.files = nil
}

// names lists each name once.
func (s *Sockets) names() []string {
	if s == nil {
		return nil
	}
	var names []string
	for _, f := range s.files {
		if !slices.Contains(names, f.Name()) {
			names = append(names, f.Name())
		}
	}
	return names
}

// take returns the listeners of one name, which from then on belong to the
// caller.
func (s *Sockets) take(name string) (taken []socket, err error) {
	if !slices.Contains(s.names(), name) {
		reason := "systemd handed over no socket; start through a socket unit with FileDescriptorName=" + shown(name)
		if names := s.names(); len(names) > 0 {
			reason = fmt.Sprintf("systemd handed over no socket of that name; it handed over %s", shown(list(names, "and")))
		}
		return nil, &Error{Reason: reason}
	}
	s.files = slices.DeleteFunc(s.files, func(f *os.File) bool {
		if f.Name() != name {
			return false
		}
		l, failed := listener(f)
		f.Close()
		if failed == nil {
			taken = append(taken, l)
		}
		err = cmp.Or(err, failed)
		return true
	})
	if err != nil {
		for _, l := range taken {
			l.Close()
		}
		return nil, err
	}
	return taken, nil
}

// listener makes a listener of a copy of f, which stays open.
func listener(f *os.File) (socket, error) {
	if listens, err := listensAsStream(f); err != nil {
		return nil, err
	} else if !listens {
		return nil, &Error{Reason: "is not a listening stream socket; the socket unit needs ListenStream= and Accept=no"}
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	s, ok := l.(socket)
	if !ok {
		l.Close()
		return nil, &Error{Reason: "is neither a TCP nor a Unix socket; change ListenStream= in the socket unit"}
	}
	return s, nil
}

func listensAsStream(f *os.File) (bool, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var kind, listens int
	err = raw.Control(func(fd uintptr) {
		// Of what is no socket at all both stay 0.
		kind, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE)
		listens, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	})
	return kind == unix.SOCK_STREAM && listens == 1, err
}
