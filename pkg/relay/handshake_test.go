package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd/chatd/internal/cert/certtest"
	"github.com/chatd/chatd/internal/figure"
	"github.com/chatd/chatd/internal/listen"
	"github.com/chatd/chatd/internal/pipe"
)

// queue is a listener whose newcomers the test brings.
type queue struct {
	conns chan net.Conn
	done  chan struct{}
	close func()
}

func newQueue() *queue {
	q := &queue{conns: make(chan net.Conn, 10_000), done: make(chan struct{})}
	q.close = sync.OnceFunc(func() { close(q.done) })
	return q
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

func (q *queue) Close() error   { q.close(); return nil }
func (q *queue) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7777} }

// desk is a server with a queue on the clock of synctest.
type desk struct {
	*Server
	*testing.T
	*queue
	config  *tls.Config
	trusted *tls.Config
	serving sync.WaitGroup
}

// atDesk serves a queue until the test ends. The certificate is made before, as that
// takes the time of no clock.
func atDesk(t *testing.T, cfg Config, test func(d *desk)) {
	t.Helper()
	server, client := certtest.Configs(t, "localhost")
	synctest.Test(t, func(t *testing.T) {
		d := &desk{Server: New(cfg), T: t, queue: newQueue(), config: server, trusted: client}
		d.serving.Go(func() {
			if err := d.Serve(context.Background(), d.queue); !errors.Is(err, ErrServerClosed) {
				t.Errorf("Serve: %v", err)
			}
		})
		test(d)
		_ = d.Server.Close()
		d.serving.Wait()
		if n := d.handshakes.oldest.Len() + len(d.handshakes.perAddr); n != 0 {
			t.Errorf("%d handshakes are not forgotten", n)
		}
	})
}

// from brings somebody of whom the server has to have TLS.
func (d *desk) from(address string) (theirs *pipe.Conn) {
	ours, theirs := pipe.New()
	d.conns <- tls.Server(addressed{ours, &net.TCPAddr{IP: net.ParseIP(address), Port: 5000}}, d.config)
	return theirs
}

// greeted makes the handshake and returns after how long the greeting was there.
func (d *desk) greeted(nc net.Conn) time.Duration {
	d.Helper()
	begin := time.Now()
	c := tls.Client(nc, d.trusted)
	line, err := bufio.NewReader(c).ReadString('\n')
	if !strings.HasPrefix(line, "* chatd on ") {
		d.Errorf("the greeting is %q, %v", line, err)
	}
	return time.Since(begin)
}

// ended returns after how long a connection is ended.
func (d *desk) ended(nc net.Conn) time.Duration {
	begin := time.Now()
	_, _ = io.Copy(io.Discard, nc)
	return time.Since(begin)
}

// TestFault26SlowHandshake: who begins no handshake is gone after 5 s, and nobody else
// waits for it.
func TestFault26SlowHandshake(t *testing.T) {
	atDesk(t, Config{}, func(d *desk) {
		stuck := d.from("192.0.2.7")
		if took := d.greeted(d.from("192.0.2.8")); took != openTime {
			t.Errorf("beside one that is stuck the greeting took %v", took)
		}
		if took := d.ended(stuck); took != handshakeTime-openTime {
			t.Errorf("the one that was stuck was ended after another %v", took)
		}
		time.Sleep(time.Second) // of the bubble's clock: it lingers
		if n := d.Counts(); n.Sessions != 1 || n.Refused != 1 {
			t.Errorf("%+v", n)
		}
	})
}

// TestFault27StuckHandshakes: when they have taken all places of those who are not
// greeted yet, the oldest make room, and a newcomer is in after about a second.
func TestFault27StuckHandshakes(t *testing.T) {
	const places = 64
	n := sized(100, 2000)
	atDesk(t, Config{MaxPending: places * n / 100, MaxPerAddress: Unlimited}, func(d *desk) {
		stuck := make([]net.Conn, n)
		for i := range stuck {
			stuck[i] = d.from(fmt.Sprintf("10.0.%d.%d", i/250, i%250))
		}
		took := d.greeted(d.from("192.0.2.8"))
		figure.Figure{
			Row: 27, Part: fmt.Sprintf("a newcomer behind %d stuck handshakes", n), Held: took <= handshakeYield+2*openTime, Bar: "1.2 s",
			Got: fmt.Sprintf("greeted after %v", took),
		}.Tell(t)
		if took > handshakeYield+2*openTime {
			t.Errorf("behind %d that were stuck the greeting took %v", n, took)
		}
		for _, nc := range stuck {
			if took := d.ended(nc); took > handshakeTime+handshakeYield {
				t.Errorf("one that was stuck was ended after another %v", took)
			}
		}
	})
}

