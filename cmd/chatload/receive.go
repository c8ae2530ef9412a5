package main

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// read takes at most so many bytes of what is there. Of TLS it takes all if it may:
// what was decrypted is not announced again.
func (l *load) read(i int, most int) {
	c := &l.conns[i]
	for c.fd >= 0 {
		n, err := c.recv(l.buf[carryMost:min(carryMost+most, len(l.buf))])
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
			l.bytes += int64(c.arrived(n))
		}
		l.reading = i
		l.scanner.scan(&c.stream, c.stream.join(l.buf, n))
		if c.tls == nil || most < len(l.buf) {
			return
		}
	}
}

// heard is told of each message that has come to the connection being read.
func (l *load) heard(from uint16, seq uint32) {
	if from == probe {
		l.introduced(seq)
		return
	}
	c := &l.conns[l.reading]
	g := &l.groups[c.group]
	waited := c.kind == prompt
	complete := g.complete
	due, fresh := g.heard(int(c.place), from, seq, waited)
	if g.complete != complete {
		l.ready.add(int(c.group))
	}
	if fresh && (waited || l.catching) {
		l.moved = l.now
	}
	switch {
	case !fresh || !l.measuring:
	case waited:
		l.deliveries++
		l.latency.add(l.now - due)
	default:
		l.slowDeliveries++
	}
}

// line is told of lines that are no messages.
func (l *load) line(p []byte) {
	l.reply(l.reading, l.cfg.proto.answer(l.seat(l.reading), p))
	l.conns[l.reading].told += told(p)
	for _, r := range l.refusals {
		if bytes.Contains(p, []byte(r.says)) {
			l.notice, l.set = string(p), r.set
		}
	}
}

// reply sends something short, unless the connection has taken only half of a
// message: the server, which does not read, then waits in vain for an answer.
func (l *load) reply(i int, text string) {
	c := &l.conns[i]
	if text == "" || l.sends(c) && l.sender[l.senderAt(i)].sent > 0 {
		return
	}
	_, _ = c.send([]byte(text))
}

// pinged is told of a WebSocket's question whether somebody is there.
func (l *load) pinged(p []byte) { l.reply(l.reading, maskedFrame(opPong, string(p))) }

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
	if !l.talking || c.kind != prompt {
		return
	}
	g := &l.groups[c.group]
	g.gone(int(c.place))
	l.ready.add(int(c.group))
	if l.sends(c) {
		l.broken = errSenderGone
	}
}
