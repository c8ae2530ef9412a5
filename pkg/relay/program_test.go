package relay_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/pipe"
	"github.com/chatd/chatd/internal/wire"
	"github.com/chatd/chatd/pkg/relay"
)

// Programs are played from scripts of their own:
//
//	prog> OBJECT   prog sends an object, in any number of lines up to a blank one
//	prog< OBJECT   the next object that prog is sent has at least these fields; "*"
//	               is any value, {"$name": true} any value that is the same wherever
//	               the name stands, and a field that is null is not there
//	prog.          prog ends its input
//	prog|          prog sees the end
//	:ana> TEXT     a person on a text connection types a line
//	:ana< TEXT     the next line that one sees, with 00:00 for the time

// speaker is one connection of a script.
type speaker interface {
	send(line string) error
	next() (string, error)
	end() error
}

// linesSpeaker speaks lines.
type linesSpeaker struct {
	conn net.Conn
	in   *bufio.Reader
}

func (s *linesSpeaker) send(line string) error {
	_, err := io.WriteString(s.conn, line+"\n")
	return err
}

func (s *linesSpeaker) next() (string, error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	line, err := s.in.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

func (s *linesSpeaker) end() error {
	if h, ok := s.conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return s.conn.Close()
}

// framesSpeaker speaks WebSocket frames.
type framesSpeaker struct{ linesSpeaker }

func clientFrame(op byte, payload []byte) []byte {
	f := wire.AppendFrameHeader(nil, op, len(payload))
	f[1] |= 0x80
	mask := []byte{1, 2, 3, 4}
	f = append(f, mask...)
	for i, b := range payload {
		f = append(f, b^mask[i%4])
	}
	return f
}

func (s *framesSpeaker) send(line string) error {
	_, err := s.conn.Write(clientFrame(wire.FrameText, []byte(line)))
	return err
}

func (s *framesSpeaker) next() (string, error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	op, body, err := s.frame()
	switch {
	case err != nil:
		return "", err
	case op == wire.FrameClose:
		return "", io.EOF
	case op != wire.FrameText:
		return "", fmt.Errorf("a frame of kind %d: %q", op, body)
	}
	return string(body), nil
}

func (s *framesSpeaker) frame() (op byte, body []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(s.in, head[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1])
	switch n {
	case 126:
		var long [2]byte
		if _, err := io.ReadFull(s.in, long[:]); err != nil {
			return 0, nil, err
		}
		n = uint64(binary.BigEndian.Uint16(long[:]))
	case 127:
		var long [8]byte
		if _, err := io.ReadFull(s.in, long[:]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(long[:])
	}
	body = make([]byte, n)
	_, err = io.ReadFull(s.in, body)
	return head[0] & 15, body, err
}

func (s *framesSpeaker) end() error {
	_, err := s.conn.Write(clientFrame(wire.FrameClose, []byte{3, 232}))
	return err
}

// way is how programs reach a server.
type way struct {
	name string
	dial func(t *testing.T, srv *relay.Server) speaker
}

var ways = []way{
	{"a JSON listener", func(t *testing.T, srv *relay.Server) speaker {
		return newLines(serveOver(t, func(nc net.Conn) error { return srv.ServeJSONConn(t.Context(), nc) }))
	}},
	{"the first line", func(t *testing.T, srv *relay.Server) speaker {
		s := newLines(serveOver(t, func(nc net.Conn) error { return srv.ServeConn(t.Context(), nc) }))
		if err := s.send("/json"); err != nil {
			t.Fatal(err)
		}
		return s
	}},
	{"TCP", func(t *testing.T, srv *relay.Server) speaker {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = srv.ServeJSON(context.Background(), l) }()
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		return newLines(nc)
	}},
	{"WebSocket", func(t *testing.T, srv *relay.Server) speaker {
		nc := serveOver(t, func(nc net.Conn) error { return srv.ServeWebSocketConn(t.Context(), nc, nil) })
		return &framesSpeaker{*newLines(nc)}
	}},
}

func newLines(nc net.Conn) *linesSpeaker { return &linesSpeaker{nc, bufio.NewReader(nc)} }

func serveOver(t *testing.T, serve func(net.Conn) error) net.Conn {
	ours, theirs := pipe.New()
	done := make(chan struct{})
	go func() { defer close(done); _ = serve(theirs) }()
	t.Cleanup(func() { ours.Close(); <-done })
	return ours
}

func TestPrograms(t *testing.T) {
	files, err := filepath.Glob("testdata/programs/*.chat")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts, %v", err)
	}
	for _, file := range files {
		script, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range ways {
			t.Run(filepath.Base(file)+"/"+w.name, func(t *testing.T) { playPrograms(t, w, string(script)) })
		}
	}
}

