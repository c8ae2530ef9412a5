package web_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/chatd/chatd/internal/pipe"
	"github.com/chatd/chatd/internal/web"
	"github.com/chatd/chatd/internal/wire"
)

// handed is a connection that was handed to the relay.
type handed struct {
	conn  net.Conn
	early string
}

// taker is a relay that only takes connections; whoever gets one closes it.
type taker chan handed

func (t taker) ServeWebSocketConn(_ context.Context, nc net.Conn, early []byte) error {
	t <- handed{nc, string(early)}
	return nil
}

// policy is the one of a server called chat.example.org, behind a proxy that people
// reach as talk.example.net.
var policy = web.Policy{
	Origins: []string{"https://talk.example.net", "https://app.example.net"},
	Names:   []string{"chat.example.org"},
}

// begin serves a site and returns its address, and what the relay was handed.
func begin(t *testing.T, cfg web.Config, serve func(*web.Server, context.Context, net.Listener) error) (addr string, taken taker) {
	t.Helper()
	taken = make(taker, 1)
	cfg.Relay, cfg.Policy = taken, policy
	s, l := web.New(cfg), localListener(t)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := serve(s, context.Background(), l); err != web.ErrServerClosed {
			t.Errorf("it ended with %v", err)
		}
	})
	t.Cleanup(func() {
		s.Shutdown()
		serving.Wait()
	})
	return l.Addr().String(), taken
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	return nc
}

// request is the head of one for a WebSocket, with lines in the place of others of
// the same name, or of all if a line is no header.
func request(target string, lines ...string) string {
	head := []string{
		"Host: 127.0.0.1:8080", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		found := false
		for i := range head {
			if strings.HasPrefix(head[i], name+":") {
				head[i], found = line, true
			}
		}
		if !found {
			head = append(head, line)
		} else if value == "" {
			for i := range head {
				if head[i] == line {
					head = append(head[:i], head[i+1:]...)
					break
				}
			}
		}
	}
	return "GET " + target + " HTTP/1.1\r\n" + strings.Join(head, "\r\n") + "\r\n\r\n"
}

