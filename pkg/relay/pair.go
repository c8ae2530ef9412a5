package relay

import (
	"strings"
	"sync"
	"time"

	"github.com/chatd/chatd/internal/feed"
)

// A second connection can be the reading window of a first one: what the first would
// be shown appears there, and what is typed into the first is never torn. The window
// has no name and is in no room. The first session's member has two connections, so
// to speak: it talks on one and reads on the other.
//
// Who changes what. Which session is the window of which is session.window, set by
// one compare-and-swap: from nil to the window, by the window; back to nil, by the
// window as it ends; to the session itself, which stands for none ever again, by the
// session as it ends or becomes a window. Where a member's room is written, member.out,
// belongs to the broadcaster. A member that enters looks at session.window then; one
// that is in a room already is told by the window, which looks at session.place after
// it has set session.window. As the session sets its place before it enters, one of
// both sees the other, and nobody waits for anybody with a lock in hand.

// pairTime is how long the code of a pair may be used.
const pairTime = 10 * time.Minute

var (
	endWriter   = &cause{log: "its session ended", last: "the window you type in is gone; goodbye"}
	endUnpaired = &cause{log: "reading window closed", last: "this reading window was closed from the other one; goodbye"}
	endNotPair  = &cause{log: "not paired", last: "the other window was paired or ended at this very moment; connect again"}
)

// pairs are the sessions that wait for a reading window, by the hash of their code.
// There is one code a session at most.
type pairs struct {
	mu     sync.Mutex
	byHash map[string]offer
}

type offer struct {
	session *session
	until   time.Time
}

// put has s wait for a window, under a new code, and not under the one before.
func (p *pairs) put(s *session) (code string) {
	code = s.srv.code()
	hash := codeHash(code)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byHash == nil {
		p.byHash = make(map[string]offer)
	}
	delete(p.byHash, s.offered)
	p.byHash[hash] = offer{s, time.Now().Add(pairTime)}
	s.offered = hash
	return code
}

// withdraw has s wait no longer.
func (p *pairs) withdraw(s *session) {
	if s.offered == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byHash, s.offered)
	s.offered = ""
}

// take returns the session that waits under a code, for the session s, and uses up the
// code. known tells that there is such a code.
func (p *pairs) take(code string, s *session) (other *session, known bool, err error) {
	hash := codeHash(code)
	p.mu.Lock()
	defer p.mu.Unlock()
	o, ok := p.byHash[hash]
	switch {
	case !ok:
		return nil, false, advice("no window waits under that code; a code works once, for 10 minutes: /pair in the other window shows a new one")
	case o.session == s:
		return nil, true, advice("that is the code of this very window; type it into another one")
	}
	delete(p.byHash, hash)
	if !time.Now().Before(o.until) {
		return nil, true, advice("that code has expired: it worked for 10 minutes; /pair in the other window shows a new one")
	}
	return o.session, true, nil
}

// screen is the session on whose connection s is shown what is said: its reading
// window, or itself. Any goroutine may ask.
func (s *session) screen() *session {
	if w := s.window.Load(); w != nil {
		return w
	}
	return s
}

// hint writes a notice of somebody else's doing where the session reads. Any goroutine
// may call it; it is lost on who does not read.
func (s *session) hint(text string) {
	w := s.screen()
	w.out.Post(w.line(text))
}

// paired is the session's reading window, or nil.
func (s *session) paired() *session {
	if w := s.window.Load(); w != s {
		return w
	}
	return nil
}

// shutWindow has the session have no reading window any more, and returns the one it
// had, which is still written what its room has said.
func (s *session) shutWindow() *session {
	s.srv.pairs.withdraw(s)
	if w := s.window.Swap(s); w != s {
		return w
	}
	return nil
}

func (s *session) pair(args string) error {
	w := s.paired()
	switch {
	case strings.EqualFold(args, "off") && w == nil:
		return advice("there is no reading window; /pair says how to have one")
	case strings.EqualFold(args, "off"):
		w.end(endUnpaired)
		return nil
	case w != nil:
		return advice("you have a reading window; /pair off closes it")
	case args != "":
		return s.becomeWindow(args)
	}
	return advise("in another window: nc HOST PORT, and there /pair %s as the first line; what is said then appears there", s.srv.pairs.put(s))
}

// becomeWindow makes the session the reading window of the one that has shown a code.
func (s *session) becomeWindow(code string) error {
	right, wait := s.srv.guesses.Try(s.address, "windows, from "+s.address.String())
	if wait > 0 {
		return advise("too many wrong codes; try again in %s", spell(wait.Round(time.Second)))
	}
	a, known, err := s.srv.pairs.take(code, s)
	if known {
		right()
	}
	if err != nil {
		if !known {
			s.logDenied("window")
		}
		return err
	}
	if !s.window.CompareAndSwap(nil, s) {
		return advice("you have a reading window yourself; /pair off closes it")
	}
	s.srv.pairs.withdraw(s)
	s.vanish()
	s.writer, s.gone, s.stay = a, make(chan struct{}), new(stay)
	s.tell("this is a reading window now: type in the other one; /quit closes this one")
	if !a.window.CompareAndSwap(nil, s) {
		s.end(endNotPair)
		return nil
	}
	if !a.visit(func(r *room, m *member) {
		if m.out != s.out {
			r.leaveScreen(m)
			r.show(m, s, r.ring.Head())
		}
		a.out.PostAfter(r.mark(), a.line(pairedLine))
	}) {
		a.out.Post(a.line(pairedLine))
	}
	return nil
}

