package small

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/fortune"
)

// All end cleanly and at once, those too who do not read.
func TestStop(t *testing.T) {
	each(t, func(t *testing.T, l net.Listener) {
		s := New(generous)
		ended := begin(t, s, l, Echo{})
		idle, lazy := dial(t, l), dial(t, l)
		idle.echoes("hello")
		_ = lazy.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		if _, err := lazy.Write(pattern(plenty)); err == nil {
			t.Fatal("all of it was taken from one who does not read")
		}
		begun := time.Now()
		s.Close()
		if rest := idle.rest(); rest != "" {
			t.Errorf("the last words are %q", rest)
		}
		idle.Close()
		if err := <-ended; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve returns %v", err)
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
		if _, err := net.Dial(l.Addr().Network(), l.Addr().String()); err == nil {
			t.Error("somebody answers after the end")
		}
	})
}

// Serve ends with its context, and other listeners go on.
func TestServeEndsWithItsContext(t *testing.T) {
	s := New(generous)
	stays, goes := listen(t, "tcp"), listen(t, "tcp")
	begin(t, s, stays, Echo{})
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, goes, Echo{}) }()
	one, other := dial(t, stays), dial(t, goes)
	one.echoes("one")
	other.echoes("other")
	enough := errors.New("enough")
	cancel(enough)
	if rest := other.rest(); rest != "" {
		t.Errorf("the last words are %q", rest)
	}
	other.Close()
	if err := <-ended; err != enough {
		t.Errorf("Serve returns %v", err)
	}
	one.echoes("still here")
}

func TestServeAfterClose(t *testing.T) {
	s := New(generous)
	s.Close()
	l := listen(t, "tcp")
	if err := s.Serve(t.Context(), l, Echo{}); err != ErrServerClosed {
		t.Errorf("Serve returns %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener is open: %v", err)
	}
}

// failing is a listener that fails when it is told to.
type failing struct {
	net.Listener
	fail chan error
}

func (f failing) Accept() (net.Conn, error) {
	type accepted struct {
		conn net.Conn
		err  error
	}
	next := make(chan accepted, 1)
	go func() {
		conn, err := f.Listener.Accept()
		next <- accepted{conn, err}
	}()
	select {
	case a := <-next:
		return a.conn, a.err
	case err := <-f.fail:
		return nil, err
	}
}

func TestListenerFails(t *testing.T) {
	l := failing{listen(t, "tcp"), make(chan error, 1)}
	ended := begin(t, New(generous), l, Echo{})
	c := dial(t, l)
	c.echoes("hello")
	broken := errors.New("broken")
	l.fail <- broken
	if rest := c.rest(); rest != "" {
		t.Errorf("the last words are %q", rest)
	}
	c.Close()
	if err := <-ended; !errors.Is(err, broken) {
		t.Errorf("Serve returns %v", err)
	}
}

// The places are shared by all listeners, and one that is left is free at once.
func TestPlaces(t *testing.T) {
	s := New(Config{MaxClients: 3, MaxPerAddress: 2})
	tcp, unix, qt := listen(t, "tcp"), listen(t, "unix"), listen(t, "tcp")
	begin(t, s, tcp, Echo{})
	begin(t, s, unix, Echo{})
	begin(t, s, qt, says("hello", fortune.Qt))

	one, two := dial(t, tcp), dial(t, tcp)
	one.echoes("one")
	two.echoes("two")
	const fromYou = "* too many connections from your address (limit 2)"
	refused := dial(t, tcp)
	refused.sends("hello?") // which would make a plain close a reset
	if rest := refused.rest(); rest != fromYou+"\r\n" {
		t.Errorf("the third from an address is told %q", rest)
	}
	if rest := dial(t, qt).rest(); rest != string(fortune.Qt.Encode(fromYou)) {
		t.Errorf("a client of Qt is told %q", rest)
	}
	three := dial(t, unix)
	three.echoes("a Unix socket has no address")
	if rest := dial(t, unix).rest(); rest != "* server full (limit 3); try again in a minute\r\n" {
		t.Errorf("the fourth of all is told %q", rest)
	}

	three.halfCloses()
	three.rest()
	two.halfCloses()
	two.rest()
	// Their places are free when their goroutines have seen that they have closed.
	for _, l := range []net.Listener{unix, tcp} {
		for begun := time.Now(); ; {
			c := dial(t, l)
			c.sends("x")
			if c.rest1() == "x" {
				break
			}
			if time.Since(begun) > patience {
				t.Fatalf("no place is free on %v", l.Addr())
			}
		}
	}
}

// rest1 is the first byte that comes.
func (c client) rest1() string {
	b := make([]byte, 1)
	n, _ := c.Read(b)
	return string(b[:n])
}

// Many who are turned away at once are all told, or closed, and leave nothing.
func TestManyAreTurnedAway(t *testing.T) {
	j, log := newJournal()
	s := New(Config{MaxClients: 1, Logger: log})
	l := listen(t, "tcp")
	begin(t, s, l, Echo{})
	first := dial(t, l)
	first.echoes("first")
	const crowd = 4 * refusedMost
	clients := make([]client, crowd)
	for i := range clients {
		clients[i] = dial(t, l)
	}
	var told sync.WaitGroup
	for _, c := range clients {
		told.Go(func() {
			if rest := c.rest(); rest != "* server full (limit 1); try again in a minute\r\n" {
				t.Errorf("somebody is told %q", rest)
			}
			c.Close()
		})
	}
	told.Wait()
	first.echoes("still here")
	// Those of them who were closed at once have no line of their own.
	warned, alone := 0, 0
	for _, line := range j.next(t, refusedMost) {
		if strings.Contains(line, `"level":"warn","service":"echo","count":`) {
			warned++
		} else if strings.Contains(line, `"level":"debug","service":"echo","peer":"127.0.0.1:`) {
			alone++
		}
	}
	if warned == 0 || warned > 5 || alone < refusedMost-5 {
		t.Errorf("%d lines warn, %d tell of one", warned, alone)
	}
}

