package relay

import (
	"strings"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/wire"
)

// sameRoom tells whether two names are those of one room.
func sameRoom(a, b string) bool { return strings.EqualFold(a, b) || name.Key(a) == name.Key(b) }

// requestJoin brings a program into a room.
func (s *session) requestJoin(w *wanted) error {
	p := s.program
	asked := w.Room
	if asked == "" {
		asked = s.home.name
	}
	checked, err := name.Check(asked)
	if err != nil {
		return faulty("room-refused", advice(err.Error()))
	}
	lines, err := s.historyOf(w)
	if err != nil {
		return err
	}
	if _, err := s.inRoom(checked); err == nil {
		return &fault{"invalid", advise("you are in %s already", checked)}
	}
	if len(p.rooms) >= roomsAtOnce {
		return &fault{"too-many-rooms", advise("you are in %d rooms, and more cannot be; leave one first", roomsAtOnce)}
	}
	to, err := s.admission(checked, w.Password)
	if err != nil {
		return faulty("room-refused", err)
	}
	m := &member{
		session: s, room: s.srv.hold(roomKey{name: to}), out: s.out, slot: -1,
		format: format(s.format.Load()), leaveOut: s.unseen,
	}
	p.rooms = append(p.rooms, m)
	s.here = m
	s.enterProgram(m, w.After, lines)
	return nil
}

// historyOf is how many messages of before are shown.
func (s *session) historyOf(w *wanted) (int, error) {
	switch {
	case w.History == nil && s.program.bot:
		return 0, nil
	case w.History == nil:
		return max(s.srv.cfg.History, 0), nil
	case *w.History < 0 || *w.History > programHistoryMost:
		return 0, &fault{"invalid", advise("history is from 0 to %d", programHistoryMost)}
	}
	return *w.History, nil
}

func (s *session) requestLeave(q *request) error {
	m, err := s.inRoom(q.Room)
	if err != nil {
		return err
	}
	p := s.program
	for i, o := range p.rooms {
		if o == m {
			p.rooms = append(p.rooms[:i], p.rooms[i+1:]...)
			break
		}
	}
	until := s.partFrom(m, "left", false)
	s.here = nil
	s.out.PostAfter(until, s.encode(textObject{
		kind: kind{"left"}, Room: quoted(m.room.key.name), answer: s.replyTo(),
	}))
	return nil
}

// catching is a program that is shown what was said before it came.
type catching struct {
	s     *session
	m     *member
	since uint64 // it has been shown all up to this number
	epoch uint64 // of that one; 0: not known
	told  bool   // that messages may be lost, which the history says once more
	json  wire.JSON
	out   []byte
}

// enterProgram shows a program what was said in m's room since a position, or the
// last lines, and has it go on from there: nothing is left out, nothing comes twice.
func (s *session) enterProgram(m *member, after *afterObject, lines int) {
	r := m.room
	var head uint64
	var c census
	var earlier uint64 // the last number whose message the room may not know by its id
	if !r.call(s.done, func() {
		head, c = r.seq, r.census(whoMost)
		if !r.ids.loaded {
			earlier = r.earlier
		}
	}) {
		s.end(endRoomFailed)
		return
	}
	if earlier > 0 {
		before := s.earlierIDs(r.key.name, earlier)
		r.call(s.done, func() { r.ids.load(before) })
	}
	k := catching{s: s, m: m, since: head, epoch: s.srv.journal.Epoch()}
	joined := joinedObject{
		kind: kind{"joined"}, Room: quoted(r.key.name), Topic: quoted(s.srv.topic(r)), Locked: s.srv.isLocked(r),
		crowdObject: c.object(), answer: s.replyTo(),
	}
	reset := k.begin(after, head, lines)
	joined.After = place{s.srv.journal.Epoch(), k.since}
	s.send(joined)
	if reset != nil {
		s.send(reset)
	}
	if first := s.srv.journal.First(r.key.name); after != nil && reset == nil && k.since+1 < first && k.since < head {
		k.gap(first-1, false)
	}
	const tries = 100
	for try := 0; s.why.Load() == nil; try++ {
		if err := k.show(head); err != nil {
			s.answerFault(faulty("internal", s.recallFailed(err)), r.key.name)
			try = tries
		}
		if head = k.follow(try >= tries); head == 0 {
			return
		}
	}
}

// begin finds from where on a program is shown what was said.
func (k *catching) begin(after *afterObject, head uint64, lines int) (reset *resetObject) {
	s, room := k.s, k.m.room.key.name
	if after == nil {
		k.back(head, lines)
		return nil
	}
	epoch := s.srv.journal.Epoch()
	lost := place{after.Epoch, after.Seq}
	switch {
	case after.number || after.Epoch == epoch && after.Seq <= head:
		k.since = min(after.Seq, head)
		return nil
	case after.Epoch != epoch:
		ctx, cancel := s.recalling()
		end, known, err := s.srv.journal.Ended(ctx, room, after.Epoch)
		cancel()
		if err == nil && known {
			k.since, k.epoch = min(after.Seq, end), after.Epoch
			if after.Seq <= end {
				return nil // the history tells of what is missing, where it is
			}
			k.told, lost.Seq = true, end
			break
		}
		k.back(head, lines)
	}
	return &resetObject{
		kind: kind{"reset"}, Room: quoted(room), Epoch: epoch, After: lost,
		Text: "chatd did not end cleanly since, or it keeps its history in memory; messages after that may be lost",
	}
}

