package relay

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/wire"
)

const (
	// inboxSize is how many messages may wait for a broadcaster. With 16, a
	// fan-out to 1,000 clients once had a p99.9 of 114 ms.
	inboxSize = 256
	// ringRecords and ringBytes bound what a room can still deliver to those who
	// are behind, and each feed.
	ringRecords = 4096
	ringBytes   = 1 << 20
	// feedIdle is how long a feed without readers is kept.
	feedIdle = time.Minute
)

// format names a wire format.
type format uint8

const (
	formatText format = iota // lines that end with LF
	formatCRLF               // lines that end with CR LF
	formatRaw                // chunks as they came
	formats
)

// event is what goes through a room's inbox: something said, or something to be
// done by the broadcaster.
type event struct {
	kind wire.Kind
	tag  uint32 // the author's
	name []byte // the author's, never changed
	text []byte
	do   func() // if not nil, all there is
}

var events = sync.Pool{New: func() any { return new(event) }}

// roomKey tells rooms apart. Raw rooms are a world of their own.
type roomKey struct {
	name string
	raw  bool
}

// room is a named place with one goroutine, its broadcaster, which numbers what
// is said and brings it to the members. It never waits for a session, for the
// journal or for another room.
//
// A session holds its room (Server.hold) as long as it may send to the inbox;
// the broadcaster ends when nobody does.
type room struct {
	// Set at the start.
	srv     *Server
	id      uint32
	key     roomKey
	inbox   chan *event   // never closed
	stop    chan struct{} // closed by Server.release: nobody holds the room
	done    chan struct{} // closed by the broadcaster when it ends
	journal *journal      // nil for raw rooms
	formats [formats]*feed.Format

	// Guarded by srv.mu.
	holders int

	// Written by the broadcaster, read by anyone.
	held atomic.Int64 // bytes of ring and feeds
	said atomic.Int64 // uptime of the last message

	// Owned by the broadcaster.
	members []*member
	ring    *feed.Ring
	readers [formats]int
	lonely  [formats]time.Time // since when a feed has had no reader
	day     int                // of the last record, in the server's zone
	crowd   crowd
	hands   hands
	seq     uint64      // of the last message, if there is no journal
	rec     feed.Record // what is being said, here so that nothing is allocated for it
}

// member is a session's place in a room.
type member struct {
	session *session
	out     *feed.Outlet
	slot    int // in room.members; -1: not there
	format  format
	mask    uint32
	name    string // by which others know it; "": they do not
}

func newRoom(s *Server, id uint32, key roomKey, j *journal) *room {
	r := &room{
		srv: s, id: id, key: key, journal: j,
		inbox: make(chan *event, inboxSize),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
		crowd: newCrowd(),
	}
	limits := feed.Limits{Records: ringRecords, Bytes: ringBytes}
	if key.raw {
		r.formats[formatRaw] = rawFormat()
		r.ring = feed.NewRing(feed.Place{}, limits, &s.budget)
		return r
	}
	r.formats[formatText] = textFormat("\n", s.cfg.Zone, j)
	r.formats[formatCRLF] = textFormat("\r\n", s.cfg.Zone, j)
	from := j.ring.Back(max(s.cfg.History, 0))
	r.ring = feed.NewRing(feed.Place{Ordinal: from.Ordinal, Seq: from.Seq}, limits, &s.budget)
	for rec := range j.ring.Records(from) {
		again := *rec
		r.startDay(again.Time)
		r.ring.Append(&again)
	}
	return r
}

// run is the broadcaster. It ends when nobody holds the room any longer, or with
// its own panic, which ends the room's sessions and nothing else.
func (r *room) run() {
	defer close(r.done)
	defer r.crowd.stop()
	defer r.ring.Drop()
	defer func() {
		if v := recover(); v != nil {
			r.srv.log.Error().Str("room", r.key.name).Interface("panic", v).
				Str("stack", string(debug.Stack())).Msg("a broadcaster failed; its room is closed")
			r.srv.abandon(r)
			for _, m := range r.members {
				m.session.end(endRoomFailed)
			}
		}
	}()
	for {
		select {
		case e := <-r.inbox:
			r.take(e)
		case <-r.crowd.timer.C:
			r.tellCrowd(time.Now())
		case <-r.stop:
			return
		}
		r.gather()
		r.sweep()
	}
}

// gather lets readers that are ready run first, so that one write brings what all
// of them have. The scheduler now and then gives us the processor back before
// they are through, so we yield until that brings nothing more.
func (r *room) gather() {
	for taken := 0; taken < inboxSize; {
		runtime.Gosched()
		n := r.takeAll()
		if n == 0 {
			return
		}
		taken += n
	}
}

// takeAll takes what is in the inbox, but no more than fits, so that members
// are served too while senders fill it up again. It returns how much that was.
func (r *room) takeAll() int {
	for n := range inboxSize {
		select {
		case e := <-r.inbox:
			r.take(e)
		default:
			return n
		}
	}
	return inboxSize
}

func (r *room) take(e *event) {
	if e.do != nil {
		e.do()
	} else {
		r.submit(e)
	}
	*e = event{text: e.text[:0]}
	events.Put(e)
}

