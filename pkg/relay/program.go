package relay

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/wire"
)

// A program is a session that speaks JSON, on a line or in a WebSocket frame each. It
// may be in many rooms: session.here is the one that the request under way is about.

// program is what a session has besides if it is one. It belongs to the session's
// goroutine, but for frames, which the reaper asks for.
type program struct {
	frames   *wire.Frames // nil: an object is a line
	met      bool         // hello was said
	welcomed bool         // and answered
	bot      bool
	asking   string    // the id of the request under way
	rooms    []*member // that it is in, in the order it joined them
	seat     *seat     // by which it gets its name back; nil: it gave no secret
	receipts chan struct{}
	closed   bool // a close frame has come, or was sent
}

const (
	protocolVersion = 1
	// roomsAtOnce is how many rooms a program may be in.
	roomsAtOnce = 50
	// programHistoryMost is how many messages of before a program may be shown that
	// has seen none.
	programHistoryMost = 1000
	// secretLeast and secretMost bound a program's secret, in bytes.
	secretLeast, secretMost = 16, 64
	// objectBesides is how many bytes an object may have besides a text, which takes
	// twice as many in JSON at most, unless it is strange.
	objectBesides = 1 << 10
)

var (
	endVersion = &cause{log: "unknown protocol version", code: "version", last: "this server speaks version 1; goodbye"}
	endDeaf    = &cause{log: "did not read its receipts", code: "not-reading", how: "left", last: "you do not read what you are told; goodbye"}
)

// becomeProgram has the session speak JSON from here on.
func (s *session) becomeProgram() {
	s.program = new(program)
	s.format.CompareAndSwap(uint32(formatText), uint32(formatJSON))
	s.format.CompareAndSwap(uint32(formatCRLF), uint32(formatJSON))
	s.lines.Max = 2*s.srv.cfg.MaxLine + objectBesides
}

// toJSON takes the line /json out of the beginning of what a newcomer sends, and has
// it be a program. false: there is no such line.
func (s *session) toJSON(opening []byte) (rest []byte, done bool) {
	end := bytes.IndexAny(opening, "\r\n")
	if end < 0 || string(bytes.TrimSpace(opening[:end])) != "/json" {
		return opening, false
	}
	s.becomeProgram()
	s.met = true
	return opening[end:], true
}

// json is a program's first line that has come too late to be spared the greeting.
func (s *session) json(args string) error {
	if s.nin > 1 || s.present || args != "" {
		return advice("write /json as the first line, and nothing behind it")
	}
	s.unseat()
	s.part("", false)
	s.srv.names.release(s, s.name)
	s.becomeProgram()
	return nil
}

// seats are the session's places in rooms.
func (s *session) seats() []*member {
	switch {
	case s.program != nil:
		return s.program.rooms
	case s.here != nil:
		return []*member{s.here}
	}
	return nil
}

// inputObjects takes lines with an object each.
func (s *session) inputObjects(data []byte) {
	for s.why.Load() == nil {
		line, rest, ok := s.lines.Next(data)
		if !ok {
			return
		}
		data = rest
		goesOn := s.cut
		s.cut = s.lines.Cut()
		switch {
		case goesOn: // what is too long was refused when it began
		case s.cut:
			s.answerFault(s.tooLong(), "")
		default:
			s.guarded(line, s.takeRequest)
		}
	}
	s.unsaid = s.unsaid || len(data) > 0
}

func (s *session) tooLong() error {
	return &fault{"too-long", advise("an object has at most %d bytes; nothing was done", 2*s.srv.cfg.MaxLine+objectBesides)}
}

// hello introduces a program: who it is, and where it wants to be.
func (s *session) hello(q *request) error {
	p := s.program
	if q.Version != nil && *q.Version != protocolVersion {
		s.answerFault(&fault{"version", advise("there is no version %d; this server speaks version %d", *q.Version, protocolVersion)}, "")
		s.end(endVersion)
		return nil
	}
	if err := s.programGate(q.ServerPassword); err != nil {
		s.answerFault(err, "")
		s.end(endDenied)
		return nil
	}
	if n := len(q.Session); n > 0 && (n < secretLeast || n > secretMost) {
		return &fault{"invalid", advise("session has %d to %d bytes, random ones", secretLeast, secretMost)}
	}
	p.met, p.bot = true, q.Bot
	s.firstName()
	if q.Echo != nil && !*q.Echo || q.Echo == nil && s.srv.cfg.NoEcho {
		s.unseen = []uint32{s.tag}
	}
	if q.Session != "" && !s.sitAgain(q.Session) {
		return nil
	}
	refused := s.helloName(q)
	s.noteSeat()
	s.welcomeProgram()
	s.answerFault(refused, "")
	rooms := []wanted{{History: q.History}}
	if q.Rooms != nil {
		rooms = *q.Rooms
	}
	for i := range rooms {
		w := &rooms[i]
		if w.History == nil {
			w.History = q.History
		}
		if s.why.Load() != nil {
			return nil
		}
		s.answerFault(s.requestJoin(w), w.Room)
	}
	return nil
}

