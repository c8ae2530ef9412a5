package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// reach connects to a listener and returns both ends.
func reach(t *testing.T, l *Listener, network, address string) (here, there net.Conn) {
	t.Helper()
	here, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close() })
	there, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { there.Close() })
	return here, there
}

func portOf(l *Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func TestPortZeroPicksOne(t *testing.T) {
	l := open(t, Config{}, "tcp://127.0.0.1:0")[0]
	port := portOf(l)
	if port == "0" {
		t.Fatal("port 0 was bound")
	}
	wantText(t, l.URL(), "tcp://127.0.0.1:"+port)
	wantText(t, l.Spec().String(), "tcp://127.0.0.1:0")
	wantText(t, strings.Join(l.Hints(), "; "), "nc 127.0.0.1 "+port)
	_, there := reach(t, l, "tcp", "127.0.0.1:"+port)
	if _, ok := there.(*net.TCPConn); !ok {
		t.Errorf("accepted a %T", there)
	}
}

func TestEmptyHostIsBothFamilies(t *testing.T) {
	l := open(t, Config{}, "tcp://:0")[0]
	wantText(t, l.URL(), "tcp://:"+portOf(l))
	reach(t, l, "tcp4", "127.0.0.1:"+portOf(l))
	reach(t, l, "tcp6", "[::1]:"+portOf(l))
}

func TestZerosAreIPv4Only(t *testing.T) {
	l := open(t, Config{}, "tcp://0.0.0.0:0")[0]
	wantText(t, l.URL(), "tcp://0.0.0.0:"+portOf(l))
	reach(t, l, "tcp4", "127.0.0.1:"+portOf(l))
	if conn, err := net.Dial("tcp6", "[::1]:"+portOf(l)); err == nil {
		conn.Close()
		t.Error("reached by IPv6")
	}
}

func TestIPv6Address(t *testing.T) {
	l := open(t, Config{}, "tcp://[::1]:0")[0]
	wantText(t, l.URL(), "tcp://[::1]:"+portOf(l))
	wantText(t, strings.Join(l.Hints(), "; "), "nc ::1 "+portOf(l))
	reach(t, l, "tcp6", "[::1]:"+portOf(l))
}

func option(t *testing.T, c syscall.Conn, level, name int) (value int) {
	t.Helper()
	r, err := c.SyscallConn()
	if err == nil {
		r.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), level, name) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestSocketOptions(t *testing.T) {
	l := open(t, Config{}, "tcp://127.0.0.1:0")[0]
	if got := option(t, l, unix.SOL_SOCKET, unix.SO_PROTOCOL); got != unix.IPPROTO_TCP {
		t.Errorf("protocol %d, want plain TCP", got)
	}
	if got := option(t, l, unix.SOL_SOCKET, unix.SO_REUSEADDR); got != 1 {
		t.Error("SO_REUSEADDR is off")
	}
	_, there := reach(t, l, "tcp", l.Addr().String())
	wantKeepalive(t, there.(*net.TCPConn))
}

func wantKeepalive(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	for _, o := range []struct {
		what              string
		level, name, want int
	}{
		{"keepalive", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"idle seconds", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
		{"seconds between probes", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 5},
		{"probes", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4},
	} {
		if got := option(t, conn, o.level, o.name); got != o.want {
			t.Errorf("%s: %d, want %d", o.what, got, o.want)
		}
	}
}

func TestBacklog(t *testing.T) {
	for _, c := range []struct {
		url  string
		want uint32
	}{{"tcp://127.0.0.1:0?backlog=3", 3}, {"tcp://127.0.0.1:0?backlog=17", 17}} {
		l := open(t, Config{}, c.url)[0]
		raw, err := l.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		// Of a listening socket, the kernel keeps the backlog in this field.
		var info *unix.TCPInfo
		raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
		if err != nil {
			t.Fatal(err)
		}
		if info.Sacked != c.want {
			t.Errorf("%s: backlog %d", c.url, info.Sacked)
		}
	}
}

func TestDeadlinePausesAccept(t *testing.T) {
	for _, url := range []string{"tcp://127.0.0.1:0", "unix://" + socketPath(t)} {
		l := open(t, Config{}, url)[0]
		result := make(chan error)
		go func() {
			_, err := l.Accept()
			result <- err
		}()
		l.SetDeadline(time.Unix(1, 0))
		if err := <-result; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: paused Accept: %v", url, err)
		}
		here, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			t.Fatalf("%s: the kernel keeps no queue: %v", url, err)
		}
		defer here.Close()
		if _, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: Accept while paused: %v", url, err)
		}
		l.SetDeadline(time.Time{})
		there, err := l.Accept()
		if err != nil {
			t.Fatalf("%s: Accept after the pause: %v", url, err)
		}
		there.Close()
	}
}

