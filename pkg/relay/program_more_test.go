package relay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/pipe"
	"github.com/chatd/chatd/pkg/relay"
)

// received is what these tests look at in an object.
type received struct {
	Type, Room, Name, From, Text, Code, ID string
	Epoch, Seq, First, Last, Missing       uint64
	Repeated                               bool
}

// asProgram connects a program that reads JSON lines.
func asProgram(t *testing.T, srv *relay.Server) *linesSpeaker {
	return newLines(serveOver(t, func(nc net.Conn) error { return srv.ServeJSONConn(context.Background(), nc) }))
}

func (s *linesSpeaker) says(t *testing.T, format string, args ...any) {
	t.Helper()
	if err := s.send(fmt.Sprintf(format, args...)); err != nil {
		t.Fatal(err)
	}
}

// until returns the next object of a type.
func (s *linesSpeaker) until(t *testing.T, kind string) received {
	t.Helper()
	for {
		line, err := s.next()
		if err != nil {
			t.Fatalf("before %s: %v", kind, err)
		}
		var r received
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if r.Type == kind {
			return r
		}
	}
}

// Whatever is sent is answered with objects, whole and harmless, and the end comes.
func FuzzRequests(f *testing.F) {
	for _, s := range []string{
		`{"type":"hello","name":"ana","rooms":[{"room":"tea","after":{"epoch":1,"seq":2}}]}`,
		`{"type":"say","text":"hello","id":"x"}`, `{"type":"join","room":"tea","history":5}`,
		`{"type":"history","before":5,"count":3}`, `{"type":"search","words":"\"hello"}`,
		`{"type":"command","text":"/topic \u001b[2J"}`, `{"type":"direct","to":"ana","text":"x"}`,
		`{"type":"leave"}`, `{"type":"rooms"}`, `{"type":"who"}`, `{"type":"ping","id":"\u0000"}`,
		`[`, `{"type":{}}`, `{"type":"hello","session":"0123456789abcdef"}`, `{"after":-1}`, "\xff",
	} {
		f.Add([]byte(s))
	}
	srv := relay.New(relay.Config{Name: "test", Rate: relay.Unlimited})
	f.Cleanup(func() { _ = srv.Close() })
	f.Fuzz(func(t *testing.T, line []byte) {
		if len(line) > 9000 || bytes.ContainsAny(line, "\r\n") {
			return
		}
		ours, theirs := pipe.New()
		served := make(chan error, 1)
		go func() { served <- srv.ServeJSONConn(context.Background(), theirs) }()
		go func() { _, _ = ours.Write([]byte(string(line) + "\n{\"type\":\"quit\"}\n")) }()
		got, err := io.ReadAll(ours)
		_ = ours.Close()
		<-served
		if err != nil {
			t.Fatalf("%q: read %q, %v", line, got, err)
		}
		last := ""
		for l := range strings.Lines(string(got)) {
			var r received
			if err := json.Unmarshal([]byte(l), &r); err != nil || r.Type == "" || r.Code == "internal" {
				t.Fatalf("%q: read %q, %v", line, l, err)
			}
			if i := strings.IndexFunc(l, func(r rune) bool { return r < ' ' && r != '\n' || 0x7f <= r && r < 0xa0 }); i >= 0 {
				t.Fatalf("%q: read %q", line, l)
			}
			last = r.Type
		}
		if last != "bye" {
			t.Fatalf("%q: the last is %q", line, got)
		}
	})
}

// A program that comes again with its secret has its name back, whether its last
// connection has ended or not, and nobody else gets it.
func TestProgramSession(t *testing.T) {
	srv := relay.New(relay.Config{Name: "test"})
	defer srv.Close()
	hello := `{"type":"hello","session":"a secret of my own","rooms":[]%s}`
	first := asProgram(t, srv)
	first.says(t, hello, `,"name":"clock"`)
	if w := first.until(t, "welcome"); w.Name != "clock" {
		t.Fatalf("it is %q", w.Name)
	}
	second := asProgram(t, srv)
	second.says(t, hello, "")
	if w := second.until(t, "welcome"); w.Name != "clock" {
		t.Errorf("while the first connection is there, it is %q", w.Name)
	}
	if b := first.until(t, "bye"); !strings.Contains(b.Text, "taken over") {
		t.Errorf("the first connection is told %q", b.Text)
	}
	_ = second.end()
	if line, err := second.next(); err != io.EOF {
		t.Errorf("%q, %v", line, err)
	}
	third := asProgram(t, srv)
	third.says(t, hello, "")
	if w := third.until(t, "welcome"); w.Name != "clock" {
		t.Errorf("after its end it is %q", w.Name)
	}
	other := asProgram(t, srv)
	other.says(t, `{"type":"hello","session":"another secret, longer","name":"clock"}`)
	if w := other.until(t, "welcome"); w.Name == "clock" {
		t.Error("somebody else has the name")
	}
	if e := other.until(t, "error"); e.Code != "name-taken" {
		t.Errorf("the error is %q", e.Code)
	}
}

