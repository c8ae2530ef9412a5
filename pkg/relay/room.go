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
	formatText   format = iota // lines that end with LF
	formatCRLF                 // lines that end with CR LF
	formatRaw                  // chunks as they came
	formatJSON                 // an object a line
	formatFrames               // an object a WebSocket frame
	formats
)

// event is what goes through a room's inbox: something said, or something to be
// done by the broadcaster.
type event struct {
	kind    wire.Kind
	tag     uint32 // the author's
	name    []byte // the author's, never changed
	text    []byte
	receipt *receipt // what its author is to be told; nil: nothing
	do      func()   // if not nil, all there is
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
	journal Journal       // nil for raw rooms
	formats [formats]*feed.Format

	// Guarded by srv.mu.
	holders int

	// Written by the broadcaster, read by anyone.
	held   atomic.Int64 // bytes of ring and feeds
	said   atomic.Int64 // uptime of the last message
	spoken atomic.Int64 // when that was, nanoseconds since 1970; 0: never
	people atomic.Int64 // members that others know of

	// Owned by the broadcaster.
	members   []*member
	ring      *feed.Ring
	readers   [formats]int
	lonely    [formats]time.Time // since when a feed has had no reader
	day       int                // of the last record, in the server's zone
	crowd     crowd
	hands     hands
	bells     []*member   // for whom the bell rings
	ids       ids         // of what programs have said
	earlier   uint64      // the last number that was given before the room began
	forgotten uint64      // records before it are not shown to newcomers: some were deleted
	seq       uint64      // of the last message
	fresh     int         // messages that no sweep has brought yet
	rec       feed.Record // what is being said, here so that nothing is allocated for it
	msg       Message     // the same, for the journal
}

func newRoom(s *Server, id uint32, key roomKey) *room {
	r := &room{
		srv: s, id: id, key: key,
		inbox: make(chan *event, inboxSize),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
		crowd: newCrowd(),
	}
	if key.raw {
		r.formats[formatRaw] = rawFormat()
		return r
	}
	r.journal = s.journal
	hint := func(g feed.Gap) string { return gapHint(g, s.journal.First(key.name)) }
	r.formats[formatText] = textFormat("\n", s.cfg.Zone, hint)
	r.formats[formatCRLF] = textFormat("\r\n", s.cfg.Zone, hint)
	r.formats[formatJSON] = jsonFormat(key.name, s.journal.Epoch(), func(g feed.Gap) bool { return s.journal.First(key.name) <= g.Last })
	r.formats[formatFrames] = framed(r.formats[formatJSON])
	return r
}

// run is the broadcaster. It ends when nobody holds the room any longer, or with
// its own panic, which ends the room's sessions and nothing else.
func (r *room) run() {
	defer r.discard()
	defer close(r.done)
	defer r.crowd.stop()
	defer func() {
		if r.ring != nil {
			r.ring.Drop()
		}
	}()
	defer func() {
		if v := recover(); v != nil {
			r.srv.log.Error().Str("room", harmless(r.key.name)).Interface("panic", v).
				Str("stack", string(debug.Stack())).Msg("a broadcaster failed; its room is closed")
			r.srv.abandon(r)
			for _, m := range r.members {
				m.session.end(endRoomFailed)
			}
		}
	}()
	r.begin()
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
		r.coming(-1)
		r.submit(e)
	}
	*e = event{text: e.text[:0]}
	events.Put(e)
}

// submit hands a message to whoever numbers this room's messages, which calls
// ordered with its number, in order, sooner or later. On one node that is done
// here, at once.
//
// A message that a program sends again is not said again.
func (r *room) submit(e *event) {
	if e.receipt != nil {
		if seq, known := r.ids.find(e.receipt.id); known {
			r.repeated(e.receipt, seq)
			return
		}
	}
	r.ordered(e, r.seq+1)
}

// ordered is told the number of a submitted message: from here on it is said.
func (r *room) ordered(e *event, seq uint64) {
	r.announce(e.name)
	r.seq = seq
	now := r.srv.now()
	r.rec = feed.Record{Seq: seq, Time: now, Tag: e.tag, Kind: uint8(e.kind), Name: e.name, Text: e.text}
	var stored func(error)
	if x := e.receipt; x != nil {
		r.rec.Note = []byte(x.id)
		r.ids.add(x.id, seq)
		x.said(place{r.journal.Epoch(), seq}, false)
		stored = x.stored
	}
	if r.journal != nil {
		r.startDay(now)
		r.msg = Message{
			Room: r.key.name, Position: Position{r.journal.Epoch(), seq},
			Time: now, Kind: Kind(e.kind), Author: e.name, Text: e.text, ID: r.rec.Note,
		}
		r.journal.Append(&r.msg, stored)
	}
	r.ring.Append(&r.rec)
	if len(r.bells) > 0 {
		r.ringBells(&r.rec)
	}
	r.srv.messages.Add(1)
	r.fresh++
	r.srv.awake(r)
	r.said.Store(r.srv.uptime())
	r.spoken.Store(now)
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
func (r *room) notice(text string) { r.presence(wire.Notice, 0, "", "", text) }

// presence tells the members who comes, goes or is called otherwise: name, and now
// what it is called now. text is what people read.
func (r *room) presence(kind wire.Kind, tag uint32, name, now, text string) {
	at := r.srv.now()
	r.startDay(at)
	r.ring.Append(&feed.Record{
		Time: at, Tag: tag, Kind: uint8(kind), Name: []byte(name), Note: []byte(now), Text: []byte(text),
	})
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
