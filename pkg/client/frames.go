package client

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// subprotocol is what chatd's objects are called on a WebSocket.
const subprotocol = "chatd.v1"

// frames is an object a message of a WebSocket (RFC 6455).
type frames struct {
	r     *bufio.Reader
	w     *bufio.Writer
	pongs chan []byte // the last ping that is not answered; older ones need no answer
}

// newFrames takes over conn after the handshake. R holds what has come since, or is
// nil.
func newFrames(conn net.Conn, r *bufio.Reader) *frames {
	if r == nil {
		r = bufio.NewReader(conn)
	}
	return &frames{r: r, w: bufio.NewWriter(conn), pongs: make(chan []byte, 1)}
}

func (f *frames) read() ([]byte, error) {
	var message []byte
	for open := false; ; {
		h, err := ws.ReadHeader(f.r)
		switch {
		case errors.Is(err, ws.ErrHeaderLengthMSB), errors.Is(err, ws.ErrHeaderLengthUnexpected):
			return nil, fmt.Errorf("%w: %w", ErrProtocol, err)
		case err != nil:
			return nil, ended(err)
		}
		if err := judge(h, open, len(message)); err != nil {
			return nil, err
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(f.r, payload); err != nil {
			return nil, ended(err)
		}
		if h.OpCode.IsControl() {
			if err := f.control(h.OpCode, payload); err != nil {
				return nil, err
			}
			continue
		}
		message, open = append(message, payload...), !h.Fin
		switch {
		case open:
		case !utf8.Valid(message):
			return nil, fmt.Errorf("%w: it sent what is no UTF-8", ErrProtocol)
		case len(message) > 0:
			return message, nil
		}
	}
}

// judge says what is wrong with a frame; had is how much of the message has come, open
// that it goes on.
func judge(h ws.Header, open bool, had int) error {
	control := h.OpCode.IsControl()
	switch {
	case h.Length < 0 || h.Length > int64(lineMost-had):
		return errTooLong
	case control && (!h.Fin || h.Length > ws.MaxControlFramePayloadSize):
	case h.Masked, h.Rsv != 0, h.OpCode.IsReserved(), h.OpCode == ws.OpBinary:
	case !control && open != (h.OpCode == ws.OpContinuation):
	default:
		return nil
	}
	return fmt.Errorf("%w: it sent a frame that does not belong there", ErrProtocol)
}

func (f *frames) control(code ws.OpCode, payload []byte) error {
	switch code {
	case ws.OpPing:
		select {
		case <-f.pongs:
		default:
		}
		f.pongs <- payload
	case ws.OpClose:
		if _, reason := ws.ParseCloseFrameData(payload); reason != "" {
			return &ByeError{Text: reason}
		}
		return ended(io.EOF)
	}
	return nil
}

func (f *frames) write(object []byte) error {
	return ws.WriteFrame(f.w, ws.MaskFrame(ws.NewTextFrame(object)))
}

func (f *frames) flush() error { return f.w.Flush() }

func (f *frames) replies() <-chan []byte { return f.pongs }

func (f *frames) reply(payload []byte) error {
	if err := ws.WriteFrame(f.w, ws.MaskFrame(ws.NewPongFrame(payload))); err != nil {
		return err
	}
	return f.w.Flush()
}
