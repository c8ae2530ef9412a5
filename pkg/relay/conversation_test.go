package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/pipe"
	"github.com/chatd/chatd/internal/talk"
	"github.com/chatd/chatd/internal/wire"
	"github.com/chatd/chatd/pkg/relay"
)

// TestConversations plays the scripts of testdata over every transport.
func TestConversations(t *testing.T) {
	scripts, err := talk.Load("testdata/*.chat")
	if err != nil {
		t.Fatal(err)
	}
	everywhere(t, scripts...)
}

// everywhere plays scripts over every transport.
func everywhere(t *testing.T, scripts ...*talk.Script) {
	atOnce := newAtOnce(40)
	defer atOnce.wait()
	for _, s := range scripts {
		for _, v := range venues {
			atOnce.run(t, s.Name+"/"+v.name, func(t *testing.T) { v.play(t, s) })
		}
		for _, v := range simulated {
			t.Run(s.Name+"/"+v.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { v.play(t, s) })
			})
		}
	}
}

// atOnce runs subtests that mostly wait: so many at once, on however few
// processors.
type atOnce struct {
	running sync.WaitGroup
	places  chan struct{}
}

func newAtOnce(most int) *atOnce { return &atOnce{places: make(chan struct{}, most)} }

func (a *atOnce) run(t *testing.T, name string, f func(*testing.T)) {
	a.places <- struct{}{}
	a.running.Go(func() {
		defer func() { <-a.places }()
		t.Run(name, f)
	})
}

func (a *atOnce) wait() { a.running.Wait() }

// venue is a way of meeting: a transport and what people use on it.
type venue struct {
	name   string
	open   func(*testing.T, *relay.Server) talk.Stage
	client func() talk.Client
}

var venues = []venue{
	{"pipe", overPipe, talk.Plain},
	{"tcp", overTCP, talk.Plain},
	{"unix", overUnix, talk.Plain},
	{"telnet", overTCP, talk.Telnet},
	{"crlf", overTCP, newSilent},
	{"drip", dripping(overTCP), talk.Plain},
	{"tls", overTLS, talk.Plain},
	{"proxy", overProxy, talk.Plain},
	{"proxy-tls", overProxyTLS, talk.Plain},
}

// simulated are venues on a clock that waits for everybody.
var simulated = []venue{
	{"simulated", overPipe, talk.Plain},
	{"sip", sipping, talk.Plain},
	{"telnet-sip", sipping, talk.Telnet},
	{"crlf-sip", sipping, newSilent},
	{"tls-simulated", overTLSPipe, talk.Plain},
}

