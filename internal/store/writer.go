package store

import (
	"errors"
	"math"
	"time"
)

// never is longer than any process lives.
const never = time.Duration(math.MaxInt64)

var errStuck = errors.New("the disk does not answer; what was said last may be missing")

// run is the writer: it alone commits. It ends when close has been called and all
// that can be kept is.
func (q *queue) run() {
	defer close(q.done)
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		select {
		case <-q.wake:
		case <-timer.C:
		case do := <-q.jobs:
			do()
		case <-q.stop:
			q.finish()
			return
		}
		timer.Reset(q.turn())
	}
}

// turn does what is due and returns when to look again. It commits one batch at
// most, so that jobs have their turn too.
func (q *queue) turn() time.Duration {
	batch, wait := q.take(time.Now(), batchWait)
	if len(batch) > 0 {
		q.commit(batch)
		return 0
	}
	if wait <= 0 {
		q.resume()
		return 0
	}
	return wait
}

// take returns a batch that is due: it is full, its oldest message has waited so
// long, or somebody waits for it. If there is none, it returns how long it is
// until there is something to do; nothing, if a paused queue is to try again.
func (q *queue) take(now time.Time, patience time.Duration) ([]*entry, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), batchMost)
	switch {
	case q.paused != "":
		return nil, q.retry.Sub(now)
	case n == 0:
		q.hurry = false
		return nil, never
	case n < batchMost && !q.hurry:
		if wait := q.waiting[0].queued.Add(patience).Sub(now); wait > 0 {
			return nil, wait
		}
	}
	q.batch = append(q.batch[:0], q.waiting[:n]...)
	q.flying = q.batch
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	q.hurry = q.hurry && rest > 0
	return q.flying, 0
}

// commit keeps a batch, or refuses it and what has come after it: nothing is to
// overtake what failed.
func (q *queue) commit(batch []*entry) {
	err := q.save(batch)
	if err == nil {
		q.kept(batch)
		q.tell()
		return
	}
	q.mu.Lock()
	q.totals.failures++
	q.loseAll(batch)
	dropped := q.halt(q.reason(err))
	result := q.refusal
	q.retry = time.Now().Add(retryEvery)
	q.flying = nil
	q.stir()
	q.mu.Unlock()

	release(batch, result)
	dropped.release()
	q.failed(err)
	q.tell()
}

// kept tells that a batch is kept, those who appended it first: who waits for all to be
// kept finds that they have been told.
func (q *queue) kept(batch []*entry) {
	n, bytes := int64(len(batch)), sizeOf(batch)
	q.mu.Lock()
	q.flying = nil
	q.mu.Unlock()

	release(batch, nil)

	q.mu.Lock()
	defer q.mu.Unlock()
	q.depth.Add(-n)
	q.size.Add(-bytes)
	q.totals.kept += uint64(n)
	q.totals.commits++
	q.retry = time.Now() // if it is paused: the disk answers again
	q.stir()
}

// finish keeps what is in the queue. If saving is paused it tries once to write
// down what is missing.
func (q *queue) finish() {
	for tried := false; ; {
		batch, wait := q.take(time.Now(), 0)
		switch {
		case len(batch) > 0:
			q.commit(batch)
		case wait == never || tried:
			return
		default:
			q.resume()
			tried = true
		}
	}
}

// close ends run, and returns what could not be kept. It waits so long for a disk
// that does not answer.
func (q *queue) close(patience time.Duration) error {
	close(q.stop)
	q.stall.Stop()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-q.done:
	case <-timer.C:
		return errStuck
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.paused != "" {
		return q.refusal
	}
	return nil
}