const (
	pairedLine = "what is said appears in your reading window now; /pair off brings it back"
	singleLine = "your reading window is gone; what is said appears here again"
)

// vanish takes the session out of its room and takes its name away: it is no
// participant any more.
func (s *session) vanish() {
	s.outside = false
	s.unseat()
	s.part("left", false)
	s.srv.names.release(s, s.name)
	s.name, s.label = "", nil
	s.srv.mu.Lock()
	defer s.srv.mu.Unlock()
	s.srv.known(s) // its place is not given to a newcomer
	s.srv.windows++
}

// visit has do run by the broadcaster of the room that s is in, with its member
// there. It returns false if s is in none: it is about to enter one, or has ended.
// Any goroutine may call it.
func (s *session) visit(do func(*room, *member)) bool {
	m := s.place.Load()
	if m == nil || !s.srv.share(m.room) {
		return false
	}
	defer s.srv.release(m.room)
	there := false
	return m.room.call(s.srv.killed, func() {
		if there = m.slot >= 0; there {
			do(m.room, m)
		}
	}) && there
}

// share holds a room that others hold. It returns false if nobody does any more.
func (s *Server) share(r *room) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.holders == 0 {
		return false
	}
	r.holders++
	return true
}

// attach has a member that is about to enter be shown what is said on the connection
// of its session's reading window, if there is one.
func (m *member) attach() {
	w := m.session.screen()
	m.out, m.format = w.out, format(w.format.Load())
}

// leaveScreen has m be shown no more, on the connection it is shown it now, than was
// said until now.
func (r *room) leaveScreen(m *member) {
	f := r.ring.Feed(r.formats[m.format])
	m.out.Unfollow(f, f.Head())
}

// show has m be shown what follows a place on the connection of another session.
func (r *room) show(m *member, on *session, at feed.Place) {
	r.unread(m.format)
	m.out, m.format = on.out, format(on.format.Load())
	r.readers[m.format]++
	f := r.ring.Feed(r.formats[m.format])
	at.Offset = f.At(at.Index).Offset
	m.from = at
	m.out.Follow(f, at, m.leaveOut)
}

// giveBack is the end of a reading window: the session it belonged to is shown again
// what is said, from the first message on that the window may not have got, in the
// rooms that it has left meanwhile too. Private lines that were on their way to the
// window are lost, as with any connection.
func (s *session) giveBack() {
	defer close(s.gone)
	a := s.writer
	if !a.window.CompareAndSwap(s, nil) {
		return
	}
	unacked := s.unacked()
	if !a.visit(func(r *room, m *member) {
		a.out.Post(a.line(singleLine))
		s.showBehind(unacked)
		if m.out == s.out {
			r.showAgain(m, s, unacked)
		}
	}) {
		a.out.Post(a.line(singleLine))
		s.showBehind(unacked)
	}
}

// showAgain has m be shown on its own connection what its window w, which has ended,
// may not have got.
func (r *room) showAgain(m *member, w *session, unacked uint64) {
	a := m.session
	at, rest := w.out.Seen(r.ring.Feed(r.formats[m.format]), m.from, m.leaveOut, unacked)
	at = notBefore(at.Before(rest), m.from)
	history := at.Index < m.now
	if history {
		a.out.Post(r.heading(format(a.format.Load()), at))
	}
	r.show(m, a, at)
	if history {
		a.out.PostAfter(feed.Mark{Ring: r.ring, Index: m.now}, a.line(nowLine))
	}
}

// windowLine answers what is typed into a reading window.
func (s *session) windowLine(line []byte, cut bool) {
	goesOn := s.cut
	s.cut = cut
	if text := strings.TrimSpace(string(line)); text != "" && !goesOn {
		s.count()
		if !s.pace() {
			return
		}
		switch word, _, _ := strings.Cut(text, " "); {
		case strings.EqualFold(text, "/quit"), strings.EqualFold(text, "/pair off"):
			s.end(endQuit)
		case strings.HasPrefix(word, "/"):
			s.tell(word + " was not done: this window only shows; type in the other one, /quit closes this one")
		default:
			s.tell("that was not said: this window only shows; type in the other one, /quit closes this one")
		}
	}
}

// reformatScreen goes over to another format on the reading window that s is.
func (s *session) reformatScreen(to format) {
	s.writer.visit(func(r *room, m *member) {
		if m.out == s.out {
			r.reformat(m, to)
		}
	})
}
