package relay

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/pipe"
	"github.com/chatd/chatd/internal/sock"
)

func sesame() string { return "open sesame" }

// Who comes to a server with a password is shown nothing else before it is known.
func TestGate(t *testing.T) {
	cfg := Config{Name: "test", Password: sesame, MOTD: func() string { return "hello" }}
	simulate(t, cfg, func(b *bubble) {
		ana := b.arrive()
		ana.expect("* this chat asks for a password:")
		ana.say("open barley")
		ana.expect("* this chat asks for a password:")
		ana.say("/help")
		ana.expect("* this chat asks for a password:")
		ana.say("open sesame")
		if got := ana.seen(); len(got) != 5 || got[0] != "* chatd on test, room lobby; here: nobody" || got[4] != "* hello" {
			t.Fatalf("shown %q", got)
		}
		ana.say("hello")
		ana.expect("* guest1 joined", "00:00 guest1: hello")

		// Three tries, and nobody has heard of it.
		time.Sleep(2 * time.Minute)
		eve := b.arrive()
		eve.seen()
		for range 2 {
			eve.say("guess")
			eve.expect("* this chat asks for a password:")
		}
		eve.say("guess")
		eve.expect("* that is not the password; goodbye")
		if !eve.gone() {
			t.Error("still here")
		}
		ana.say("/who")
		ana.expect("* here: guest1")

		// Nor are there three more at once for whoever comes from there again.
		eve = b.arrive()
		eve.seen()
		eve.say("guess")
		eve.expect("* too many wrong passwords; try again in 1 minute")
		if !eve.gone() {
			t.Error("still here")
		}
	})
}

// A line that is longer than a message is one wrong password, and no piece of it is
// said, or ends the program.
func TestGateLongLine(t *testing.T) {
	simulate(t, Config{Password: sesame, MaxLine: 64}, func(b *bubble) {
		ana := b.arrive()
		ana.seen()
		ana.say("%s", strings.Repeat("open sesame ", 100))
		ana.expect("* this chat asks for a password:")
		ana.say("open sesame")
		if got := ana.seen(); len(got) != 4 {
			t.Fatalf("shown %q", got)
		}
	})
}

// A pipe says the password first, a program before /bot.
func TestGatePipe(t *testing.T) {
	simulate(t, Config{Password: sesame, Rate: Unlimited}, func(b *bubble) {
		ana := b.arrive()
		ana.say("open sesame")
		ana.seen()
		for _, input := range []string{"open sesame\nhi", "open sesame\n/bot\nhi\n"} {
			p := b.connect()
			p.say("%s", input)
			_ = p.conn.CloseWrite()
			ana.seen()
			if got := p.seen(); len(got) != 2 || got[0] != "* this chat asks for a password:" || !strings.HasSuffix(got[1], ": hi") {
				t.Errorf("%q is answered with %q", input, got)
			}
		}
		robot := b.connect()
		robot.say("open sesame\n/bot clock\ntick")
		time.Sleep(openTime)
		robot.expect("* this chat asks for a password:", "* clock joined", "00:00 clock: tick")
		web := b.connect()
		web.say("GET / HTTP/1.1")
		time.Sleep(openTime)
		if !web.gone() {
			t.Error("a browser may guess")
		}
	})
}

// Who asks for a seat or a window behind the password is shown no room twice, and with a
// code that is wrong is greeted like everyone.
func TestGateAndCode(t *testing.T) {
	cfg := Config{Name: "test", Password: sesame, Journal: NewMemory(Keep{}), History: Unlimited}
	simulate(t, cfg, func(b *bubble) {
		const asked = "* this chat asks for a password:"
		for _, typed := range []string{"/resume WHAT-EVER", "/pair WHAT-EVER"} {
			p := b.connect()
			p.say("open sesame\r\n%s\r\nhello\r", typed)
			time.Sleep(openTime)
			got := p.seen()
			if len(got) != 8 || got[0] != asked || !strings.HasPrefix(got[2], "* chatd on test, room lobby;") ||
				!strings.Contains(got[1], " code; a code works once, ") || !strings.HasSuffix(got[7], ": hello\r") {
				t.Errorf("%s is answered with %q", typed, got)
			}
			time.Sleep(2 * time.Minute) // and may try again
		}
		ana := b.connect()
		ana.say("open sesame")
		time.Sleep(openTime)
		code := codeIn(t, ana.seen())
		ana.say("/nick ana")
		window := ana.offer()
		_ = ana.conn.CloseWrite()
		time.Sleep(2 * flushStep)
		again := b.connect()
		again.say("open sesame\n/resume %s", code)
		time.Sleep(openTime)
		if got := again.seen(); len(got) != 5 || got[0] != asked || !strings.HasPrefix(got[1], "* welcome back, ana;") ||
			!strings.HasPrefix(got[2], "* room lobby;") {
			t.Errorf("who comes back is told %q", got)
		}
		// The code of a window has ended with the one who waited for it.
		late := b.connect()
		late.say("open sesame\n%s", window)
		time.Sleep(openTime)
		if got := late.seen(); !strings.HasPrefix(got[1], "* no window waits under that code") {
			t.Errorf("a window is told %q", got)
		}
		window = again.offer()
		second := b.connect()
		second.say("open sesame\n%s", window)
		time.Sleep(openTime)
		second.expect(asked, "* this is a reading window now: type in the other one; /quit closes this one")
	})
}