// answerTo sends a request and returns the head of the answer.
func answerTo(t *testing.T, nc net.Conn, request string) *http.Response {
	t.Helper()
	if _, err := io.WriteString(nc, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	r, err := http.ReadResponse(bufio.NewReader(nc), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r
}

// Of all that are listed there, none gets a WebSocket that may not have one.
func TestUpgradesByOrigin(t *testing.T) {
	addr, taken := begin(t, web.Config{}, (*web.Server).Serve)
	upgrades := 0
	for _, tt := range web.Hosts {
		lines := []string{"Host: " + tt.Host}
		if tt.Origin != "-" {
			lines = append(lines, "Origin: "+tt.Origin)
		}
		for _, path := range []string{"/ws", "/ws/echo"} {
			nc := dial(t, addr)
			r := answerTo(t, nc, request(path, lines...))
			switch {
			case tt.Allowed != (r.StatusCode == http.StatusSwitchingProtocols):
				t.Errorf("%s, Host %q, Origin %q: %s", path, tt.Host, tt.Origin, r.Status)
			case !tt.Allowed && r.StatusCode != http.StatusForbidden && r.StatusCode != http.StatusBadRequest:
				t.Errorf("%s, Host %q, Origin %q: %s", path, tt.Host, tt.Origin, r.Status)
			case tt.Allowed && path == "/ws":
				upgrades++
				h := <-taken
				h.conn.Close()
			}
			nc.Close()
		}
	}
	if len(taken) > 0 || upgrades == 0 {
		t.Errorf("%d upgrades, and the relay has %d more", upgrades, len(taken))
	}
	nc := dial(t, addr)
	if r := answerTo(t, nc, request("/ws", "Origin: http://127.0.0.1:8080\r\nOrigin: http://evil.example")); r.StatusCode != http.StatusForbidden {
		t.Errorf("two origins: %s", r.Status)
	}
}

func TestHandshake(t *testing.T) {
	addr, taken := begin(t, web.Config{}, (*web.Server).Serve)
	for _, tt := range []struct {
		request string
		status  int
	}{
		{request("/ws", "Upgrade:"), 426},
		{request("/ws", "Connection: keep-alive"), 426},
		{request("/ws", "Upgrade: h2c"), 426},
		{strings.Replace(request("/ws"), "GET", "POST", 1), 426},
		{strings.Replace(request("/ws"), "HTTP/1.1", "HTTP/1.0", 1), 505},
		{request("/ws", "Sec-WebSocket-Version: 8"), 426},
		{request("/ws", "Sec-WebSocket-Version:"), 400},
		{request("/ws", "Sec-WebSocket-Key:"), 400},
		{request("/ws", "Sec-WebSocket-Key: short"), 400},
		{request("/ws", "Host:"), 400},
		{request("/wss"), 404},
		{request("/ws", "Connection: keep-alive, upgrade", "Upgrade: WebSocket"), 101},
		{request("/ws?room=tea"), 101},
	} {
		r := answerTo(t, dial(t, addr), tt.request)
		if r.StatusCode != tt.status {
			t.Errorf("%q: %s, want %d", tt.request, r.Status, tt.status)
		}
		if r.StatusCode == 101 {
			h := <-taken
			h.conn.Close()
			if got := r.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455, section 1.3
				t.Errorf("accept %q", got)
			}
		}
	}
	for offered, want := range map[string]string{
		"chatd.v1": "chatd.v1", "other, chatd.v1": "chatd.v1", "other": "", "chatd.v2": "",
	} {
		r := answerTo(t, dial(t, addr), request("/ws", "Sec-WebSocket-Protocol: "+offered))
		if got := r.Header.Get("Sec-WebSocket-Protocol"); r.StatusCode != 101 || got != want {
			t.Errorf("offered %q: %s, %q", offered, r.Status, got)
		}
		h := <-taken
		h.conn.Close()
	}
}

// The relay gets the connection itself, and what the client sent without waiting.
func TestConnectionIsHandedOn(t *testing.T) {
	addr, taken := begin(t, web.Config{}, (*web.Server).Serve)
	const words = "sent behind the handshake"
	nc := dial(t, addr)
	answerTo(t, nc, request("/ws")+words)
	h := <-taken
	defer h.conn.Close()
	if _, plain := h.conn.(*net.TCPConn); !plain {
		t.Errorf("it is a %T", h.conn)
	}
	got := []byte(h.early)
	if rest := len(words) - len(got); rest > 0 { // it may have come in two packets
		more := make([]byte, rest)
		if _, err := io.ReadFull(h.conn, more); err != nil {
			t.Fatal(err)
		}
		got = append(got, more...)
	}
	if string(got) != words {
		t.Errorf("it got %q", got)
	}
	if _, err := io.WriteString(h.conn, "x"); err != nil {
		t.Errorf("a deadline is left: %v", err)
	}
}

func TestTLS(t *testing.T) {
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	config := certified.TLS.Clone()
	config.NextProtos = nil
	certified.Close()
	addr, taken := begin(t, web.Config{}, func(s *web.Server, ctx context.Context, l net.Listener) error {
		return s.Serve(ctx, tls.NewListener(l, config))
	})
	nc := tls.Client(dial(t, addr), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if r := answerTo(t, nc, request("/ws", "Host: talk.example.net", "Origin: https://talk.example.net")); r.StatusCode != 101 {
		t.Fatal(r.Status)
	}
	h := <-taken
	defer h.conn.Close()
	if _, secure := h.conn.(*tls.Conn); !secure {
		t.Errorf("it is a %T", h.conn)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	r, err := client.Get("https://" + addr + "/")
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatal(r, err)
	}
	r.Body.Close()
}

func TestPageFiles(t *testing.T) {
	addr, _ := begin(t, web.Config{}, (*web.Server).Serve)
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/main.js": "text/javascript; charset=utf-8", "/style.css": "text/css; charset=utf-8",
		"/icon.svg": "image/svg+xml", "/app.webmanifest": "application/manifest+json",
	} {
		r := answerTo(t, dial(t, addr), "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		h := r.Header
		if r.StatusCode != 200 || h.Get("Content-Type") != kind || h.Get("Cache-Control") != "no-cache" || h.Get("ETag") == "" {
			t.Errorf("%s: %s, %v", path, r.Status, h)
		}
		safe(t, h)
		again := answerTo(t, dial(t, addr), "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: "+h.Get("ETag")+"\r\n\r\n")
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("%s again: %s", path, again.Status)
		}
	}
	for request, status := range map[string]int{
		"HEAD / HTTP/1.1\r\nHost: localhost":                      200,
		"GET /index.html HTTP/1.1\r\nHost: localhost":             404,
		"GET /page/ HTTP/1.1\r\nHost: localhost":                  404,
		"GET /../go.mod HTTP/1.1\r\nHost: localhost":              307, // to /go.mod, which is not there either
		"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5": 405,
		"GET / HTTP/1.1\r\nHost: evil.example":                    403,
		"GET /main.js HTTP/1.1\r\nHost: evil.example:8080":        403,
		"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + long(20<<10): 431,
	} {
		r := answerTo(t, dial(t, addr), request+"\r\n\r\n")
		if r.StatusCode != status {
			t.Errorf("%.50q: %s, want %d", request, r.Status, status)
		}
		if status != 431 {
			safe(t, r.Header)
		}
	}
}

func long(n int) string { return strings.Repeat("x", n) }

// safe checks the headers that a browser needs to be told what it must not do.
func safe(t *testing.T, h http.Header) {
	t.Helper()
	policy := h.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("no %s in %q", part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("policy %q", policy)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q", name, h.Get(name))
		}
	}
}

