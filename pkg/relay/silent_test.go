package relay_test

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/chatd/chatd/internal/talk"
)

// silent is a telnet that says nothing of itself, as Debian's on any port but 23, and
// does not show what is typed while it is asked not to. The server may learn how its
// lines end only while it answers the first of them: until a few more are typed, it
// may answer with either end.
type silent struct {
	talk.Client
	typed   int    // lines
	command []byte // begun, from IAC on
	held    []byte // the begun line
	crlf    bool   // a line ended with CR LF
	hiding  bool
	owed    int  // ends of lines that were typed meanwhile
	seen    bool // a password was to be seen
}

func newSilent() talk.Client { return &silent{Client: talk.CRLF()} }

// sureAfter is after how many lines the server knows how they end, whatever was on
// its way.
const sureAfter = 2

func (s *silent) Receive(data []byte) (lines []string, reply []byte, err error) {
	if s.seen {
		return nil, nil, errors.New("a password was to be seen while it was typed")
	}
	for _, c := range data {
		switch {
		case len(s.command) > 0 || c == 0xff:
			if s.command = append(s.command, c); len(s.command) < len("\xff\xfb\x01") {
				continue
			}
			answer, err := s.obey()
			if err != nil {
				return lines, reply, err
			}
			reply = append(reply, answer...)
		case c != '\n':
			s.held = append(s.held, c)
		default:
			line, cr := bytes.CutSuffix(s.held, []byte("\r"))
			s.held = nil
			if s.typed > sureAfter {
				if s.crlf && !cr {
					return lines, reply, fmt.Errorf("the line %q ends with LF alone", line)
				}
				s.crlf = cr
			}
			if s.owed > 0 && len(line) == 0 {
				s.owed--
				continue
			}
			lines = append(lines, string(line))
		}
	}
	return lines, reply, nil
}

// obey follows a command: IAC WILL ECHO hides what is typed, IAC WONT ECHO shows it.
func (s *silent) obey() (reply []byte, err error) {
	defer func() { s.command = nil }()
	switch string(s.command) {
	case "\xff\xfb\x01":
		s.hiding = true
		return []byte{0xff, 0xfd, 1}, nil
	case "\xff\xfc\x01":
		s.hiding = false
		return []byte{0xff, 0xfe, 1}, nil
	}
	return nil, fmt.Errorf("%x to a client that has asked for nothing", s.command)
}

// Line is typed in sight of all, unless the server has asked to hide it: what is a
// password here is not to be seen.
func (s *silent) Line(text string) []byte {
	if s.typed++; s.typed > sureAfter && text == password && !s.hiding {
		s.seen = true
	}
	if s.hiding {
		s.owed++
	}
	return s.Client.Line(text)
}
