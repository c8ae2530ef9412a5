package web

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/chatd/chatd/internal/sock"
	"github.com/chatd/chatd/internal/wire"
)

const (
	// maxEcho is the longest message that is sent back, in bytes.
	maxEcho = 64 << 10
	// echoPing is the silence after which a client is pinged. After twice that it is
	// gone.
	echoPing = 30 * time.Second
	// echoWrite is how long a client may take nothing.
	echoWrite = 10 * time.Second
	// lastWords is how long the close frame of one who has to go may take.
	lastWords = 100 * time.Millisecond
)

// echo sends back what a client sends, text as text and binary as binary, until it
// closes, falls silent, is in the way of others or the server stops.
func (u upgrades) echo(nc net.Conn, early []byte) error {
	e := &echoing{conn: sock.New(nc), frames: wire.Frames{Max: maxEcho}}
	e.conn.Tune()
	u.guests.enter(nc, func() { e.close(wire.CloseTryLater) })
	defer u.guests.leave(nc)
	defer context.AfterFunc(u.begun, func() { e.close(wire.CloseGoingAway) })()
	return e.run(early)
}

// echoing is one client of the echo.
type echoing struct {
	conn   *sock.Conn
	frames wire.Frames
	out    []byte
	ending atomic.Uint32 // the code with which to close; 0: not yet
}

// close makes run end. It does not wait.
func (e *echoing) close(code uint16) {
	if e.ending.CompareAndSwap(0, uint32(code)) {
		_ = e.conn.SetWriteDeadline(time.Now().Add(lastWords))
		e.conn.Wake()
	}
}

func (e *echoing) run(chunk []byte) error {
	for silent := false; ; {
		if err := e.answer(chunk); err != nil {
			return e.end(err)
		}
		_ = e.conn.SetReadDeadline(time.Now().Add(echoPing))
		if e.ending.Load() != 0 {
			return e.end(nil)
		}
		var err error
		chunk, err = e.conn.ReadChunk()
		timeout := errors.Is(err, os.ErrDeadlineExceeded)
		switch {
		case timeout && e.ending.Load() != 0, timeout && silent:
			return e.end(nil)
		case timeout:
			silent, chunk = true, nil
			if err := e.write(wire.AppendFrame(e.out[:0], wire.FramePing, nil)); err != nil {
				return e.end(err)
			}
		case err != nil:
			_ = e.conn.Close()
			return err
		default:
			silent = false
		}
	}
}

// answer sends back the frames that end in chunk.
func (e *echoing) answer(chunk []byte) error {
	for {
		m, rest, ok, err := e.frames.Next(chunk)
		if err != nil || !ok {
			return err
		}
		chunk = rest
		switch m.Op {
		case wire.FrameClose:
			return &wire.CloseError{Code: wire.CloseCode(m.Data)}
		case wire.FramePing:
			m.Op = wire.FramePong
		case wire.FramePong:
			continue
		}
		if err := e.write(wire.AppendFrame(e.out[:0], m.Op, m.Data)); err != nil {
			return err
		}
	}
}

// write sends a frame, and keeps its buffer for the next one if that is small.
func (e *echoing) write(frame []byte) error {
	if e.ending.Load() == 0 {
		_ = e.conn.SetWriteDeadline(time.Now().Add(echoWrite))
	}
	_, err := e.conn.Write(frame)
	if e.out = frame[:0]; cap(frame) > 1<<10 {
		e.out = nil
	}
	return err
}

// end closes with a close frame that says why, as far as there is a why.
func (e *echoing) end(err error) error {
	code, reason := uint16(e.ending.Load()), ""
	if closing, ok := errors.AsType[*wire.CloseError](err); ok {
		code, reason = closing.Code, closing.Reason
	}
	switch {
	case code == 0 && err == nil: // it has not answered
		e.conn.Abort()
	case code == 0:
		_ = e.conn.Close()
	default:
		_ = e.conn.SetWriteDeadline(time.Now().Add(lastWords))
		_, _ = e.conn.Write(wire.AppendClose(nil, code, reason))
		e.conn.Linger()
	}
	return err
}