func (v venue) play(t *testing.T, s *talk.Script) {
	srv := relay.New(settings(t, s))
	relay.Unrecognised(srv)
	relay.Foreseeable(srv)
	stage := v.open(t, srv)
	stage.Client = v.client
	if err := stage.Play(s); err != nil {
		t.Error(err)
	}
	if err := srv.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// settings is a server's configuration as a script wants it.
func settings(t *testing.T, s *talk.Script) relay.Config {
	cfg := relay.Config{
		Name: "test", Zone: time.UTC, Rate: relay.Unlimited, MaxPerAddress: relay.Unlimited,
	}
	number := func(value string) int {
		n, err := strconv.Atoi(value)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		return n
	}
	for key, value := range s.Settings {
		switch key {
		case "motd":
			cfg.MOTD = func() string { return value }
		case "echo":
			cfg.NoEcho = value == "off"
		case "history":
			cfg.History = number(value)
		case "maxline":
			cfg.MaxLine = number(value)
		case "accounts": // all with the same password
			for _, n := range strings.Fields(value) {
				cfg.State.Accounts = append(cfg.State.Accounts, account(n))
			}
		case "kept": // as with a journal on disk
			cfg.Journal = relay.NewMemory(cfg.Keep)
		case "operators":
			cfg.Operators = strings.Fields(value)
		default:
			t.Fatalf("%s: there is no setting %q", s.Name, key)
		}
	}
	return cfg
}

// account is a registered name. The hash of its password costs as little as one may:
// there are many conversations.
func account(n string) relay.Account {
	return relay.Account{Name: n, Key: name.Key(n), Hash: cheapHash, Made: registered, Seen: registered}
}

const (
	password  = relay.CheapPassword
	cheapHash = relay.CheapHash
)

var registered = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// overPipe has no kernel in between.
func overPipe(t *testing.T, srv *relay.Server) talk.Stage {
	return talk.Stage{Dial: dialPipe(t, srv, func(c net.Conn) net.Conn { return c })}
}

// sipping has the server read a byte at a time, so that every character and
// every command is cut wherever it can be.
func sipping(t *testing.T, srv *relay.Server) talk.Stage {
	return talk.Stage{Dial: dialPipe(t, srv, func(c net.Conn) net.Conn { return sipper{c} })}
}

type sipper struct{ net.Conn }

func (s sipper) Read(p []byte) (int, error) { return s.Conn.Read(p[:min(len(p), 1)]) }

func (s sipper) CloseWrite() error { return s.Conn.(*pipe.Conn).CloseWrite() }

func dialPipe(t *testing.T, srv *relay.Server, served func(net.Conn) net.Conn) func(func(talk.Conn) error) (talk.Conn, error) {
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	return func(open func(talk.Conn) error) (talk.Conn, error) {
		a, b := pipe.New()
		if err := open(a); err != nil {
			return nil, err
		}
		serving.Go(func() { _ = srv.ServeConn(context.Background(), served(b)) })
		return a, nil
	}
}

func overTCP(t *testing.T, srv *relay.Server) talk.Stage {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return talk.Stage{Dial: dialKernel(t, srv, l)}
}

func overUnix(t *testing.T, srv *relay.Server) talk.Stage {
	dir, err := os.MkdirTemp("/tmp", "relay") // a socket's name has room for 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "chat.sock"))
	if err != nil {
		t.Fatal(err)
	}
	return talk.Stage{Dial: dialKernel(t, srv, l), Softly: true}
}

// dialKernel serves l and dials it. What a client does first happens while
// accepting is paused.
func dialKernel(t *testing.T, srv *relay.Server, l net.Listener) func(func(talk.Conn) error) (talk.Conn, error) {
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := srv.Serve(context.Background(), l); !errors.Is(err, relay.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(serving.Wait)
	return func(open func(talk.Conn) error) (talk.Conn, error) {
		srv.PauseAccepting()
		defer srv.ResumeAccepting()
		nc, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err != nil {
			return nil, err
		}
		c := nc.(talk.Conn)
		if err := open(c); err != nil {
			nc.Close()
			return nil, err
		}
		return c, nil
	}
}

// dripping sends a byte at a time.
func dripping(open func(*testing.T, *relay.Server) talk.Stage) func(*testing.T, *relay.Server) talk.Stage {
	return func(t *testing.T, srv *relay.Server) talk.Stage {
		stage := open(t, srv)
		dial := stage.Dial
		stage.Dial = func(open func(talk.Conn) error) (talk.Conn, error) {
			var drip talk.Conn
			_, err := dial(func(c talk.Conn) error {
				drip = dripper{c}
				return open(drip)
			})
			return drip, err
		}
		return stage
	}
}

type dripper struct{ talk.Conn }

func (d dripper) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = d.Conn.Write(p[n : n+1])
		n += k
	}
	return n, err
}

// Reset is there as talk cannot see what it would use of the TCP connection.
func (d dripper) Reset() error {
	if err := d.Conn.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	return d.Conn.Close()
}

// exchange sends input, ends it, and returns all that comes back.
func exchange(t *testing.T, cfg relay.Config, input string) string {
	t.Helper()
	srv := relay.New(cfg)
	defer srv.Close()
	c, err := overTCP(t, srv).Dial(func(c talk.Conn) error {
		if _, err := io.WriteString(c, input); err != nil {
			return err
		}
		return c.CloseWrite()
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	out, err := io.ReadAll(c)
	if err != nil {
		t.Errorf("after %q: %v", out, err)
	}
	return string(out)
}

// TestGreeting is what somebody who only listens is shown.
func TestGreeting(t *testing.T) {
	at := func(name string, offset int) *time.Location { return time.FixedZone(name, offset) }
	for _, c := range []struct {
		name  string
		cfg   relay.Config
		lines []string // the four, from the third on
	}{
		{"as it is", relay.Config{Zone: time.UTC}, []string{
			"* your own lines come back with their time; /echo off stops that",
			"* the last 10000 messages are kept until the server stops; times are UTC",
		}},
		{"no echo, zone with a name", relay.Config{NoEcho: true, Zone: at("CET", 3600)}, []string{
			"* your own lines do not come back; /echo on changes that",
			"* the last 10000 messages are kept until the server stops; times are CET (UTC+01:00)",
		}},
		{"zone without a name", relay.Config{Zone: at("+0545", 5*3600+45*60)}, []string{
			"* your own lines come back with their time; /echo off stops that",
			"* the last 10000 messages are kept until the server stops; times are UTC+05:45",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.cfg.Name, c.cfg.Room = "shire", "pub"
				srv := relay.New(c.cfg)
				defer srv.Close()
				conn, err := overPipe(t, srv).Dial(func(talk.Conn) error { return nil })
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				begin := time.Now()
				buf := make([]byte, 4096)
				n, err := conn.Read(buf)
				want := strings.Join(append([]string{
					"* chatd on shire, room pub; here: nobody",
					"* you are guest1: /nick NAME changes it, /help lists the rest",
				}, c.lines...), "\n") + "\n"
				if got := string(buf[:n]); got != want || err != nil {
					t.Errorf("%v, got\n%swant\n%s", err, got, want)
				}
				if waited := time.Since(begin); waited != 100*time.Millisecond {
					t.Errorf("the greeting came after %v", waited)
				}
			})
		})
	}
}