func TestAcceptAfterClose(t *testing.T) {
	for _, url := range []string{"tcp://127.0.0.1:0", "unix://" + socketPath(t)} {
		l := open(t, Config{}, url)[0]
		result := make(chan error)
		go func() {
			_, err := l.Accept()
			result <- err
		}()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-result; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: Accept under way: %v", url, err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: Accept: %v", url, err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("%s: second Close: %v", url, err)
		}
	}
}

func TestPortInUseNamesTheProgram(t *testing.T) {
	child, program := startHolder(t, "tcp", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(child.addr)
	for _, host := range []string{"", "127.0.0.1", "0.0.0.0", "localhost"} {
		url := "tcp://" + host + ":" + port
		wantText(t, openError(t, url), fmt.Sprintf("%s: port %s is in use by %s; choose another with CHATD_LISTEN", url, port, program))
	}
}

func TestPortInUseByOneself(t *testing.T) {
	l := open(t, Config{}, "tcp://[::1]:0")[0]
	url := "tcp://:" + portOf(l)
	wantText(t, openError(t, url), fmt.Sprintf("%s: port %s is in use by another listener of this server; choose another with CHATD_LISTEN", url, portOf(l)))
}

func TestTCPReasons(t *testing.T) {
	failed := func(errno error) error { return &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", errno)} }
	for _, c := range []struct {
		spec Spec
		err  error
		want string
	}{
		// Nobody can hold port 0.
		{Spec{}, failed(unix.EADDRINUSE), "port 0 is in use by another program; choose another with CHATD_LISTEN"},
		{Spec{Port: 23}, failed(unix.EACCES), "port 23 takes a privilege; choose one from 1024 to 65535, or have a socket unit of systemd open it"},
		{Spec{Host: "::1"}, failed(unix.EAFNOSUPPORT), "this machine has no IPv6; choose an IPv4 address or leave the host empty"},
		{Spec{Host: "x"}, &net.DNSError{IsNotFound: true}, "host x is not known; write an address of this machine, or leave the host empty for all"},
		{Spec{}, failed(unix.EPERM), "operation not permitted"},
	} {
		wantText(t, tcpReason(c.spec, c.err), c.want)
	}
}

func TestAddressOfAnotherMachine(t *testing.T) {
	text := openError(t, "tcp://203.0.113.9:0")
	wantPart(t, text, "tcp://203.0.113.9:0: 203.0.113.9 is not an address of this machine; ")
	wantPart(t, text, "leave the host empty for all addresses")
	if ours := reachable(); len(ours) > 0 {
		wantPart(t, text, "choose "+ours[0].String())
	}
}

// All mistakes are told, and what could be opened is closed again.
func TestOpenIsAllOrNothing(t *testing.T) {
	path := socketPath(t)
	used := open(t, Config{}, "tcp://127.0.0.1:0")[0]
	listeners, err := tryOpen(Config{}, "unix://"+path+","+used.URL()+",unix:///nowhere/at/all")
	if err == nil || listeners != nil {
		t.Fatalf("%v, %v", listeners, err)
	}
	wantPart(t, err.Error(), "is in use by another listener")
	wantPart(t, err.Error(), "\nunix:///nowhere/at/all: directory /nowhere/at does not exist")
	if !errors.Is(err, unix.EADDRINUSE) {
		t.Error("the system's error is lost")
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket that was opened is still there: %v", err)
	}
}

func TestOpenChecksSpecsThatNobodyParsed(t *testing.T) {
	_, err := Config{}.Open(t.Context(), Spec{Scheme: "tcp", Service: "json5"})
	wantText(t, fmt.Sprint(err), "tcp://:0?serve=json5: unknown service json5; did you mean json?")
}

func TestParseListening(t *testing.T) {
	const v4 = "   0: 0100007F:1E61 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100"
	const v6 = "   0: 00000000000000000000000001000000:1E61 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1"
	for line, want := range map[string]string{v4: "127.0.0.1:7777 4711", v6: "[::1]:7777 4712"} {
		bound, inode, ok := parseListening(line)
		if !ok {
			t.Errorf("not read: %s", line)
		}
		wantText(t, bound.String()+" "+inode, want)
	}
	for _, line := range []string{
		"", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
		strings.Replace(v4, " 0A ", " 01 ", 1), strings.Replace(v4, "0100007F", "0100007", 1), strings.Replace(v4, "0100007F", "0100007X", 1),
	} {
		if _, _, ok := parseListening(line); ok {
			t.Errorf("read: %s", line)
		}
	}
}

func TestConflict(t *testing.T) {
	at := netip.MustParseAddrPort
	for _, c := range []struct {
		there, wanted netip.AddrPort
		want          bool
	}{
		{at("0.0.0.0:1"), at("127.0.0.1:1"), true},
		{at("127.0.0.1:1"), at("[::]:1"), true},
		{at("127.0.0.1:1"), netip.AddrPortFrom(netip.Addr{}, 1), true},
		{at("127.0.0.1:1"), at("127.0.0.2:1"), false},
		{at("127.0.0.1:1"), at("127.0.0.1:2"), false},
	} {
		if got := conflict(c.there, c.wanted); got != c.want {
			t.Errorf("conflict(%s, %s) = %v", c.there, c.wanted, got)
		}
	}
}

func TestHints(t *testing.T) {
	ours := []netip.Addr{
		netip.MustParseAddr("fd00::2"), netip.MustParseAddr("192.0.2.2"),
		netip.MustParseAddr("172.17.0.1"), netip.MustParseAddr("fd00::3"),
	}
	tcp := func(addr string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr)) }
	path := func(name string) net.Addr { return &net.UnixAddr{Net: "unix", Name: name} }
	for _, c := range []struct {
		addr net.Addr
		ours []netip.Addr
		want []string
		url  string
	}{
		{tcp("[::]:7777"), ours, []string{"nc fd00::2 7777", "nc 192.0.2.2 7777"}, "tcp://:7777"},
		{tcp("0.0.0.0:7777"), ours, []string{"nc 192.0.2.2 7777"}, "tcp://0.0.0.0:7777"},
		{tcp("[::]:7777"), nil, []string{"nc localhost 7777"}, "tcp://:7777"},
		{tcp("127.0.0.1:7777"), ours, []string{"nc 127.0.0.1 7777"}, "tcp://127.0.0.1:7777"},
		{tcp("[fe80::1%eth0]:7777"), ours, []string{"nc fe80::1%eth0 7777"}, "tcp://[fe80::1%25eth0]:7777"},
		{path("/run/chatd/chatd.sock"), ours, []string{"nc -U /run/chatd/chatd.sock"}, "unix:///run/chatd/chatd.sock"},
		{path("/a b/it's"), ours, []string{`nc -U '/a b/it'\''s'`}, "unix:///a%20b/it%27s"},
		{path("@chat"), ours, []string{"socat - ABSTRACT-CONNECT:chat"}, "unix://@chat"},
	} {
		if got := hints(Spec{}, c.addr, c.ours); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.addr, got, c.want)
		}
		wantText(t, boundURL(Spec{}, c.addr), c.url)
	}
}

