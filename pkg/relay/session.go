package relay

import (
	"container/list"
	"context"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/sock"
	"github.com/chatd/chatd/internal/wire"
)

// session is one connection's server side. Its goroutine reads, parses and sends
// to the room; what it is written comes from whoever has the turn of its outlet.
type session struct {
	// Set at accept, never changed.
	id        uint32
	srv       *Server
	home      roomKey // the room it comes to
	conn      *sock.Conn
	out       *feed.Outlet
	transport string       // of Stats
	address   netip.Prefix // what counts as one address; invalid: not limited
	began     time.Time
	done      chan struct{} // closed by end
	left      chan struct{} // closed by finish: it is in no room any more

	why atomic.Pointer[cause] // set once, by end

	// Owned by the session's goroutine.
	here     *member // where it talks; nil before it is greeted, and at the end
	name     string
	label    []byte   // name, never changed in place
	tag      uint32   // of what it says
	bell     bool     // rings when its name is said
	unseen   []uint32 // tags of what it does not see; never changed in place
	lines    wire.Lines
	telnet   *wire.Telnet // nil until the first IAC
	asked    *question    // what the next line answers; nil: nothing
	limiter  *rate.Limiter
	second   time.Time // when lately began to be counted
	lately   int       // lines of this second
	slowed   bool      // was told that it is faster than the rate
	present  bool      // is no stranger any more
	user     string    // whom the kernel knows at the other end; "": nobody
	ahead    []byte    // input: what has come in behind the line that is looked at, and is taken next
	piped    bool      // its input had ended before it was greeted
	outside  bool      // it asks for a seat or a window and has entered no room yet
	program  *program  // it speaks JSON; nil: a person
	stay     *stay     // its seat, that can be taken again; nil: it has none
	offered  string    // hash of the code under which it waits for a window; "": it does not
	partial  []byte    // raw: a character cut by the end of a chunk
	met      bool      // its first bytes were looked at
	cut      bool      // the last piece of input was cut off its line, which goes on
	dropping bool      // the line that goes on is a command that was refused
	unsaid   bool      // there were lines left when it ended
	nin      uint64    // lines taken

	// Shared.
	format  atomic.Uint32             // as in member
	ignored atomic.Pointer[[]ignored] // replaced whole by its goroutine
	login   atomic.Pointer[login]     // nil: nobody's; replaced whole by its goroutine
	heard   atomic.Int64              // when bytes last came in, as uptime
	place   atomic.Pointer[member]    // where it talks, or is about to; stored by its goroutine
	window  atomic.Pointer[session]   // where it reads: see pair.go; nil: here
	behind  atomic.Pointer[[]leaving] // rooms it left that its window may not have shown to the end; replaced whole
	worked  atomic.Bool               // its goroutine has done more than wait

	// Set when it becomes a reading window.
	writer *session      // whose
	gone   chan struct{} // closed by finish: it is not written any more

	// Guarded by srv.mu.
	slot     int           // in srv.sessions
	stranger *list.Element // in srv.strangers; nil: has said something, or taken a name

	watch watch // owned by the reaper
}

func newSession(srv *Server, d door, nc net.Conn) *session {
	s := &session{
		srv: srv, home: d.room, conn: sock.New(nc), began: time.Now(),
		done: make(chan struct{}), left: make(chan struct{}),
	}
	s.heard.Store(srv.uptime())
	s.transport = transportOf(s.conn, d.format)
	s.out = feed.NewOutlet(s.conn, func(err error) { s.end(causeOf(err)) })
	s.out.Tally = &srv.tally
	s.lines.Max = srv.cfg.MaxLine
	if srv.cfg.Rate > 0 && srv.cfg.Burst > 0 {
		s.limiter = rate.NewLimiter(rate.Limit(srv.cfg.Rate), srv.cfg.Burst)
	}
	s.format.Store(uint32(d.format))
	if d.format.isJSON() {
		s.becomeProgram()
	}
	if d.format == formatFrames {
		s.program.frames = &wire.Frames{Max: s.lines.Max}
	}
	return s
}

// end has the session end, for the cause given if it is the first. It does not
// wait; the session's goroutine does the rest.
func (s *session) end(c *cause) (first bool) {
	if !s.why.CompareAndSwap(nil, c) {
		return false
	}
	close(s.done)
	s.conn.Wake()
	return true
}