// submit hands a message to whoever numbers this room's messages, which calls
// ordered with its number, in order, sooner or later. On one node that is the
// journal beside us, at once.
func (r *room) submit(e *event) {
	if r.journal == nil {
		r.seq++
		r.ordered(e, r.seq)
		return
	}
	r.ordered(e, r.journal.next())
}

// ordered is told the number of a submitted message: from here on it is said.
func (r *room) ordered(e *event, seq uint64) {
	r.rec = feed.Record{
		Seq: seq, Time: r.srv.now(), Tag: e.tag, Kind: uint8(e.kind), Name: e.name, Text: e.text,
	}
	if r.journal != nil {
		r.startDay(r.rec.Time)
		r.journal.add(&r.rec)
	}
	r.ring.Append(&r.rec)
	r.srv.messages.Add(1)
	r.srv.awake(r)
	r.said.Store(r.srv.uptime())
	if r.srv.budget.Exceeded() {
		r.srv.relieve(r)
	}
}

// startDay puts a line between two days.
func (r *room) startDay(at int64) {
	day := dayOf(at, r.srv.cfg.Zone)
	if r.day != 0 && day != r.day {
		r.ring.Append(&feed.Record{Time: at, Kind: uint8(wire.Day)})
	}
	r.day = day
}

// dayOf numbers days so that two differ if and only if their dates do.
func dayOf(at int64, zone *time.Location) int {
	y, m, d := time.Unix(0, at).In(zone).Date()
	return (y*16+int(m))*32 + d
}

// notice tells the members something that is not a message.
func (r *room) notice(text string) {
	at := r.srv.now()
	r.startDay(at)
	r.ring.Append(&feed.Record{Time: at, Kind: uint8(wire.Notice), Text: []byte(text)})
}

// enter makes m a member that sees the last lines and all that follows.
func (r *room) enter(m *member, lines int) {
	f := r.ring.Feed(r.formats[m.format])
	at := f.Back(lines)
	if !r.key.raw {
		for rec := range r.ring.Records(r.ring.At(at.Index)) {
			if dayOf(rec.Time, r.srv.cfg.Zone) != dayOf(r.srv.now(), r.srv.cfg.Zone) && rec.Kind != uint8(wire.Day) {
				text := wire.Text{EOL: m.format.eol(), Zone: r.srv.cfg.Zone}
				m.out.Post(text.Append(nil, wire.Day, rec.Time, nil, nil))
			}
			break
		}
	}
	m.slot = len(r.members)
	r.members = append(r.members, m)
	r.readers[m.format]++
	m.out.Follow(f, at, m.mask)
}

// leave takes m out of the room. It is still written what was said before.
func (r *room) leave(m *member) {
	if m.slot < 0 {
		return
	}
	f := r.ring.Feed(r.formats[m.format])
	m.out.Unfollow(f, f.Head())
	last := len(r.members) - 1
	r.members[m.slot] = r.members[last]
	r.members[m.slot].slot = m.slot
	r.members[last] = nil
	r.members = r.members[:last]
	m.slot = -1
	r.unread(m.format)
}

// reformat changes the format m reads, between two records.
func (r *room) reformat(m *member, to format) {
	if m.slot < 0 || m.format == to {
		return
	}
	m.out.Switch(r.ring.Feed(r.formats[m.format]), r.ring.Feed(r.formats[to]))
	r.unread(m.format)
	m.format = to
	r.readers[to]++
}

// remask changes whose messages m does not see.
func (r *room) remask(m *member, tag uint32) {
	m.mask = tag
	if m.slot >= 0 {
		m.out.Mask(r.ring.Feed(r.formats[m.format]), tag)
	}
}

func (r *room) unread(f format) {
	if r.readers[f]--; r.readers[f] == 0 {
		r.lonely[f] = time.Now()
	}
}

// relieve drops all but the newest of ring and feeds.
func (r *room) relieve() {
	r.ring.Relieve()
	r.held.Store(r.ring.HeldAll())
}

// nudge has do run by the broadcaster, unless it is busy.
func (r *room) nudge(do func()) {
	e := events.Get().(*event)
	e.do = do
	select {
	case r.inbox <- e:
	default:
		e.do = nil
		events.Put(e)
	}
}

// tidy gives up feeds that nobody has read for a minute.
func (r *room) tidy(now time.Time) {
	r.held.Store(r.ring.HeldAll())
	for f := range r.formats {
		if r.readers[f] == 0 && !r.lonely[f].IsZero() && now.Sub(r.lonely[f]) >= feedIdle {
			r.ring.End(r.formats[f])
			r.lonely[f] = time.Time{}
		}
	}
}

// send puts e into the inbox. It waits while the inbox is full, and fails when
// done is closed first or the room has failed. Only who holds the room may call it.
func (r *room) send(done <-chan struct{}, e *event) bool {
	select {
	case r.inbox <- e:
		return true
	default:
	}
	select {
	case r.inbox <- e:
		return true
	case <-done:
	case <-r.done:
	}
	return false
}

// call has do run by the broadcaster and returns when it has, or false if done is
// closed first or the room has failed. Only who holds the room may call it.
func (r *room) call(done <-chan struct{}, do func()) bool {
	ran := make(chan struct{})
	e := events.Get().(*event)
	e.do = func() { do(); close(ran) }
	if !r.send(done, e) {
		return false
	}
	select {
	case <-ran:
		return true
	case <-done:
	case <-r.done:
	}
	return false
}
