package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd/chatd/pkg/relay"
)

var (
	errFakeFull  = errors.New("fake: no space left")
	errFakeError = errors.New("fake: input/output error")
)

// fakeDisk takes what a queue writes, on a fake clock.
type fakeDisk struct {
	t *testing.T
	q *queue

	mu     sync.Mutex
	err    error               // of every commit
	slow   time.Duration       // that a commit takes
	hang   chan struct{}       // if not nil, commits end when it is closed
	kept   map[string][]string // what a room has: "7", or "9: 3 lost (disk full)"
	sizes  []int               // of batches
	told   []relay.Saving
	stored map[uint64]error // of room tea
}

// newFakeDisk runs a queue until the test's bubble ends.
func newFakeDisk(t *testing.T) *fakeDisk {
	d := &fakeDisk{t: t, q: newQueue(), kept: make(map[string][]string), stored: make(map[uint64]error)}
	d.q.save, d.q.mark = d.save, d.mark
	d.q.reason = func(err error) string {
		if errors.Is(err, errFakeFull) {
			return reasonFull
		}
		return reasonError
	}
	d.q.failed = func(error) {}
	d.q.watcher = func(s relay.Saving) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.told = append(d.told, s)
	}
	go d.q.run()
	return d
}

// write is what a commit takes before it succeeds or fails.
func (d *fakeDisk) write() error {
	d.mu.Lock()
	slow, hang := d.slow, d.hang
	d.mu.Unlock()
	time.Sleep(slow)
	if hang != nil {
		<-hang
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

func (d *fakeDisk) save(batch []*entry) error {
	if err := d.write(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sizes = append(d.sizes, len(batch))
	for _, e := range batch {
		d.kept[e.room.name] = append(d.kept[e.room.name], fmt.Sprint(e.seq))
	}
	return nil
}

func (d *fakeDisk) mark(holes []hole) error {
	if err := d.write(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range holes {
		name := h.room.name
		d.kept[name] = append(d.kept[name], fmt.Sprintf("%d: %d lost (%s)", h.last, h.count, h.reason))
	}
	return nil
}

// set changes the disk.
func (d *fakeDisk) set(change func(*fakeDisk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

// say appends the next n messages of a room.
func (d *fakeDisk) say(room string, n int) {
	for range n {
		last, _ := d.q.number(room)
		seq := last + 1
		m := &relay.Message{Room: room, Position: relay.Position{Seq: seq}, Time: int64(seq), Text: []byte("hello")}
		d.q.append(m, func(err error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			if was, ok := d.stored[seq]; ok && room == "tea" {
				d.t.Errorf("stored of message %d is called with %v and %v", seq, was, err)
			}
			if room == "tea" {
				d.stored[seq] = err
			}
		})
	}
}

func (d *fakeDisk) close() {
	d.t.Helper()
	if err := d.q.close(time.Minute); err != nil {
		d.t.Errorf("close: %v", err)
	}
}

// expect fails the test unless a room has what is listed: numbers, runs of them
// as "1-5", and holes.
func (d *fakeDisk) expect(room string, want ...string) {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	var runs []string
	var from, to uint64
	flush := func() {
		if from != 0 {
			runs = append(runs, fmt.Sprintf("%d-%d", from, to))
		}
		from = 0
	}
	for _, k := range d.kept[room] {
		var seq uint64
		if n, _ := fmt.Sscanf(k+" ", "%d ", &seq); n == 1 && k == fmt.Sprint(seq) {
			if from != 0 && seq != to+1 {
				flush()
			}
			if from == 0 {
				from = seq
			}
			to = seq
			continue
		}
		flush()
		runs = append(runs, k)
	}
	flush()
	if diff := cmp.Diff(want, runs); diff != "" {
		d.t.Errorf("%s has (-want +got):\n%s", room, diff)
	}
}

func (d *fakeDisk) expectTold(want ...relay.Saving) {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if diff := cmp.Diff(want, d.told); diff != "" {
		d.t.Errorf("told (-want +got):\n%s", diff)
	}
}

func (d *fakeDisk) tellings() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.told)
}

// expectStored fails the test unless exactly the messages of tea that count were
// said to be stored, and all others were refused.
func (d *fakeDisk) expectStored(total int, kept func(seq uint64) bool) {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.stored) != total {
		d.t.Errorf("%d of %d messages were answered for", len(d.stored), total)
	}
	for seq, err := range d.stored {
		if (err == nil) != kept(seq) {
			d.t.Errorf("message %d: stored says %v", seq, err)
		}
	}
}

func TestQueueBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk(t)
		begin := time.Now()
		d.say("tea", 1)
		if err := d.q.sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("somebody waited %v for a batch to gather", took)
		}
		d.say("tea", 3)
		time.Sleep(batchWait - 1)
		synctest.Wait()
		d.expect("tea", "1-1")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		d.expect("tea", "1-4")
		d.set(func(d *fakeDisk) { d.slow = 20 * time.Millisecond })
		d.say("tea", 1000)
		if b := d.q.backlog(); b < 1000./queueMost || b > 1 {
			t.Errorf("the backlog is %v with 1,000 messages", b)
		}
		d.close()
		d.expect("tea", "1-1004")
		d.expectStored(1004, func(uint64) bool { return true })
		if want := []int{1, 3, 256, 256, 256, 232}; !slices.Equal(d.sizes, want) {
			t.Errorf("batches of %v; want %v", d.sizes, want)
		}
		if b := d.q.backlog(); b != 0 {
			t.Errorf("the backlog of an empty queue is %v", b)
		}
		d.expectTold()
	})
}

