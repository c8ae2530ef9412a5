package relay

import (
	"fmt"
	"time"

	"github.com/chatd/chatd/internal/sock"
)

const (
	// reapSlice is how many sessions are looked at in one go: 18,000 at once are
	// a pause of 40 ms.
	reapSlice = 256
	// deadTries and deadSilence are the two signs that together mean a dead peer:
	// so many attempts in a row unanswered, and nothing acknowledged for so long.
	// One that has only stopped reading still answers window probes. With a look
	// every 5 s such a peer is gone within 25 s.
	deadTries   = 4
	deadSilence = 19 * time.Second
	// restAfter is how long a session is silent before its goroutine is replaced.
	restAfter = 10 * time.Second
	// idleWarning is how long before its end an idle session is warned.
	idleWarning = time.Minute
)

// watch is what the reaper remembers of a session.
type watch struct {
	acked   uint64    // bytes the peer had taken at the last look
	stalled time.Time // since when it has taken none that were due; zero: it takes them
	warned  int64     // uptime when it was warned of being idle
	pinged  int64     // uptime when it was sent a WebSocket ping
}

// reap walks over all sessions again and again, each once in every ReapInterval,
// and ends those that are dead, stalled, or silent for too long. It ends with the
// server.
func (s *Server) reap() {
	var prober sock.Prober
	next, stalled := 0, int64(0)
	t := time.NewTimer(s.cfg.ReapInterval)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-s.killed:
			return
		}
		slice, total := s.slice(next)
		now := time.Now()
		for _, sess := range slice {
			s.look(sess, now, &prober)
			if !sess.watch.stalled.IsZero() && sess.why.Load() == nil {
				stalled++
			}
		}
		if next += reapSlice; next >= total {
			s.stalled.Store(stalled)
			next, stalled = 0, 0
			s.tidy(now)
			s.expire(now)
		}
		steps := max((total+reapSlice-1)/reapSlice, 1)
		t.Reset(s.cfg.ReapInterval / time.Duration(steps))
	}
}

// slice copies the sessions from the given one on. Some that move in the list
// meanwhile are looked at twice or in the next round.
func (s *Server) slice(from int) (slice []*session, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	total = len(s.sessions)
	from = min(from, total)
	return append(slice, s.sessions[from:min(from+reapSlice, total)]...), total
}

// look judges one session.
func (s *Server) look(sess *session, now time.Time, prober *sock.Prober) {
	if sess.why.Load() != nil {
		return
	}
	s.lookIdle(sess)
	s.lookFrames(sess)
	if s.uptime()-sess.heard.Load() > int64(restAfter) {
		sess.rest()
	}

	w := &sess.watch
	h, ok := prober.Probe(sess.conn)
	taken := sess.taken(h)
	if h.TCP {
		taken = h.Acked // of TLS too, which only has to move
	}
	due := !sess.out.Parked().IsZero()
	if ok && h.TCP {
		if !h.Open {
			sess.end(endReset)
			return
		}
		if h.Tries >= deadTries && h.LastAck > deadSilence {
			sess.end(endLost)
			return
		}
		due = due || h.Unsent > 0
	}
	if !due || taken != w.acked {
		w.acked, w.stalled = taken, time.Time{}
		return
	}
	if w.stalled.IsZero() {
		w.stalled = now
	}
	if now.Sub(w.stalled) >= s.cfg.StallTimeout && s.cfg.StallTimeout > 0 {
		sess.end(endStalled)
	}
}

// taken is how many bytes have left for good, as far as can be known: the peer
// has acknowledged them, or read them, or at least they were taken from us. TLS
// makes more of them, so there it is fewer rather than too many.
func (s *session) taken(h sock.Health) uint64 {
	written := s.out.Written()
	switch {
	case s.conn.Encrypted():
		kept := uint64(h.Queued)
		if !s.out.Parked().IsZero() {
			kept += blindBytes
		}
		return written - min(kept, written)
	case h.TCP:
		return h.Acked
	}
	return written - min(uint64(h.Unsent), written)
}

// lookIdle ends a session that has been silent for too long, after a warning.
func (s *Server) lookIdle(sess *session) {
	limit := s.cfg.IdleTimeout
	if limit <= 0 {
		return
	}
	heard := sess.heard.Load()
	silent := time.Duration(s.uptime() - heard)
	warning := min(idleWarning, limit/4)
	switch {
	case silent >= limit:
		sess.end(endIdle(limit))
	case silent >= limit-warning && sess.watch.warned <= heard:
		sess.watch.warned = s.uptime()
		if !sess.home.raw {
			sess.out.Post(sess.line(fmt.Sprintf("you have been silent for %s; say something within %s to stay",
				spell(silent), spell(limit-silent)))) // its window is told for itself
		}
	}
}

// tidy has every room give up what nobody needs, if it is not busy.
func (s *Server) tidy(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rooms {
		r.nudge(func() { r.tidy(now) })
	}
}

// spell is a duration in words, to the second.
func spell(d time.Duration) string {
	d = d.Round(time.Second)
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if d%u.of == 0 && d >= u.of || u.of == time.Second {
			return plural(uint64(d/u.of), u.name)
		}
	}
	return d.String()
}

func perSecond(rate float64) string { return fmt.Sprintf("%g lines a second", rate) }