// shy is a listener whose connections begin with a handshake that ends as the test
// says.
type shy struct {
	net.Listener
	ends chan error
}

func (s shy) Accept() (net.Conn, error) {
	nc, err := s.Listener.Accept()
	return &shyConn{Conn: nc, ends: s.ends}, err
}

// shyConn is for one goroutine.
type shyConn struct {
	net.Conn
	ends chan error
	over bool
	err  error
}

func (s *shyConn) HandshakeContext(ctx context.Context) error {
	if s.over {
		return s.err
	}
	s.over = true
	select {
	case s.err = <-s.ends:
	case <-ctx.Done():
		s.err = context.Cause(ctx)
	}
	return s.err
}

// A handshake holds up neither accepting nor the end, and takes a place.
func TestHandshake(t *testing.T) {
	j, log := newJournal()
	s := New(Config{MaxClients: 2, MaxPerAddress: 1, Logger: log})
	l := shy{listen(t, "tcp"), make(chan error)}
	ended := begin(t, s, l, Echo{})
	c, d := dial(t, l), dial(t, l)
	l.ends <- nil
	l.ends <- nil // one of the two is one too many from an address, and the other is served
	c.sends("x")
	d.sends("x")
	served, refused := c, d
	first := c.rest1()
	if first == "*" {
		served, refused = d, c
		first = d.rest1()
	}
	if first != "x" || !strings.Contains(refused.rest(), "too many connections from your address (limit 1)") {
		t.Errorf("the one who is served gets %q", first)
	}
	refused.Close()
	j.next(t, 2)
	served.echoes("still here")

	e := dial(t, l)
	l.ends <- errors.New("that was no handshake")
	if rest := e.rest(); rest != "" {
		t.Errorf("without a handshake somebody is told %q", rest)
	}
	if line := j.next(t, 1)[0]; !strings.Contains(line, `"reason":"that was no handshake"`) {
		t.Errorf("the log says %s", line)
	}
	dial(t, l) // and never ends its handshake
	s.Close()
	if err := <-ended; !errors.Is(err, ErrServerClosed) {
		t.Errorf("Serve returns %v", err)
	}
}

func TestLog(t *testing.T) {
	j, log := newJournal()
	l := listen(t, "tcp")
	begin(t, New(Config{MaxClients: 1, Logger: log}), l, Echo{})
	c := dial(t, l)
	c.echoes("secretive words")
	c.halfCloses()
	c.rest()
	c.Close()
	line := j.next(t, 1)[0]
	want := fmt.Sprintf(`{"level":"debug","service":"echo","transport":"tcp","peer":"%v","lasted_ms":`, c.LocalAddr())
	if !strings.HasPrefix(line, want) || !strings.Contains(line, `,"bytes_in":15,"bytes_out":15,"cause":"end of input","message":"end"}`) {
		t.Errorf("the log says %s", line)
	}
}

func TestCauses(t *testing.T) {
	j, log := newJournal()
	l := listen(t, "tcp")
	s := New(Config{MaxClients: 10, Logger: log})
	begin(t, s, l, Echo{})
	resets := dial(t, l)
	resets.echoes("x")
	_ = resets.Conn.(*net.TCPConn).SetLinger(0)
	resets.Close()
	if line := j.next(t, 1)[0]; !strings.Contains(line, `"cause":"connection reset"`) {
		t.Errorf("of a reset the log says %s", line)
	}
	told := listen(t, "unix")
	begin(t, s, told, says("hello", fortune.Text))
	c := dial(t, told)
	c.rest()
	c.Close()
	if line := j.next(t, 1)[0]; !strings.Contains(line, `"service":"fortune","transport":"unix"`) || !strings.Contains(line, `"cause":"fortune told"`) {
		t.Errorf("of a fortune the log says %s", line)
	}
	stays := dial(t, l)
	stays.echoes("x")
	s.Close()
	stays.rest()
	stays.Close()
	if line := j.next(t, 1)[0]; !strings.Contains(line, `"cause":"server stopping"`) {
		t.Errorf("of a stop the log says %s", line)
	}
}

func TestAddressOf(t *testing.T) {
	for peer, want := range map[string]string{
		"192.0.2.7:1":                "192.0.2.7/32",
		"[::ffff:192.0.2.7]:1":       "192.0.2.7/32",
		"[2001:db8:1:2:3:4:5:6]:1":   "2001:db8:1:2::/64",
		"[fe80::1%lo]:1":             "fe80::/64",
		"[2001:db8:1:2:ffff::6]:999": "2001:db8:1:2::/64",
	} {
		addr, err := net.ResolveTCPAddr("tcp", peer)
		if err != nil {
			t.Fatal(err)
		}
		if got := addressOf(from{peer: addr}).String(); got != want {
			t.Errorf("%s counts as %s, want %s", peer, got, want)
		}
	}
	if got := addressOf(from{peer: &net.UnixAddr{Name: "@"}}); got.IsValid() {
		t.Errorf("a Unix socket counts as %v", got)
	}
}

// from is a connection from somewhere.
type from struct {
	net.Conn
	peer net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.peer }