// playing is a script under way.
type playing struct {
	*testing.T
	srv   *relay.Server
	way   way
	who   map[string]speaker
	known map[string]any
	seen  []string
}

func playPrograms(t *testing.T, w way, script string) {
	cfg := relay.Config{Name: "test", Rate: relay.Unlimited, Zone: time.UTC}
	if strings.HasPrefix(script, "= password") {
		cfg.Password = func() string { return "open sesame" }
	}
	p := &playing{T: t, srv: relay.New(cfg), way: w, who: make(map[string]speaker), known: make(map[string]any)}
	defer p.srv.Close()
	step := regexp.MustCompile(`(?m)^(:?[a-z]+)([<>.|])[ ]?(.*(?:\n[ \t]+.*)*)$`)
	for _, m := range step.FindAllStringSubmatchIndex(script, -1) {
		line := 1 + strings.Count(script[:m[0]], "\n")
		who, do, what := script[m[2]:m[3]], script[m[4]:m[5]], script[m[6]:m[7]]
		if err := p.step(who, do, what); err != nil {
			t.Fatalf("line %d: %s%s %s\n%v\nbefore:\n%s", line, who, do, what, err, strings.Join(p.seen, "\n"))
		}
	}
}

// passing is who comes and goes, which is told at once or gathered: it is passed over
// where a script does not expect it.
var passing = regexp.MustCompile(`^\{"type":"presence"|^\* .* (joined|left)|^\* you are `)

func (p *playing) step(who, do, what string) error {
	c := p.who[who]
	if c == nil {
		if strings.HasPrefix(who, ":") {
			c = newLines(serveOver(p.T, func(nc net.Conn) error { return p.srv.ServeConn(p.Context(), nc) }))
			if err := c.send("/bot " + who[1:]); err != nil {
				return err
			}
		} else {
			c = p.way.dial(p.T, p.srv)
		}
		p.who[who] = c
	}
	switch do {
	case ">":
		if !strings.HasPrefix(who, ":") && strings.HasPrefix(what, "{") {
			var flat bytes.Buffer
			if err := json.Compact(&flat, []byte(what)); err == nil {
				what = flat.String()
			}
		}
		return c.send(what)
	case ".":
		return c.end()
	case "|":
		if line, err := c.next(); err != io.EOF {
			return fmt.Errorf("no end: %q, %v", line, err)
		}
		return nil
	}
	for {
		got, err := c.next()
		if err != nil {
			return fmt.Errorf("nothing comes: %w", err)
		}
		p.seen = append(p.seen, who+"< "+got)
		why := p.judge(who, what, got)
		if why == "" {
			return nil
		}
		if !passing.MatchString(got) {
			return errors.New(why)
		}
	}
}

// judge says how what was seen differs from what a script says.
func (p *playing) judge(who, what, got string) string {
	if strings.HasPrefix(who, ":") {
		got = regexp.MustCompile(`^\d\d:\d\d `).ReplaceAllString(got, "00:00 ")
		if got != what {
			return fmt.Sprintf("it is %q", got)
		}
		return ""
	}
	var want, have any
	if err := json.Unmarshal([]byte(what), &want); err != nil {
		return err.Error()
	}
	if err := json.Unmarshal([]byte(got), &have); err != nil {
		return fmt.Sprintf("it is no JSON: %q", got)
	}
	if why := p.differs(want, have, ""); why != "" {
		return why + "\nin " + got
	}
	return ""
}

// differs says where have is not what is wanted.
func (p *playing) differs(want, have any, at string) string {
	switch w := want.(type) {
	case string:
		if w == "*" && have != nil {
			return ""
		}
	case map[string]any:
		for k := range w {
			if name, ok := strings.CutPrefix(k, "$"); ok {
				known, ok := p.known[name]
				if !ok {
					p.known[name] = have
					return ""
				}
				return p.differs(known, have, at)
			}
		}
		h, ok := have.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is %v", at, have)
		}
		for k, v := range w {
			if v == nil && h[k] == nil {
				continue
			}
			if why := p.differs(v, h[k], at+"."+k); why != "" {
				return why
			}
		}
		return ""
	case []any:
		h, ok := have.([]any)
		if !ok || len(h) != len(w) {
			return fmt.Sprintf("%s is %v", at, have)
		}
		for i := range w {
			if why := p.differs(w[i], h[i], fmt.Sprintf("%s[%d]", at, i)); why != "" {
				return why
			}
		}
		return ""
	}
	if !reflect.DeepEqual(want, have) {
		return fmt.Sprintf("%s is %v, not %v", at, have, want)
	}
	return ""
}