func TestPageIsZipped(t *testing.T) {
	addr, _ := begin(t, web.Config{}, (*web.Server).Serve)
	get := func(header string) (*http.Response, []byte) {
		nc := dial(t, addr)
		if _, err := fmt.Fprintf(nc, "GET /style.css HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", header); err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r, body
	}
	plainAnswer, plain := get("")
	zippedAnswer, zipped := get("Accept-Encoding: br, gzip\r\n")
	z, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("unzipped it is not the same: %v", err)
	}
	if a, b := plainAnswer.Header.Get("ETag"), zippedAnswer.Header.Get("ETag"); a == b || len(zipped) >= len(plain) {
		t.Errorf("tags %s and %s, %d of %d bytes", a, b, len(zipped), len(plain))
	}
}

// Whoever took the port for another one is told, at once and in words.
func TestWrongDoor(t *testing.T) {
	addr, _ := begin(t, web.Config{}, (*web.Server).Serve)
	for _, words := range []string{"hello\n", "/nick ana\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "SSH-2.0-OpenSSH_9.2p1\r\n", "\n"} {
		nc := dial(t, addr)
		if _, err := io.WriteString(nc, words); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(nc)
		if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 400 ") || !strings.Contains(string(got), "this port is for browsers") {
			t.Errorf("%q is told %q, %v", words, got, err)
		}
	}
	// And who types a request by hand is served.
	nc := dial(t, addr)
	for _, line := range []string{"GET /", " HTTP/1.1\r\n", "Host: localhost\r\n"} {
		if _, err := io.WriteString(nc, line); err != nil {
			t.Fatal(err)
		}
	}
	if r := answerTo(t, nc, "\r\n"); r.StatusCode != 200 {
		t.Errorf("a request in pieces: %s", r.Status)
	}
}

// Whoever has not sent a request after 5 seconds is gone: who is silent, who sends a
// byte a second, who stops within TLS's handshake.
func TestSlowRequestsEnd(t *testing.T) {
	for name, drip := range map[string]string{"silent": "", "a byte a second": "GET / HTTP/1.1\r\nHost: a"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := pipe.Listen(1)
				s := web.New(web.Config{Relay: make(taker)})
				var serving sync.WaitGroup
				serving.Go(func() { _ = s.Serve(t.Context(), l) })
				nc, err := l.Dial()
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				serving.Go(func() {
					for _, c := range drip {
						if _, err := io.WriteString(nc, string(c)); err != nil {
							return
						}
						<-time.After(time.Second)
					}
				})
				_, _ = io.ReadAll(nc)
				if took := time.Since(begin); took != 5*time.Second {
					t.Errorf("it took %v", took)
				}
				nc.Close()
				s.Shutdown()
				serving.Wait()
			})
		})
	}
}

