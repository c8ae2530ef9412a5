package relay

import (
	"context"
	"math"
	"time"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/wire"
)

// loadTime is how long a room that begins waits for what was said in it before.
// Nobody is there yet but those who wait to come in.
const loadTime = time.Second

// begin makes the ring, with what was said last. It is the first thing the
// broadcaster does.
func (r *room) begin() {
	limits := feed.Limits{Records: ringRecords, Bytes: ringBytes}
	if r.journal == nil {
		r.ring = feed.NewRing(feed.Place{}, limits, &r.srv.budget)
		return
	}
	r.seq = r.journal.Last(r.key.name)
	r.earlier = r.seq
	start := feed.Place{Seq: r.seq}
	before := r.load()
	if len(before) > 0 {
		start.Seq = before[0].Seq - 1
	}
	r.ring = feed.NewRing(start, limits, &r.srv.budget)
	for i := range before {
		r.again(&before[i])
	}
}

// load asks the journal for what newcomers are shown.
func (r *room) load() []Message {
	n := max(r.srv.cfg.History, 0)
	if n == 0 || r.seq == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.srv.life, loadTime)
	defer cancel()
	before, err := r.journal.Before(ctx, r.key.name, math.MaxUint64, n)
	if err != nil {
		r.srv.log.Warn().Err(err).Str("room", harmless(r.key.name)).Msg("a room begins without what was said before")
		return nil
	}
	return before
}

// again puts what was said before into the ring.
func (r *room) again(m *Message) {
	r.startDay(m.Time)
	rec := feed.Record{Seq: m.Seq, Time: m.Time, Kind: uint8(m.Kind), Name: m.Author, Note: m.ID, Text: m.Text}
	if m.Kind == KindHole {
		rec.Seq, rec.Kind = 0, uint8(wire.Notice)
	}
	r.ring.Append(&rec)
	r.spoken.Store(m.Time)
}
