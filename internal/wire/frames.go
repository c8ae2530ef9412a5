// This file takes WebSocket frames apart (RFC 6455, section 5) and makes those
// that a server sends. It promises that a message is whole and, if it is text,
// UTF-8, and that no more than one message and one control frame are ever held.

package wire

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// The kinds of messages and control frames (RFC 6455, section 5.2).
const (
	FrameText   byte = 0x1
	FrameBinary byte = 0x2
	FrameClose  byte = 0x8
	FramePing   byte = 0x9
	FramePong   byte = 0xa
)

// The status codes with which a connection is closed (RFC 6455, section 7.4.1, and
// the registry that it began).
const (
	CloseNormal    uint16 = 1000 // all was said
	CloseGoingAway uint16 = 1001 // the server stops
	CloseProtocol  uint16 = 1002 // what came is not WebSocket
	CloseNoStatus  uint16 = 1005 // stands for a close frame without a code; never sent
	CloseInvalid   uint16 = 1007 // a text is not UTF-8
	CloseTooLarge  uint16 = 1009 // a message is over the limit
	CloseTryLater  uint16 = 1013 // there is no room now
)

// maxControl is the longest body of a control frame (RFC 6455, section 5.5).
const maxControl = 125

// FrameMessage is a whole message of a client, or a control frame.
type FrameMessage struct {
	Op   byte   // FrameText, FrameBinary, FrameClose, FramePing or FramePong
	Data []byte // valid until the next call of Next and as long as the chunk is
}

// A CloseError is why a connection cannot go on, and what the close frame that
// ends it says: code and reason.
type CloseError struct {
	Code   uint16
	Reason string // one sentence for a person, at most 123 bytes
}

func (e *CloseError) Error() string { return fmt.Sprintf("websocket: %s (%d)", e.Reason, e.Code) }

// Frames takes apart what a client sends after the handshake, which may arrive in
// chunks cut anywhere. It joins the fragments of messages, and returns control
// frames in between as they come.
//
// Set Max before the first use.
type Frames struct {
	// Max is the longest message, in bytes. An empty fragment counts as one byte,
	// so that there is no endless message either.
	Max int

	err *CloseError // what came cannot be understood; nothing more is read

	// The frame under way.
	head  [14]byte // as much of its header as has come
	nhead uint8
	op    byte
	fin   bool
	mask  uint32 // little endian, turned so that the next byte is XORed with its lowest one
	begun bool   // its header is whole, its body is not
	left  int    // bytes of its body that have not come

	// The messages that it belongs to or comes between.
	message byte   // the kind of the message of which fragments have come; 0: none
	size    int    // of that message, as Max counts
	held    []byte // what has come of it; nil when that is nothing
	control []byte // what has come of a control frame
}

// Next takes bytes from chunk up to the end of the first message or control frame,
// and returns that and what is left of chunk. When ok is false none has ended: all
// of chunk is used up.
//
// Bodies are unmasked where they stand, so chunk is written to. Data is part of it
// where a message lay whole in chunk in one frame, and then nothing is allocated.
//
// An error is a *CloseError, and every further call returns it too: CloseProtocol
// for what is not masked, has reserved bits, an unknown kind or a length that makes
// no sense, for a control frame in fragments, for fragments that belong to nothing,
// and for a close frame with a code that nobody may send; CloseInvalid for a text
// or a reason that is not UTF-8; CloseTooLarge for a message longer than Max, as
// soon as a header says so.
func (f *Frames) Next(chunk []byte) (m FrameMessage, rest []byte, ok bool, err error) {
	for f.err == nil {
		if !f.begun {
			if chunk = f.header(chunk); !f.begun {
				break
			}
		}
		data := chunk[:min(len(chunk), f.left)]
		chunk = chunk[len(data):]
		f.mask = unmask(data, f.mask)
		f.left -= len(data)
		f.begun = f.left > 0
		if m, ok = f.body(data); ok {
			return m, chunk, true, nil
		}
		if f.begun {
			break
		}
	}
	if f.err != nil {
		f.held, f.control = nil, nil
		return FrameMessage{}, nil, false, f.err
	}
	return FrameMessage{}, nil, false, nil
}

// Pending returns how many bytes are held of a message and a control frame that
// are not whole: at most Max and 125.
func (f *Frames) Pending() int { return len(f.held) + len(f.control) }

// header takes bytes of a frame's header from chunk and returns the rest. If it is
// whole, and makes sense, the body is begun.
func (f *Frames) header(chunk []byte) (rest []byte) {
	for {
		need := 2
		if f.nhead >= 2 {
			if need = headerLen(f.head[1]); f.judgeStart() {
				return nil
			}
		}
		if int(f.nhead) == need {
			f.nhead = 0
			f.judgeLength(need)
			return chunk
		}
		n := copy(f.head[f.nhead:need], chunk)
		if n == 0 {
			return nil
		}
		f.nhead += uint8(n)
		chunk = chunk[n:]
	}
}

// headerLen is how long a header with this second byte is.
func headerLen(second byte) int {
	switch second & 0x7f {
	case 126:
		return 2 + 2 + 4
	case 127:
		return 2 + 8 + 4
	}
	return 2 + 4
}

// judgeStart looks at the first two bytes of a header and reports whether it ends
// there.
func (f *Frames) judgeStart() (wrong bool) {
	first, second := f.head[0], f.head[1]
	f.op, f.fin = first&0x0f, first&0x80 != 0
	control := f.op&0x8 != 0
	switch {
	case first&0x70 != 0:
		f.fail(CloseProtocol, "a reserved bit is set; no extension was agreed on")
	case f.op > FrameBinary && f.op < FrameClose, f.op > FramePong:
		f.fail(CloseProtocol, "a frame of an unknown kind")
	case second&0x80 == 0:
		f.fail(CloseProtocol, "a frame is not masked")
	case control && !f.fin:
		f.fail(CloseProtocol, "a control frame in fragments")
	case control && second&0x7f > maxControl:
		f.fail(CloseProtocol, "a control frame of more than 125 bytes")
	case f.op == 0 && f.message == 0:
		f.fail(CloseProtocol, "a fragment of no message")
	case f.op != 0 && !control && f.message != 0:
		f.fail(CloseProtocol, "a message begins within another one")
	}
	return f.err != nil
}

