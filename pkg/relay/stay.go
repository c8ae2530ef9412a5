package relay

import (
	"time"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/sock"
	"github.com/chatd/chatd/internal/wire"
)

// stay is what a session keeps of its seat while it is there, and notes when it
// leaves: how far its peer has surely read. It belongs to the session's goroutine.
type stay struct {
	seat  *seat   // nil: it is the reading window of another session
	known sitting // what its ticket says
	since uint64  // the last number in the room when it entered
	owed  *owing  // what it missed and has not been shown yet; nil: nothing

	parted *leaving // where it left its last room; nil: it is in one, or never was
	taken  uint64   // bytes that the peer surely had when the connection was closed
	blind  bool     // that cannot be known
	over   bool     // all of that was handed over
}

// sitting is what others may have to know of a seat.
type sitting struct {
	name, account, room string
	since               uint64
	spoken              bool
}

// owing is what somebody missed of a room: what has a number after since. It is shown
// before the session is in the room, or there.
type owing struct {
	room  string
	since uint64
	there bool
}

// leaving is where a session left a room.
type leaving struct {
	room     *room
	feed     *feed.Feed // in which it, or its reading window, was shown the room
	own      *feed.Feed // the same in its own format; nil: it has no window
	from, at feed.Place // the first that was written there, and where it left
	leaveOut []uint32
}

// seated gives the session a seat that can be taken again, if history is kept, and
// returns its code, or "".
func (s *session) seated() (code string) {
	if s.srv.cfg.Journal == nil || s.home.raw {
		return ""
	}
	if s.stay != nil {
		s.unseat()
	}
	s.stay = new(stay)
	s.stay.seat, code = s.srv.tickets.issue(s)
	s.keepSeat()
	return code
}

// unseat gives up the session's seat: nobody can take it again.
func (s *session) unseat() {
	if s.stay != nil && s.stay.seat != nil {
		s.srv.tickets.drop(s.stay.seat)
	}
	s.stay = nil
}

// entered notes that the session has come into a room whose last number was since.
func (s *session) entered(since uint64) {
	if s.stay == nil {
		return
	}
	s.stay.since, s.stay.parted = since, nil
	s.keepSeat()
}

// keepSeat notes what has changed about the seat. It is called after each line.
func (s *session) keepSeat() {
	if s.stay == nil || s.stay.seat == nil || s.here == nil {
		return
	}
	now := sitting{s.name, s.account(), s.here.room.key.name, s.stay.since, s.present}
	if now == s.stay.known {
		return
	}
	s.stay.known = now
	s.srv.tickets.update(s.stay.seat, func(t *Ticket) {
		t.Name, t.Account, t.Room = now.name, now.account, now.room
		t.At = Position{s.srv.journal.Epoch(), now.since}
	}, now.spoken)
}

// leaving is where m is about to leave the room, or nil if it is not there.
func (r *room) leaving(m *member) *leaving {
	if m.slot < 0 || r.journal == nil {
		return nil
	}
	f := r.ring.Feed(r.formats[m.format])
	return &leaving{room: r, feed: f, from: m.from, at: f.Head(), leaveOut: m.leaveOut}
}

// ackTime is how long a session that ends waits for its peer to acknowledge the last
// bytes: an acknowledgement may be delayed by 40 ms, by some systems by 200.
const ackTime = 250 * time.Millisecond

// measure notes how much of what was written the peer surely has, before the
// connection is closed. patient waits for what is on its way.
func (s *session) measure(patient bool) {
	if s.stay == nil {
		return
	}
	var prober sock.Prober
	until := time.Now().Add(ackTime)
	for pause := time.Millisecond; ; pause *= 2 {
		h, ok := prober.Probe(s.conn)
		if s.stay.blind = !ok; !ok {
			return
		}
		s.stay.taken = s.taken(h)
		gone := h.TCP && !h.Open
		if !patient || gone || s.stay.taken >= s.out.Written() || !time.Now().Before(until) {
			return
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-s.srv.killed:
			t.Stop()
			return
		}
	}
}

// blindBytes is how much a connection that can only block may hold back of what was
// handed to it.
const blindBytes = 16 << 10

// unacked is how many of the bytes that were written may not have arrived. It is for
// a session whose outlet is closed.
func (s *session) unacked() uint64 {
	switch {
	case !s.stay.blind:
		return s.out.Written() - min(s.stay.taken, s.out.Written())
	case !s.out.Parked().IsZero():
		return blindBytes
	}
	return 0
}

// handOver leaves what others wait for, when nothing is written any more: to the
// session that reads here what comes next, to whoever has its code the seat. w is its
// own reading window, or nil. Once that is done it does nothing.
func (s *session) handOver(c *cause, w *session) {
	s.out.Wait()
	y := s.stay
	if y == nil || y.over {
		return
	}
	y.over = true
	if y.seat == nil {
		s.giveBack()
	} else {
		s.vacate(c, w)
	}
}

// vacate leaves the seat, for whoever has its code.
func (s *session) vacate(c *cause, w *session) {
	if w != nil {
		<-w.gone // what it had read counts
	}
	y := s.stay
	if c.drops {
		s.unseat() // who was sent away begins anew
		return
	}
	seen, moved := y.since, false
	if l := y.parted; l != nil {
		reader := s
		if w != nil {
			reader = w
		}
		at, rest := reader.out.Seen(l.feed, l.at, l.leaveOut, reader.unacked())
		seen, moved = s.readBack(l.room.key.name, at, rest), true
	}
	room := ""
	if y.parted != nil {
		room = y.parted.room.key.name
	}
	switch owed := y.owed; {
	case owed == nil:
	case owed.there:
		seen = min(seen, owed.since)
	case owed.room != room: // it was on its way there
		room, seen, moved = owed.room, owed.since, true
	}
	account := s.account()
	s.srv.tickets.leave(y.seat, func(t *Ticket) {
		t.Name, t.Account = s.name, account
		if room != "" {
			t.Room = room
		}
		if moved {
			t.At = Position{s.srv.journal.Epoch(), seen}
		}
	}, s.present)
}

// readBack is the number of the message after which so many bytes before a place in a
// room were written, as the journal has it. What was left out for this session, and
// notices, may have it go back too far, but nothing has it go too little.
func (s *session) readBack(room string, at feed.Place, bytes uint64) (seq uint64) {
	seq = at.Seq
	text := wire.Text{EOL: "\n", Zone: s.srv.cfg.Zone}
	for bytes > 0 && seq > 0 {
		ctx, cancel := s.recalling()
		page, err := s.srv.journal.Before(ctx, room, seq+1, recallPage)
		cancel()
		if err != nil || len(page) == 0 {
			return feed.Place{Seq: seq}.Before(bytes).Seq
		}
		for i := len(page) - 1; i >= 0 && bytes > 0; i-- {
			m := &page[i]
			seq = m.Seq - 1
			own := len(s.unseen) > 0 && string(m.Author) == s.name
			if m.Kind == KindHole || own || s.ignores(string(m.Author), 0) {
				continue // it may not have been written
			}
			bytes -= min(bytes, uint64(len(text.Append(nil, wire.Kind(m.Kind), m.Time, m.Author, m.Text))))
		}
	}
	return seq
}