// TestQueueSlowDisk stalls for just less than what is allowed.
func TestQueueSlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk(t)
		d.set(func(d *fakeDisk) { d.slow = stallAfter - batchWait - 1 })
		d.say("tea", 5)
		d.say("coffee", 2)
		time.Sleep(stallAfter)
		synctest.Wait()
		d.close()
		d.expect("tea", "1-5")
		d.expect("coffee", "1-2")
		d.expectTold()
	})
}

// TestQueueStall hangs a commit for 5 s.
func TestQueueStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk(t)
		hang := make(chan struct{})
		d.set(func(d *fakeDisk) { d.hang = hang })
		d.say("tea", 5)
		time.Sleep(batchWait)
		synctest.Wait() // they are being committed
		d.say("tea", 10)
		d.say("coffee", 1)
		time.Sleep(stallAfter - batchWait - 1)
		synctest.Wait()
		d.expectTold()
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		d.expectTold(relay.Saving{Paused: true, Reason: reasonSlow})
		if err := d.q.settle(t.Context()); err != nil {
			t.Errorf("a reader waited for a disk that stalls: %v", err)
		}
		if err := d.q.sync(t.Context()); err == nil {
			t.Error("Sync returns nil while saving is paused")
		}
		d.say("tea", 3)
		time.Sleep(3 * time.Second)
		close(hang)
		synctest.Wait()
		d.expectTold(relay.Saving{Paused: true, Reason: reasonSlow}, relay.Saving{Lost: 14})
		d.say("tea", 2)
		d.close()
		d.expect("tea", "1-5", "18: 13 lost (disk too slow)", "19-20")
		d.expect("coffee", "1: 1 lost (disk too slow)")
		d.expectStored(20, func(seq uint64) bool { return seq <= 5 || seq > 18 })
	})
}

// TestQueueStallThenError fails the commit that hung.
func TestQueueStallThenError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk(t)
		hang := make(chan struct{})
		d.set(func(d *fakeDisk) { d.hang = hang })
		d.say("tea", 5)
		time.Sleep(batchWait)
		synctest.Wait()
		d.say("tea", 1)
		time.Sleep(stallAfter)
		d.set(func(d *fakeDisk) { d.err = errFakeError })
		close(hang)
		synctest.Wait()
		if _, first := d.q.number("tea"); first != 7 {
			t.Errorf("the first number kept is %d; nothing is", first)
		}
		d.say("tea", 1)
		d.set(func(d *fakeDisk) { d.err = nil })
		time.Sleep(retryEvery)
		synctest.Wait()
		d.say("tea", 1)
		d.close()
		d.expect("tea", "7: 7 lost (disk error)", "8-8")
		d.expectTold(relay.Saving{Paused: true, Reason: reasonSlow},
			relay.Saving{Paused: true, Reason: reasonError}, relay.Saving{Lost: 7})
		if _, first := d.q.number("tea"); first != 7 {
			t.Errorf("the first number kept is %d; that of the hole is 7", first)
		}
	})
}

// TestQueueFull lets a disk be full for ten minutes.
func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk(t)
		d.say("tea", 3)
		time.Sleep(time.Second)
		d.set(func(d *fakeDisk) { d.err = errFakeFull })
		d.say("tea", 300) // the second batch waits when the first fails
		d.say("coffee", 5)
		time.Sleep(10 * time.Minute)
		d.say("tea", 100)
		synctest.Wait()
		d.expectTold(relay.Saving{Paused: true, Reason: reasonFull})
		d.set(func(d *fakeDisk) { d.err = nil })
		free := time.Now()
		for d.tellings() < 2 {
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
		}
		if took := time.Since(free); took > retryEvery {
			t.Errorf("saving went on %v after there was space", took)
		}
		d.expectTold(relay.Saving{Paused: true, Reason: reasonFull}, relay.Saving{Lost: 405})
		d.say("tea", 4)
		d.close()
		d.expect("tea", "1-3", "403: 400 lost (disk full)", "404-407")
		d.expect("coffee", "5: 5 lost (disk full)")
		d.expectStored(407, func(seq uint64) bool { return seq <= 3 || seq > 403 })
	})
}

