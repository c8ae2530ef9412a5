package client

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
)

// FuzzReceive gives a client whatever comes over a connection: it reads it to its end
// without a panic, remembers no more than it may, and what it tells of a room rises.
func FuzzReceive(f *testing.F) {
	for _, s := range []string{
		`{"type":"joined","room":"lobby","people":[{"name":"ana"}],"after":{"epoch":1,"seq":10}}`,
		`{"type":"message","room":"lobby","epoch":1,"seq":11,"time":"2026-11-20T09:42:00.123Z","from":"bob","text":"hi","id":"x"}`,
		`{"type":"presence","room":"lobby","event":"many"}` + "\n" + `{"type":"presence","room":"lobby","event":"left","name":"ana"}`,
		`{"type":"gap","room":"lobby","missing":2,"first":3,"last":4}` + "\n" + `{"type":"reset","room":"lobby","epoch":2,"after":{"epoch":1,"seq":3}}`,
		`{"type":"live","room":"lobby","epoch":1,"seq":12,"people":[]}` + "\n" + `{"type":"left","room":"lobby"}`,
		`{"type":"error","code":"locked","room":"lobby"}` + "\n" + `{"type":"you","name":"guest1"}` + "\n" + `{"type":"bye"}`,
		`{"type":"messages","messages":[{"seq":1}],"more":true}` + "\n" + `{"type":"rooms","more":3,"rooms":[{"people":1}]}`,
		"{\n\n}\r\n\xff", "[]", "nonsense",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		c := &Client{wake: make(chan struct{}, 1)}
		c.state.begin([]string{"lobby"}, Options{})
		c.state.hello()
		l := &lines{r: bufio.NewReaderSize(bytes.NewReader(input), 16)}
		seen := map[string]Position{}
		for {
			line, err := l.read()
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, ErrProtocol) {
					t.Fatal(err)
				}
				return
			}
			o, err := decode(line)
			if err != nil {
				if !errors.Is(err, ErrProtocol) {
					t.Fatal(err)
				}
				continue
			}
			e, _ := c.receive(o, "hello")
			if m, ok := e.(Message); ok && c.state.find(m.Room) != nil {
				if was := seen[m.Room]; was.Epoch == m.Epoch && m.Seq <= was.Seq {
					t.Fatalf("%v came after %v", m.Position, was)
				}
				seen[m.Room] = m.Position
			}
			if _, ok := e.(Left); ok {
				clear(seen)
			}
			if len(c.pending) > len(c.state.rooms) {
				t.Fatalf("of %d rooms %d are asked who is there", len(c.state.rooms), len(c.pending))
			}
		}
	})
}

// FuzzFrames reads a WebSocket: whatever comes is an object or an error, and never more
// than fits.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x81\x02{}\x89\x01x\x01\x01{\x80\x01}\x88\x00"))
	f.Add([]byte{0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, input []byte) {
		w := newFrames(nil, bufio.NewReader(bytes.NewReader(input)))
		for {
			message, err := w.read()
			if err != nil {
				return
			}
			if len(message) == 0 || len(message) > len(input) {
				t.Fatalf("%d bytes are read out of %d", len(message), len(input))
			}
		}
	})
}

// FuzzSay checks that any text can be sent: on one line, and such that it comes out as
// it was, but for what is no UTF-8.
func FuzzSay(f *testing.F) {
	f.Add("hello\nworld\r\x00\x1b[31m<&>\u2028\xff")
	f.Fuzz(func(t *testing.T, text string) {
		line := encode(ask{Type: "say", Text: text})
		if bytes.ContainsAny(line, "\r\n") {
			t.Fatalf("%q is more than a line", line)
		}
		var q ask
		if err := json.Unmarshal(line, &q); err != nil {
			t.Fatal(err)
		}
		if want := string([]rune(text)); q.Text != want {
			t.Fatalf("%q became %q", text, q.Text)
		}
	})
}
