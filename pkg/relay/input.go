package relay

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"time"
	"unicode/utf8"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/sock"
	"github.com/chatd/chatd/internal/wire"
)

const (
	// openTime is how long a newcomer is waited for before it is greeted: a
	// program says in this time that it wants no greeting, and the input of a
	// pipe ends.
	openTime = 100 * time.Millisecond
	// telnetTime is how long after the last bytes a telnet client, which is no
	// pipe, is thought to have said what it begins with.
	telnetTime = 10 * time.Millisecond
)

// arrive greets the newcomer and takes its first words. It calls ready as soon as
// the connection is more than a stranger.
func (s *session) arrive(ready func()) {
	s.conn.Tune()
	if s.program != nil {
		s.user = s.recognise()
		ready()
		return
	}
	var opening []byte
	var err error
	if !s.home.raw {
		opening, err = s.open()
	}
	ready()
	if s.why.Load() != nil || err != nil && len(opening) == 0 {
		s.end(inputCause(err))
		return
	}
	if s.foreign(opening) {
		return
	}
	s.piped = err != nil || s.conn.InputEnded()
	s.user = s.recognise()
	if rest, done := s.toJSON(opening); done {
		opening = rest
	} else if s.gate() {
		if rest, done := s.comeBack(opening); done {
			opening = rest
		} else {
			s.join(!s.piped && !prefaced(opening))
			opening = s.preface(opening)
		}
	}
	s.input(opening)
	if err != nil {
		s.inputEnded(err)
	}
}

// attend reads until the session has a cause to end, and then returns false. It
// returns true to be called again by a new goroutine: this one's stack has grown
// while it worked, and does not shrink again; one that only waits has half of it.
// So a silent client costs 2 KiB less.
func (s *session) attend() (again bool) {
	for s.why.Load() == nil {
		chunk, err := s.conn.ReadChunk()
		switch {
		case err == nil:
			s.hear(chunk)
		case errors.Is(err, os.ErrDeadlineExceeded) && s.rested():
			return true
		default:
			s.inputEnded(err)
		}
	}
	return false
}

// hear takes what was read.
func (s *session) hear(chunk []byte) {
	s.heard.Store(s.srv.uptime())
	s.worked.Store(true)
	if w := s.paired(); w != nil {
		w.heard.Store(s.heard.Load())
	}
	if s.program == nil {
		chunk = s.strip(chunk)
	}
	if s.met || s.framed() || !s.foreign(chunk) {
		s.input(chunk)
	}
	s.conn.Release()
}

// inputEnded takes a last line that has no end, and ends the session.
func (s *session) inputEnded(err error) {
	if s.why.Load() == nil && errors.Is(err, io.EOF) {
		s.lastInput()
	}
	s.end(inputCause(err))
}

// rest has a goroutine that has worked be replaced by one that only waits. It is
// for the reaper.
func (s *session) rest() {
	if s.worked.Load() {
		s.conn.Wake()
	}
}

// rested tells whether rest woke the reader, and not end.
func (s *session) rested() bool {
	s.worked.Store(false)
	_ = s.conn.SetReadDeadline(time.Time{})
	return s.why.Load() == nil // end sets it before it wakes us
}

// preface takes the first line of a program out of its opening. It is not charged
// to the rate.
func (s *session) preface(opening []byte) []byte {
	args, isBot := bytes.CutPrefix(opening, []byte("/bot"))
	if !isBot || !prefaced(opening) {
		return opening
	}
	end := bytes.IndexAny(args, "\r\n")
	s.command("/bot" + string(args[:end]))
	return args[end:]
}

// foreign ends the session if first, the first bytes or the first line that came
// in, belong to another protocol: a page in a browser can post to any port.
func (s *session) foreign(first []byte) bool {
	s.met = s.met || len(first) > 0
	answer, foreign := wire.Foreign(first)
	if s.home.raw {
		foreign = wire.IsHTTP(first) // anything else may be what raw clients speak
	}
	if foreign {
		c := &cause{log: endForeign.log, last: answer}
		if s.here == nil && wire.IsHTTP(first) {
			c.head = wire.HTTPRefusal // or a browser shows nothing of what follows
		}
		s.end(c)
	}
	return foreign
}

// inputCause is why a session ends whose input has ended with err.
func inputCause(err error) *cause {
	if errors.Is(err, io.EOF) {
		return endInput
	}
	return causeOf(err)
}

