package relay

import (
	"container/list"
	"context"
	"net"
	"net/netip"
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
	id      uint32 // also the tag of what it says
	srv     *Server
	key     roomKey // the room it comes to
	conn    *sock.Conn
	out     *feed.Outlet
	address netip.Prefix // what counts as one address; invalid: not limited
	began   time.Time
	done    chan struct{} // closed by end

	why atomic.Pointer[cause] // set once, by end

	// Owned by the session's goroutine.
	room      *room
	member    *member
	name      string
	label     []byte // name, never changed in place
	lines     wire.Lines
	telnet    *wire.Telnet // nil until the first IAC
	limiter   *rate.Limiter
	slowed    bool   // was told that it is faster than the rate
	present   bool   // is no stranger any more
	piped     bool   // its input had ended before it was greeted
	partial   []byte // raw: a character cut by the end of a chunk
	met       bool   // its first bytes were looked at
	cut       bool   // the last piece of input was cut off its line, which goes on
	dropping  bool   // the line that goes on is a command that was refused
	unsettled bool   // it has sent something since the last settle
	unsaid    bool   // there were lines left when it ended
	nin       uint64 // lines taken

	// Shared.
	format  atomic.Uint32 // as in member
	settled atomic.Uint64 // index in the room's ring before which all it sent is said
	heard   atomic.Int64  // when bytes last came in, as uptime
	worked  atomic.Bool   // its goroutine has done more than wait

	// Guarded by srv.mu.
	slot     int           // in srv.sessions
	stranger *list.Element // in srv.strangers; nil: has said something, or taken a name

	watch watch // owned by the reaper
}

func newSession(srv *Server, key roomKey, nc net.Conn) *session {
	s := &session{
		srv: srv, key: key, conn: sock.New(nc), began: time.Now(),
		done: make(chan struct{}),
	}
	s.heard.Store(srv.uptime())
	s.out = feed.NewOutlet(s.conn, func(err error) { s.end(causeOf(err)) })
	s.lines.Max = srv.cfg.MaxLine
	if srv.cfg.Rate > 0 && srv.cfg.Burst > 0 {
		s.limiter = rate.NewLimiter(rate.Limit(srv.cfg.Rate), srv.cfg.Burst)
	}
	if key.raw {
		s.format.Store(uint32(formatRaw))
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
	s.leave(c)
	s.farewell(c)
	s.out.Wait()
	s.logEnd(c)
}

// leave takes the session out of its room and gives up its name.
func (s *session) leave(c *cause) {
	if s.room == nil {
		return
	}
	unsaid := s.unsaid || c.dead && s.conn.Unread() > 0
	r, m := s.room, s.member
	r.call(s.srv.killed, func() {
		r.leave(m)
		s.settled.Store(r.ring.Head().Index)
		if m.name != "" && c.how != "" {
			r.depart(m.name, c.how, unsaid)
		}
	})
	s.srv.release(r)
	s.room = nil
	if s.name != "" {
		s.srv.names.release(s, s.name)
	}
}

const (
	// flushStep is how long a farewell waits for the peer to take some bytes.
	flushStep = time.Second
	// flushMost is how long it waits in all.
	flushMost = time.Minute
)

// farewell ends the connection: with all that is due written and a last line
// that can be read, or, if nobody reads, at once.
func (s *session) farewell(c *cause) {
	if c.dead {
		s.out.Close()
		s.conn.Abort()
		return
	}
	if c.last != "" && !s.key.raw {
		s.out.PostAfter(s.settled.Load(), s.line(c.last))
	}
	flushed := s.flush()
	s.out.Close()
	if !flushed {
		s.conn.Abort()
		return
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

// line is a notice for this session alone.
func (s *session) line(text string) []byte {
	t := wire.Text{EOL: format(s.format.Load()).eol()}
	return t.AppendNotice(nil, text)
}

// tell writes a notice to this session alone, in pace with its reading. It is
// for the session's own goroutine.
func (s *session) tell(text string) { s.answer(s.line(text)) }

// answer writes lines to this session alone, after all it has said before, and in
// pace with its reading. It is for the session's own goroutine.
func (s *session) answer(lines []byte) {
	s.settle()
	_ = s.out.Send(s.done, s.settled.Load(), lines)
}

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

func (s *session) logBegin() { s.logWho(s.srv.log.Info()).Msg("begin") }

func (s *session) logWho(e *zerolog.Event) *zerolog.Event {
	return e.Uint32("id", s.id).Str("transport", s.conn.LocalAddr().Network()).
		Str("peer", s.conn.RemoteAddr().String())
}