// finish ends what has a cause to end, and closes the connection.
func (s *session) finish() {
	c := s.why.Load()
	w := s.shutWindow()
	s.awaitReceipts(c)
	said := s.leave(c)
	close(s.left)
	if w != nil {
		w.end(endWriter)
	}
	s.farewell(c, said, w)
	s.handOver(c, w)
	s.leaveSeat(c)
	s.logEnd(c)
}

// leave takes the session out of its room and gives up its name. It returns the
// place before which all is that it has said.
func (s *session) leave(c *cause) feed.Mark {
	unsaid := s.unsaid || (c.dead || c.drops) && s.conn.Unread() > 0
	var said feed.Mark
	for _, m := range s.seats() {
		said = s.partFrom(m, c.how, unsaid)
	}
	s.here = nil
	if s.name != "" {
		s.srv.names.release(s, s.name)
		s.heedAll()
	}
	return said
}

const (
	// flushStep is how long a farewell waits for the peer to take some bytes.
	flushStep = time.Second
	// flushMost is how long it waits in all.
	flushMost = time.Minute
)

// farewell ends the connection: with all that is due written, what it has said
// among it, and a last line that can be read, or, if nobody reads, at once.
// w is its reading window, or nil.
func (s *session) farewell(c *cause, said feed.Mark, w *session) {
	if c.dead {
		s.out.Close()
		s.measure(false)
		s.conn.Abort()
		return
	}
	if last := s.goodbye(c); len(last) > 0 && !s.home.raw {
		s.out.PostAfter(said, last)
	}
	flushed := s.flush()
	s.out.Close()
	s.measure(flushed)
	if !flushed {
		s.conn.Abort()
		return
	}
	if s.stay != nil && s.out.Parked().IsZero() { // whoever still writes ends by itself
		s.handOver(c, w)
	}
	s.srv.linger(s.conn, inline)
}

// flush waits until all that is due is written, as long as the peer takes some of
// it every second.
func (s *session) flush() bool {
	most := time.Now().Add(flushMost)
	var prober sock.Prober
	taken := func() uint64 {
		h, _ := prober.Probe(s.conn)
		return s.taken(h)
	}
	for {
		before := taken()
		ctx, cancel := context.WithTimeout(s.srv.life, flushStep)
		err := s.out.Flushed(ctx.Done())
		cancel()
		if err == nil {
			return true
		}
		if taken() == before || s.srv.life.Err() != nil || time.Now().After(most) {
			return false
		}
	}
}

// line is a notice for this session alone. Any goroutine may call it.
func (s *session) line(text string) []byte {
	f := format(s.format.Load())
	if f.isJSON() {
		return f.encode(textObject{kind: kind{"notice"}, Text: quoted(text)})
	}
	t := wire.Text{EOL: f.eol()}
	return t.AppendNotice(nil, text)
}

// tell writes a notice to this session alone, in pace with its reading. It is
// for the session's own goroutine.
func (s *session) tell(text string) { s.answer(s.reply(text)) }

// reply is a notice that answers what the session has asked for. It is for the
// session's own goroutine.
func (s *session) reply(text string) []byte {
	if p := s.program; p != nil && p.asking != "" {
		return s.encode(textObject{kind: kind{"notice"}, Text: quoted(text), answer: s.replyTo()})
	}
	return s.line(text)
}

// isIn tells whether the session is in a room.
func (s *session) isIn(room string) bool {
	return slices.ContainsFunc(s.seats(), func(m *member) bool { return m.room.key.name == room })
}

// answer writes lines to this session alone, after all it has said before, and in
// pace with its reading. It is for the session's own goroutine.
func (s *session) answer(lines []byte) {
	_ = s.out.Send(s.done, s.settle(), lines)
}

// logDone begins a log line of what the session did that is worth one. The message
// says what.
func (s *session) logDone() *zerolog.Event { return s.logWho(s.srv.log.Info()) }

func (s *session) logEnd(c *cause) {
	e := s.srv.log.Info()
	if s.nin == 0 {
		e = s.srv.log.Debug()
	}
	e = s.logWho(e).Dur("lasted_ms", time.Since(s.began)).Uint64("lines_in", s.nin).Uint64("bytes_out", s.out.Written())
	if n := s.out.Skipped(); n > 0 {
		e = e.Uint64("skipped", n)
	}
	e.Str("cause", c.log).Msg("end")
}

func (s *session) logBegin() { s.logDone().Msg("begin") }

func (s *session) logWho(e *zerolog.Event) *zerolog.Event {
	return e.Uint32("id", s.id).Str("transport", s.conn.Transport()).
		Str("peer", s.conn.RemoteAddr().String())
}
