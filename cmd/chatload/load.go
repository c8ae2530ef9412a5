package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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
	// probeEvery is how often the room is asked who hears, within chatd's default
	// rate of 10 a second.
	probeEvery = 100 * time.Millisecond
	// readBetween is how many connections are made between two looks at what came
	// in: servers that announce everybody to everybody must be read meanwhile.
	readBetween = 32
	// pumpMost is how many messages are sent between two looks at what came in.
	pumpMost = 256
)

// config is a run's, from the command line.
type config struct {
	target  target
	proto   protocol
	conns   int
	stalled int // of conns: never read once they are in the room
	slow    int // of conns: read slowly
	slowBPS int // bytes a second of those
	senders int
	size    int

	window int     // messages in flight; or
	rate   float64 // messages a second

	time     time.Duration
	messages uint64 // 0: time decides
	warmup   time.Duration
	patience time.Duration // how long nothing may move
	idle     bool
	spin     bool

	server   process   // 0: not known
	progress io.Writer // nil: none
}

// conn is one connection to the server. The first ones send; the last ones are
// stalled, and those before them slow.
type conn struct {
	fd     int // -1: closed
	kind   kind
	joined bool
	stream stream
}

type kind uint8

const (
	prompt kind = iota
	slow
	stalled
)

// sender is the sending side of one of the first connections.
type sender struct {
	text  []byte // the message, with what stands around it
	mark  int    // where in text the mark is
	seq   uint32 // of the message in text
	sent  int    // bytes of text that have left
	owed  int    // messages that have not, this one included
	stuck bool   // the kernel takes no more for now
}

// load is a run: one thread that sends, waits, reads and counts. All its methods
// belong to the goroutine that called run.
type load struct {
	cfg    config
	run    run
	began  time.Time // zero of all times below, in ns
	poll   *poller
	conns  []conn
	sender []sender
	buf    []byte

	scanner scanner
	ledger  *ledger
	latency histogram

	now     int64
	reading int // the connection whose input is scanned

	// What is under way.
	sending   bool
	measuring bool
	start     int64  // when message number base was due
	base      uint64 // messages issued before
	limit     uint64 // messages to issue; 0: no limit
	moved     int64  // when something awaited last arrived
	ticked    int64
	shown     int64

	joined, open int    // connections
	probes       uint32 // sent
	notice       string // the last refusal a server gave
	set          string // what to do about it

	deliveries, slowDeliveries int64
	bytes, reads               int64
	closed                     int
}

func newLoad(cfg config) *load {
	l := &load{
		cfg: cfg, began: time.Now(), run: newRun(uint16(time.Now().UnixNano() >> 10)),
		buf: make([]byte, carryMost+bufferSize),
	}
	l.scanner = scanner{run: l.run, size: cfg.size, message: l.heard, line: l.line}
	room := 4 * cfg.window
	if cfg.rate > 0 {
		// Ten seconds of messages may be under way.
		room = min(int(10*cfg.rate), 1<<20)
	}
	l.ledger = newLedger(cfg.conns, cfg.senders, room)
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
		err := l.until(ctx, l.clock()+int64(l.cfg.time))
		return r, errors.Join(err, r.after(l.cfg.server, l.open))
	}
	if err := l.join(ctx); err != nil {
		return r, err
	}
	r.JoinSeconds = seconds(l.clock()) - r.ConnectSeconds
	if err := l.talk(ctx, l.cfg.warmup, 0); err != nil {
		return r, err
	}
	l.measuring = true
	if err := r.begin(l.cfg.server, l.clock()); err != nil {
		return r, err
	}
	err = l.talk(ctx, l.cfg.time, l.cfg.messages)
	l.measuring = false
	r.end(l.cfg.server, l.clock())
	return r, errors.Join(err, r.after(l.cfg.server, l.open))
}

// finish fills in what was counted.
func (l *load) finish(r *result) {
	r.count(l)
	l.show(true)
}

func (l *load) clock() int64 {
	l.now = int64(time.Since(l.began))
	return l.now
}

