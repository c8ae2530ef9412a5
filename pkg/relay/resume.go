package relay

import (
	"bytes"
	"fmt"
	"time"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/wire"
)

const (
	// resumeMost is how many missed messages are shown at most: what the history in
	// memory holds. What is older is named by its numbers.
	resumeMost = 10_000
	// resumeTries is how often the history is read up to what a busy room still
	// holds, before a gap is told instead.
	resumeTries = 100
	// ghostPatience is how long a connection that is taken over may still write.
	ghostPatience = 3 * time.Second
)

// comeBack takes a first line that asks for a seat or a window out of the opening,
// and does it before the session is in any room: it is not shown a room twice. false:
// the first line is none.
func (s *session) comeBack(opening []byte) (rest []byte, done bool) {
	end := bytes.IndexAny(opening, "\r\n")
	if end < 0 || !comesBack(opening[:end]) {
		return opening, false
	}
	s.comeIn()
	s.outside = true
	s.met = true
	s.count()
	s.command(string(opening[:end]))
	if s.outside && s.why.Load() == nil { // it came to nothing
		s.outside = false
		s.begin(!s.piped)
	}
	return opening[end:], true
}

// comesBack tells whether a first line asks for a seat or a window.
func comesBack(line []byte) bool {
	word, args, _ := bytes.Cut(line, []byte{' '})
	return len(bytes.TrimSpace(args)) > 0 && (string(word) == "/resume" || string(word) == "/pair")
}

// resume takes a seat that was left, or that a dead connection still has: its name,
// its room, and what was said there since.
func (s *session) resume(args string) error {
	if args == "" {
		return errUsage
	}
	if err := s.mayMove(); err != nil {
		return err
	}
	right, wait := s.srv.guesses.Try(s.address, "seats, from "+s.address.String())
	if wait > 0 {
		return advise("too many wrong codes; try again in %s", spell(wait.Round(time.Second)))
	}
	x, ghost, known, err := s.srv.tickets.take(args, s)
	if known {
		right()
	}
	if err != nil {
		if !known {
			s.logDenied("seat")
		}
		return err
	}
	t := s.srv.tickets.ticket(x)
	room := s.srv.hold(roomKey{name: t.Room}) // it stays as it is while the ghost leaves
	defer s.srv.release(room)
	if ghost != nil && !s.succeed(x, ghost) {
		return nil
	}
	t = s.srv.tickets.ticket(x)
	s.logDone().Str("name", harmless(t.Name)).Msg("resumed")
	s.regain(t)
	return nil
}

// succeed ends the connection that still has the seat, and returns when all is known
// of what it was written, or false if s ends before.
func (s *session) succeed(x *seat, ghost *session) bool {
	ghost.end(endTakenOver)
	t := time.NewTimer(ghostPatience)
	defer t.Stop()
	for {
		select {
		case <-x.left:
			return true
		case <-t.C:
			ghost.conn.Abort()
		case <-s.done:
			return false
		}
	}
}

// regain gives the session what the ticket stands for.
func (s *session) regain(t Ticket) {
	if a, ok := s.srv.accounts.withKey(t.Account); ok {
		// A code on a screen is no password: an operator logs in again.
		s.login.Store(&login{key: a.Key, operator: s.operator()})
	}
	was, refused := s.name, s.regainName(t)
	moved := s.outside || s.here.room.key.name != t.Room
	back := "welcome back, " + s.name
	if refused != nil {
		back = "welcome back; " + refused.Error()
	}
	s.tell(back + s.newSeat())
	s.owe(&owing{t.Room, t.At.Seq, !moved})
	if moved {
		s.moveBack(t)
	} else {
		s.rename(was)
		s.showEarlier(t)
	}
}

// newSeat gives a seat to who was not greeted, and so has none, and says its code.
func (s *session) newSeat() (hint string) {
	if s.stay != nil {
		return ""
	}
	return resumeHint(s.seated())
}

// owe notes which messages are about to be shown, or nil when they were: who is cut off
// meanwhile gets them the next time.
func (s *session) owe(missed *owing) {
	if s.stay != nil {
		s.stay.owed = missed
	}
}

