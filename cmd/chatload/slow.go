package main

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// readSlowly has slow connections read their share of the time that has passed.
func (l *load) readSlowly(passed int64) {
	if !l.talking {
		return
	}
	share := max(int(int64(l.cfg.slowBPS)*passed/1e9), 1)
	for _, i := range l.slow {
		l.read(i, share)
	}
}

// catchUpTime is how long nothing must come to a slow connection for it to be
// known that nothing will.
const catchUpTime = time.Second

// catchUp has the slow connections read all there is, so that what they miss is
// known and can be set against what the server said they would.
func (l *load) catchUp(ctx context.Context) error {
	l.phase, l.catching = "catching up", true
	for _, i := range l.slow {
		if fd := l.conns[i].fd; fd >= 0 {
			_ = l.poll.add(fd, int32(i), unix.EPOLLIN)
			l.read(i, len(l.buf)) // TLS may hold some of it already
		}
	}
	l.moved = l.clock()
	for l.behind() && l.now-l.moved < int64(catchUpTime) {
		if err := l.step(tick); err != nil {
			return err
		}
		if err := interrupted(ctx); err != nil {
			return err
		}
	}
	for _, i := range l.slow {
		if c := &l.conns[i]; c.fd >= 0 {
			l.groups[c.group].forfeit(int(c.place), false)
		}
	}
	return nil
}

// behind tells whether a slow connection still lacks something.
func (l *load) behind() bool {
	for _, i := range l.slow {
		if c := &l.conns[i]; c.fd >= 0 && l.groups[c.group].behind(int(c.place)) > 0 {
			return true
		}
	}
	return false
}

// untold is how many messages connections missed without having been told, among
// those that are waited for and among the slow ones.
func (l *load) untold() (prompts, slows int64) {
	for i := range l.conns {
		c := &l.conns[i]
		n := max(l.tally.missed[i]-c.told, 0)
		if c.kind == slow {
			slows += n
		} else {
			prompts += n
		}
	}
	return prompts, slows
}