// connect makes the connections and says hello on each.
func (l *load) connect(ctx context.Context) error {
	l.conns = make([]conn, l.cfg.conns)
	for i := range l.conns {
		l.conns[i].fd = -1
	}
	for i := range l.conns {
		fd, err := l.cfg.target.dial(i)
		if err != nil {
			return fmt.Errorf("connection %d of %d: %w", i+1, l.cfg.conns, err)
		}
		c := &l.conns[i]
		c.fd = fd
		switch last := l.cfg.conns - i; {
		case last <= l.cfg.stalled:
			c.kind = stalled
		case last <= l.cfg.stalled+l.cfg.slow:
			c.kind = slow
		}
		l.open++
		if err := l.poll.add(fd, int32(i), unix.EPOLLIN); err != nil {
			return fmt.Errorf("epoll: %w", err)
		}
		l.reply(i, l.cfg.proto.hello(i, l.run))
		if i%readBetween == readBetween-1 {
			if err := l.step(0); err != nil {
				return err
			}
			if err := interrupted(ctx); err != nil {
				return err
			}
		}
	}
	l.sender = make([]sender, l.cfg.senders)
	for i := range l.sender {
		text, mark := l.message(uint16(i))
		l.sender[i] = sender{text: text, mark: mark}
	}
	return nil
}

// message is the first one of a sender, with what stands around it, and where in
// it the mark is.
func (l *load) message(from uint16) (text []byte, mark int) {
	text = []byte(l.cfg.proto.before(l.cfg.size))
	mark = len(text)
	text = l.run.appendText(text, l.cfg.size, from, 0)
	return append(text, l.cfg.proto.after(l.cfg.size)...), mark
}

// join returns when all connections have heard the first one say something: only
// then is it known that nothing said later is lost for want of having come in.
func (l *load) join(ctx context.Context) error {
	text, mark := l.message(probe)
	missing := func() int {
		n := l.open - l.joined
		if !l.conns[0].joined {
			n-- // perhaps authors hear nothing of their own
		}
		return n
	}
	next, before := int64(0), 0
	l.moved = l.clock()
	for missing() > 0 {
		if l.joined > before {
			before, l.moved = l.joined, l.now
		}
		if l.closed > 0 && l.probes > 1 {
			break
		}
		if l.now-l.moved > int64(l.cfg.patience) {
			return fmt.Errorf("%w for %v: %d of %d connections hear nothing of what another one says (is -proto right?)",
				errStuck, l.cfg.patience, missing(), l.cfg.conns)
		}
		if l.now >= next {
			next = l.now + int64(probeEvery)
			renumber(text[mark:], l.probes)
			l.probes++
			_, _ = send(l.conns[0].fd, text) // if it cannot, nothing comes, or it is closed
		}
		if err := l.until(ctx, next); err != nil {
			return err
		}
	}
	// Its own words, if they are to come at all, are given time to.
	if err := l.until(ctx, l.clock()+int64(2*probeEvery)); err != nil {
		return err
	}
	if l.closed > 0 {
		return fmt.Errorf("the server has closed %d of %d connections", l.closed, l.cfg.conns)
	}
	l.ledger.selfless = !l.conns[0].joined
	l.ledger.expect = int32(l.open - l.cfg.slow - l.cfg.stalled)
	for i := range l.conns {
		c := &l.conns[i]
		if c.fd >= 0 && c.kind != prompt {
			l.poll.remove(c.fd)
		}
	}
	return nil
}

// talk has messages sent for so long, or so many, and returns when all of them
// have been heard by everybody who is waited for.
func (l *load) talk(ctx context.Context, long time.Duration, messages uint64) error {
	l.start, l.base, l.limit = l.clock(), l.ledger.issued, messages
	l.moved = l.now
	end := l.start + int64(long)
	l.sending = true
	for l.sending && (messages > 0 || l.now < end) {
		if err := l.step(min(tick, time.Duration(max(end-l.now, 0)))); err != nil {
			return err
		}
		if l.ledger.inFlight() > 0 && l.now-l.moved > int64(l.cfg.patience) {
			return l.stuck()
		}
		if messages > 0 {
			end = l.now + int64(tick)
		}
		if ctx.Err() != nil {
			break
		}
	}
	l.sending = false
	for l.ledger.inFlight() > 0 {
		if err := l.step(tick); err != nil {
			return err
		}
		if l.now-l.moved > int64(l.cfg.patience) {
			return l.stuck()
		}
	}
	return interrupted(ctx)
}

// interrupted is the error of a run that somebody has ended.
func interrupted(ctx context.Context) error {
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return nil
}

func (l *load) stuck() error {
	n := l.ledger.inFlight()
	l.ledger.abandon()
	return fmt.Errorf("%w for %v: %d messages have not come to everybody", errStuck, l.cfg.patience, n)
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
			l.flush(key)
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
	for i := range l.sender {
		if l.conns[i].fd < 0 && l.ledger.expect > 0 {
			return errors.New("the server has closed the connection of a sender")
		}
	}
	return nil
}

