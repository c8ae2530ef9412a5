package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// bufferSize is how much is read at once: what a server has sent while others
	// were read, usually much less.
	bufferSize = 128 << 10
	// tick is how often slow connections read and the run looks at the clock, at
	// least.
	tick = 50 * time.Millisecond
)

// conn is one connection to the server. The first ones of a group send; the last
// ones are stalled, and those before them slow.
type conn struct {
	fd     int // -1: closed
	kind   kind
	joined bool
	group  int32
	place  int32   // in the group
	told   int64   // messages that the server said it skipped
	tls    *secure // what is sent and read, if not in plain
	stream stream
}

type kind uint8

const (
	prompt kind = iota
	slow
	stalled
)

// group is one conversation.
type group struct {
	ledger
	joined int // connections that have heard the first one, which is not counted
}

// load is a run: one thread that sends, waits, reads and counts. All its methods
// belong to the goroutine that called measure.
type load struct {
	cfg    config
	run    run
	began  time.Time // zero of all times below, in ns
	poll   *poller
	conns  []conn
	slow   []int // of conns
	groups []group
	sender []sender // of all groups, each group's together
	buf    []byte

	scanner  scanner
	refusals []refusal
	tally    *tally
	latency  histogram

	now     int64
	reading int // the connection whose input is scanned

	// What is under way.
	phase     string
	ready     rota // groups whose window may have room
	turn      int  // the group whose turn it is at a fixed rate
	talking   bool // everybody is in the room
	sending   bool
	measuring bool
	start     int64  // when message number base was due
	base      uint64 // messages issued before
	limit     uint64 // messages to issue; 0: no limit
	catching  bool   // slow connections are waited for too
	moved     int64  // when something awaited last arrived
	ticked    int64
	shown     int64
	broken    error // what makes it useless to go on

	joined, open int // connections
	authors      int // first ones of their groups that have heard themselves
	strays       int // probes that another group has heard
	probed       uint32
	notice       string // the last refusal a server gave
	set          string // what to do about it

	deliveries, slowDeliveries int64
	bytes, reads               int64
	closed                     int
}

func newLoad(cfg config) *load {
	l := &load{
		cfg: cfg, began: time.Now(), run: newRun(uint16(time.Now().UnixNano() >> 10)),
		buf: make([]byte, carryMost+bufferSize), refusals: refusals(),
	}
	l.scanner = scanner{run: l.run, size: cfg.size, wire: cfg.proto.wire, message: l.heard, line: l.line, ping: l.pinged}
	n := cfg.groups()
	room := max(4*cfg.window, 1024/n)
	if cfg.rate > 0 {
		// Ten seconds of messages may be under way, and more of a few: the turn waits
		// for a group that has no room.
		room = min(int(10*cfg.rate)/n+16, 1<<20)
	}
	l.tally = newTally(cfg.conns, n*cfg.senders)
	l.groups, l.ready = make([]group, n), newRota(n)
	for i := range l.groups {
		l.groups[i].ledger = newLedger(l.tally, i, cfg.group, cfg.senders, room)
	}
	return l
}

// errStuck is what a run ends with when nothing moves any longer.
var errStuck = errors.New("nothing has moved")

// measure does the whole run and returns what it found, and in spite of an error
// what it had found until then. When it returns, all connections are closed.
func (l *load) measure(ctx context.Context) (r result, err error) {
	l.poll, err = newPoller()
	if err != nil {
		return r, err
	}
	defer l.poll.close()
	defer l.closeAll()
	r = newResult(&l.cfg)
	defer l.finish(&r)
	if err := r.before(l.cfg.server); err != nil {
		return r, err
	}
	if err := l.connect(ctx); err != nil {
		return r, err
	}
	r.ConnectSeconds = seconds(l.clock())
	if l.cfg.idle {
		l.phase = "idle"
		err := l.until(ctx, l.clock()+int64(l.cfg.time))
		return r, errors.Join(err, r.after(l.cfg.server, l.open))
	}
	if err := l.join(ctx); err != nil {
		return r, err
	}
	r.JoinSeconds = seconds(l.clock()) - r.ConnectSeconds
	r.attach(l.cfg.server)
	defer r.counters.close()
	l.phase = "warming up"
	if err := l.talk(ctx, l.cfg.warmup, 0); err != nil {
		return r, err
	}
	l.phase, l.measuring = "measuring", true
	if err := r.begin(l.cfg.server, l.clock()); err != nil {
		return r, err
	}
	err = l.talk(ctx, l.cfg.time, l.cfg.messages)
	l.measuring = false
	r.end(l.cfg.server, l.clock())
	err = errors.Join(err, r.after(l.cfg.server, l.open))
	if err == nil {
		err = l.catchUp(ctx)
	}
	return r, err
}

// finish fills in what was counted.
func (l *load) finish(r *result) {
	r.count(l)
	l.show(true)
}

// settle waits after all connections are closed and looks at what the server still
// holds.
func (l *load) settle(ctx context.Context, r *result) error {
	if l.cfg.settle == 0 {
		return nil
	}
	l.phase, l.shown = "settling", 0
	l.clock()
	l.show(false)
	defer l.show(true)
	select {
	case <-ctx.Done():
		return interrupted(ctx)
	case <-time.After(l.cfg.settle):
	}
	m, err := l.cfg.server.memory()
	r.SettledRSS = m.RSS
	return err
}

func (l *load) clock() int64 {
	l.now = int64(time.Since(l.began))
	return l.now
}

// interrupted is the error of a run that somebody has ended.
func interrupted(ctx context.Context) error {
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return nil
}

// until reads and waits until a time.
func (l *load) until(ctx context.Context, end int64) error {
	for l.clock() < end {
		if err := l.step(min(tick, time.Duration(end-l.now))); err != nil {
			return err
		}
		if err := interrupted(ctx); err != nil {
			return err
		}
	}
	return nil
}

// step sends what is due, waits for something to be ready, but no longer than
// most, and reads it.
func (l *load) step(most time.Duration) error {
	l.clock()
	if l.sending {
		most = min(most, l.pump())
	}
	if l.cfg.spin {
		most = 0
	}
	events, err := l.poll.wait(most)
	if err != nil {
		return err
	}
	for i := range events {
		key := int(events[i].Fd)
		if events[i].Events&unix.EPOLLOUT != 0 {
			l.flush(l.senderAt(key))
		}
		if events[i].Events&^unix.EPOLLOUT != 0 {
			l.read(key, len(l.buf))
		}
	}
	if l.now-l.ticked >= int64(tick) {
		l.readSlowly(l.now - l.ticked)
		l.ticked = l.now
		l.show(false)
	}
	return l.broken
}

func (l *load) closeAll() {
	for i := range l.conns {
		if fd := l.conns[i].fd; fd >= 0 {
			_ = unix.Close(fd)
			l.conns[i].fd = -1
		}
	}
	l.open, l.joined = 0, 0
}