func TestHintsForBrowsers(t *testing.T) {
	addr := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.2:443"))
	for _, c := range []struct {
		spec       Spec
		url, reach string
	}{
		{Spec{Scheme: "http", Service: HTTP}, "http://192.0.2.2:443", "http://192.0.2.2:443/"},
		{Spec{Scheme: "https", Service: HTTP}, "https://192.0.2.2:443", "https://192.0.2.2/"},
		{Spec{Scheme: "http", Service: Echo}, "http://192.0.2.2:443", "ws://192.0.2.2:443/"},
		{Spec{Scheme: "https", Service: Echo}, "https://192.0.2.2:443", "wss://192.0.2.2/"},
		{Spec{Scheme: "fd", Name: "http", Service: HTTP}, "http://192.0.2.2:443", "http://192.0.2.2:443/"},
		{Spec{Scheme: "tls", Service: HTTP}, "https://192.0.2.2:443", "https://192.0.2.2/"},
		{Spec{Scheme: "tcp", Service: Echo}, "tcp://192.0.2.2:443", "nc 192.0.2.2 443"},
	} {
		wantText(t, boundURL(c.spec, addr), c.url)
		if got := hints(c.spec, addr, nil); !slices.Equal(got, []string{c.reach}) {
			t.Errorf("%v: %q, want %q", c.spec, got, c.reach)
		}
	}
}

func TestHintForAProxy(t *testing.T) {
	spec := Spec{Scheme: "unix", Path: "/run/chatd/web.sock", Service: HTTP}
	got := hints(spec, &net.UnixAddr{Net: "unix", Name: spec.Path}, nil)
	if want := "curl --unix-socket /run/chatd/web.sock http://localhost/"; !slices.Equal(got, []string{want}) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestReachableIsReachable(t *testing.T) {
	for _, a := range reachable() {
		if a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() {
			t.Errorf("%s is for nobody else", a)
		}
	}
}
