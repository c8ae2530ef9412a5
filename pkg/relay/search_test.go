package relay

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// busySearch is a journal in which a search takes a while, and which counts how many
// there are at once.
type busySearch struct {
	Journal
	now, most atomic.Int32
}

func (b *busySearch) Search(ctx context.Context, room, words string, seq uint64, n int) ([]Message, error) {
	defer b.now.Add(-1)
	if now := b.now.Add(1); now > b.most.Load() {
		b.most.Store(now)
	}
	time.Sleep(100 * time.Millisecond) // simulated
	return b.Journal.Search(ctx, room, words, seq, n)
}

// One searches after the other. Who has waited too long is told so, and who leaves
// waits no longer.
func TestSearchesTakeTurns(t *testing.T) {
	journal := &busySearch{Journal: NewMemory(Keep{})}
	simulate(t, Config{Journal: journal}, func(b *bubble) {
		ana := b.arrive()
		ana.say("tea at four")
		var people []*person
		for range 60 {
			people = append(people, b.connect())
		}
		time.Sleep(openTime)
		for _, p := range people {
			p.seen()
			p.say("/search tea")
		}
		gone := people[10]
		synctest.Wait()
		_ = gone.conn.Close()
		time.Sleep(recallTime + time.Second)
		found, late := 0, 0
		for _, p := range people {
			got := p.seen()
			found += count(got, `^\* 1 message with these words:$`)
			late += count(got, `^\* the history does not answer just now; try again later$`)
		}
		if most := int(recallTime / (100 * time.Millisecond)); found < most-3 || found > most || found+late != len(people)-1 {
			t.Errorf("of %d who search %d find, and %d are told to try again", len(people), found, late)
		}
		if most := journal.most.Load(); most != 1 {
			t.Errorf("%d searched at once", most)
		}
	})
}
