package listen

import (
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
	"github.com/chatd/chatd/internal/pipe"
	"github.com/chatd/chatd/internal/sock"
)

const header = "PROXY TCP4 192.0.2.7 192.0.2.1 40000 7777\r\n"

// header2 is the same in version 2.
const header2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc0\x00\x02\x01\x9c\x40\x1e\x61"

func peers(t *testing.T, text string) Peers {
	t.Helper()
	p, err := ParsePeers(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestTLSIsSpoken, with the URL and the command that leads there.
func TestTLSIsSpoken(t *testing.T) {
	server, client := certtest.Configs(t, "localhost")
	l := open(t, Config{TLS: server}, "tls://127.0.0.1:0")[0]
	wantText(t, l.URL(), "tls://127.0.0.1:"+portOf(l))
	wantText(t, strings.Join(l.Hints(), "; "), "openssl s_client -quiet -connect 127.0.0.1:"+portOf(l))
	six := hints(Spec{Scheme: "tls"}, &net.TCPAddr{IP: net.IPv6loopback, Port: 7}, nil)
	wantText(t, strings.Join(six, "; "), "openssl s_client -quiet -connect [::1]:7")

	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		here, there := reach(t, l, "tcp", l.Addr().String())
		config := client.Clone()
		config.MaxVersion = version
		c := tls.Client(here, config)
		var serving sync.WaitGroup
		serving.Go(func() {
			if err := there.(*Conn).HandshakeContext(t.Context()); err != nil {
				t.Error(err)
			}
			if s := sock.New(there); !s.Encrypted() {
				t.Error("it is not encrypted")
			}
			fmt.Fprintln(there, "welcome")
			there.Close()
		})
		text, err := io.ReadAll(c)
		if string(text) != "welcome\n" || err != nil || c.ConnectionState().Version != version {
			t.Errorf("%q, %v, version %x", text, err, c.ConnectionState().Version)
		}
		serving.Wait()
	}
}

func TestTLSTakesACertificate(t *testing.T) {
	wantText(t, openError(t, "tls://127.0.0.1:0"), "tls://127.0.0.1:0: there is no certificate for TLS")
}

// shaken is what a peer is told that sends first and goes on listening, after how long
// its handshake ended, how many reports there were, and what it ended with.
func shaken(t *testing.T, proxy bool, config *tls.Config, first ...string) (told string, took time.Duration, reports int, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe.New()
		var talking sync.WaitGroup
		talking.Go(func() {
			for i, part := range first {
				if i > 0 {
					time.Sleep(time.Second) // of the bubble's clock
				}
				_, _ = io.WriteString(a, part)
			}
			text, _ := io.ReadAll(a)
			told = string(text)
		})
		c := newConn(b, proxy, config, func(error) { reports++ })
		begin := time.Now()
		err = c.HandshakeContext(t.Context())
		took = time.Since(begin)
		if again := c.HandshakeContext(t.Context()); !errors.Is(again, err) {
			t.Errorf("asked again, it ends with %v, not %v", again, err)
		}
		if _, failed := c.Read(nil); err != nil && !errors.Is(failed, err) {
			t.Errorf("reading ends with %v, not %v", failed, err)
		}
		b.Close()
		talking.Wait()
		a.Close()
	})
	return told, took, reports, err
}

// TestFault26TLS: what is not TLS, and nothing at all, is told in plain text what to do,
// and a handshake that does not go on ends after 5 s.
func TestFault26TLS(t *testing.T) {
	server, _ := certtest.Configs(t, "localhost")
	const hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
	for _, c := range []struct {
		name  string
		first []string
		told  string
		took  time.Duration
	}{
		{"nothing", nil, speakTLS, handshakeTime},
		{"a line", []string{"hi\n"}, speakTLS, 0},
		{"a byte", []string{"h"}, speakTLS, 0},
		{"HTTP", []string{"GET / HTTP/1.1\r\n\r\n"}, speakTLS, 0},
		{"SSL 2", []string{"\x80\x2e\x01\x00\x02"}, speakTLS, 0},
		{"a PROXY header that nobody asked for", []string{header}, speakTLS, 0},
		{"half a hello", []string{hello}, "", handshakeTime},
		{"a byte a second", strings.Split(hello, ""), "", handshakeTime},
	} {
		told, took, _, err := shaken(t, false, server, c.first...)
		if told != c.told || err == nil || took != c.took {
			t.Errorf("%s: told %q, want %q; %v after %v, want %v", c.name, told, c.told, err, took, c.took)
		}
	}
	// Junk that begins like TLS gets an alert: level fatal, whatever the reason.
	told, took, _, err := shaken(t, false, server, "\x16\x03\x01\x00\x05hello")
	if !strings.HasPrefix(told, "\x15\x03") || len(told) != 7 || told[5] != 2 || err == nil || took != 0 {
		t.Errorf("junk: told %q, %v after %v", told, err, took)
	}
}