// judgeLength reads the length and the mask of a whole header and begins the body.
func (f *Frames) judgeLength(header int) {
	length := uint64(f.head[1] & 0x7f)
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		length = binary.BigEndian.Uint64(f.head[2:])
	}
	if length > 1<<63-1 {
		f.fail(CloseProtocol, "a length with its top bit set")
		return
	}
	if f.op&0x8 == 0 {
		if length > uint64(max(f.Max-f.size, 0)) {
			f.tooLarge()
			return
		}
		if f.size += int(length); length == 0 && !f.fin {
			f.size++
		}
		if f.op != 0 {
			f.message = f.op
		}
	}
	f.mask = binary.LittleEndian.Uint32(f.head[header-4:])
	f.left, f.begun = int(length), true
}

// body takes what has come of a frame's body, and returns the message or control
// frame if it is whole.
func (f *Frames) body(data []byte) (m FrameMessage, ok bool) {
	if f.op&0x8 != 0 {
		return f.controlBody(data)
	}
	if f.size > f.Max {
		f.tooLarge()
		return m, false
	}
	if f.begun || !f.fin || len(f.held) > 0 {
		f.hold(data)
	}
	if f.begun || !f.fin {
		return m, false
	}
	if len(f.held) > 0 {
		data = f.held
	}
	m = FrameMessage{Op: f.message, Data: data}
	f.message, f.size, f.held = 0, 0, nil
	if m.Op == FrameText && !utf8.Valid(m.Data) {
		f.fail(CloseInvalid, "a text that is not UTF-8")
		return FrameMessage{}, false
	}
	return m, true
}

func (f *Frames) controlBody(data []byte) (m FrameMessage, ok bool) {
	if f.begun || len(f.control) > 0 {
		f.control = append(f.control, data...)
		data = f.control
	}
	if f.begun {
		return m, false
	}
	f.control = nil
	if f.op == FrameClose && f.badClose(data) {
		return m, false
	}
	return FrameMessage{Op: f.op, Data: data}, true
}

// badClose judges the body of a close frame (RFC 6455, section 7.4).
func (f *Frames) badClose(body []byte) bool {
	switch code := CloseCode(body); {
	case len(body) == 0:
	case len(body) == 1, code < 1000, code >= 1004 && code <= 1006, code >= 1015 && code < 3000, code >= 5000:
		f.fail(CloseProtocol, "a close frame with a code that nobody may send")
	case !utf8.Valid(body[2:]):
		f.fail(CloseInvalid, "a close frame with a reason that is not UTF-8")
	}
	return f.err != nil
}

// hold keeps a copy of data, in a buffer that is never larger than Max.
func (f *Frames) hold(data []byte) {
	if need := len(f.held) + len(data); need > cap(f.held) {
		larger := make([]byte, len(f.held), min(max(need, 2*cap(f.held)), f.Max))
		copy(larger, f.held)
		f.held = larger
	}
	f.held = append(f.held, data...)
}

func (f *Frames) fail(code uint16, reason string) { f.err = &CloseError{Code: code, Reason: reason} }

func (f *Frames) tooLarge() {
	f.fail(CloseTooLarge, fmt.Sprintf("a message of more than %d bytes", f.Max))
}

// unmask XORs data with mask and returns it turned for what comes next.
func unmask(data []byte, mask uint32) uint32 {
	wide := uint64(mask)<<32 | uint64(mask)
	for len(data) >= 8 {
		binary.LittleEndian.PutUint64(data, binary.LittleEndian.Uint64(data)^wide)
		data = data[8:]
	}
	for i := range data {
		data[i] ^= byte(mask)
		mask = mask>>8 | mask<<24
	}
	return mask
}

// CloseCode returns the code in the body of a close frame, or CloseNoStatus.
func CloseCode(body []byte) uint16 {
	if len(body) < 2 {
		return CloseNoStatus
	}
	return binary.BigEndian.Uint16(body)
}

// AppendFrame appends a whole message or a control frame as a server sends it: in
// one frame, not masked, with the shortest header. The body of a control frame is
// at most 125 bytes, and that of a text is UTF-8; the caller sees to both.
func AppendFrame(dst []byte, op byte, payload []byte) []byte {
	return append(AppendFrameHeader(dst, op, len(payload)), payload...)
}

// AppendFrameHeader appends what stands before n bytes in AppendFrame: 2, 4 or 10
// bytes, the latter two from 126 and from 65,536 on.
func AppendFrameHeader(dst []byte, op byte, n int) []byte {
	dst = append(dst, 0x80|op)
	switch {
	case n <= maxControl:
		return append(dst, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
}

// AppendClose appends a close frame. A reason longer than fits is cut between
// characters; CloseNoStatus makes a frame without code and reason.
func AppendClose(dst []byte, code uint16, reason string) []byte {
	if code == CloseNoStatus {
		return AppendFrameHeader(dst, FrameClose, 0)
	}
	if n := maxControl - 2; len(reason) > n {
		for n > 0 && !utf8.RuneStart(reason[n]) {
			n--
		}
		reason = reason[:n]
	}
	dst = AppendFrameHeader(dst, FrameClose, 2+len(reason))
	return append(binary.BigEndian.AppendUint16(dst, code), reason...)
}
