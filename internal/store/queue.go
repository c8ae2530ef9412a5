package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chatd/chatd/pkg/relay"
)

const (
	// A batch is what one commit keeps. A sync takes 1 to 10 ms on common disks:
	// with fewer messages in each the syncs bound the rate, with more there is
	// little to gain and a reader waits longer for its last message.
	batchMost = 256
	batchWait = 5 * time.Millisecond

	// The queue holds what comes in while a disk hesitates: 2 s of 2,000 messages
	// a second, which is more than people say, of 2 KiB.
	queueMost  = 4096
	queueBytes = 8 << 20

	// stallAfter is how long a message may wait to be kept before saving pauses.
	stallAfter = 2 * time.Second
	// retryEvery is how often a paused queue tries to go on.
	retryEvery = time.Second

	// pooledBytes bounds the memory that is kept with an entry for the next one.
	pooledBytes = 16 << 10
)

// The row of a message in the index of words is made of its room and its number:
// these are the highest there can be of both.
const (
	maxSeq  = 1<<40 - 1
	maxRoom = 1<<23 - 1
)

var (
	errOrder  = errors.New("not kept: its number is not higher than those before it in the room")
	errRooms  = errors.New("not kept: there are too many rooms")
	errClosed = errors.New("the history is closed")
)

// room is what is known of a room without asking the database.
type room struct {
	id   int64
	name string

	// Guarded by queue.mu.
	last  uint64 // the highest number given
	first uint64 // the lowest number kept or waiting; 0: nothing is
	loss  loss
}

// loss is what was not kept of a room since its last entry.
type loss struct {
	count uint64
	last  uint64 // the highest number
	at    int64  // its time
}

func (l *loss) add(more loss) {
	l.count += more.count
	if more.last > l.last {
		l.last, l.at = more.last, more.at
	}
}

// hole is an entry to be written where messages are missing.
type hole struct {
	room *room
	loss
	reason string
}

// entry is a message on its way to the disk.
type entry struct {
	room   *room
	seq    uint64
	time   int64
	kind   relay.Kind
	bytes  []byte // the author, the id, then the text
	author int    // bytes of the author
	id     int    // bytes of the id
	stored func(error)
	queued time.Time
}

var entries = sync.Pool{New: func() any { return new(entry) }}

// free gives the entry's memory to the next one.
func (e *entry) free() {
	b := e.bytes[:0]
	if cap(b) > pooledBytes {
		b = nil
	}
	*e = entry{bytes: b}
	entries.Put(e)
}

// queue is what was appended and is not kept yet, and whether it can be. It never
// makes Append wait; run, a goroutine of its own, does all waiting.
type queue struct {
	// Set at the start.
	save   func(batch []*entry) error // commits a batch, or nothing of it; called by run
	mark   func(holes []hole) error   // the same of holes
	reason func(error) string         // why one of them failed, in a few words for people
	failed func(error)                // is told of it, for the log
	limit  time.Duration              // stallAfter
	wake   chan struct{}              // capacity 1, never closed: run looks again
	jobs   chan func()                // never closed: what else the writer does
	stop   chan struct{}              // closed by close
	done   chan struct{}              // closed by run when it ends

	batch []*entry // what run commits; its memory is used again and again

	depth atomic.Int64 // messages waiting and flying
	size  atomic.Int64 // their bytes

	mu sync.Mutex // guards what follows

	rooms  map[string]*room
	nextID int64  // of a new room
	floor  uint64 // the number that new rooms go on from

	waiting []*entry      // not yet taken by the writer, oldest first
	flying  []*entry      // being committed
	hurry   bool          // somebody waits for what is in the queue
	given   uint64        // entries ever put into the queue
	moved   chan struct{} // closed when something has left the queue; nil: nobody listens
	stall   *time.Timer
	armed   bool // stall will run out

	paused  string // the reason; "": saving
	refusal error  // what is refused is told
	trying  bool   // holes are being written, and what comes may wait for that
	retry   time.Time
	wounded []*room // those with a loss
	missed  uint64  // messages lost in this pause
	lost    uint64  // messages ever lost
	totals  totals

	watcher func(relay.Saving)
	news    []relay.Saving // not told yet
	telling bool           // somebody tells them
}

// newQueue returns a queue of which run must be called.
func newQueue() *queue {
	q := &queue{
		wake: make(chan struct{}, 1), jobs: make(chan func()),
		stop: make(chan struct{}), done: make(chan struct{}),
		rooms: make(map[string]*room), nextID: 1, limit: stallAfter,
	}
	q.stall = time.AfterFunc(never, q.watch)
	q.stall.Stop()
	return q
}

// append implements relay.Journal's Append. It allocates nothing once the memory
// that is handed round is as large as the messages are.
func (q *queue) append(m *relay.Message, stored func(error)) {
	dropped, err := q.put(m, stored)
	if err == nil {
		return
	}
	dropped.release()
	if stored != nil {
		stored(err)
	}
	q.tell()
}