// programGate judges the password of the chat, if it has one.
func (s *session) programGate(given string) error {
	if s.srv.cfg.Password == nil || s.operator() || s.srv.cfg.Password() == "" {
		return nil
	}
	right, wait := s.srv.guesses.Try(s.address, "password of the chat from "+s.address.String())
	switch {
	case wait > 0:
		return &fault{"slow", advise("too many wrong passwords; try again in %s", spell(wait.Round(time.Second)))}
	case given == "":
		right()
		return &fault{"password", advice("this chat has a password; send it in hello, as server_password")}
	case !sameSecret(given, s.srv.cfg.Password()):
		s.logDenied("chat")
		return &fault{"password", advice("that is not the password of this chat")}
	}
	right()
	return nil
}

// helloName gives a program the name it wants, or returns why it cannot have it.
func (s *session) helloName(q *request) error {
	switch {
	case q.Name == "":
		return nil
	case q.Password != "":
		if s.account() != "" && name.Key(q.Name) == s.account() {
			return nil // its seat has told so
		}
		return s.logInAs(q.Name, q.Password)
	}
	return s.programName(q.Name)
}

// programName is /nick for programs.
func (s *session) programName(wanted string) error {
	checked, err := name.Check(wanted)
	if err == nil {
		err = s.nameBanned(checked)
	} else {
		err = advice(err.Error())
	}
	if err != nil || checked == s.name {
		return faulty("name-refused", err)
	}
	return faulty("name-taken", s.nick(checked))
}

// logInAs takes a registered name, with its password.
func (s *session) logInAs(who, password string) error {
	a, _ := s.srv.accounts.named(who) // if there is none, that takes as long
	if err := s.judge(a.Hash, password, "name "+name.Key(who)); err != nil {
		return faulty("login", err)
	}
	before := s.name
	err := s.loggedIn(a)
	if s.name == a.Name {
		err = nil // what it says then is for people
		if s.name == before {
			s.tellSelf()
		}
	}
	return faulty("name-taken", err)
}

// tellSelf tells a program what its name is, and what it may do.
func (s *session) tellSelf() {
	if s.program == nil || !s.program.welcomed {
		return
	}
	s.noteSeat()
	s.send(youObject{
		kind: kind{"you"}, Name: quoted(s.name), Registered: s.account() != "", Operator: s.operator(), answer: s.replyTo(),
	})
}

func (s *session) welcomeProgram() {
	cfg := &s.srv.cfg
	o := welcomeObject{
		kind: kind{"welcome"}, Version: protocolVersion, Server: quoted("chatd on " + cfg.Name), Name: quoted(s.name),
		MaxText: cfg.MaxLine, Rate: max(cfg.Rate, 0), Burst: max(cfg.Burst, 0), Epoch: s.srv.journal.Epoch(),
		Room: quoted(s.home.name), Keeps: quoted(cfg.keeps()), Operator: s.operator(), answer: s.replyTo(),
	}
	if cfg.MOTD != nil && !s.program.bot {
		o.MOTD = quoted(cfg.MOTD())
	}
	s.program.welcomed = true
	s.send(o)
}

// sitAgain takes the seat that belongs to a program's secret, or a new one. A dead
// connection that has it is ended first. It returns false if the session ends before.
func (s *session) sitAgain(secret string) bool {
	x, before, ghost := s.srv.tickets.occupy("program "+secret, s)
	s.program.seat = x
	if ghost != nil && !s.succeed(before, ghost) {
		return false
	}
	if before == nil {
		return true
	}
	t := s.srv.tickets.ticket(before)
	if a, ok := s.srv.accounts.withKey(t.Account); ok {
		s.login.Store(&login{key: a.Key, operator: s.operator() || s.srv.operators[a.Key]})
	}
	if t.Name != "" {
		_ = s.regainName(t) // if it cannot be had, the welcome says who it is
	}
	return true
}

// noteSeat notes what a seat is good for: the name.
func (s *session) noteSeat() {
	if p := s.program; p != nil && p.seat != nil {
		n, account := s.name, s.account()
		s.srv.tickets.update(p.seat, func(t *Ticket) { t.Name, t.Account, t.Room = n, account, s.home.name }, s.present)
	}
}

// leaveSeat leaves it to the program's next connection, but not after it was sent away.
func (s *session) leaveSeat(c *cause) {
	p := s.program
	if p == nil || p.seat == nil {
		return
	}
	if c.drops {
		s.srv.tickets.drop(p.seat)
		return
	}
	n, account := s.name, s.account()
	s.srv.tickets.leave(p.seat, func(t *Ticket) { t.Name, t.Account, t.Room = n, account, s.home.name }, s.present)
}

// goodbye is the last that is written to a session: why it ends.
func (s *session) goodbye(c *cause) []byte {
	f := format(s.format.Load())
	if !f.isJSON() {
		if c.last == "" {
			return nil
		}
		return append([]byte(strings.ReplaceAll(c.head, "\n", f.eol())), s.line(c.last)...)
	}
	var out []byte
	if c.last != "" {
		out = f.encode(byeObject{kind: kind{"bye"}, Code: c.code, Text: quoted(c.last)})
	}
	if f == formatFrames && !s.program.closed {
		code := wire.CloseNormal
		if c == endStopping || c == endServing {
			code = wire.CloseGoingAway
		}
		var wrong *wire.CloseError
		if errors.As(c.err, &wrong) {
			out, code = nil, wrong.Code
		}
		out = wire.AppendClose(out, code, closeReason(c))
		s.program.closed = true
	}
	return out
}

// closeReason is a cause as a close frame has it.
func closeReason(c *cause) string {
	var wrong *wire.CloseError
	if errors.As(c.err, &wrong) {
		return wrong.Reason
	}
	return c.last
}