// A program that comes back to a busy room again and again misses nothing and sees
// nothing twice.
func TestProgramComesBack(t *testing.T) {
	const said = 3000
	srv := relay.New(relay.Config{Name: "test", Rate: relay.Unlimited})
	defer srv.Close()
	talker := asProgram(t, srv)
	talker.says(t, `{"type":"hello","bot":true,"echo":false}`)
	talker.until(t, "live")
	go func() {
		for i := 1; i <= said; i++ {
			if talker.send(fmt.Sprintf(`{"type":"say","text":"%d"}`, i)) != nil {
				return
			}
		}
	}()
	var at received
	for n := 0; at.Seq < said; n++ {
		prog := asProgram(t, srv)
		prog.says(t, `{"type":"hello","bot":true,"rooms":[{"after":{"epoch":%d,"seq":%d}}]}`, prog.epoch(t, srv), at.Seq)
		for range 1 + n*7%400 {
			m := prog.until(t, "message")
			if m.Seq != at.Seq+1 || m.Text != fmt.Sprint(m.Seq) {
				t.Fatalf("connection %d: after %d comes %+v", n, at.Seq, m)
			}
			if at = m; at.Seq == said {
				break
			}
		}
		_ = prog.conn.Close()
	}
}

// epoch is the server's.
func (s *linesSpeaker) epoch(t *testing.T, srv *relay.Server) uint64 {
	other := asProgram(t, srv)
	defer other.conn.Close()
	other.says(t, `{"type":"hello","rooms":[]}`)
	return other.until(t, "welcome").Epoch
}

// What is too long is refused, not cut and not said.
func TestProgramTooLong(t *testing.T) {
	srv := relay.New(relay.Config{Name: "test", MaxLine: 100})
	defer srv.Close()
	prog := asProgram(t, srv)
	prog.says(t, `{"type":"say","id":"a","text":"%s"}`, strings.Repeat("x", 101))
	if e := prog.until(t, "error"); e.Code != "too-long" || e.ID != "a" {
		t.Errorf("a long text: %+v", e)
	}
	prog.says(t, `{"type":"say","id":"b","text":"%s"}`, strings.Repeat("x", 10_000))
	if e := prog.until(t, "error"); e.Code != "too-long" {
		t.Errorf("a long line: %+v", e)
	}
	prog.says(t, `{"type":"say","id":"c","text":"%s"}`, strings.Repeat("x", 100))
	if m := prog.until(t, "message"); m.ID != "c" || m.Seq != 1 {
		t.Errorf("then comes %+v", m)
	}
}

// Who sends and does not read is held back, and loses nothing but its connection.
func TestProgramThatDoesNotRead(t *testing.T) {
	srv := relay.New(relay.Config{Name: "test", Rate: relay.Unlimited})
	defer srv.Close()
	watcher := asProgram(t, srv)
	watcher.says(t, `{"type":"hello"}`)
	watcher.until(t, "live")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.ServeJSON(context.Background(), l) }()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.(*net.TCPConn).SetReadBuffer(4 << 10)
	prog := newLines(nc)
	prog.says(t, `{"type":"hello","bot":true,"echo":false}`)
	const most = 100_000
	sent := make(chan int)
	go func() {
		n := 0
		for ; n < most; n++ {
			_ = prog.conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			if prog.send(fmt.Sprintf(`{"type":"say","id":"id %d","text":"%d"}`, n, n)) != nil {
				break
			}
		}
		sent <- n
	}()
	n := <-sent
	if n == most {
		t.Fatalf("all %d were taken", n)
	}
	for i := range min(n, 20) { // what was taken is said
		if m := watcher.until(t, "message"); m.Text != fmt.Sprint(i) {
			t.Fatalf("message %d is %+v", i, m)
		}
	}
	for i := range min(n, 20) { // and has its receipt
		if m := prog.until(t, "said"); m.ID != fmt.Sprintf("id %d", i) {
			t.Fatalf("receipt %d is %+v", i, m)
		}
	}
}

// A message said again after its room was empty, and so on in the history, is known.
func TestProgramRepeatsAfterEmpty(t *testing.T) {
	srv := relay.New(relay.Config{Name: "test"})
	defer srv.Close()
	for i := range 3 {
		prog := asProgram(t, srv)
		prog.says(t, `{"type":"hello","rooms":[{"room":"tea"}]}`)
		prog.says(t, `{"type":"say","id":"once","text":"once"}`)
		if x := prog.until(t, "said"); x.Seq != 1 || x.Repeated != (i > 0) {
			t.Errorf("the %d. time: %+v", i+1, x)
		}
		prog.says(t, `{"type":"quit"}`)
		prog.until(t, "bye")
		prog.conn.Close()
	}
}

// lateJournal keeps what is said when it is let.
type lateJournal struct {
	*relay.Memory
	keep chan struct{}
}

func (j *lateJournal) Append(m *relay.Message, stored func(error)) {
	j.Memory.Append(m, nil)
	if stored != nil {
		go func() { <-j.keep; stored(nil) }()
	}
}

// Who pipes its requests in and has no more to send is told what became of them.
func TestProgramReceiptAfterEndOfInput(t *testing.T) {
	j := &lateJournal{relay.NewMemory(relay.Keep{}), make(chan struct{})}
	defer j.Close()
	srv := relay.New(relay.Config{Name: "test", Journal: j})
	defer srv.Close()
	prog := asProgram(t, srv)
	prog.says(t, `{"type":"say","id":"a","text":"last words"}`)
	_ = prog.end()
	prog.until(t, "said")
	close(j.keep)
	if x := prog.until(t, "stored"); x.ID != "a" || x.Seq != 1 {
		t.Errorf("it is told %+v", x)
	}
}