// TestHandshakeEndsWithItsContext, without a word.
func TestHandshakeEndsWithItsContext(t *testing.T) {
	server, _ := certtest.Configs(t, "localhost")
	synctest.Test(t, func(t *testing.T) {
		for _, proxy := range []bool{false, true} {
			a, b := pipe.New()
			c := newConn(b, proxy, server, func(err error) { t.Error(err) })
			why := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(why) })
			if err := c.HandshakeContext(ctx); !errors.Is(err, why) {
				t.Errorf("it ends with %v", err)
			}
			b.Close()
			if text, _ := io.ReadAll(a); len(text) != 0 {
				t.Errorf("told %q", text)
			}
			a.Close()
		}
	})
}

// TestProxy: a listed peer's header names the address that counts, however it is
// cut, and nothing behind it is lost.
func TestProxy(t *testing.T) {
	const text = "hello\nand more\n"
	long := header2[:14] + "\x04\x00" + header2[16:] + strings.Repeat("\x04", 4+1024-16) // with what else there is to know
	for _, c := range []struct {
		name   string
		first  []string
		remote string
	}{
		{"version 1", []string{header + text}, "192.0.2.7:40000"},
		{"version 2", []string{header2 + text}, "192.0.2.7:40000"},
		{"version 1, apart", []string{header, text}, "192.0.2.7:40000"},
		{"version 1, cut", []string{"P", header[1:20], header[20:] + text[:3], text[3:]}, "192.0.2.7:40000"},
		{"version 2, cut", []string{header2[:1], header2[1:15], header2[15:20], header2[20:] + text}, "192.0.2.7:40000"},
		{"version 2, long", []string{long[:100], long[100:] + text}, "192.0.2.7:40000"},
		{"IPv6", []string{"PROXY TCP6 2001:db8::7 2001:db8::1 40000 7777\r\n" + text}, "[2001:db8::7]:40000"},
		{"unknown", []string{"PROXY UNKNOWN\r\n" + text}, "pipe:a"},
		{"unknown, with more", []string{"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n" + text}, "pipe:a"},
		{"the proxy itself", []string{"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00" + text}, "pipe:a"},
		{"UDP", []string{strings.Replace(header2, "\x21\x11", "\x21\x12", 1) + text}, "pipe:a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := pipe.New()
				defer a.Close()
				nc := newConn(b, true, nil, func(err error) { t.Error(err) })
				defer nc.Close()
				var talking sync.WaitGroup
				defer talking.Wait()
				talking.Go(func() {
					for _, part := range c.first {
						_, _ = io.WriteString(a, part)
						time.Sleep(time.Second) // of the bubble's clock
					}
					_ = a.CloseWrite()
				})
				if got := nc.RemoteAddr().String(); got != c.remote { // it waits for the header
					t.Errorf("the address is %s, want %s", got, c.remote)
				}
				if err := nc.HandshakeContext(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(nc); string(got) != text || err != nil {
					t.Errorf("behind the header is %q, %v", got, err)
				}
			})
		})
	}
}

// TestFault26Proxy: a listed peer without a good header is told, and so is who listens to
// reports, but for one that has only looked whether anybody is there.
func TestFault26Proxy(t *testing.T) {
	for _, c := range []struct {
		name  string
		first []string
		took  time.Duration
	}{
		{"nothing", nil, handshakeTime},
		{"a line", []string{"hi\n"}, 0},
		{"a line that begins like it", []string{"PROX", "imity\n"}, time.Second},
		{"TLS", []string{"\x16\x03\x01\x02\x00"}, 0},
		{"half of it", []string{header[:20]}, handshakeTime},
		{"half of version 2", []string{header2[:20]}, handshakeTime},
		{"a byte a second", strings.Split(header, ""), handshakeTime},
		{"no end", []string{strings.Repeat("PROXY TCP4 ", 20)}, 0},
		{"no CR", []string{strings.Replace(header, "\r", "", 1)}, 0},
		{"no address", []string{"PROXY TCP4 1.2.3 192.0.2.1 40000 7777\r\n"}, 0},
		{"a port too many", []string{"PROXY TCP4 192.0.2.7 192.0.2.1 70000 7777\r\n"}, 0},
		{"version 3", []string{strings.Replace(header2, "\x21", "\x31", 1)}, 0},
		{"too long", []string{header2[:14] + "\xff\xff"}, 0},
		{"too short", []string{header2[:14] + "\x00\x04\xc0\x00\x02\x07"}, 0},
	} {
		told, took, reports, err := shaken(t, true, nil, c.first...)
		if told != speakProxy || err == nil || took != c.took || reports != 1 {
			t.Errorf("%s: told %q; %v after %v, want %v; %d reports", c.name, told, err, took, c.took, reports)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe.New()
		a.Close()
		if err := newConn(b, true, nil, func(err error) { t.Error(err) }).HandshakeContext(t.Context()); err == nil {
			t.Error("the end of input is a header")
		}
		b.Close()
	})
}

