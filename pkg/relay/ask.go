package relay

import (
	"strings"

	"github.com/chatd/chatd/internal/wire"
)

// question waits for the next line, which is its answer and is not said.
type question struct {
	answer func(line string) error
	hidden bool // the client was asked not to show what is typed
}

// ask has the next line be the answer to a question.
func (s *session) ask(text string, answer func(line string) error) {
	s.tell(text)
	s.asked = &question{answer: answer}
}

// askHidden is ask for a secret. A telnet client is asked not to show it; one that
// has only ever sent lines that end with CR LF is taken for a silent telnet. It is
// asked before the person is, who may be quick.
func (s *session) askHidden(text string, answer func(line string) error) {
	if s.telnet == nil && s.lines.AllCRLF() {
		s.telnet = new(wire.Telnet)
	}
	if s.telnet != nil {
		s.out.Post(s.telnet.Will(nil, wire.Echo, true))
	}
	s.ask(text, answer)
	s.asked.hidden = s.telnet != nil
}

// answered takes the answer to what was asked. The client goes on hiding what is
// typed if another secret is asked for at once.
func (s *session) answered(line []byte) {
	q := s.asked
	s.asked = nil
	if q.hidden && s.telnet.Does(wire.Echo) {
		s.out.Post([]byte("\r\n")) // the end of the line was not shown either
	}
	err := q.answer(strings.TrimRight(string(line), "\r\n"))
	if q.hidden && (s.asked == nil || !s.asked.hidden) {
		// Before the person reads on, and asks for something with a password: a client
		// that has yet to agree to show what is typed cannot be asked to hide it.
		s.out.Post(s.telnet.Will(nil, wire.Echo, false))
	}
	s.finished(err)
}

// clear tells whether what is typed can be read on its way. It cannot in TLS, on a
// Unix socket, or on this machine, the proxy in between included.
func (s *session) clear() bool {
	return s.conn.Transport() == "tcp" && !(s.loopback() && s.conn.Loopback())
}