// Telnet does not show a password, neither the server's nor one's own.
func TestPasswordIsHidden(t *testing.T) {
	const will, wont = "\xff\xfb\x01", "\xff\xfc\x01"
	simulate(t, Config{Password: sesame}, func(b *bubble) {
		ana := b.connect()
		ana.raw("\xff\xfd\x01") // IAC DO ECHO, as it answers
		got := ana.text()
		if want := wont; !strings.Contains(got, want) {
			t.Fatalf("DO ECHO was answered with %q", got)
		}
		time.Sleep(openTime)
		got += ana.text()
		if !strings.HasSuffix(got, will+"* this chat asks for a password:\r\n") {
			t.Fatalf("shown %q", got)
		}
		ana.raw("\xff\xfd\x01open barley\r\n")
		if got := ana.text(); got != "\r\n* this chat asks for a password:\r\n" {
			t.Fatalf("shown %q", got)
		}
		ana.raw("open sesame\r\n")
		if got := ana.text(); !strings.HasPrefix(got, "\r\n* chatd on ") || !strings.HasSuffix(got, wont) {
			t.Fatalf("shown %q", got)
		}
		// One that refuses shows the end of the line by itself.
		ana.raw("\xff\xfe\x01/nick ana\r\n/register\r\n\xff\xfe\x01")
		if got := ana.text(); !strings.HasSuffix(got, "gives up:\r\n") || !strings.Contains(got, will) {
			t.Fatalf("shown %q", got)
		}
		ana.raw("\r\n")
		if got := ana.text(); got != "* nothing was changed\r\n" {
			t.Fatalf("shown %q", got)
		}
	})
}

// raw types bytes.
func (p *person) raw(bytes string) {
	p.b.Helper()
	if _, err := p.conn.Write([]byte(bytes)); err != nil {
		p.b.Fatal(err)
	}
}

// text is all that was read since the last look, once nothing moves any more.
func (p *person) text() string { return strings.Join(p.seen(), "\n") + p.end() }

// end is the end of the line that seen has taken away.
func (p *person) end() string {
	if p.whole {
		return "\n"
	}
	return ""
}

// On a Unix socket the kernel says who it is: the name is offered, the server's own
// user and root may moderate, and neither needs the password.
func TestUnixUsers(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "relay") // a socket's name has room for 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "chat.sock"))
	if err != nil {
		t.Fatal(err)
	}
	srv := New(Config{Password: sesame})
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(t.Context(), l) })
	defer serving.Wait()
	defer srv.Close()
	r := &rig{T: t, Server: srv}

	dial := func() *ear {
		nc, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return r.listen(nc.(*net.UnixConn))
	}
	first := dial()
	heard := first.hears("/help lists the rest\n")
	us := srv.snapshot()[0]
	if us.user == "" || !us.operator() {
		t.Fatalf("user %q, operator %v", us.user, us.operator())
	}
	if want := "* you are " + us.user + ":"; !strings.Contains(heard, want) {
		t.Errorf("%q lacks %q", heard, want)
	}
	first.say("/bans\n")
	first.hears("* nobody is banned or muted\n")
	// The name is one's own only once.
	second := dial()
	if heard := second.hears("/help lists the rest\n"); !strings.Contains(heard, "* you are guest2:") {
		t.Errorf("the second connection is told %q", heard)
	}
}

// Whom the kernel does not vouch for is nobody special, and the user's name is left to
// whom it belongs to here.
func TestUnixUsersWhoAreNobodySpecial(t *testing.T) {
	known := func(uid uint32) func(*sock.Conn) (uint32, bool) {
		return func(*sock.Conn) (uint32, bool) { return uid, true }
	}
	for title, test := range map[string]struct {
		uid  uint32
		cfg  Config
		want string
	}{
		"another user":    {1, Config{}, "daemon"},
		"no such user":    {4_000_000_000, Config{}, "guest1"},
		"registered name": {1, Config{State: State{Accounts: []Account{{Name: "Daemon", Key: name.Key("Daemon")}}}}, "guest1"},
	} {
		t.Run(title, func(t *testing.T) {
			simulate(t, test.cfg, func(b *bubble) {
				b.peer = known(test.uid)
				p := b.arrive()
				if got := p.seen(); !strings.HasPrefix(got[1], "* you are "+test.want+":") {
					t.Errorf("told %q", got)
				}
				p.say("/bans")
				p.expect("* /bans is for operators; nothing was done")
			})
		})
	}
}

// addressed is a connection that comes from an address.
type addressed struct {
	*pipe.Conn
	from net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.from }
func (a addressed) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7777} }

// from has a person come from an IP address.
func (b *bubble) from(address string) *person {
	ours, theirs := pipe.New()
	return b.meet(ours, addressed{theirs, &net.TCPAddr{IP: net.ParseIP(address), Port: 5000}})
}
