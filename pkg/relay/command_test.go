package relay

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/chatd/chatd/internal/pipe"
)

func TestCommandLine(t *testing.T) {
	for line, want := range map[string]struct {
		text      string
		isCommand bool
	}{
		"":               {"", false},
		"hello":          {"hello", false},
		"/":              {"/", false},
		"/ who":          {"/ who", false},
		"/who":           {"/who", true},
		"/msg ana a/b/c": {"/msg ana a/b/c", true},
		"/etc/passwd":    {"/etc/passwd", false},
		"/etc/":          {"/etc/", false},
		"//who":          {"/who", false},
		"///who":         {"//who", false},
		"//":             {"/", false},
		" /who":          {" /who", false},
	} {
		text, isCommand := commandLine([]byte(line))
		if string(text) != want.text || isCommand != want.isCommand {
			t.Errorf("commandLine(%q) = %q, %v; want %q, %v", line, text, isCommand, want.text, want.isCommand)
		}
	}
}

// FuzzCommand types one line into a session and looks at what comes back: lines
// that are whole and safe, no failure, and an end.
func FuzzCommand(f *testing.F) {
	for _, c := range commandTable() {
		f.Add([]byte("/" + c.name))
		f.Add([]byte("/" + c.name + " 1-2 text"))
	}
	f.Add([]byte("/msg ghost \x1b[2J"))
	f.Add([]byte("/nick \u202eana"))
	f.Add([]byte("/show 18446744073709551615-18446744073709551615"))
	f.Add([]byte("/last 99999999999999999999"))
	s := New(Config{Name: "test", Rate: Unlimited})
	f.Cleanup(func() { _ = s.Close() })
	shape := regexp.MustCompile(`^(\* |\d\d:\d\d )`)
	f.Fuzz(func(t *testing.T, line []byte) {
		if len(line) > 2000 || bytes.ContainsAny(line, "\r\n\xff\x00") {
			return // more than one line, or not a line of text
		}
		if word, _, _ := strings.Cut(string(line), " "); strings.EqualFold(word, "/json") {
			return // from then on it is no text that comes back
		}
		ours, theirs := pipe.New()
		served := make(chan error, 1)
		go func() { served <- s.ServeConn(context.Background(), theirs) }()
		if _, err := ours.Write([]byte("/bot\n" + string(line) + "\n\n/quit\n")); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(ours)
		_ = ours.Close()
		<-served
		if err != nil || !utf8.Valid(got) || !bytes.HasSuffix(got, []byte("* goodbye\n")) {
			t.Fatalf("%q: read %q, %v", line, got, err)
		}
		for l := range strings.Lines(string(got)) {
			l = strings.TrimSuffix(l, "\n")
			bad := strings.IndexFunc(l, func(r rune) bool { return r < ' ' && r != '\t' || 0x7f <= r && r < 0xa0 })
			if bad >= 0 || !shape.MatchString(l) || strings.Contains(l, "internal error") {
				t.Fatalf("%q: read %q", line, l)
			}
		}
	})
}