// regainName takes the name on the ticket, or says why it cannot be had.
func (s *session) regainName(t Ticket) error {
	if t.Name == s.name {
		return nil
	}
	if err := s.nameBanned(t.Name); err != nil {
		return err
	}
	if a, ok := s.srv.accounts.named(t.Name); ok && a.Key != s.account() {
		return advise("%s is registered; /login %s if it is yours; you are %s", t.Name, t.Name, s.name)
	}
	tag, taken := s.srv.names.claim(s, s.name, t.Name)
	if taken != "" {
		return advise("%s is here now, and you are %s; /nick NAME changes it", taken, s.name)
	}
	s.setName(t.Name, tag)
	return nil
}

// rename tells the room that the session, which is in it, has another name.
func (s *session) rename(was string) {
	m, now := s.here, s.name
	switch {
	case was == now:
	case s.present:
		s.do(func() { m.room.rename(m, was, now) })
	case !name.IsGuest(now):
		s.appear()
	}
}

// moveBack goes to the room on the ticket and is shown what was said there since.
func (s *session) moveBack(t Ticket) {
	r := s.srv.hold(roomKey{name: t.Room})
	said := s.part("left (for another room)", false)
	s.outside = false
	m := s.sit(r, said)
	s.welcome()
	s.catchUp(m, t)
	if s.present && !s.piped {
		n, bell := s.name, s.bell
		s.do(func() {
			r.setBell(m, bell)
			r.arrive(m, n)
		})
	} else if !name.IsGuest(s.name) {
		s.appear()
	}
}

// missed is what is to be shown to somebody who has seen all up to since: first what
// only the journal holds, then what the ring holds from a place on.
type missed struct {
	since uint64
	upTo  uint64 // the last number that the ring no longer holds
	count uint64
	older bool // there were more, that are not shown
}

// catchUp shows all that was said in m's room after the place on the ticket, and has
// m go on from there: nothing is left out, and nothing comes twice.
func (s *session) catchUp(m *member, t Ticket) {
	r := m.room
	var tail, at, head feed.Place
	if !r.call(s.done, func() {
		m.attach()
		tail, head = r.oldest(m.format), r.ring.Head()
		at = r.ring.Seek(max(t.At.Seq, tail.Seq) + 1)
	}) {
		s.end(endRoomFailed)
		return
	}
	w := missed{since: t.At.Seq, upTo: tail.Seq, count: head.Ordinal - at.Ordinal}
	if err := s.survey(r.key.name, &w); err != nil {
		s.finished(s.recallFailed(err))
		w.since = w.upTo
	}
	s.tellMissed(t, &w, ":")
	var p replay
	p.begin(s)
	for tries := 0; s.why.Load() == nil; tries++ {
		if w.since < w.upTo {
			if err := s.replay(&p, r.key.name, w.since, w.upTo); err != nil {
				p.flush()
				s.finished(s.recallFailed(err))
				tries = resumeTries
			} else {
				w.since = w.upTo
			}
		}
		p.flush()
		if s.followFrom(m, &w, p.day, tries >= resumeTries) {
			return
		}
	}
}

// followFrom makes the session a member of m's room from the message after w.since on
// if the ring still holds that one, or must. If not, it notes how far the journal has
// to be read.
func (s *session) followFrom(m *member, w *missed, day int, must bool) (done bool) {
	r := m.room
	var (
		in        bool
		tail, end uint64
	)
	since, some := w.since, w.count > 0
	if !r.call(s.done, func() {
		m.attach()
		tail, end = r.oldest(m.format).Seq, r.ring.Head().Seq
		if in = tail <= since || must; in {
			r.enterAfter(m, since, day, some)
		}
	}) {
		s.end(endRoomFailed)
		return true
	}
	if !in {
		w.upTo = tail
		return false
	}
	if must && since < tail {
		s.tell(fmt.Sprintf("messages #%d to #%d were said too fast; /show %d-%d shows them", since+1, tail, since+1, tail))
	}
	s.entered(end)
	s.owe(nil)
	return true
}

// oldest is the place from which on a format can still show the room. A feed may hold
// fewer records than the ring.
func (r *room) oldest(f format) feed.Place {
	ring, shown := r.ring.Tail(), r.ring.Feed(r.formats[f]).Tail()
	if shown.Index > ring.Index {
		return shown
	}
	return ring
}