// parts are the author, the id and the text of a message.
func (e *entry) parts() (author, id, text []byte) {
	return e.bytes[:e.author], e.bytes[e.author : e.author+e.id], e.bytes[e.author+e.id:]
}

// put puts a message into the queue, or says why not; then others may have to
// leave it, too.
func (q *queue) put(m *relay.Message, stored func(error)) (dropped refused, err error) {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.begin(m.Room)
	if m.Seq <= r.last || m.Seq > maxSeq {
		return refused{}, errOrder
	}
	if r.id > maxRoom {
		return refused{}, errRooms
	}
	r.last = m.Seq
	if q.full(len(m.Author)+len(m.ID)+len(m.Text)) || q.late(now) {
		dropped = q.halt(reasonSlow)
	}
	if q.paused != "" && !q.trying { // always so after halt
		q.lose(r, loss{1, m.Seq, m.Time})
		return dropped, q.refusal
	}
	e := entries.Get().(*entry)
	*e = entry{
		room: r, seq: m.Seq, time: m.Time, kind: m.Kind, author: len(m.Author), id: len(m.ID), stored: stored, queued: now,
		bytes: append(append(append(e.bytes[:0], m.Author...), m.ID...), m.Text...),
	}
	if r.first == 0 {
		r.first = m.Seq
	}
	q.waiting = append(q.waiting, e)
	q.given++
	q.size.Add(int64(len(e.bytes)))
	if n := q.depth.Add(1); n == 1 || len(q.waiting) == batchMost {
		q.rouse()
	}
	if !q.armed {
		q.armed = true
		q.stall.Reset(q.limit)
	}
	return refused{}, nil
}

// begin returns a room, which is new if nothing was said in it.
func (q *queue) begin(name string) *room {
	r := q.rooms[name]
	if r == nil {
		r = &room{id: q.nextID, name: string([]byte(name)), last: q.floor}
		q.nextID++
		q.rooms[r.name] = r
	}
	return r
}

// rouse has run look again.
func (q *queue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) full(more int) bool {
	return q.depth.Load() >= queueMost || q.depth.Load() > 0 && q.size.Load()+int64(more) > queueBytes
}

// oldest is since when the oldest message has waited to be kept.
func (q *queue) oldest() (since time.Time, ok bool) {
	switch {
	case len(q.flying) > 0:
		return q.flying[0].queued, true
	case len(q.waiting) > 0:
		return q.waiting[0].queued, true
	}
	return time.Time{}, false
}

// late tells whether a message has waited too long, as all do when the writer
// hangs in a system call.
func (q *queue) late(now time.Time) bool {
	since, ok := q.oldest()
	return ok && now.Sub(since) >= q.limit
}

// watch is called when the oldest message might have waited too long.
func (q *queue) watch() {
	q.mu.Lock()
	var dropped refused
	since, ok := q.oldest()
	switch left := time.Until(since.Add(q.limit)); {
	case !ok:
		q.armed = false
	case left > 0:
		q.stall.Reset(left)
	default:
		q.armed = false
		dropped = q.halt(reasonSlow)
	}
	q.mu.Unlock()
	dropped.release()
	q.tell()
}

// backlog implements relay.Journal's Backlog.
func (q *queue) backlog() float64 {
	return min(1, max(float64(q.depth.Load())/queueMost, float64(q.size.Load())/queueBytes))
}

// number returns the highest number given in a room, and the lowest kept; one
// more than the highest if none is.
func (q *queue) number(name string) (last, first uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.rooms[name]
	switch {
	case r == nil:
		return q.floor, q.floor + 1
	case r.first == 0:
		return r.last, r.last + 1
	}
	return r.last, r.first
}

// settle waits until all that was appended before is kept or refused. It does not
// wait for a disk that stalls.
func (q *queue) settle(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for upTo := q.given; q.paused == "" && q.given-uint64(q.depth.Load()) < upTo; {
		if q.moved == nil {
			q.moved = make(chan struct{})
		}
		moved := q.moved
		q.hurry = q.hurry || len(q.waiting) > 0 // what is being written is on its way
		q.rouse()
		q.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
		}
		q.mu.Lock()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// sync implements relay.Journal's Sync.
func (q *queue) sync(ctx context.Context) error {
	q.mu.Lock()
	lost := q.lost
	q.mu.Unlock()
	if err := q.settle(ctx); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.paused != "":
		return q.refusal
	case q.lost != lost:
		return errors.New("some messages were not saved")
	}
	return nil
}

// ask has the writer call f, between two commits, and returns what f does. When ctx
// is done, f may still be called: it is to change nothing of the caller's.
func ask[T any](ctx context.Context, q *queue, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	var none T
	select {
	case q.jobs <- func() { v, err := f(); done <- answer{v, err} }:
	case <-ctx.Done():
		return none, ctx.Err()
	case <-q.stop:
		return none, errClosed
	}
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}
