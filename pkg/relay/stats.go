package relay

import (
	"errors"
	"maps"
	"sync/atomic"
	"time"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/sock"
)

// Stats is how much goes on, and how much has since New. Its numbers are read one after
// the other while the server goes on, so they may differ by what happened meanwhile.
// What is counted since New only rises.
type Stats struct {
	Counts

	// Listening is how many of Sessions have neither spoken nor taken a name, or are
	// reading windows.
	Listening int
	// Limit is how many Sessions there may be; 0: as many as like.
	Limit int
	// Pending is how many newcomers are accepted and not greeted yet, those in a
	// handshake among them; Lingering how many connections that have ended wait for
	// their peer to close, a second at most.
	Pending, Lingering int

	// Transports are Sessions by what their connection is made of: tcp, tls, unix, or
	// websocket, whatever is below that.
	Transports map[string]Traffic
	// Ended are the sessions that have ended since New, by their cause as in the log.
	Ended map[string]uint64
	// RefusedFor are the connections turned away since New, by why.
	RefusedFor map[string]uint64

	// Deliveries is how many messages were written to clients since New: each one for
	// each client that was given at least its first byte. What newcomers are shown of
	// earlier talk is among them; answers to /last and the like are not.
	Deliveries uint64
	// Gaps is how often a client was told that it missed messages, Skipped how many of
	// them it was told.
	Gaps, Skipped uint64
	// Parked is how many clients have a full buffer just now, or a write under way
	// where writing can only wait, as in TLS. Stalled is how many had taken nothing of
	// what is due between the last two looks of the reaper, ReapInterval apart.
	Parked, Stalled int

	// Inbox is how many messages wait for a broadcaster, in all rooms together, and
	// InboxMost in the one where most do, of 256 at most.
	Inbox, InboxMost int
	// SweepSeconds is how long it took to bring what was said to a room's members, and
	// SweepMessages how many messages that were at a time.
	SweepSeconds, SweepMessages Histogram

	// RateWaits is how many lines were read later because their sender was faster than
	// Config.Rate; BacklogWaits is the same for the sake of the journal.
	RateWaits, BacklogWaits uint64

	LogLimit int64 // of LogBytes; 0: none

	// Accepting tells that newcomers are let in: something is served, accepting is not
	// Paused and the server is not Stopping. Closed tells that an operator has closed
	// the server to those who come over a network.
	Accepting, Paused, Closed, Stopping bool

	// Journal is what a Journal says that has a method Stats() JournalStats, or zero.
	Journal JournalStats
}

// Traffic is sessions of one kind.
type Traffic struct {
	Now  int
	Ever uint64 // since New
}

// JournalStats is how a Journal keeps up with what is said.
type JournalStats struct {
	Queue      int           // messages that were appended and are not kept yet
	QueueBytes int64         // of their authors, ids and texts
	Lag        time.Duration // how long the oldest of them has waited; 0: none waits
	Paused     bool          // nothing is kept for now

	// Since it was opened.
	Kept     uint64 // messages
	Lost     uint64 // messages that were not kept, and never will be
	Commits  uint64 // batches of messages that were kept
	Failures uint64 // attempts that failed to keep something
	Pauses   uint64 // times that saving was paused
}

// Histogram is how often values lay between two bounds.
type Histogram struct {
	Bounds []float64 // rising; each belongs to the bucket below it
	Counts []uint64  // one more than Bounds: the last is of what is above all
	Sum    float64   // of all values
}

