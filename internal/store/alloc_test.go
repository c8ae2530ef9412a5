//go:build !race

// Under the race detector pools forget at random.

package store

import (
	"testing"
	"time"

	"github.com/chatd/chatd/pkg/relay"
)

// TestQueueNoAllocations appends and commits in turn.
func TestQueueNoAllocations(t *testing.T) {
	q := newQueue()
	q.save = func([]*entry) error { return nil }
	m := &relay.Message{Room: "tea", Author: []byte("ana"), Text: []byte("the meeting is at three")}
	stored := func(error) {}
	n := testing.AllocsPerRun(100, func() {
		for range 100 {
			m.Seq++
			q.append(m, stored)
		}
		batch, _ := q.take(time.Now(), 0)
		q.commit(batch)
	})
	q.stall.Stop()
	// A collection may empty the pool meanwhile.
	if n >= 5 {
		t.Errorf("100 messages allocate %v times", n)
	}
}
