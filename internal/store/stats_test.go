package store

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd/chatd/pkg/relay"
)

// What the queue tells of itself, while a disk works, hesitates, is full, and is well
// again.
func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk(t)
		defer func() { _ = d.q.close(time.Second) }()
		expect := func(when string, want relay.JournalStats) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(want, d.q.stats(time.Now())); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", when, diff)
			}
		}
		expect("at first", relay.JournalStats{})

		d.say("tea", batchMost+1) // "hello" each
		time.Sleep(batchWait)
		expect("the disk works", relay.JournalStats{Kept: batchMost + 1, Commits: 2})

		hang := make(chan struct{})
		d.set(func(d *fakeDisk) { d.hang = hang })
		d.say("tea", 3)
		time.Sleep(batchWait + 300*time.Millisecond)
		expect("the disk hesitates", relay.JournalStats{
			Queue: 3, QueueBytes: 15, Lag: batchWait + 300*time.Millisecond, Kept: batchMost + 1, Commits: 2,
		})

		d.set(func(d *fakeDisk) { d.err = errFakeFull })
		close(hang)
		expect("the disk is full", relay.JournalStats{
			Paused: true, Kept: batchMost + 1, Commits: 2, Lost: 3, Failures: 1, Pauses: 1,
		})
		d.say("tea", 2)
		time.Sleep(retryEvery)
		expect("it still is", relay.JournalStats{
			Paused: true, Kept: batchMost + 1, Commits: 2, Lost: 5, Failures: 2, Pauses: 1,
		})

		d.set(func(d *fakeDisk) { d.err = nil })
		time.Sleep(retryEvery)
		expect("there is space again", relay.JournalStats{Kept: batchMost + 1, Commits: 2, Lost: 5, Failures: 2, Pauses: 1})
	})
}