// Stats returns how much goes on now. It costs about as much as a newcomer, and a
// little more for every room.
func (s *Server) Stats() Stats {
	st := Stats{
		Counts:        s.Counts(),
		Limit:         max(s.cfg.MaxClients, 0),
		Pending:       max(len(s.pending)-int(s.waiting.Load()), 0),
		Lingering:     len(s.lingers),
		Deliveries:    s.tally.Records.Load(),
		Gaps:          s.tally.Gaps.Load(),
		Skipped:       s.tally.Skipped.Load(),
		Parked:        int(s.tally.Parked.Load()),
		Stalled:       int(s.stalled.Load()),
		SweepSeconds:  s.sweepTimes.snapshot(sweepTimeBounds, time.Second),
		SweepMessages: s.sweepSizes.snapshot(sweepSizeBounds, 1),
		RateWaits:     s.rateWaits.Load(),
		BacklogWaits:  s.backlogWaits.Load(),
		LogLimit:      max(s.budget.Limit, 0),
		RefusedFor:    s.refusals.snapshot(),
		Closed:        s.shut.Load(),
	}
	st.Listening = st.Sessions - st.People
	if j, ok := s.journal.(interface{ Stats() JournalStats }); ok {
		st.Journal = j.Stats()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Transports, st.Ended = maps.Clone(s.transports), maps.Clone(s.ended)
	st.Paused, st.Stopping = s.paused != nil, s.closed
	st.Accepting = len(s.listeners) > 0 && !st.Paused && !st.Stopping
	for _, r := range s.rooms {
		n := len(r.inbox)
		st.Inbox += n
		st.InboxMost = max(st.InboxMost, n)
	}
	return st
}

// stats is what the server counts for Stats alone.
type stats struct {
	tally        feed.Tally
	stalled      atomic.Int64 // as the reaper found them on its last round
	sweepTimes   histogram    // nanoseconds
	sweepSizes   histogram    // messages
	rateWaits    atomic.Uint64
	backlogWaits atomic.Uint64
	refusals     refusals

	// Guarded by Server.mu.
	transports map[string]Traffic
	ended      map[string]uint64 // by cause.log
}

// init has everything that can be counted stand at 0.
func (st *stats) init() {
	st.refusals = make(refusals)
	st.transports = make(map[string]Traffic)
	st.ended = make(map[string]uint64)
	for _, why := range refusedFor {
		st.refusals[why] = new(atomic.Uint64)
	}
	for _, t := range []string{"tcp", "tls", "unix", transportWebSocket} {
		st.transports[t] = Traffic{}
	}
	for _, c := range causes() {
		st.ended[c.log] = 0
	}
}

// transportWebSocket is the transport of a session that speaks it from the beginning.
const transportWebSocket = "websocket"

func transportOf(c *sock.Conn, f format) string {
	if f == formatFrames {
		return transportWebSocket
	}
	return c.Transport()
}

// came counts a session that begins. s.mu is held.
func (s *Server) came(sess *session) {
	t := s.transports[sess.transport]
	t.Now++
	t.Ever++
	s.transports[sess.transport] = t
}

// went counts a session that has ended. s.mu is held.
func (s *Server) went(sess *session) {
	t := s.transports[sess.transport]
	t.Now--
	s.transports[sess.transport] = t
	s.ended[sess.why.Load().log]++
}

// Why somebody is turned away, in Stats.
const (
	refusedFull      = "server full"
	refusedAddress   = "too many from one address"
	refusedBanned    = "banned"
	refusedClosed    = "closed to newcomers"
	refusedStopping  = "server stopping"
	refusedHandshake = "handshake failed"
	refusedSlow      = "handshake too slow"
)

var refusedFor = []string{
	refusedFull, refusedAddress, refusedBanned, refusedClosed, refusedStopping, refusedHandshake, refusedSlow,
}

// refusals count who is turned away, for each of refusedFor; the keys do not change.
type refusals map[string]*atomic.Uint64

func (r refusals) snapshot() map[string]uint64 {
	n := make(map[string]uint64, len(r))
	for why, count := range r {
		n[why] = count.Load()
	}
	return n
}

// turned counts somebody who was turned away for err.
func (s *Server) turned(err error) {
	s.refused.Add(1)
	why := refusedHandshake
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		why = refused.why
	case errors.Is(err, errTooMany):
		why = refusedAddress
	case errors.Is(err, errYielded), errors.Is(err, errNotReady):
		why = refusedSlow
	}
	s.refusals[why].Add(1)
}

// The bounds of the buckets, in nanoseconds and in messages. A sweep over two people
// takes some microseconds, over 10,000 some ten milliseconds; longer ones are paused
// for other rooms, or wait for a processor. A sweep brings what two inboxes hold at
// most.
var (
	sweepTimeBounds = []int64{10e3, 30e3, 100e3, 300e3, 1e6, 3e6, 10e6, 30e6, 100e6, 300e6, 1e9}
	sweepSizeBounds = []int64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}
)

// bucketsMost is how many buckets a histogram has room for.
const bucketsMost = 12

// histogram counts values in buckets. It may be added to by any goroutine.
type histogram struct {
	counts [bucketsMost]atomic.Uint64
	sum    atomic.Int64
}

func (h *histogram) add(bounds []int64, value int64) {
	i := 0
	for i < len(bounds) && value > bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(value)
}

// snapshot is what was counted, in units of unit.
func (h *histogram) snapshot(bounds []int64, unit time.Duration) Histogram {
	snap := Histogram{Counts: make([]uint64, len(bounds)+1), Sum: float64(h.sum.Load()) / float64(unit)}
	for i := range snap.Counts {
		snap.Counts[i] = h.counts[i].Load()
	}
	for _, b := range bounds {
		snap.Bounds = append(snap.Bounds, float64(b)/float64(unit))
	}
	return snap
}