// open reads what comes before the greeting, a chunk or two of it at most, until 100 ms
// after accept or until the first line is a program's. An error is the end of input,
// or worse.
func (s *session) open() (opening []byte, err error) {
	deadline := s.began.Add(openTime)
	for {
		if len(opening) >= sock.ChunkSize {
			s.waitUntil(deadline) // a pipe may have more to say than that
			break
		}
		_ = s.conn.SetReadDeadline(deadline)
		if s.why.Load() != nil {
			return nil, os.ErrClosed // end woke us before the deadline was set
		}
		chunk, err := s.conn.ReadChunk()
		if errors.Is(err, os.ErrDeadlineExceeded) && s.why.Load() == nil {
			break
		}
		if err != nil {
			return opening, err
		}
		opening = append(opening, s.strip(chunk)...)
		s.conn.Release()
		if prefaced(opening) {
			break
		}
		if soon := time.Now().Add(telnetTime); s.telnet != nil && soon.Before(s.began.Add(openTime)) {
			deadline = soon
		}
	}
	_ = s.conn.SetReadDeadline(time.Time{})
	if s.why.Load() != nil {
		return nil, os.ErrClosed
	}
	return opening, nil
}

// waitUntil returns at a time, or when the session has a cause to end.
func (s *session) waitUntil(t time.Time) {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.done:
	}
}

// prefaced tells whether the first line in opening is that of a program.
func prefaced(opening []byte) bool {
	end := bytes.IndexAny(opening, "\r\n")
	if end < 0 {
		return false
	}
	word, _, _ := bytes.Cut(opening[:end], []byte{' '})
	return string(word) == "/bot" || string(word) == "/json" || comesBack(opening[:end])
}

// strip takes telnet commands out of chunk and answers them.
func (s *session) strip(chunk []byte) []byte {
	if s.telnet == nil {
		if s.home.raw || bytes.IndexByte(chunk, 0xff) < 0 {
			return chunk
		}
		s.telnet = new(wire.Telnet)
		s.out.Post(s.telnet.Do(nil, wire.Binary, true))
		s.crlf()
	}
	chunk = s.telnet.Strip(chunk)
	if reply := s.telnet.Reply(nil); len(reply) > 0 {
		s.out.Post(reply)
	}
	return chunk
}

// crlf goes over to lines that end with CR LF.
func (s *session) crlf() {
	if !s.format.CompareAndSwap(uint32(formatText), uint32(formatCRLF)) {
		return
	}
	if s.writer != nil {
		s.reformatScreen(formatCRLF)
	}
	if m := s.here; m != nil {
		m.room.call(s.done, func() {
			if m.out == s.out {
				m.room.reformat(m, formatCRLF)
			}
		})
	}
}

// input takes what came in: lines, or in a raw room the bytes as they are.
func (s *session) input(data []byte) {
	switch {
	case s.home.raw:
		s.inputRaw(data)
		return
	case s.framed():
		s.inputFrames(data)
		return
	case s.program != nil:
		s.inputObjects(data)
		return
	}
	for s.why.Load() == nil && s.program == nil {
		line, rest, ok := s.lines.Next(data)
		if s.telnet == nil && s.lines.CRLF() {
			s.crlf()
		}
		if !ok {
			return
		}
		data = rest
		s.ahead = data
		s.take(line)
		data = s.ahead
		s.keepSeat()
	}
	s.ahead = nil
	if s.program != nil { // it has just become one
		s.inputObjects(data)
		return
	}
	s.unsaid = s.unsaid || len(data) > 0
}

// lastInput takes a last line that has no end.
func (s *session) lastInput() {
	if s.home.raw {
		if len(s.partial) > 0 {
			s.chunk(s.partial)
		}
		return
	}
	if line, ok := s.lines.Flush(); ok {
		if s.program != nil {
			s.guarded(line, s.takeRequest)
		} else {
			s.take(line)
		}
	}
}

// inputRaw says data as it is, but for a character that is cut at its end: that
// waits for the rest.
func (s *session) inputRaw(data []byte) {
	if len(s.partial) > 0 {
		data = append(s.partial, data...)
		s.partial = nil
	}
	for len(data) > 0 && s.why.Load() == nil {
		n := min(len(data), s.srv.cfg.MaxLine)
		keep := cutRune(data[:n])
		if n -= keep; n == 0 {
			s.partial = append([]byte(nil), data...)
			return
		}
		s.chunk(data[:n])
		data = data[n:]
	}
	s.unsaid = s.unsaid || len(data) > 0
}

func (s *session) chunk(data []byte) {
	s.count()
	if s.pace() {
		s.say(wire.Say, data)
	}
}

// cutRune is how many bytes at the end of p begin a character that is not whole.
func cutRune(p []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if b := p[len(p)-i]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.FullRune(p[len(p)-i:]) {
				return i
			}
			return 0
		}
	}
	return 0
}

// take handles one line.
func (s *session) take(line []byte) { s.guarded(line, s.takeLine) }

