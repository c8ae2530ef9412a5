package store

import (
	"fmt"
	"slices"
	"time"

	"github.com/chatd/chatd/pkg/relay"
)

// Why saving pauses, in words for the people in the rooms.
const (
	reasonFull   = "disk full"
	reasonError  = "disk error"
	reasonSlow   = "disk too slow"
	reasonLocked = "history locked by another program"
)

// refused is entries that had to leave the queue, and what those are told who wait
// for them.
type refused struct {
	entries []*entry
	err     error
}

// release tells them, and gives the memory back. Called without mu.
func (r refused) release() { release(r.entries, r.err) }

// release tells what became of entries, and gives their memory back.
func release(list []*entry, err error) {
	for _, e := range list {
		if e.stored != nil {
			e.stored(err)
		}
		e.free()
	}
}

// halt pauses saving, or keeps it paused for another reason, and gives up what
// waits. What is being committed may still be kept. Called with mu held.
func (q *queue) halt(reason string) refused {
	if q.paused == "" {
		q.totals.pauses++
	}
	if q.paused != reason {
		q.paused, q.refusal = reason, fmt.Errorf("not saved: %s", reason)
		q.news = append(q.news, relay.Saving{Paused: true, Reason: reason})
	}
	q.trying = false
	list := q.waiting
	q.waiting = nil
	q.loseAll(list)
	q.stir()
	return refused{list, q.refusal}
}

// loseAll takes entries out of the books that are not kept. Called with mu held.
func (q *queue) loseAll(list []*entry) {
	for _, e := range list {
		q.lose(e.room, loss{1, e.seq, e.time})
	}
	q.left(list)
}

// lose counts messages that are not kept. Called with mu held.
func (q *queue) lose(r *room, l loss) {
	if r.loss.count == 0 {
		q.wounded = append(q.wounded, r)
	}
	r.loss.add(l)
	if r.first == l.last {
		r.first = 0
	}
	q.missed += l.count
	q.lost += l.count
}

// left takes entries off the books that are no longer waiting or flying.
func (q *queue) left(list []*entry) {
	q.depth.Add(-int64(len(list)))
	q.size.Add(-sizeOf(list))
}

// sizeOf is how many bytes messages have.
func sizeOf(list []*entry) (bytes int64) {
	for _, e := range list {
		bytes += int64(len(e.bytes))
	}
	return bytes
}

// stir wakes who waits for the queue to move. Called with mu held.
func (q *queue) stir() {
	if q.moved != nil {
		close(q.moved)
		q.moved = nil
	}
}

// resume tries to write down what was lost. If that succeeds, saving goes on;
// messages that come while it tries wait for the outcome.
func (q *queue) resume() {
	q.mu.Lock()
	var holes []hole
	for _, r := range q.wounded {
		holes = append(holes, hole{r, r.loss, q.paused})
		r.loss = loss{}
	}
	q.wounded = nil
	q.trying = true
	q.mu.Unlock()

	err := q.mark(holes)

	q.mu.Lock()
	var dropped refused
	switch {
	case err != nil:
		q.totals.failures++
		q.missed, q.lost = q.missed-sum(holes), q.lost-sum(holes)
		for _, h := range holes {
			q.lose(h.room, h.loss)
		}
		dropped = q.halt(q.reason(err))
		q.retry = time.Now().Add(retryEvery)
	case len(q.wounded) > 0: // it took so long that what waited had to be given up
		q.retry = time.Now()
	default:
		q.news = append(q.news, relay.Saving{Lost: q.missed})
		q.paused, q.refusal, q.trying, q.missed = "", nil, false, 0
	}
	if err == nil {
		for _, h := range holes {
			if h.room.first == 0 || h.room.first > h.loss.last {
				h.room.first = h.loss.last
			}
		}
	}
	q.mu.Unlock()
	dropped.release()
	if err != nil {
		q.failed(err)
	}
	q.tell()
}

func sum(holes []hole) (n uint64) {
	for _, h := range holes {
		n += h.count
	}
	return n
}

// tell tells the watcher what there is to tell, in order. If somebody else is
// telling, that one goes on to do so.
func (q *queue) tell() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.telling {
		return
	}
	for len(q.news) > 0 && q.watcher != nil {
		next, watcher := q.news[0], q.watcher
		q.news = slices.Delete(q.news, 0, 1)
		q.telling = true
		q.mu.Unlock()
		watcher(next)
		q.mu.Lock()
		q.telling = false
	}
}
