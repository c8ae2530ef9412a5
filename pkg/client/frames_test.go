package client

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// webPeer is the server's end of a WebSocket.
type webPeer struct {
	net.Conn
	t *testing.T
}

func (p webPeer) frame(f ws.Frame) {
	p.t.Helper()
	if err := ws.WriteFrame(p, f); err != nil {
		p.t.Fatal(err)
	}
}

// text returns the text of the next frame, which is masked.
func (p webPeer) text() string {
	p.t.Helper()
	b, op, err := wsutil.ReadClientData(p)
	if err != nil || op != ws.OpText {
		p.t.Fatalf("%v, %v", op, err)
	}
	return string(b)
}

// onWeb runs a test with a client that is welcomed over a WebSocket.
func onWeb(t *testing.T, run func(f *fake, u user, p webPeer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, err := New("ws://fake:80/", Options{Dial: f.dial})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		p := webPeer{(<-f.conns).Conn, t}
		p.upgrade()
		u := user{c, t}
		u.wants(Connected{Name: "ana"})
		run(f, u, p)
	})
}

func (p webPeer) upgrade() {
	p.t.Helper()
	u := ws.Upgrader{Protocol: func(b []byte) bool { return string(b) == subprotocol }}
	h, err := u.Upgrade(p)
	if err != nil || h.Protocol != subprotocol {
		p.t.Fatal(h, err)
	}
	if text := p.text(); !strings.HasPrefix(text, `{"type":"hello"`) {
		p.t.Fatalf("%s came first", text)
	}
	p.frame(ws.NewTextFrame([]byte(`{"type":"welcome","name":"ana"}`)))
}

func TestWebSocket(t *testing.T) {
	onWeb(t, func(f *fake, u user, p webPeer) {
		first := ws.NewFrame(ws.OpText, false, []byte(`{"type":"notice",`))
		p.frame(first)
		p.frame(ws.NewPingFrame([]byte("are you there?"))) // between the pieces
		h, err := ws.ReadHeader(p)
		payload := make([]byte, h.Length)
		io.ReadFull(p, payload)
		ws.Cipher(payload, h.Mask, 0)
		if err != nil || h.OpCode != ws.OpPong || !h.Masked || string(payload) != "are you there?" {
			t.Errorf("%v, %v %q", err, h, payload)
		}
		p.frame(ws.NewFrame(ws.OpContinuation, true, []byte(`"text":"in two pieces"}`)))
		p.frame(ws.NewPongFrame(nil))
		p.frame(ws.NewTextFrame(nil))
		p.frame(ws.NewTextFrame([]byte(`{"type":"notice","text":"` + strings.Repeat("x", 100_000) + `"}`)))
		u.wants(Notice{Text: "in two pieces"}, Notice{Text: strings.Repeat("x", 100_000)})
		u.post(Draft{Text: "hello"})
		if text := p.text(); !strings.Contains(text, `"text":"hello"`) || strings.HasSuffix(text, "\n") {
			t.Errorf("%q came", text)
		}
		p.frame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, "chatd is shutting down")))
		var bye *ByeError
		d := u.next().(Disconnected)
		if !errors.As(d.Err, &bye) || bye.Text != "chatd is shutting down" {
			t.Errorf("the end was %v", d.Err)
		}
		p = webPeer{(<-f.conns).Conn, t}
		p.upgrade()
		if text := p.text(); !strings.Contains(text, `"text":"hello"`) {
			t.Errorf("%q came", text)
		}
	})
}

func TestBadFrames(t *testing.T) {
	masked := ws.MaskFrame(ws.NewTextFrame([]byte("{}")))
	for name, frame := range map[string][]byte{
		"masked":             ws.MustCompileFrame(masked),
		"binary":             ws.MustCompileFrame(ws.NewBinaryFrame([]byte("{}"))),
		"reserved bit":       {0xc1, 2, '{', '}'},
		"reserved opcode":    {0x83, 2, '{', '}'},
		"no beginning":       ws.MustCompileFrame(ws.NewFrame(ws.OpContinuation, true, []byte("{}"))),
		"no end":             bytes.Repeat(ws.MustCompileFrame(ws.NewFrame(ws.OpText, false, []byte("{"))), 2),
		"split ping":         ws.MustCompileFrame(ws.NewFrame(ws.OpPing, false, nil)),
		"long ping":          {0x89, 126, 0, 126},
		"top bit of length":  {0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 1},
		"4 GiB":              {0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0},
		"no UTF-8":           ws.MustCompileFrame(ws.NewTextFrame([]byte("{\"type\":\"\xff\"}"))),
		"endless fragments":  append([]byte{0x01, 0}, bytes.Repeat(append([]byte{0x00, 126, 0xff, 0xff}, make([]byte, 0xffff)...), 17)...),
		"an object too many": ws.MustCompileFrame(ws.NewTextFrame([]byte(`{"type":"notice"}{"type":"notice"}`))),
	} {
		t.Run(name, func(t *testing.T) {
			onWeb(t, func(f *fake, u user, p webPeer) {
				go func() {
					p.Write(frame)
					p.Close()
				}()
				u.lost(ErrProtocol)
			})
		})
	}
}

// A web server that wants nothing of it says so.
func TestNoUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		go func() {
			p := <-f.conns
			go io.WriteString(p, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
			io.Copy(io.Discard, p)
		}()
		_, err := Dial(ctx, "ws://fake", Options{Dial: f.dial})
		var status ws.StatusError
		if !errors.As(err, &status) || status != 403 {
			t.Errorf("Dial says %v", err)
		}
	})
}