// TestHandshakesInTimeAreLeftAlone: nobody has to make room within the first second.
func TestHandshakesInTimeAreLeftAlone(t *testing.T) {
	atDesk(t, Config{MaxPending: 2}, func(d *desk) {
		one, two, three := d.from("192.0.2.1"), d.from("192.0.2.2"), d.from("192.0.2.3")
		time.Sleep(handshakeYield - time.Nanosecond)
		synctest.Wait()
		var greeting sync.WaitGroup
		for _, nc := range []net.Conn{one, two, three} {
			greeting.Go(func() { d.greeted(nc) })
		}
		greeting.Wait()
		if n := d.Counts(); n.Sessions != 3 || n.Refused != 0 {
			t.Errorf("%+v", n)
		}
	})
}

// TestHandshakesOfOneAddress: it has as many as it may have connections.
func TestHandshakesOfOneAddress(t *testing.T) {
	atDesk(t, Config{MaxPerAddress: 2}, func(d *desk) {
		one, _ := d.from("192.0.2.7"), d.from("192.0.2.7")
		synctest.Wait()
		if took := d.ended(d.from("192.0.2.7")); took != 0 {
			t.Errorf("a third one was ended after %v", took)
		}
		d.greeted(d.from("192.0.2.8"))
		d.greeted(one)
		if n := d.Counts(); n.Sessions != 2 || n.Refused != 1 {
			t.Errorf("%+v", n)
		}
		d.ended(d.from("192.0.2.7")) // one is in, one is stuck: this one makes three
	})
}

// TestHandshakesEndWithTheServer, and with the listener, at once.
func TestHandshakesEndWithTheServer(t *testing.T) {
	server, client := certtest.Configs(t, "localhost")
	for _, way := range []string{"server", "listener"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &desk{Server: New(Config{}), T: t, queue: newQueue(), config: server, trusted: client}
				ctx, cancel := context.WithCancel(t.Context())
				d.serving.Go(func() { _ = d.Serve(ctx, d.queue) })
				stuck := d.from("192.0.2.7")
				in := d.from("192.0.2.8")
				d.greeted(in)
				begin := time.Now()
				d.serving.Go(func() { d.ended(in) })
				if way == "server" {
					_ = d.Shutdown(t.Context())
				}
				cancel()
				if took := d.ended(stuck); took != 0 {
					t.Errorf("a handshake was ended after %v", took)
				}
				d.serving.Wait()
				if took := time.Since(begin); took > lingerTimeOfTests {
					t.Errorf("it took %v", took)
				}
				_ = d.Server.Close()
			})
		})
	}
}

// lingerTimeOfTests is more than one connection is kept after its end.
const lingerTimeOfTests = 2 * time.Second

// TestServeConnHandshake: a single connection is served after its handshake, too.
func TestServeConnHandshake(t *testing.T) {
	server, client := certtest.Configs(t, "localhost")
	synctest.Test(t, func(t *testing.T) {
		srv := New(Config{})
		ours, theirs := pipe.New()
		var serving sync.WaitGroup
		serving.Go(func() {
			if err := srv.ServeConn(t.Context(), tls.Server(ours, server)); err != nil {
				t.Error(err)
			}
		})
		c := tls.Client(theirs, client)
		fmt.Fprint(c, "/quit\n")
		if text, err := io.ReadAll(c); !strings.HasSuffix(string(text), "* goodbye\n") || err != nil {
			t.Errorf("%q, %v", text, err)
		}
		c.Close()
		serving.Wait()

		ours, theirs = pipe.New()
		go io.Copy(io.Discard, theirs)
		fmt.Fprint(theirs, "hello\n")
		var refused *RefusedError
		if err := srv.ServeConn(t.Context(), tls.Server(ours, server)); err == nil || errors.As(err, &refused) {
			t.Errorf("after junk ServeConn returns %v", err)
		}
		theirs.Close()
		_ = srv.Close()
	})
}

// proxied serves, until the test ends, what comes through a proxy on this machine.
func proxied(t *testing.T, cfg Config, scheme string) (srv *Server, come func(address string) net.Conn) {
	t.Helper()
	server, client := certtest.Configs(t, "localhost")
	peers, err := listen.ParsePeers("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	listeners, err := listen.Config{TLS: server, Proxies: peers}.Open(t.Context(),
		listen.Spec{Scheme: scheme, Host: "127.0.0.1", Service: listen.Chat})
	if err != nil {
		t.Fatal(err)
	}
	srv = New(cfg)
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(context.Background(), listeners[0]) })
	t.Cleanup(func() {
		_ = srv.Close()
		serving.Wait()
	})
	return srv, func(address string) net.Conn {
		var nc net.Conn = dial(t, listeners[0])
		t.Cleanup(func() { nc.Close() })
		fmt.Fprintf(nc, "PROXY TCP4 %s 192.0.2.1 40000 7777\r\n", address)
		if scheme == "tls" {
			nc = tls.Client(nc, client)
		}
		return nc
	}
}

// asked sends a line and returns the first line that comes back and holds a word.
func asked(t *testing.T, nc net.Conn, line, word string) string {
	t.Helper()
	fmt.Fprintln(nc, line)
	lines := linesUntil(bufio.NewReader(nc), word)
	if len(lines) == 0 || !strings.Contains(lines[len(lines)-1], word) {
		t.Fatalf("after %q came %q, and no %q", line, lines, word)
	}
	return lines[len(lines)-1]
}

