package talk

import (
	"bytes"
	"fmt"
	"io"
)

// Conn is a connection as a client has it. A reset is Reset, Abort or
// SetLinger(0) and Close, whichever there is; a connection without any of them
// is closed.
type Conn interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// Client is how one person's program makes bytes of lines and lines of bytes. One
// goroutine at a time calls its methods.
type Client interface {
	// Hello is what the program sends before anything is typed.
	Hello() []byte
	// Text is what it sends for a text without a line end, Line with one.
	Text(text string) []byte
	Line(text string) []byte
	// Interrupt is what it sends for Ctrl-C.
	Interrupt() []byte
	// Receive takes what came in and returns the lines it completes and what the
	// program sends by itself. An error is a fault of the server's.
	Receive(data []byte) (lines []string, reply []byte, err error)
}

// Plain is a client like nc: what is typed is sent, what comes in is shown.
func Plain() Client { return &plain{end: "\n"} }

// CRLF is a client that ends its lines with CR LF. The server's lines may end
// with LF until one has ended with CR LF.
func CRLF() Client { return &plain{end: "\r\n"} }

type plain struct {
	end  string
	held []byte
	crlf bool // a line ended with CR LF
}

func (p *plain) Hello() []byte           { return nil }
func (p *plain) Text(text string) []byte { return []byte(text) }
func (p *plain) Line(text string) []byte { return []byte(text + p.end) }
func (p *plain) Interrupt() []byte       { return nil }

func (p *plain) Receive(data []byte) (lines []string, reply []byte, err error) {
	p.held = append(p.held, data...)
	for {
		line, rest, ok := bytes.Cut(p.held, []byte("\n"))
		if !ok {
			return lines, nil, nil
		}
		p.held = rest
		text, cr := bytes.CutSuffix(line, []byte("\r"))
		switch {
		case cr && p.end == "\n":
			return lines, nil, fmt.Errorf("the line %q ends with CR LF", text)
		case !cr && p.crlf:
			return lines, nil, fmt.Errorf("the line %q ends with LF alone", text)
		}
		p.crlf = cr
		lines = append(lines, string(text))
	}
}

// Telnet is a client that begins with the options PuTTY and Linux telnet ask
// for, ends its lines with CR LF and CR NUL in turn, and wants each line to end
// with CR LF and each request to be answered once. After Ctrl-C it shows nothing
// until the timing mark it asks for is answered, as those do.
func Telnet() Client {
	t := &telnet{}
	for _, option := range []byte{windowSize, 24, 32, 39, 3} { // terminal type, speed, environment, go ahead
		t.will[option]++
		t.hello = append(t.hello, iac, will, option)
	}
	for _, option := range []byte{1, 3} { // echo, go ahead
		t.do[option]++
		t.hello = append(t.hello, iac, do, option)
	}
	t.hello = append(t.hello, iac, sb, windowSize, 0, 80, 0, 24, iac, se)
	return t
}

// Commands and options (RFC 854, 860, 1073).
const (
	iac, dont, do, wont, will, sb, interruptProcess, se = 255, 254, 253, 252, 251, 250, 244, 240

	timingMark, windowSize = 6, 31
)

// unaskedMost is how many requests a server may make before it is taken to play
// ping-pong.
const unaskedMost = 20

type telnet struct {
	hello    []byte
	will, do [256]int // how often asked for and not answered yet
	unasked  int
	typed    int
	hiding   bool   // between Ctrl-C and its timing mark
	command  []byte // begun, from IAC on
	held     []byte // the begun line
}

func (t *telnet) Hello() []byte { return t.hello }

func (t *telnet) Text(text string) []byte {
	return bytes.ReplaceAll([]byte(text), []byte{iac}, []byte{iac, iac})
}

func (t *telnet) Line(text string) []byte {
	t.typed++
	return append(t.Text(text), '\r', "\x00\n"[t.typed%2])
}

func (t *telnet) Interrupt() []byte {
	t.hiding = true
	t.do[timingMark]++
	return []byte{iac, interruptProcess, iac, do, timingMark}
}

func (t *telnet) Receive(data []byte) (lines []string, reply []byte, err error) {
	for _, c := range data {
		switch {
		case len(t.command) > 0 || c == iac:
			t.command = append(t.command, c)
			answer, err := t.obey()
			if err != nil {
				return lines, reply, err
			}
			reply = append(reply, answer...)
		case t.hiding:
		case c == '\n':
			line, cr := bytes.CutSuffix(t.held, []byte("\r"))
			if !cr {
				return lines, reply, fmt.Errorf("the line %q ends with LF alone", line)
			}
			if err := t.unanswered(); err != nil {
				return lines, reply, err
			}
			lines = append(lines, string(line))
			t.held = t.held[:0]
		default:
			t.held = append(t.held, c)
		}
	}
	return lines, reply, nil
}

// unanswered tells which request the server has let wait until it had a line to
// send.
func (t *telnet) unanswered() error {
	for option := range 256 {
		if option != timingMark && t.will[option]+t.do[option] > 0 {
			return fmt.Errorf("the request for option %d was not answered", option)
		}
	}
	return nil
}

// obey follows the command that has been received, if it is whole.
func (t *telnet) obey() (reply []byte, err error) {
	c := t.command
	if len(c) < 2 {
		return nil, nil
	}
	verb := c[1]
	switch {
	case verb == iac, verb == sb:
		return nil, fmt.Errorf("IAC %d within a text", verb)
	case verb < will:
		t.command = nil
		return nil, nil
	}
	if len(c) < 3 {
		return nil, nil
	}
	option := c[2]
	t.command = nil

	asked, refusal := &t.will, byte(wont)
	if verb == will || verb == wont {
		asked, refusal = &t.do, dont
	}
	if asked[option] > 0 {
		asked[option]--
		if option == timingMark {
			t.hiding = t.do[timingMark] > 0
		}
		return nil, nil
	}
	if t.unasked++; t.unasked > unaskedMost {
		return nil, fmt.Errorf("telnet options go back and forth for ever")
	}
	if verb == dont || verb == wont {
		return nil, fmt.Errorf("IAC %d %d answers no request, or one that was answered", verb, option)
	}
	return []byte{iac, refusal, option}, nil
}