// While two thousand hold what places they get, a newcomer is served within a second.
func TestDrippersMakeRoom(t *testing.T) {
	const crowd = 2000
	addr, _ := begin(t, web.Config{}, (*web.Server).Serve)
	held := make(chan net.Conn, crowd)
	defer func() {
		close(held)
		for nc := range held {
			nc.Close()
		}
	}()
	for i := range crowd {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i%200))}}
		nc, err := d.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(nc, "GET / HT") // it may have gone again
		held <- nc
	}
	least := time.Hour
	for range 3 { // the best of them, as the machine may be busy
		begin := time.Now()
		if r := answerTo(t, dial(t, addr), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); r.StatusCode != 200 {
			t.Error(r.Status)
		}
		least = min(least, time.Since(begin))
	}
	if least > time.Second {
		t.Errorf("it took %v", least)
	}
}

// echo is a client of the echo.
type echo struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dialEcho(t *testing.T, addr, path string) *echo {
	t.Helper()
	nc := dial(t, addr)
	if _, err := io.WriteString(nc, request(path)); err != nil {
		t.Fatal(err)
	}
	e := &echo{t: t, conn: nc, in: bufio.NewReader(nc)}
	r, err := http.ReadResponse(e.in, nil)
	if err != nil || r.StatusCode != 101 {
		t.Fatal(r, err)
	}
	r.Body.Close()
	return e
}

func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err == nil {
		f.Payload = make([]byte, min(f.Header.Length, 1<<20))
		_, err = io.ReadFull(r, f.Payload)
	}
	return f, err
}

func (e *echo) sends(frames ...ws.Frame) {
	e.t.Helper()
	for _, f := range frames {
		if err := ws.WriteFrame(e.conn, ws.MaskFrame(f)); err != nil {
			e.t.Fatal(err)
		}
	}
}

func (e *echo) gets(op ws.OpCode, want string) {
	e.t.Helper()
	f, err := readFrame(e.in)
	if err != nil || f.Header.OpCode != op || string(f.Payload) != want || !f.Header.Fin || f.Header.Masked {
		e.t.Errorf("%v %.60q, %v; want %v %.60q", f.Header, f.Payload, err, op, want)
	}
}

// closes reads a close frame with a code and then the end.
func (e *echo) closes(code uint16) {
	e.t.Helper()
	f, err := readFrame(e.in)
	if err != nil || f.Header.OpCode != ws.OpClose || wire.CloseCode(f.Payload) != code {
		e.t.Fatalf("%v %q, %v; want close %d", f.Header, f.Payload, err, code)
	}
	if rest, err := io.ReadAll(e.in); err != nil || len(rest) > 0 {
		e.t.Errorf("%q after the close frame, %v", rest, err)
	}
}

func TestEcho(t *testing.T) {
	addr, _ := begin(t, web.Config{}, (*web.Server).Serve)
	e := dialEcho(t, addr, "/ws/echo")
	e.sends(ws.NewTextFrame([]byte("grüß dich")), ws.NewBinaryFrame([]byte("\x00\xff")))
	e.gets(ws.OpText, "grüß dich")
	e.gets(ws.OpBinary, "\x00\xff")
	e.sends(ws.NewFrame(ws.OpText, false, []byte("a")), ws.NewPingFrame([]byte("?")), ws.NewFrame(ws.OpContinuation, true, []byte("b")))
	e.gets(ws.OpPong, "?")
	e.gets(ws.OpText, "ab")
	e.sends(ws.NewBinaryFrame(bytes.Repeat([]byte("x"), 64<<10)), ws.NewPongFrame(nil), ws.NewTextFrame(nil))
	e.gets(ws.OpBinary, long(64<<10))
	e.gets(ws.OpText, "")
	e.sends(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "bye")))
	e.closes(wire.CloseNormal)

	for code, frame := range map[uint16]ws.Frame{
		wire.CloseTooLarge: ws.NewBinaryFrame(make([]byte, 64<<10+1)),
		wire.CloseInvalid:  ws.NewTextFrame([]byte("\xff")),
		wire.CloseProtocol: ws.NewFrame(ws.OpContinuation, true, nil),
		wire.CloseNoStatus: ws.NewCloseFrame(nil),
	} {
		e := dialEcho(t, addr, "/ws/echo")
		e.sends(frame)
		e.closes(code)
	}
	unmasked := dialEcho(t, addr, "/ws/echo")
	if err := ws.WriteFrame(unmasked.conn, ws.NewTextFrame([]byte("hi"))); err != nil {
		t.Fatal(err)
	}
	unmasked.closes(wire.CloseProtocol)
}