// TestProxyOnSockets: over the kernel, what is listed counts, the fast way to read and
// write is there behind a header, and accepting waits for none.
func TestProxyOnSockets(t *testing.T) {
	server, client := certtest.Configs(t, "localhost")
	var reports []error
	listeners := open(t, Config{
		TLS: server, Proxies: peers(t, "127.0.0.9, ::1"),
		OnError: func(err error) { reports = append(reports, err) },
	}, "tcp://127.0.0.1:0,tls://127.0.0.1:0")
	from := func(l *Listener, ip string) (here, there net.Conn) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
		here, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { here.Close() })
		there, err = l.Accept() // though nothing was sent
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { there.Close() })
		return here, there
	}
	plain, secret := listeners[0], listeners[1]

	here, there := from(plain, "127.0.0.1")
	if _, ok := there.(*net.TCPConn); !ok {
		t.Errorf("from who is not listed comes a %T", there)
	}
	io.WriteString(here, header)
	buf := make([]byte, 100)
	n, _ := there.Read(buf)
	wantText(t, string(buf[:n]), header)

	here, there = from(plain, "127.0.0.9")
	io.WriteString(here, header2+"hello")
	if err := there.(*Conn).HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantText(t, there.RemoteAddr().String(), "192.0.2.7:40000")
	c := sock.New(there)
	wantText(t, c.RemoteAddr().String(), "192.0.2.7:40000")
	if n, err := c.TryWrite([]byte("welcome")); n != 7 || err != nil || c.Encrypted() {
		t.Errorf("%d bytes were taken without waiting, %v", n, err)
	}
	p, err := c.ReadChunk()
	if string(p) != "hello" || err != nil {
		t.Errorf("%q, %v", p, err)
	}

	here, there = from(secret, "127.0.0.9")
	if !there.(*Conn).FromProxy() {
		t.Error("it comes through a proxy")
	}
	io.WriteString(here, header)
	tc := tls.Client(here, client)
	var shaking sync.WaitGroup
	shaking.Go(func() {
		if err := there.(*Conn).HandshakeContext(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if err := tc.Handshake(); err != nil {
		t.Error(err)
	}
	shaking.Wait()
	wantText(t, there.RemoteAddr().String(), "192.0.2.7:40000")
	if c := sock.New(there); !c.Encrypted() || !c.Loopback() {
		t.Error("what is below is not found")
	}

	here, there = from(secret, "127.0.0.1")
	if there.(*Conn).FromProxy() || there.RemoteAddr().String() != here.LocalAddr().String() {
		t.Errorf("it is said to come from %v", there.RemoteAddr())
	}
	if len(reports) != 0 {
		t.Errorf("reported: %v", reports)
	}

	here, there = from(plain, "127.0.0.9")
	io.WriteString(here, "hi\n")
	if err := there.(*Conn).HandshakeContext(t.Context()); err == nil {
		t.Error("no header is needed")
	}
	sock.New(there).Discard()
	there.Close()
	wantText(t, readAll(t, here), speakProxy)
	if len(reports) != 1 {
		t.Fatalf("reported: %v", reports)
	}
	wantPart(t, reports[0].Error(), "no PROXY header from 127.0.0.9:")
}

// TestPlainOnHTTPS: a browser that was not told of TLS is.
func TestPlainOnHTTPS(t *testing.T) {
	server, _ := certtest.Configs(t, "localhost")
	l := open(t, Config{TLS: server}, "https://127.0.0.1:0")[0]
	here, there := reach(t, l, "tcp", l.Addr().String())
	io.WriteString(here, "GET / HTTP/1.1\r\n\r\n")
	if err := there.(*Conn).HandshakeContext(t.Context()); err == nil {
		t.Error("HTTP is TLS")
	}
	sock.New(there).Discard()
	there.Close()
	wantText(t, readAll(t, here), speakHTTPS)
}

// TestTLSRefusal: who finds no descriptor left is told in its own language.
func TestTLSRefusal(t *testing.T) {
	server, client := certtest.Configs(t, "localhost")
	l := open(t, Config{TLS: server, Refusal: func(Service) string { return turned }}, "tls://127.0.0.1:0")[0]
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	there, err := l.socket.Accept()
	if err != nil {
		t.Fatal(err)
	}
	l.refuse(there)
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	wantPart(t, fmt.Sprint(tls.Client(nc, client).Handshake()), "internal error")
}

func TestParsePeers(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7": "[192.0.2.7/32]",

		" 192.0.2.7 , 10.0.0.0/8,, 2001:db8::/32,::1": "[192.0.2.7/32 10.0.0.0/8 2001:db8::/32 ::1/128]",

		"::ffff:192.0.2.7": "[192.0.2.7/32]",
		"0.0.0.0/0,::/0":   "[0.0.0.0/0 ::/0]",

		"":                  "holds no address; write one such as 192.0.2.7 or 10.0.0.0/8",
		" , ":               "holds no address; write one such as 192.0.2.7 or 10.0.0.0/8",
		"proxy":             "holds proxy, which is neither an address nor a prefix; write one such as 192.0.2.7 or 10.0.0.0/8",
		"192.0.2.7:80":      "holds 192.0.2.7:80, which is neither an address nor a prefix; write one such as 192.0.2.7 or 10.0.0.0/8",
		"fe80::1%eth0":      "holds fe80::1%eth0, which is neither an address nor a prefix; write one such as 192.0.2.7 or 10.0.0.0/8",
		"192.0.2.7/33":      "holds 192.0.2.7/33, which is neither an address nor a prefix; write one such as 192.0.2.7 or 10.0.0.0/8",
		"192.0.2.7/24":      "holds 192.0.2.7/24, an address with bits behind its prefix; write 192.0.2.0/24 or 192.0.2.7",
		"::ffff:0.0.0.0/96": "holds ::ffff:0.0.0.0/96, a prefix of IPv4 in IPv6; write the one of IPv4",
	} {
		got, err := ParsePeers(text)
		said := fmt.Sprint(got)
		if err != nil {
			said = err.Error()
		}
		wantText(t, said, want)
	}
	all := peers(t, "192.0.2.0/24,2001:db8::7")
	for address, want := range map[string]bool{
		"192.0.2.9": true, "::ffff:192.0.2.9": true, "192.0.3.9": false, "2001:db8::7": true, "2001:db8::8": false,
	} {
		if all.holds(&net.TCPAddr{IP: net.ParseIP(address)}) != want {
			t.Errorf("%s is listed: %v", address, !want)
		}
	}
	if all.holds(&net.UnixAddr{Name: "192.0.2.9"}) || Peers(nil).holds(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 9)}) {
		t.Error("nobody is listed")
	}
}