// back goes back so many messages from the newest.
func (k *catching) back(head uint64, lines int) {
	if lines == 0 || head == 0 {
		return
	}
	first, n, err := k.s.back(k.m.room.key.name, head, lines)
	if err == nil && n > 0 {
		k.since, k.epoch = first-1, 0
	}
}

// gap tells that messages up to last are missing.
func (k *catching) gap(last uint64, kept bool) {
	k.flush()
	o := gapObject{kind: kind{"gap"}, Room: quoted(k.m.room.key.name), First: k.since + 1, Last: last, Kept: kept}
	if k.epoch == k.s.srv.journal.Epoch() { // or else some of the numbers were never given
		o.Missing = last - k.since
	}
	k.s.send(o)
	k.since = last
}

// show shows what the journal has, up to the message with the number head.
func (k *catching) show(head uint64) error {
	defer k.flush()
	s, room := k.s, k.m.room.key.name
	for k.since < head && s.why.Load() == nil {
		ctx, cancel := s.recalling()
		page, err := s.srv.journal.From(ctx, room, k.since+1, recallPage)
		cancel()
		if err != nil {
			return err
		}
		if page = upTo(page, head); len(page) == 0 {
			k.since = head // the rest is not kept any more
			return nil
		}
		for i := range page {
			k.add(&page[i])
		}
	}
	return nil
}

// add shows one entry of the history.
func (k *catching) add(m *Message) {
	switch {
	case m.Kind == KindHole && m.Epoch != k.epoch && k.epoch != 0:
		k.reset(m)
	case m.Kind == KindHole && k.epoch != 0:
		k.gap(m.Seq, false)
	case m.Kind != KindHole && !k.s.ignores(string(m.Author), 0) && !k.own(m):
		if k.json.Room == "" || k.json.Epoch != m.Epoch {
			k.json = wire.JSON{Room: k.m.room.key.name, Epoch: m.Epoch}
		}
		line := k.json.Append(nil, wire.Kind(m.Kind), m.Seq, m.Time, m.Author, m.ID, m.Text)
		k.out = append(k.out, k.m.format.pack(line)...)
		if len(k.out) >= recallPiece {
			k.flush()
		}
	}
	k.since, k.epoch = m.Seq, m.Epoch
}

// own tells that m is the program's own, and it does not want those.
func (k *catching) own(m *Message) bool {
	return len(k.m.leaveOut) > 0 && string(m.Author) == k.s.name && k.s.leavesOutOwn()
}

// reset tells that what was said at the end of an epoch may be lost.
func (k *catching) reset(m *Message) {
	k.flush()
	if !k.told {
		k.s.send(resetObject{
			kind: kind{"reset"}, Room: quoted(k.m.room.key.name), Epoch: m.Epoch, After: place{k.epoch, k.since}, Text: quoted(m.Text),
		})
	}
	k.told = false
}

func (k *catching) flush() {
	if len(k.out) > 0 {
		k.s.answer(k.out)
	}
	k.out = nil
}

// follow makes the program a member of the room that is shown all that comes, if it
// has been shown all that the room does not hold any more, or must. If not, it returns
// up to where the history has to be shown, or else 0.
func (k *catching) follow(must bool) uint64 {
	s, m := k.s, k.m
	r := m.room
	in, n, head := false, "", uint64(0)
	if s.present && !s.piped {
		n = s.name
	}
	away := n != "" && s.srv.names.away(n) != ""
	if !r.call(s.done, func() {
		m.format = format(s.format.Load())
		tail := max(r.oldest(m.format).Seq, r.earlier)
		head = r.seq
		if in = tail <= k.since || must; !in {
			return
		}
		if k.since < tail {
			m.out.Post(m.format.encode(gapObject{
				kind: kind{"gap"}, Room: quoted(r.key.name), Missing: tail - k.since, First: k.since + 1, Last: tail, Kept: true,
			}))
			k.since = tail
		}
		f := r.ring.Feed(r.formats[m.format])
		r.follow(m, f, f.At(r.ring.Seek(k.since+1).Index))
		if m.away = away; n != "" {
			r.arrive(m, n) // it is one of the people that it is told of
		}
		m.out.PostAfter(r.mark(), m.format.encode(liveObject{
			kind: kind{"live"}, Room: quoted(r.key.name), place: place{r.journal.Epoch(), r.seq},
			crowdObject: r.census(whoMost).object(),
		}))
	}) {
		s.end(endRoomFailed)
		return 0
	}
	if in {
		return 0
	}
	return head
}

// isLocked tells whether a room is.
func (s *Server) isLocked(r *room) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.catalog.find(r.key.name)
	return l != nil && l.Locked
}

// arriveIn makes the session known to the others in a room.
func (s *session) arriveIn(m *member) {
	n, away := s.name, s.srv.names.away(s.name) != ""
	s.doIn(m, func() {
		m.away = away
		m.room.arrive(m, n)
	})
}
