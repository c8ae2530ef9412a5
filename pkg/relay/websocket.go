package relay

import (
	"time"

	"github.com/chatd/chatd/internal/wire"
)

const (
	// pingAfter is how long a WebSocket client is silent before it is asked whether
	// it is there: what is in between may forget a silent connection.
	pingAfter = 30 * time.Second
	// pongWithin is how long it has for the answer.
	pongWithin = 30 * time.Second
)

var (
	endSilent   = &cause{log: "no answer to a ping", how: "is gone (connection lost)", dead: true}
	endProtocol = &cause{log: "broke the protocol", how: "left"}
)

// with is the cause with what it was.
func (c cause) with(err error) *cause {
	c.err = err
	return &c
}

// framed tells whether what comes in are WebSocket frames.
func (s *session) framed() bool { return s.program != nil && s.program.frames != nil }

// inputFrames takes WebSocket frames with an object each.
func (s *session) inputFrames(data []byte) {
	p := s.program
	for s.why.Load() == nil {
		m, rest, ok, err := p.frames.Next(data)
		if err != nil {
			s.end(endProtocol.with(err))
			return
		}
		if !ok {
			return
		}
		data = rest
		switch m.Op {
		case wire.FrameText:
			s.guarded(m.Data, s.takeRequest)
		case wire.FrameBinary:
			s.end(endProtocol.with(&wire.CloseError{
				Code: closeUnsupported, Reason: "objects come in text frames",
			}))
		case wire.FramePing:
			if s.pace() { // so that nobody is kept busy by pings
				s.out.Post(wire.AppendFrame(nil, wire.FramePong, m.Data))
			}
		case wire.FrameClose:
			code := wire.CloseCode(m.Data)
			s.out.Post(wire.AppendClose(nil, code, ""))
			p.closed = true
			s.end(endInput)
		}
	}
	s.unsaid = s.unsaid || len(data) > 0
}

// closeUnsupported is the status of who sends what is no text (RFC 6455, 7.4.1).
const closeUnsupported = 1003

// lookFrames asks a silent WebSocket client whether it is there, and ends one that
// does not answer. It is for the reaper.
func (s *Server) lookFrames(sess *session) {
	if format(sess.format.Load()) != formatFrames {
		return
	}
	heard := sess.heard.Load()
	silent := time.Duration(s.uptime() - heard)
	switch {
	case silent < pingAfter:
	case sess.watch.pinged <= heard:
		sess.watch.pinged = s.uptime()
		sess.out.Post(wire.AppendFrame(nil, wire.FramePing, nil))
	case time.Duration(s.uptime()-sess.watch.pinged) >= pongWithin && sess.out.Parked().IsZero():
		sess.end(endSilent)
	}
}
