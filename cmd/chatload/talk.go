package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// pumpMost is how many messages are sent between two looks at what came in.
const pumpMost = 256

// sender is the sending side of one of the first connections of a group.
type sender struct {
	conn  int
	text  []byte // the message, with what stands around it
	mark  int    // where in text the mark is
	mask  byte   // with which the mark was XORed
	seq   uint32 // of the message in text
	sent  int    // bytes of text that have left
	owed  int    // messages that have not, this one included
	stuck bool   // the kernel takes no more for now
}

// talk has messages sent for so long, or so many, and returns when all of them
// have been heard by everybody who is waited for.
func (l *load) talk(ctx context.Context, long time.Duration, messages uint64) error {
	l.start, l.base, l.limit = l.clock(), l.tally.issued, messages
	l.moved = l.now
	end := l.start + int64(long)
	l.sending = true
	for l.sending && (messages > 0 || l.now < end) {
		if err := l.step(min(tick, time.Duration(max(end-l.now, 0)))); err != nil {
			return err
		}
		if l.tally.inFlight() > 0 && l.now-l.moved > int64(l.cfg.patience) {
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
	for l.tally.inFlight() > 0 {
		if err := l.step(tick); err != nil {
			return err
		}
		if l.now-l.moved > int64(l.cfg.patience) {
			return l.stuck()
		}
	}
	return interrupted(ctx)
}

// stuck counts as lost what is still in flight. Nothing is counted after it.
func (l *load) stuck() error {
	n := l.tally.inFlight()
	for i := range l.conns {
		if c := &l.conns[i]; c.fd >= 0 && c.kind == prompt {
			l.groups[c.group].forfeit(int(c.place), true)
		}
	}
	return fmt.Errorf("%w for %v: %d messages have not come to everybody", errStuck, l.cfg.patience, n)
}

// pump issues the messages that are due, but no more than the reading can wait
// for, and returns when the next one is.
func (l *load) pump() time.Duration {
	if l.cfg.rate > 0 {
		return l.pumpRate()
	}
	for n := 0; n < pumpMost; {
		g, ok := l.ready.next()
		switch {
		case !ok:
			return tick
		case !l.groups[g].open(l.cfg.window):
			l.ready.pop()
		case !l.issue(g, l.clock()):
			return tick
		default:
			n++
		}
	}
	return 0
}

// pumpRate is pump at a fixed rate.
func (l *load) pumpRate() time.Duration {
	for range pumpMost {
		if !l.groups[l.turn].room() {
			return tick
		}
		due := l.start + int64(float64(l.tally.issued-l.base)*1e9/l.cfg.rate)
		if due > l.clock() {
			return time.Duration(due - l.now)
		}
		if !l.issue(l.turn, due) {
			return tick
		}
		l.turn = (l.turn + 1) % len(l.groups)
	}
	return 0
}

// open tells whether one more message may be begun with a window.
func (g *group) open(window int) bool { return g.inFlight() < window && g.room() }

// issue has a group say one message more. It returns false if no more are wanted.
func (l *load) issue(g int, due int64) bool {
	if l.limit > 0 && l.tally.issued-l.base >= l.limit {
		l.sending = false
		return false
	}
	if l.tally.inFlight() == 0 {
		l.moved = l.now
	}
	s := l.groups[g].sender + l.groups[g].issue(due)
	l.sender[s].owed++
	l.flush(s)
	return true
}

// flush sends what a sender owes, as far as the kernel takes it.
func (l *load) flush(i int) {
	s := &l.sender[i]
	c := &l.conns[s.conn]
	for c.fd >= 0 && (s.owed > 0 || c.tls.owes()) {
		var next []byte
		if s.owed > 0 {
			next = s.text[s.sent:]
		}
		n, err := c.send(next)
		switch {
		case err == unix.EAGAIN:
			l.mind(s, true)
			return
		case err != nil:
			l.drop(s.conn)
			return
		}
		if s.sent += n; s.sent < len(s.text) {
			continue
		}
		s.sent = 0
		s.owed--
		s.seq++
		renumber(s.text[s.mark:], s.seq, s.mask)
	}
	l.mind(s, false)
}

// mind has a sender's connection watched for room, or no longer.
func (l *load) mind(s *sender, stuck bool) {
	fd := l.conns[s.conn].fd
	if s.stuck == stuck || fd < 0 {
		return
	}
	s.stuck = stuck
	events := uint32(unix.EPOLLIN)
	if stuck {
		events |= unix.EPOLLOUT
	}
	_ = l.poll.change(fd, int32(s.conn), events)
}

// senderAt is the sender of a connection that sends.
func (l *load) senderAt(i int) int {
	c := &l.conns[i]
	return l.groups[c.group].sender + int(c.place)
}

// sends tells whether a connection is one of those that send.
func (l *load) sends(c *conn) bool { return int(c.place) < l.cfg.senders }

// errSenderGone ends a run: its messages cannot all be said any longer.
var errSenderGone = errors.New("the server has closed the connection of a sender")