// TestHTTPIsRefused: a page in a browser can post to any port.
func TestHTTPIsRefused(t *testing.T) {
	const refusal = "< * this is chatd, a chat for nc and telnet, not a web server: use  nc HOST PORT\n"
	var s strings.Builder
	s.WriteString("alice> /nick alice\n")
	for i, verb := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"} {
		page, late := fmt.Sprintf("page%d", i), fmt.Sprintf("late%d", i)
		fmt.Fprintf(&s, "%s+ nogreet\n%[1]s> %s / HTTP/1.1\n%[1]s> Host: chat\n%[1]s>\n%[1]s> * root joined\n", page, verb)
		for line := range strings.Lines(wire.HTTPRefusal) { // for browsers
			s.WriteString(page + "< " + line)
		}
		s.WriteString(page + refusal + page + "|\n")
		// So is one that comes after the greeting.
		fmt.Fprintf(&s, "%s> %s /x HTTP/1.0\n", late, verb)
		s.WriteString(late + refusal + late + "|\n")
		// A mere verb is text.
		fmt.Fprintf(&s, "alice> %s me a coffee\nalice< 00:00 alice: %[1]s me a coffee\n", verb)
		fmt.Fprintf(&s, "alice> %s / HTTP/1.1 is what a browser says\nalice< 00:00 alice: %[1]s / HTTP/1.1 is what a browser says\n", verb)
	}
	script, err := talk.Parse("http", "= history -1\n"+s.String())
	if err != nil {
		t.Fatal(err)
	}
	everywhere(t, script)
}

// TestLineEnds: lines end as the reader's own do, from the first answer on.
func TestLineEnds(t *testing.T) {
	for _, c := range []struct{ name, typed, end string }{
		{"LF", "hi\n", "\n"},
		{"CR", "hi\r", "\n"},
		{"none", "hi", "\n"},
		{"CR LF", "hi\r\n", "\r\n"},
		{"CR NUL", "hi\r\x00", "\r\n"},
		{"telnet", "\xff\xfb\x1fhi\n", "\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out := exchange(t, relay.Config{Zone: time.UTC}, c.typed+"/echo maybe\n")
			_, answer, ok := strings.Cut(out, "* write /echo on|off")
			if c.name == "none" {
				_, answer, ok = strings.Cut(out, "hi/echo maybe")
			}
			if !ok || !strings.HasPrefix(answer, c.end) {
				t.Errorf("got %q", out)
			}
		})
	}
}

// TestRawCarriesAnything: a client of a raw room brings its own format, which may
// begin with bytes that chat would refuse.
func TestRawCarriesAnything(t *testing.T) {
	for _, chunk := range []string{"\x00\x00\x00\x05hello", "\x16\x03\x01hello", "SSH-2.0-x\r\n", "\xff\xfb\x1f", "/quit\n"} {
		t.Run(fmt.Sprintf("%q", chunk), func(t *testing.T) {
			srv := relay.New(relay.Config{})
			defer srv.Close()
			a, b := pipe.New()
			var serving sync.WaitGroup
			defer serving.Wait()
			serving.Go(func() { _ = srv.ServeRawConn(context.Background(), b, "qt") })
			defer a.Close()
			_, _ = io.WriteString(a, chunk)
			_ = a.CloseWrite()
			if got, err := io.ReadAll(a); string(got) != chunk || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// TestPrivateStaysPrivate: what does not fit in one private line is not said to
// everybody, however alice and bob are told.
func TestPrivateStaysPrivate(t *testing.T) {
	script, err := talk.Parse("private", `= maxline 64
alice> /nick alice
bob> /nick bob
aaron+
alice> /msg bob `+strings.Repeat("the door ", 10)+`is open
alice<~ .`)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		srv := relay.New(settings(t, script))
		defer srv.Close()
		// Aaron is the first of whom it is found that he has seen too much.
		if err := overPipe(t, srv).Play(script); err != nil && strings.Contains(err.Error(), "aaron has also seen") {
			t.Error(err)
		}
	})
}

// TestAnswersInOrder: what one sends at once is answered in its order.
func TestAnswersInOrder(t *testing.T) {
	disordered := 0
	const times = 50
	for range times {
		out := exchange(t, relay.Config{Name: "test", Zone: time.UTC}, "one\n/echo maybe\ntwo\n/who\nthree\n")
		at := -1
		for _, part := range []string{": one", "* write /echo", ": two", "* here: ", ": three"} {
			next := strings.Index(out, part)
			if next < 0 {
				t.Fatalf("%q lacks %q", out, part)
			}
			if next < at {
				if disordered++; disordered == 1 {
					t.Logf("%s comes too early in\n%s", part, out)
				}
				break
			}
			at = next
		}
	}
	if disordered > 0 {
		t.Errorf("%d of %d were answered in another order", disordered, times)
	}
}