// guarded has f handle what was sent. A panic while it does is this line's alone.
func (s *session) guarded(line []byte, f func([]byte)) {
	defer func() {
		if v := recover(); v != nil {
			ref := s.srv.ref()
			s.srv.log.Error().Uint32("id", s.id).Str("ref", ref).Interface("panic", v).
				Str("stack", string(debug.Stack())).Msg("a command failed")
			s.tell("internal error (ref " + ref + "); your line was not sent")
		}
	}()
	f(line)
}

// takeLine handles a line of a person.
func (s *session) takeLine(line []byte) {
	if s.writer != nil {
		s.windowLine(line, s.lines.Cut())
		return
	}
	goesOn, cut := s.cut, s.lines.Cut()
	s.cut = cut
	if goesOn {
		s.goOn(line, cut)
		return
	}
	if s.asked != nil {
		s.dropping = cut // no answer is so long, and no piece of one is said
		if s.here != nil || !s.foreign(line) {
			s.answered(line)
		}
		return
	}
	if len(bytes.TrimSpace(line)) == 0 || s.nin == 0 && s.foreign(line) {
		return
	}
	s.count()
	if !s.pace() {
		s.unsaid = true
		return
	}
	switch text, isCommand := commandLine(line); {
	case isCommand && cut:
		s.dropping = true
		s.tell("that command is too long; nothing was sent")
	case isCommand:
		s.command(string(text))
	default:
		s.say(wire.Say, text)
	}
}

// goOn handles another piece of a line that is longer than one message: it is
// text, whatever it looks like, or the rest of a command that was refused.
func (s *session) goOn(piece []byte, cut bool) {
	if s.dropping {
		s.dropping = cut
		return
	}
	if s.count(); s.pace() {
		s.say(wire.Say, piece)
	} else {
		s.unsaid = true
	}
}

// count counts a line. With the first one, a connection is worth a line in the log.
func (s *session) count() {
	if s.nin++; s.nin == 1 {
		s.logBegin()
	}
}

// commandLine tells a command from text: its first word begins with one slash
// and has no second one. Of a line that begins with two slashes the text is the
// line less the first.
func commandLine(line []byte) (text []byte, isCommand bool) {
	if len(line) == 0 || line[0] != '/' {
		return line, false
	}
	if len(line) > 1 && line[1] == '/' {
		return line[1:], false
	}
	word, _, _ := bytes.Cut(line[1:], []byte{' '})
	if len(word) == 0 || bytes.IndexByte(word, '/') >= 0 {
		return line, false
	}
	return line, true
}

// pace waits until the session may send one more message. It returns false if the
// session ends first.
func (s *session) pace() bool {
	if !s.home.raw && !s.yieldToJournal() {
		return false
	}
	if s.limiter == nil {
		return true
	}
	if s.limiter.Allow() {
		return true
	}
	wait := s.limiter.Reserve().Delay()
	s.srv.rateWaits.Add(1)
	if !s.slowed {
		s.slowed = true
		if !s.home.raw {
			s.out.Post(s.line("you are faster than " + perSecond(s.srv.cfg.Rate) + "; the rest follows"))
		}
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.done:
		return false
	}
}

// say sends text to the room.
func (s *session) say(kind wire.Kind, text []byte) {
	if err := s.muted("that was not said"); err != nil {
		s.tell(err.Error())
		return
	}
	s.sayWith(kind, text, nil)
}

// sayWith is say for one who is not muted. The receipt, if it is not nil, is for its
// author.
func (s *session) sayWith(kind wire.Kind, text []byte, x *receipt) {
	s.appear()
	e := events.Get().(*event)
	e.kind, e.tag, e.name, e.receipt = kind, s.tag, s.label, x
	e.text = append(e.text[:0], text...)
	s.here.unsettled = true
	s.here.room.coming(1)
	if !s.here.room.send(s.done, e) {
		s.here.room.coming(-1)
		s.unsaid = true
	}
}

// appear lets others know that the session is there, once. Of a pipe they only
// hear what it says: it is gone before anyone could answer.
func (s *session) appear() {
	if s.present || s.home.raw {
		return
	}
	s.present = true
	s.srv.speaks(s)
	if s.piped {
		return
	}
	for _, m := range s.seats() {
		s.arriveIn(m)
	}
}

// do has f run by the broadcaster, after all the session has sent before.
func (s *session) do(f func()) { s.doIn(s.here, f) }

// doIn is do for one of the rooms that a session is in.
func (s *session) doIn(m *member, f func()) {
	e := events.Get().(*event)
	e.do = f
	m.unsettled = true
	m.room.send(s.done, e)
}

// settle returns when all that the session has sent so far is said, and the place
// before which that is: what it is told next comes after it.
func (s *session) settle() feed.Mark {
	m := s.here
	if m == nil {
		return feed.Mark{}
	}
	if m.unsettled {
		var said feed.Mark
		if m.room.call(s.done, func() { said = m.room.mark() }) {
			m.said = said
		}
		m.unsettled = false
	}
	return m.said
}