func TestEchoAlone(t *testing.T) {
	addr, _ := begin(t, web.Config{}, (*web.Server).ServeEcho)
	for _, path := range []string{"/", "/anything?at=all", "/ws"} {
		e := dialEcho(t, addr, path)
		e.sends(ws.NewTextFrame([]byte(path)))
		e.gets(ws.OpText, path)
	}
	if r := answerTo(t, dial(t, addr), request("/", "Host: evil.example", "Origin: null")); r.StatusCode != 101 {
		t.Errorf("a page that is nowhere: %s", r.Status)
	}
	if r := answerTo(t, dial(t, addr), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); r.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("no WebSocket: %s", r.Status)
	}
}

// Echoes are pinged when they are silent, and end when they do not answer; the oldest
// makes room when there are too many; all end with the server.
func TestEchoesEnd(t *testing.T) {
	addr, _ := begin(t, web.Config{MaxConns: 16}, (*web.Server).Serve)
	oldest := dialEcho(t, addr, "/ws/echo")
	oldest.sends(ws.NewTextFrame([]byte("here")))
	oldest.gets(ws.OpText, "here") // it counts as one from its first turn on
	second := dialEcho(t, addr, "/ws/echo")
	second.sends(ws.NewTextFrame([]byte("here")))
	second.gets(ws.OpText, "here")
	third := dialEcho(t, addr, "/ws/echo") // of one address two can be at a time
	oldest.closes(wire.CloseTryLater)
	third.sends(ws.NewTextFrame([]byte("here")))
	third.gets(ws.OpText, "here")
	t.Cleanup(func() { third.conn.Close() })
}

func TestShutdownEndsEchoes(t *testing.T) {
	s, l := web.New(web.Config{Relay: make(taker)}), localListener(t)
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), l) }()
	e := dialEcho(t, l.Addr().String(), "/ws/echo")
	silent := dial(t, l.Addr().String())
	answerTo(t, silent, "GET /icon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n")
	s.Shutdown()
	e.closes(wire.CloseGoingAway)
	e.conn.Close()
	if err := <-done; err != web.ErrServerClosed {
		t.Errorf("it ended with %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the port is still open")
	}
}

func TestEndByContext(t *testing.T) {
	taken := make(taker, 1)
	s, l := web.New(web.Config{Relay: taken}), localListener(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	e := dialEcho(t, l.Addr().String(), "/ws/echo")
	cancel(io.ErrNoProgress)
	e.closes(wire.CloseGoingAway)
	e.conn.Close()
	if err := <-done; err != io.ErrNoProgress {
		t.Errorf("it ended with %v", err)
	}
}

func TestSilentEchoIsPinged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := pipe.Listen(1)
		s := web.New(web.Config{Relay: make(taker)})
		var serving sync.WaitGroup
		serving.Go(func() { _ = s.ServeEcho(context.Background(), l) })
		nc, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		e := &echo{t: t, conn: nc, in: bufio.NewReader(nc)}
		if _, err := io.WriteString(nc, request("/")); err != nil {
			t.Fatal(err)
		}
		if r, err := http.ReadResponse(e.in, nil); err != nil || r.StatusCode != 101 {
			t.Fatal(r, err)
		}
		begin := time.Now()
		e.gets(ws.OpPing, "")
		if took := time.Since(begin); took != 30*time.Second {
			t.Errorf("pinged after %v", took)
		}
		e.sends(ws.NewPongFrame(nil))
		e.gets(ws.OpPing, "")
		if _, err := readFrame(e.in); err == nil {
			t.Error("one who does not answer is kept")
		}
		if took := time.Since(begin); took != 90*time.Second {
			t.Errorf("gone after %v", took)
		}
		nc.Close()
		s.Shutdown()
		serving.Wait()
	})
}
