package store

import (
	"time"

	"github.com/chatd/chatd/pkg/relay"
)

// totals is what a queue counts for Stats alone.
type totals struct {
	kept     uint64 // messages
	commits  uint64 // of messages
	failures uint64 // of commits, holes among them
	pauses   uint64
}

// Stats tells how the store keeps up with what is said. It never waits for the disk.
func (s *Store) Stats() relay.JournalStats { return s.q.stats(time.Now()) }

func (q *queue) stats(now time.Time) relay.JournalStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	st := relay.JournalStats{
		Queue: int(q.depth.Load()), QueueBytes: q.size.Load(), Paused: q.paused != "",
		Kept: q.totals.kept, Lost: q.lost, Commits: q.totals.commits, Failures: q.totals.failures, Pauses: q.totals.pauses,
	}
	if since, ok := q.oldest(); ok {
		st.Lag = max(now.Sub(since), 0)
	}
	return st
}
