package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fake is a server that does what a test says, line by line.
type fake struct {
	t     *testing.T
	conns chan *peer  // a connection each that is to be served
	down  atomic.Bool // connections are refused
}

func newFake(t *testing.T) *fake { return &fake{t: t, conns: make(chan *peer, 16)} }

func (f *fake) dial(context.Context, string, string) (net.Conn, error) {
	if f.down.Load() {
		return nil, syscall.ECONNREFUSED
	}
	a, b := net.Pipe()
	f.conns <- &peer{t: f.t, Conn: b, in: bufio.NewReader(b)}
	return a, nil
}

// peer is the server's end of a connection.
type peer struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

// line returns what the client sends next.
func (p *peer) line() string {
	p.t.Helper()
	line, err := p.in.ReadString('\n')
	if err != nil {
		p.t.Fatalf("after %q: %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

// fields are those of an object that a test looks at.
type fields map[string]any

// want returns the next object, which is of a type.
func (p *peer) want(kind string) fields {
	p.t.Helper()
	line := p.line()
	f := fields{}
	if err := json.Unmarshal([]byte(line), &f); err != nil {
		p.t.Fatalf("%q: %v", line, err)
	}
	if f["type"] != kind {
		p.t.Fatalf("%s came, not %s", line, kind)
	}
	return f
}

// send sends lines, with %s for the values.
func (p *peer) send(format string, values ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p, format+"\n", values...); err != nil {
		p.t.Fatal(err)
	}
}

// say sends a message.
func (p *peer) say(epoch, seq int, text string) {
	p.t.Helper()
	p.send(`{"type":"message","room":"lobby","epoch":%d,"seq":%d,"time":"2026-11-20T09:42:00.123Z","from":"bob","text":%q}`,
		epoch, seq, text)
}

// hello takes the first two lines and welcomes the client.
func (p *peer) hello() fields {
	p.t.Helper()
	if line := p.line(); line != "/json" {
		p.t.Fatalf("%s came first", line)
	}
	h := p.want("hello")
	p.send(`{"type":"welcome","version":1,"server":"fake","name":"ana","max_text":4096,"room":"lobby","id":%q}`, h["id"])
	return h
}

// lobby lets the client into the lobby, which it has seen up to a position.
func (p *peer) lobby(epoch, seq int) {
	p.t.Helper()
	p.send(`{"type":"joined","room":"lobby","topic":"tea","people":[{"name":"ana"},{"name":"bob","away":true}],`+
		`"listening":2,"after":{"epoch":%d,"seq":%d}}`, epoch, seq)
}

func (p *peer) live(epoch, seq int) {
	p.t.Helper()
	p.send(`{"type":"live","room":"lobby","epoch":%d,"seq":%d}`, epoch, seq)
}

// user is a client and who reads from it.
type user struct {
	*Client
	t *testing.T
}

// next returns the next event.
func (u user) next() Event {
	u.t.Helper()
	e, err := u.Next(context.Background())
	if err != nil {
		u.t.Fatal(err)
	}
	return e
}

// wants reads events and compares them with those that are wanted.
func (u user) wants(events ...Event) {
	u.t.Helper()
	for _, want := range events {
		if diff := cmp.Diff(want, u.next()); diff != "" {
			u.t.Fatalf("another event came (-want +got):\n%s", diff)
		}
	}
}

// wantsNothing tells that no event waits, once everything has come to rest.
func (u user) wantsNothing() {
	u.t.Helper()
	synctest.Wait()
	if n := len(u.events.ch); n > 0 {
		u.t.Fatalf("%d events wait, the first is %#v", n, u.next())
	}
}

// lost reads Disconnected, and returns how long it is until the client tries again.
func (u user) lost(why error) time.Duration {
	u.t.Helper()
	d, ok := u.next().(Disconnected)
	if !ok || !errors.Is(d.Err, why) {
		u.t.Fatalf("%#v came, not the end by %v", d, why)
	}
	return time.Until(d.Retry)
}

// simulate runs a test on a simulated clock with a client in the lobby, which has seen
// all up to 1.10.
func simulate(t *testing.T, o Options, run func(f *fake, u user, p *peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		o.Dial = f.dial
		c, err := New("tcp://fake", o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		u, p := user{c, t}, <-f.conns
		greeted := make(chan struct{})
		go func() {
			defer close(greeted)
			p.hello()
			p.lobby(1, 10)
			p.live(1, 10)
		}()
		if !o.SendOnly {
			u.begins()
		}
		<-greeted
		run(f, u, p)
	})
}

// begins reads the events of the first connection, up to Live at 1.10.
func (u user) begins() {
	u.t.Helper()
	u.wants(
		Connected{Server: "fake", Name: "ana", Room: "lobby", MaxText: 4096},
		Joined{
			Room: "lobby", Topic: "tea", People: []Person{{Name: "ana"}, {Name: "bob", Away: true}}, Listening: 2,
			After: Position{1, 10},
		},
		Live{Room: "lobby", Position: Position{1, 10}},
	)
}

// says reads messages and compares their texts.
func (u user) says(texts ...string) {
	u.t.Helper()
	for _, want := range texts {
		e := u.next()
		if m, ok := e.(Message); !ok || m.Text != want {
			u.t.Fatalf("%#v came, not the message %q", e, want)
		}
	}
}