// pump issues the messages that are due, but no more than the reading can wait
// for, and returns when the next one is.
func (l *load) pump() time.Duration {
	for range pumpMost {
		if !l.ledger.room() {
			return tick
		}
		due := l.clock()
		if l.limit > 0 && l.ledger.issued-l.base >= l.limit {
			l.sending = false
			return tick
		}
		if l.cfg.rate > 0 {
			due = l.start + int64(float64(l.ledger.issued-l.base)*1e9/l.cfg.rate)
			if due > l.now {
				return time.Duration(due - l.now)
			}
		} else if l.ledger.inFlight() >= l.cfg.window {
			return tick
		}
		if l.ledger.inFlight() == 0 {
			l.moved = l.now
		}
		s := l.ledger.issue(due)
		l.sender[s].owed++
		l.flush(s)
	}
	return 0
}

// flush sends what a sender owes, as far as the kernel takes it.
func (l *load) flush(i int) {
	s, c := &l.sender[i], &l.conns[i]
	for s.owed > 0 && c.fd >= 0 {
		n, err := send(c.fd, s.text[s.sent:])
		switch {
		case err == unix.EAGAIN:
			l.mind(i, true)
			return
		case err != nil:
			l.drop(i)
			return
		}
		if s.sent += n; s.sent < len(s.text) {
			continue
		}
		s.sent = 0
		s.owed--
		s.seq++
		renumber(s.text[s.mark:], s.seq)
	}
	l.mind(i, false)
}

// mind has a sender's connection watched for room, or no longer.
func (l *load) mind(i int, stuck bool) {
	s := &l.sender[i]
	if s.stuck == stuck || l.conns[i].fd < 0 {
		return
	}
	s.stuck = stuck
	events := uint32(unix.EPOLLIN)
	if stuck {
		events |= unix.EPOLLOUT
	}
	_ = l.poll.change(l.conns[i].fd, int32(i), events)
}

// read takes at most so many bytes of what is there.
func (l *load) read(i int, most int) {
	c := &l.conns[i]
	if c.fd < 0 {
		return
	}
	n, err := recv(c.fd, l.buf[carryMost:min(carryMost+most, len(l.buf))])
	switch {
	case err == unix.EAGAIN:
		return
	case err != nil || n == 0:
		l.drop(i)
		return
	}
	l.clock()
	if l.measuring {
		l.reads++
		l.bytes += int64(n)
	}
	l.reading = i
	l.scanner.scan(&c.stream, c.stream.join(l.buf, n))
}

// readSlowly has slow connections read their share of the time that has passed.
func (l *load) readSlowly(passed int64) {
	if l.cfg.slow == 0 || l.ledger.expect == 0 {
		return
	}
	share := max(int(int64(l.cfg.slowBPS)*passed/1e9), 1)
	first := l.cfg.conns - l.cfg.stalled - l.cfg.slow
	for i := first; i < first+l.cfg.slow; i++ {
		l.read(i, share)
	}
}

// heard is told of each message that has come to the connection being read.
func (l *load) heard(from uint16, seq uint32) {
	c := &l.conns[l.reading]
	if from == probe {
		if !c.joined {
			c.joined = true
			l.joined++
		}
		return
	}
	waited := c.kind == prompt
	due, fresh := l.ledger.heard(l.reading, from, seq, waited)
	if fresh && waited {
		l.moved = l.now
	}
	if !fresh || !l.measuring {
		return
	}
	if !waited {
		l.slowDeliveries++
		return
	}
	l.deliveries++
	l.latency.add(l.now - due)
}

// line is told of lines that are no messages.
func (l *load) line(p []byte) {
	if answer := l.cfg.proto.answer(p); answer != "" {
		l.reply(l.reading, answer)
	}
	for _, r := range refusals() {
		if bytes.Contains(p, []byte(r.says)) {
			l.notice, l.set = string(p), r.set
		}
	}
}

// reply sends something short, unless the connection has taken only half of a
// message: the server, which does not read, then waits in vain for an answer.
func (l *load) reply(i int, text string) {
	if text == "" || i < len(l.sender) && l.sender[i].sent > 0 {
		return
	}
	_, _ = send(l.conns[i].fd, []byte(text))
}

// drop notes that the server has ended a connection.
func (l *load) drop(i int) {
	c := &l.conns[i]
	l.poll.remove(c.fd)
	_ = unix.Close(c.fd)
	c.fd = -1
	l.closed++
	l.open--
	if c.joined {
		l.joined--
	}
	if c.kind == prompt && l.ledger.expect > 0 {
		l.ledger.gone(i)
	}
}

func (l *load) closeAll() {
	for i := range l.conns {
		if fd := l.conns[i].fd; fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
