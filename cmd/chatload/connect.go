package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// readBetween is how many connections are made between two looks at what came
	// in: servers that announce everybody to everybody must be read meanwhile.
	readBetween = 32
	// probeEvery is how often a group is asked who hears, within chatd's default
	// rate of 10 a second.
	probeEvery = 100 * time.Millisecond
)

// connect makes the connections and says hello on each.
func (l *load) connect(ctx context.Context) error {
	l.phase = "connecting"
	l.conns = make([]conn, l.cfg.conns)
	for i := range l.conns {
		group, place := i/l.cfg.group, i%l.cfg.group
		l.conns[i] = conn{fd: -1, kind: l.cfg.kind(group, place), group: int32(group), place: int32(place)}
		if l.conns[i].kind == slow {
			l.slow = append(l.slow, i)
		}
	}
	l.sender = make([]sender, l.tally.senders)
	for i := range l.sender {
		c := i/l.cfg.senders*l.cfg.group + i%l.cfg.senders
		text, mark := l.message(c, uint16(i))
		l.sender[i] = sender{conn: c, text: text, mark: mark, mask: l.cfg.proto.wire.mask()}
	}
	for i := range l.conns {
		fd, err := l.cfg.target.dial(i)
		if errors.Is(err, unix.EADDRNOTAVAIL) {
			err = fmt.Errorf("%w; no port is left, try -sources %d", err, l.cfg.target.sources+2)
		}
		if err != nil {
			return fmt.Errorf("connection %d of %d: %w", i+1, l.cfg.conns, err)
		}
		l.conns[i].fd = fd
		l.open++
		if err := l.conns[i].open(&l.cfg); err != nil {
			return fmt.Errorf("connection %d of %d: %w", i+1, l.cfg.conns, err)
		}
		if err := l.poll.add(fd, int32(i), unix.EPOLLIN); err != nil {
			return fmt.Errorf("epoll: %w", err)
		}
		l.reply(i, l.cfg.proto.wire.pack(l.cfg.proto.hello(l.seat(i))))
		if i%readBetween == readBetween-1 {
			if err := l.step(0); err != nil {
				return err
			}
			if err := interrupted(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *load) seat(i int) seat {
	return seat{run: l.run, conn: i, group: int(l.conns[i].group)}
}

// message is the first one of a sender, with what stands around it on a
// connection, and where in it the mark is.
func (l *load) message(i int, from uint16) (text []byte, mark int) {
	text = []byte(l.cfg.proto.before(l.seat(i), l.cfg.size))
	mark = len(text)
	text = append(l.run.appendText(text, l.cfg.size, from, 0), l.cfg.proto.after...)
	whole := l.cfg.proto.wire.pack(string(text))
	return []byte(whole), mark + len(whole) - len(text)
}

// join returns when all connections have heard the first one of their group say
// something: only then is it known that nothing said later is lost for want of
// having come in.
func (l *load) join(ctx context.Context) error {
	l.phase = "joining"
	alone := l.cfg.group == 1 // and hears itself, or nothing ever moves
	if err := l.gather(ctx, func(g int) int {
		n := l.cfg.group - 1 - l.groups[g].joined
		if alone && !l.conns[g].joined {
			n++
		}
		return n
	}); err != nil {
		return err
	}
	// Their own words, if they are to come at all, are given time to.
	if err := l.until(ctx, l.clock()+int64(2*probeEvery)); err != nil {
		return err
	}
	selfless := l.authors == 0
	if !selfless {
		if err := l.gather(ctx, func(g int) int {
			if l.conns[g*l.cfg.group].joined {
				return 0
			}
			return 1
		}); err != nil {
			return err
		}
	}
	switch {
	case l.closed > 0:
		return fmt.Errorf("the server has closed %d of %d connections", l.closed, l.cfg.conns)
	case l.strays > 0:
		return fmt.Errorf("what is said in one group comes to others: the server does not keep them apart (is -proto right?)")
	}
	l.enter(selfless)
	return nil
}

// gather has the first one of each group speak until nobody is missing. It gives up
// when that cannot be any longer, without an error if join sees why.
func (l *load) gather(ctx context.Context, missing func(group int) int) error {
	waiting := make([]int, 0, len(l.groups))
	for g := range l.groups {
		waiting = append(waiting, g)
	}
	before := -1
	for {
		left, n := waiting[:0], 0
		for _, g := range waiting {
			if m := missing(g); m > 0 {
				left, n = append(left, g), n+m
			}
		}
		waiting = left
		switch {
		case n == 0, l.closed > 0 && l.probed > 1, l.strays > 0:
			return nil
		case n != before:
			before, l.moved = n, l.clock()
		case l.now-l.moved > int64(l.cfg.patience):
			return fmt.Errorf("%w for %v: %d of %d connections hear nothing of what another one says (is -proto right?)",
				errStuck, l.cfg.patience, n, l.cfg.conns)
		}
		for _, g := range waiting {
			l.probe(g)
		}
		l.probed++
		if err := l.until(ctx, l.clock()+int64(probeEvery)); err != nil {
			return err
		}
	}
}

// probe has the first one of a group say whose it is.
func (l *load) probe(g int) {
	i := g * l.cfg.group
	text, mark := l.message(i, probe)
	renumber(text[mark:], uint32(g), l.cfg.proto.wire.mask())
	_, _ = l.conns[i].send(text) // if it cannot, nothing comes, or it is closed
}

// introduced is told of each probe that has come to the connection being read.
func (l *load) introduced(group uint32) {
	c := &l.conns[l.reading]
	switch {
	case group != uint32(c.group):
		l.strays++
	case !c.joined:
		c.joined = true
		l.joined++
		if c.place == 0 {
			l.authors++
		} else {
			l.groups[c.group].joined++
		}
	}
}

// enter begins the talk. Who is not prompt is no longer read whenever there is
// something.
func (l *load) enter(selfless bool) {
	l.talking = true
	for i := range l.groups {
		l.groups[i].selfless = selfless
	}
	for i := range l.conns {
		c := &l.conns[i]
		switch {
		case c.kind != prompt:
			l.poll.remove(c.fd)
		default:
			l.groups[c.group].expect++
		}
	}
	for g := range l.groups {
		l.ready.add(g)
	}
}
