package talk_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/chatd/chatd/internal/pipe"
	"github.com/chatd/chatd/internal/talk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answering is a server for one client at a time: it greets, answers unknown
// commands, and to a text answers what is said to it, with ; between lines.
func answering(end string) func(func(talk.Conn) error) (talk.Conn, error) {
	return func(open func(talk.Conn) error) (talk.Conn, error) {
		a, b := pipe.New()
		go func() {
			defer b.Close()
			_, _ = io.WriteString(b, strings.Repeat("* greeting"+end, 4))
			for in := bufio.NewScanner(b); in.Scan(); {
				text := strings.TrimRight(strings.TrimPrefix(in.Text(), "\x00"), "\r\x00")
				switch {
				case strings.HasPrefix(text, "/"):
					fmt.Fprintf(b, "* there is no %s, and nothing was sent%s", text, end)
				case text == "bye":
					return
				case strings.HasPrefix(text, "the end of "):
				default:
					_, _ = io.WriteString(b, strings.ReplaceAll(text, ";", end)+end)
				}
			}
		}()
		return a, open(a)
	}
}

func TestPlay(t *testing.T) {
	for _, c := range []struct {
		name, script string
		client       func() talk.Client
		end          string // of the server's lines
		want         string // in the error; "": there is none
	}{
		{name: "lines in order", script: "bob> one;two\nbob< one\nbob< two\nbob> bye\nbob|"},
		{name: "stamps", script: "bob> 12:34 one\nbob< 00:00 one\nbob> bye\nbob|"},
		{name: "pattern", script: "bob> one\nbob<~ ^o.e$\nbob> bye\nbob|"},
		{name: "notices are passed over", script: "bob> * ana joined;one;* eve left\nbob< one\nbob> bye\nbob|"},
		{name: "notice passed before", script: "bob> * ana joined;one\nbob< one\nbob< * ana joined\nbob> bye\nbob|"},
		{name: "notice comes late", script: "bob> one;* ana joined\nbob< * ana joined\nbob< one\nbob> bye\nbob|"},
		{name: "combined", script: "bob> * ana and eve joined, dan left\nbob< * eve joined\nbob< * ana joined\nbob< * dan is gone (connection lost)\nbob> bye\nbob|"},
		{name: "counted", script: "bob> * 14 joined, 2 left\nbob< * eve joined\nbob> bye\nbob|"},
		{name: "a day", script: "bob> * Friday 20 November 2026;one\nbob< one\nbob> bye\nbob|"},

		{name: "another line", script: "bob> one\n\n# but\nbob< two", want: "another line:4: bob< two\n\tbob has seen \"one\"\n"},
		{name: "unasked at the end", script: "bob> one\nbob> bye\nbob|", want: `bob has seen "one"`},
		{name: "unasked", script: "bob> one;two\nbob< one", want: `bob has also seen "two"`},
		{name: "no end", script: "bob|", want: "bob has waited"},
		{name: "end too soon", script: "bob> bye\nbob< one", want: "the connection has ended"},
		{name: "a notice twice", script: "bob> * ana joined\nbob< * ana joined\nbob< * ana joined", want: "bob has waited"},
		{name: "another reason", script: "bob> * ana left\nbob< * ana is gone (connection lost)", want: "bob has waited"},
		{name: "escape", script: "bob> \"\\x1b[2J\"\nbob< one", want: "holds U+001B"},
		{name: "bytes", script: "bob> \"\\xff\"\nbob< one", want: "is not UTF-8"},
		{name: "CR LF for LF", end: "\r\n", script: "bob> one", want: "ends with CR LF"},
		{name: "LF for telnet", client: talk.Telnet, script: "bob> one", want: "ends with LF alone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			script, err := talk.Parse(c.name, c.script)
			if err != nil {
				t.Fatal(err)
			}
			if c.end == "" {
				c.end = "\n"
			}
			err = talk.Stage{Dial: answering(c.end), Client: c.client, Patience: 500 * time.Millisecond}.Play(script)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestTelnetClient(t *testing.T) {
	for _, c := range []struct{ name, sent, want, reply string }{
		{"a refusal of what was asked", "\xff\xfe\x1f\xff\xfc\x01", "", ""},
		{"a line before the answers", "ok\r\n", "was not answered", ""},
		{"a refusal twice", "\xff\xfe\x1f\xff\xfe\x1f", "answers no request", ""},
		{"a request", "\xff\xfd\x00", "", "\xff\xfc\x00"},
		{"ping-pong", strings.Repeat("\xff\xfd\x2a", 21), "back and forth", ""},
		{"IAC in a text", "a\xff\xffb\r\n", "within a text", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, reply, err := talk.Telnet().Receive([]byte(c.sent))
			if c.want == "" && (err != nil || string(reply) != c.reply) {
				t.Errorf("got %q, %v", reply, err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	hiding := talk.Telnet()
	_, _, _ = hiding.Receive([]byte("\xff\xfe\x1f\xff\xfe\x18\xff\xfe\x20\xff\xfe\x27\xff\xfe\x03\xff\xfc\x01\xff\xfc\x03"))
	hiding.Interrupt()
	lines, _, err := hiding.Receive([]byte("hidden\r\n\xff\xfc\x06shown\r\n"))
	if len(lines) != 1 || lines[0] != "shown" || err != nil {
		t.Errorf("after Ctrl-C: %q, %v", lines, err)
	}
}

func TestParse(t *testing.T) {
	for _, bad := range []string{"bob say", "Bob> x", "bob<~ (", "bob. now", "bob+ now"} {
		if _, err := talk.Parse("x", "# one\n"+bad); err == nil || !strings.HasPrefix(err.Error(), "x:2: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

var _ talk.Conn = (*net.TCPConn)(nil)