// FuzzHeader: whatever a proxy sends, however it is cut, is a header and what comes
// behind, or none.
func FuzzHeader(f *testing.F) {
	for _, seed := range []string{header + "hello", header2 + "hello", "PROXY UNKNOWN\r\n", "PROXY TCP6 ::1 ::1 1 1\r\n", "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", "hi\n", "PROXY"} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		cut = max(0, min(cut, len(data)))
		read := func(parts ...[]byte) (string, string) {
			src := &parted{parts: parts}
			tr := &transport{Conn: src}
			err := tr.readHeader()
			if err != nil {
				return "", err.Error()
			}
			behind, err := io.ReadAll(tr)
			return fmt.Sprint(tr.remote, string(behind)), fmt.Sprint(err)
		}
		whole, err := read(data)
		cutUp, cutErr := read(data[:cut], data[cut:])
		if whole != cutUp || err != cutErr {
			t.Errorf("%q is %q, %s; cut at %d it is %q, %s", data, whole, err, cut, cutUp, cutErr)
		}
	})
}

// parted is a connection on which parts come in one by one.
type parted struct {
	net.Conn
	parts [][]byte
}

func (p *parted) Read(b []byte) (int, error) {
	for len(p.parts) > 0 && len(p.parts[0]) == 0 {
		p.parts = p.parts[1:]
	}
	if len(p.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.parts[0])
	p.parts[0] = p.parts[0][n:]
	return n, nil
}