// TestProxiedAddressCounts: it is the one that the proxy names that is counted, banned
// and shown, and not the proxy's own.
func TestProxiedAddressCounts(t *testing.T) {
	for _, scheme := range []string{"tcp", "tls"} {
		t.Run(scheme, func(t *testing.T) {
			srv, come := proxied(t, Config{MaxPerAddress: 1, Operators: []string{"olga"}, State: State{Accounts: []Account{
				{Name: "olga", Key: "olga", Hash: CheapHash, Made: time.Unix(0, 0), Seen: time.Unix(0, 0)},
			}}}, scheme)
			olga, eve := come("192.0.2.7"), come("192.0.2.8")
			asked(t, olga, "/login olga", "password of olga")
			asked(t, olga, CheapPassword, "olga joined")
			asked(t, eve, "/nick eve", "eve joined")
			if got := asked(t, come("192.0.2.8"), "", "* "); got != "* too many connections from your address (limit 1)\r" {
				t.Errorf("a second one from an address reads %q", got)
			}
			if got := asked(t, olga, "/whois eve", "eve is here"); !strings.Contains(got, "; from 192.0.2.8, session ") {
				t.Errorf("whois says %q", got)
			}
			asked(t, olga, "/ban 192.0.2.9 1h spam", "192.0.2.9")
			if got := asked(t, come("192.0.2.9"), "", "* "); !strings.HasPrefix(got, "* your address is banned ") {
				t.Errorf("who is banned reads %q", got)
			}
			if n := srv.Counts(); n.Sessions != 2 {
				t.Errorf("%+v", n)
			}
		})
	}
}

// TestClear: who types a password is warned if it can be read on its way: behind a proxy
// on this machine too, but not in TLS.
func TestClear(t *testing.T) {
	for _, c := range []struct {
		scheme, address string
		warned          bool
	}{
		{"tcp", "192.0.2.7", true},
		{"tcp", "127.0.0.2", false},
		{"tls", "192.0.2.7", false},
	} {
		_, come := proxied(t, Config{}, c.scheme)
		got := asked(t, come(c.address), "/login ana", "the password of ana")
		if strings.Contains(got, clearWarning) != c.warned {
			t.Errorf("%s from %s: %q", c.scheme, c.address, got)
		}
	}
}

// TestStalledGhostOverTLS: somebody whose connection takes no more bytes comes back, and
// misses nothing. What TLS has made of the bytes is not what was acknowledged: some
// lines may be shown again.
func TestStalledGhostOverTLS(t *testing.T) {
	const said = 12_000
	server, client := certtest.Configs(t, "localhost")
	listeners, err := listen.Config{TLS: server}.Open(t.Context(), listen.Spec{Scheme: "tls", Host: "127.0.0.1", Service: listen.Chat})
	if err != nil {
		t.Fatal(err)
	}
	srv := New(Config{Journal: NewMemory(Keep{Count: 2 * said}), Rate: Unlimited})
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() { _ = srv.Serve(context.Background(), listeners[0]) })
	defer srv.Close()
	come := func() (net.Conn, *net.TCPConn) {
		nc := dial(t, listeners[0])
		t.Cleanup(func() { nc.Close() })
		return tls.Client(nc, client), nc
	}

	ghost, below := come()
	_ = below.SetReadBuffer(4096)
	fmt.Fprint(ghost, "/nick ana\n")
	first := bufio.NewReaderSize(ghost, 16)
	code := codeIn(t, linesUntil(first, "after a break"))
	talker, _ := come()
	fmt.Fprint(talker, "/echo off\n")
	body := strings.Repeat("x", 90)
	var talking sync.WaitGroup
	talking.Go(func() {
		for i := range said {
			fmt.Fprintf(talker, "line %d %s\n", i+1, body)
		}
		fmt.Fprint(talker, "/nick bob\n")
	})
	linesUntil(bufio.NewReader(talker), "is now bob")
	talking.Wait()
	again, _ := come()
	fmt.Fprintf(again, "/resume %s\n", code)
	second := linesUntil(bufio.NewReader(again), fmt.Sprintf(": line %d ", said))
	had, _ := runs(t, linesUntil(first, "never"), 1)
	begins := 0
	for _, l := range second {
		if m := spoken.FindStringSubmatch(l); m != nil {
			fmt.Sscan(m[1], &begins)
			break
		}
	}
	if had < 2 || had > said/2 || begins < 1 || begins > had {
		t.Fatalf("the first connection had lines up to %d, the second begins with %d", had-1, begins)
	}
	if next, gaps := runs(t, second, begins); next != said+1 || gaps != 0 {
		t.Errorf("the second one went on to line %d, with %d gaps", next-1, gaps)
	}
	t.Logf("%d lines were shown twice", had-begins)
}