// TestQueueOverflow says more than the queue holds while a commit takes its time,
// in messages and in bytes.
func TestQueueOverflow(t *testing.T) {
	for name, text := range map[string]int{"messages": 10, "bytes": 100_000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newFakeDisk(t)
				d.set(func(d *fakeDisk) { d.slow = time.Second })
				fits := min(queueMost, queueBytes/text)
				var kept, lost int
				count := func(err error) {
					d.mu.Lock()
					defer d.mu.Unlock()
					if err == nil {
						kept++
					} else {
						lost++
					}
				}
				for i := range fits + 10 {
					m := &relay.Message{Room: "tea", Position: relay.Position{Seq: uint64(i + 1)}, Text: make([]byte, text)}
					d.q.append(m, count)
					if i == fits-1 {
						d.expectTold()
						if b := d.q.backlog(); b < 0.98 {
							t.Errorf("the backlog is %v when nothing more fits", b)
						}
					}
				}
				d.expectTold(relay.Saving{Paused: true, Reason: reasonSlow})
				d.close()
				if kept+lost != fits+10 || lost < 10 {
					t.Errorf("%d of %d messages were kept, %d lost", kept, fits+10, lost)
				}
				d.expectTold(relay.Saving{Paused: true, Reason: reasonSlow}, relay.Saving{Lost: uint64(lost)})
			})
		})
	}
}

// TestQueueFullWhileResuming fills the queue again while the holes are written.
func TestQueueFullWhileResuming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk(t)
		d.set(func(d *fakeDisk) { d.err = errFakeFull })
		d.say("tea", 2)
		time.Sleep(batchWait)
		synctest.Wait()
		hang := make(chan struct{})
		d.set(func(d *fakeDisk) { d.err, d.hang = nil, hang })
		time.Sleep(retryEvery)
		synctest.Wait() // the holes are being written
		d.say("tea", 3)
		d.expectTold(relay.Saving{Paused: true, Reason: reasonFull})
		time.Sleep(stallAfter)
		d.say("tea", 1)
		d.set(func(d *fakeDisk) { d.hang = nil })
		close(hang)
		synctest.Wait()
		d.say("tea", 1)
		d.close()
		d.expect("tea", "2: 2 lost (disk full)", "6: 4 lost (disk too slow)", "7-7")
		d.expectTold(relay.Saving{Paused: true, Reason: reasonFull},
			relay.Saving{Paused: true, Reason: reasonSlow}, relay.Saving{Lost: 6})
		d.expectStored(7, func(seq uint64) bool { return seq == 7 })
	})
}

// TestQueueKeepsWhatComesWhileResuming says something while the holes are written.
func TestQueueKeepsWhatComesWhileResuming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk(t)
		d.set(func(d *fakeDisk) { d.err = errFakeFull })
		d.say("tea", 2)
		time.Sleep(batchWait)
		synctest.Wait()
		d.set(func(d *fakeDisk) { d.err, d.slow = nil, time.Second })
		time.Sleep(retryEvery + time.Second/2)
		d.say("tea", 3)
		time.Sleep(5 * time.Second)
		d.close()
		d.expect("tea", "2: 2 lost (disk full)", "3-5")
		d.expectTold(relay.Saving{Paused: true, Reason: reasonFull}, relay.Saving{Lost: 2})
	})
}

// TestQueueCloses ends while the disk is full, and while it does not answer.
func TestQueueCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk(t)
		d.set(func(d *fakeDisk) { d.err = errFakeFull })
		d.say("tea", 5)
		if err := d.q.close(time.Minute); err == nil {
			t.Error("close of a full disk returns nil")
		}
		d.expectStored(5, func(uint64) bool { return false })
	})
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk(t)
		hang := make(chan struct{})
		d.set(func(d *fakeDisk) { d.hang = hang })
		d.say("tea", 5)
		begin := time.Now()
		if err := d.q.close(time.Minute); !errors.Is(err, errStuck) {
			t.Errorf("close of a disk that hangs: %v", err)
		}
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("close waited %v", took)
		}
		close(hang)
		<-d.q.done
	})
}

func TestQueueWaitsAsLongAsSomebodyWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFakeDisk(t)
		d.set(func(d *fakeDisk) { d.slow = time.Second })
		d.say("tea", 1)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if err := d.q.settle(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("settle: %v", err)
		}
		// A job waits for the commit under way and no more.
		d.say("tea", 3*batchMost)
		begin := time.Now()
		done := false
		if n, err := ask(t.Context(), d.q, func() (int, error) { done = true; return 7, nil }); err != nil || !done || n != 7 {
			t.Errorf("ask: %d, %v, done: %v", n, err, done)
		}
		if took := time.Since(begin); took > 4*time.Second {
			t.Errorf("a job waited %v", took)
		}
		d.close()
		if _, err := ask(t.Context(), d.q, func() (int, error) { return 7, nil }); !errors.Is(err, errClosed) {
			t.Errorf("ask after close: %v", err)
		}
	})
}