// enterAfter makes m a member that sees what was said after since. day is the date
// that the lines shown before belong to; some tells that there were such lines, or
// will be.
func (r *room) enterAfter(m *member, since uint64, day int, some bool) {
	f := r.ring.Feed(r.formats[m.format])
	at := f.At(r.ring.Seek(since + 1).Index)
	m.now = f.Head().Index
	if at.Ordinal == f.Head().Ordinal {
		at = f.Head() // who came and went is no news
	}
	text := wire.Text{EOL: m.format.eol(), Zone: r.srv.cfg.Zone}
	for rec := range r.ring.Records(r.ring.At(at.Index)) {
		if dayOf(rec.Time, text.Zone) != day && rec.Kind != uint8(wire.Day) {
			m.out.Post(text.Append(nil, wire.Day, rec.Time, nil, nil))
		}
		break
	}
	r.follow(m, f, at)
	if some {
		m.out.PostAfter(r.mark(), text.AppendNotice(nil, nowLine))
	}
}

// showEarlier shows what was said after the place on the ticket in the room that the
// session is in, and before what it has seen there already.
func (s *session) showEarlier(t Ticket) {
	m := s.here
	var from uint64
	if !m.room.call(s.done, func() { from = m.from.Seq }) {
		return
	}
	w := missed{since: t.At.Seq, upTo: from}
	if err := s.survey(m.room.key.name, &w); err != nil {
		s.finished(s.recallFailed(err))
		return
	}
	if w.count == 0 {
		s.owe(nil)
		s.tell("you have seen all that was said while you were away")
		return
	}
	s.tellMissed(t, &w, ", before what you have seen here:")
	var p replay
	p.begin(s)
	if err := s.replay(&p, m.room.key.name, w.since, w.upTo); err != nil {
		s.finished(s.recallFailed(err))
	}
	if p.end(); s.why.Load() == nil {
		s.owe(nil)
	}
}

// survey adds to w what the journal holds of it, and leaves out what is too much.
func (s *session) survey(room string, w *missed) error {
	for after := w.since; after < w.upTo; {
		ctx, cancel := s.recalling()
		page, err := s.srv.journal.From(ctx, room, after+1, recallPage)
		cancel()
		if err != nil {
			return err
		}
		page = upTo(page, w.upTo)
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].Seq
		for i := range page {
			if page[i].Kind != KindHole {
				w.count++
			}
		}
		if w.count > resumeMost {
			return s.curtail(room, w)
		}
	}
	w.older = s.srv.journal.First(room) > w.since+1
	return nil
}

// curtail has only the newest of very many messages be shown.
func (s *session) curtail(room string, w *missed) error {
	first, n, err := s.back(room, w.upTo, resumeMost)
	if err != nil {
		return err
	}
	w.since, w.count, w.older = max(w.since, first-1), uint64(n), true
	return nil
}

// upTo are the messages of a page with numbers up to last.
func upTo(page []Message, last uint64) []Message {
	for len(page) > 0 && page[len(page)-1].Seq > last {
		page = page[:len(page)-1]
	}
	return page
}

// tellMissed says what follows.
func (s *session) tellMissed(t Ticket, w *missed, what string) {
	if t.At.Epoch != s.srv.journal.Epoch() {
		s.tell("chatd did not end cleanly since; what was said last before that may be lost")
	}
	switch {
	case w.count == 0:
		s.tell("nothing was said while you were away")
	case w.older:
		s.tell("older messages are not shown")
		s.tell(fmt.Sprintf("the last %s of those said while you were away%s", plural(w.count, "message"), what))
	default:
		s.tell(plural(w.count, "message") + " while you were away" + what)
	}
}

// replay adds the messages of a room after since and up to last to p.
func (s *session) replay(p *replay, room string, since, last uint64) error {
	for since < last && s.why.Load() == nil {
		ctx, cancel := s.recalling()
		page, err := s.srv.journal.From(ctx, room, since+1, recallPage)
		cancel()
		if err != nil {
			return err
		}
		if page = upTo(page, last); len(page) == 0 {
			return nil
		}
		p.add(page)
		since = page[len(page)-1].Seq
	}
	return nil
}

// resumeHint is what a greeting says of a seat's code.
func resumeHint(code string) string {
	if code == "" {
		return ""
	}
	return "; /resume " + code + " after a break shows what you missed"
}
