package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/chatd/chatd/internal/wire"
)

// webPort waits until the next listener for browsers is announced, and returns its port.
func (p *program) webPort(scheme string) string {
	p.t.Helper()
	return p.says(`^listening on ` + scheme + `://127.0.0.1:(\d+)  open in a browser: ` + scheme + `://127.0.0.1:\d+/$`)[0]
}

// webStatus asks for the page as a browser does that was told to open it at host.
func webStatus(t *testing.T, port, host string) string {
	t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host)
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		t.Fatal(err)
	}
	return r.Status
}

// socket opens a WebSocket.
func socket(t *testing.T, url string, dialer ws.Dialer) net.Conn {
	t.Helper()
	conn, early, _, err := dialer.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if early != nil {
		t.Fatalf("%d bytes came with the handshake", early.Buffered())
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// until reads objects up to one of a type.
func until(t *testing.T, conn net.Conn, kind string) map[string]any {
	t.Helper()
	for {
		text, err := wsutil.ReadServerText(conn)
		if err != nil {
			t.Fatalf("no %s: %v", kind, err)
		}
		var object map[string]any
		if err := json.Unmarshal(text, &object); err != nil {
			t.Fatal(err)
		}
		if object["type"] == kind {
			return object
		}
	}
}

func TestBrowsersAndTerminalsTalk(t *testing.T) {
	t.Parallel()
	p := start(t, environment{"CHATD_LISTEN": "tcp://127.0.0.1:0,http://127.0.0.1:0,http://127.0.0.1:0?serve=echo", "CHATD_WEB_ORIGINS": "https://chat.example.org"})
	port, page := p.port(), p.webPort("http")
	echoes := p.says(`^listening on http://127.0.0.1:(\d+)  reach it with: ws://127.0.0.1:\d+/  \(echo\)$`)[0]
	ana := arrive(t, port, "ana")

	host, _ := os.Hostname()
	for host, want := range map[string]string{
		"127.0.0.1:" + page: "200 OK", "localhost": "200 OK", "chat.example.org": "200 OK",
		strings.ToLower(host) + ":" + page: "200 OK", "evil.example:" + page: "403 Forbidden",
	} {
		if got := webStatus(t, page, host); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
	if _, _, _, err := (ws.Dialer{Header: ws.HandshakeHeaderHTTP{"Origin": {"http://evil.example"}}}).Dial(t.Context(), "ws://127.0.0.1:"+page+"/ws"); err != ws.StatusError(403) {
		t.Errorf("another's page: %v", err)
	}

	chat := socket(t, "ws://127.0.0.1:"+page+"/ws", ws.Dialer{
		Protocols: []string{"chatd.v1"}, Header: ws.HandshakeHeaderHTTP{"Origin": {"https://chat.example.org"}},
	})
	says := func(object string) {
		t.Helper()
		if err := wsutil.WriteClientText(chat, []byte(object)); err != nil {
			t.Fatal(err)
		}
	}
	says(`{"type":"hello","name":"mira"}`)
	until(t, chat, "live")
	says(`{"type":"say","text":"hello ana"}`)
	ana.sees(`^\d\d:\d\d mira: hello ana$`)
	ana.says("hello mira")
	for until(t, chat, "message")["text"] != "hello mira" {
	}

	echo := socket(t, "ws://127.0.0.1:"+echoes+"/any/path", ws.Dialer{})
	if err := wsutil.WriteClientBinary(echo, []byte("\x00\xff")); err != nil {
		t.Fatal(err)
	}
	if got, op, err := wsutil.ReadServerData(echo); err != nil || op != ws.OpBinary || string(got) != "\x00\xff" {
		t.Errorf("the echo says %q, %v", got, err)
	}

	p.signal(syscall.SIGTERM)
	if bye := until(t, chat, "bye"); bye["text"] != "chatd is shutting down" {
		t.Errorf("the last words are %v", bye)
	}
	for _, conn := range []net.Conn{chat, echo} {
		h, err := ws.ReadHeader(conn)
		body := make([]byte, h.Length)
		if _, err := io.ReadFull(conn, body); err != nil {
			t.Error(err)
		}
		if err != nil || h.OpCode != ws.OpClose || wire.CloseCode(body) != wire.CloseGoingAway {
			t.Errorf("it ends with %v %q, %v", h, body, err)
		}
		conn.Close()
	}
	if status := p.exit(); status != exitOK {
		t.Errorf("chatd exits with %d", status)
	}
}

// Behind a proxy on a Unix socket nobody is an operator because the proxy's user is.
func TestBrowsersOnAUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "web")
	p := start(t, environment{"CHATD_LISTEN": "unix://" + path + "?serve=http", "CHATD_WEB_ORIGINS": "https://chat.example.org"})
	p.says(`^listening on unix://\S+/web  reach it with: curl --unix-socket \S+/web http://localhost/  \(http\)$`)
	chat := socket(t, "ws://chat.example.org/ws", ws.Dialer{
		NetDial: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) },
		Header:  ws.HandshakeHeaderHTTP{"Origin": {"https://chat.example.org"}},
	})
	if err := wsutil.WriteClientText(chat, []byte(`{"type":"hello"}`)); err != nil {
		t.Fatal(err)
	}
	welcome := until(t, chat, "welcome")
	if welcome["operator"] != nil || !strings.HasPrefix(welcome["name"].(string), "guest") {
		t.Errorf("%v", welcome)
	}
	chat.Close()
	p.stop()
}

func TestBrowsersWithTLS(t *testing.T) {
	t.Parallel()
	d := newDrawer(t)
	environ := d.environ()
	environ["CHATD_LISTEN"] = "https://127.0.0.1:0"
	p := start(t, environ)
	port := p.webPort("https")
	unchecked := &tls.Config{InsecureSkipVerify: true}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: unchecked, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	r, err := client.Get("https://127.0.0.1:" + port + "/")
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil || r.StatusCode != http.StatusOK || r.ProtoMajor != 1 || !strings.Contains(string(page), "<title>") {
		t.Errorf("%s %s, %v", r.Proto, r.Status, err)
	}
	for host, want := range map[string]int{"one.example.org": http.StatusOK, "two.example.org": http.StatusForbidden} { // the certificate is for the first
		request, err := http.NewRequest("GET", "https://127.0.0.1:"+port+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		r, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("as %s it is %s", host, r.Status)
		}
	}
	chat := socket(t, "wss://127.0.0.1:"+port+"/ws", ws.Dialer{TLSConfig: unchecked})
	if err := wsutil.WriteClientText(chat, []byte(`{"type":"hello"}`)); err != nil {
		t.Fatal(err)
	}
	until(t, chat, "live")
	p.says(`"transport":"[a-z+]*tls`)
	p.stop()
}
