package listen

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// activated is a server that systemd started: it opens what it was given, or
// what its list names, says what it did and answers one newcomer at each.
func activated() error {
	sockets := FromSystemd()
	specs := sockets.Specs()
	if urls := os.Getenv("LISTEN_TEST_URLS"); urls != "" {
		var err error
		if specs, err = Parse(urls); err != nil {
			return err
		}
	}
	listeners, err := Config{Sockets: sockets}.Open(context.Background(), specs...)
	sockets.Close()
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Print("error ", line)
		}
		fmt.Println("\nend")
		return nil
	}
	for _, l := range listeners {
		fmt.Printf("open %s %s %s\n", l.Spec(), l.Spec().Service, l.URL())
	}
	// Nothing is found twice, and no copy of a socket stays open.
	fmt.Println("left", len(FromSystemd().Specs()), len(sockets.Specs()), openSockets()-len(listeners))
	fmt.Println("end")
	for _, l := range listeners {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			raw, err := tcp.SyscallConn()
			if err != nil {
				return err
			}
			raw.Control(func(fd uintptr) {
				idle, _ := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
				interval, _ := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)
				fmt.Fprintf(conn, "keepalive %d/%d\n", idle, interval)
			})
		} else {
			fmt.Fprintln(conn, "hello")
		}
		conn.Close()
		l.Close()
	}
	return nil
}

// openSockets counts the process's descriptors that are sockets.
func openSockets() (n int) {
	descriptors, _ := os.ReadDir("/proc/self/fd")
	for _, d := range descriptors {
		if target, _ := os.Readlink("/proc/self/fd/" + d.Name()); strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}

// handOver starts a process with the sockets as systemd does, and returns what
// it says. names is LISTEN_FDNAMES.
func handOver(t *testing.T, names, urls string, sockets ...syscall.Conn) []string {
	t.Helper()
	// The variable must hold the pid of the process itself.
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	for _, s := range sockets {
		raw, err := s.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var file *os.File
		raw.Control(func(fd uintptr) {
			var copied int
			if copied, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
				file = os.NewFile(uintptr(copied), "socket")
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	c := start(t, cmd, "activated", fmt.Sprint("LISTEN_FDS=", len(sockets)), "LISTEN_FDNAMES="+names, "LISTEN_TEST_URLS="+urls)
	var said []string
	for line := c.line(t); line != "end"; line = c.line(t) {
		if line != "" {
			said = append(said, line)
		}
	}
	return said
}

func bindTCP(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

func bindUnix(t *testing.T) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: socketPath(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	wantText(t, strings.Join(got, "\n"), strings.Join(want, "\n"))
}

func TestSocketsOfSystemd(t *testing.T) {
	a, b, c := bindTCP(t), bindUnix(t), bindTCP(t)
	// Two of one unit, and one whose name chooses its service.
	wantLines(t, handOver(t, "chatd.socket:chatd.socket:raw", "", a, b, c),
		"open fd://chatd.socket chat tcp://"+a.Addr().String(),
		"open fd://chatd.socket chat unix://"+b.Addr().String(),
		"open fd://raw raw tcp://"+c.Addr().String(),
		"left 0 0 0")
	// In the order in which the child accepts.
	for _, addr := range []net.Addr{a.Addr(), b.Addr(), c.Addr()} {
		conn, err := net.Dial(addr.Network(), addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		want := "keepalive 15/5\n"
		if addr.Network() == "unix" {
			want = "hello\n"
		}
		wantText(t, readAll(t, conn), want)
	}
}

// The path of a socket that systemd made is systemd's.
func TestSystemdsPathIsNotRemoved(t *testing.T) {
	l := bindUnix(t)
	handOver(t, "x", "", l)
	conn, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	readAll(t, conn) // ends when the child is about to close its listener
	inode(t, l.Addr().String())
}

func TestSocketsByName(t *testing.T) {
	a, b := bindTCP(t), bindTCP(t)
	wantLines(t, handOver(t, "web:bot", "fd://bot?serve=raw&room=bots&backlog=5", a, b),
		"open fd://bot?serve=raw&room=bots&backlog=5 raw tcp://"+b.Addr().String(),
		"left 0 0 0")
}

func TestSocketsThatCannotBeServed(t *testing.T) {
	a := bindTCP(t)
	wantLines(t, handOver(t, "web:bot", "fd://wbe", a, bindTCP(t)),
		"error fd://wbe: systemd handed over no socket of that name; it handed over web and bot")
	wantLines(t, handOver(t, "json", "", a), "open fd://json json tcp://"+a.Addr().String(), "left 0 0 0")
	wantLines(t, handOver(t, "", "fd://web"),
		"error fd://web: systemd handed over no socket; start through a socket unit with FileDescriptorName=web")

	here, err := net.Dial("tcp", a.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	datagram, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer datagram.Close()
	const useless = ": is not a listening stream socket; the socket unit needs ListenStream= and Accept=no"
	wantLines(t, handOver(t, "inetd:udp", "", here.(*net.TCPConn), datagram.(*net.UDPConn)),
		"error fd://inetd"+useless, "error fd://udp"+useless)
}

// Variables meant for another process, or none at all.
func TestNotStartedBySystemd(t *testing.T) {
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "1")
	sockets := FromSystemd()
	if specs := sockets.Specs(); len(specs) != 0 {
		t.Errorf("took %v", specs)
	}
	sockets.Close()
	var none *Sockets
	none.Close()
	if specs := none.Specs(); len(specs) != 0 {
		t.Errorf("took %v from nothing", specs)
	}
	wantText(t, openError(t, "fd://x"), "fd://x: systemd handed over no socket; start through a socket unit with FileDescriptorName=x")
}
