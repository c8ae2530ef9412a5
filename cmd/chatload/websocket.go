package main

import (
	"bytes"
	"crypto/sha1" // which RFC 6455 asks for, and not as a secret
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// What a WebSocket's frame is (RFC 6455, section 5.2).
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// maskEach is each byte of the key with which all frames of the load are masked. A
// page's key must be unpredictable; with four bytes that are the same, a message can
// be renumbered where it stands.
const maskEach = 0x5a

// mask is what each byte of a message is XORed with when it is sent.
func (f framing) mask() byte {
	if f == frames {
		return maskEach
	}
	return 0
}

// pack is text as it is sent: in a frame, if there are frames. Nothing stays nothing.
func (f framing) pack(text string) string {
	if f != frames || text == "" {
		return text
	}
	return maskedFrame(opText, text)
}

// maskedFrame is a frame as a client sends it.
func maskedFrame(op byte, payload string) string {
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, maskEach, maskEach, maskEach, maskEach)
	for i := range len(payload) {
		b = append(b, payload[i]^maskEach)
	}
	return string(b)
}

// frameHead reads the header of a server's frame: its kind, its own length and that
// of what follows. length is -1 while the header is not whole.
func frameHead(p []byte) (op byte, head, length int) {
	if len(p) < 2 {
		return 0, 0, -1
	}
	head, length = 2, int(p[1])
	switch length {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	switch {
	case len(p) < head:
		return 0, 0, -1
	case head == 4:
		length = int(binary.BigEndian.Uint16(p[2:]))
	case head == 10:
		length = int(binary.BigEndian.Uint64(p[2:]) & (1<<31 - 1))
	}
	return p[0] & 0x0f, head, length
}

// objectEnd is what follows the text in an object that a message is.
const objectEnd = `"}`

// framesBefore passes on the frames that came before the text of a message, and sees
// that this one's frame ends where its text does.
func (s *scanner) framesBefore(gap []byte) {
	own := s.frames(gap)
	_, head, length := frameHead(own)
	if length < 0 || head+length != len(own)+s.size+len(objectEnd)-1 {
		s.torn++
	}
}

// lastFrames passes on the frames that p holds and keeps the beginning of the one
// that is not whole. One that is longer than what can be kept is no message: its mark
// would have been found.
func (s *scanner) lastFrames(st *stream, p []byte) {
	rest := s.frames(p)
	if _, head, length := frameHead(rest); len(rest) > carryMost && length >= 0 {
		st.skip, st.other = int32(head+length-len(rest)), true
		s.line(rest[head:])
		return
	}
	st.kept = uint16(copy(st.carry[:], rest))
}

// frames passes on the whole frames that p begins with and returns the rest. Before
// the first one may stand the end of the object in which the last message was.
func (s *scanner) frames(p []byte) (rest []byte) {
	p = bytes.TrimPrefix(p, []byte(objectEnd[1:]))
	for {
		op, head, length := frameHead(p)
		if length < 0 || head+length > len(p) {
			return p
		}
		switch body := p[head : head+length]; op {
		case opPing:
			s.ping(body)
		case opClose:
			s.line(body[min(2, len(body)):]) // and the connection ends
		default:
			s.line(body)
		}
		p = p[head+length:]
	}
}

// upgradeMost is the longest answer to a handshake, in bytes.
const upgradeMost = 4 << 10

// upgrade makes a WebSocket of a connection, as RFC 6455 has it in section 4.1.
func (c *conn) upgrade(host string) error {
	const key = "Y2hhdGxvYWQgY2hhdGxvYQ=="
	request := "GET /ws HTTP/1.1\r\nHost: " + host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chatd.v1\r\n\r\n"
	if n, err := c.send([]byte(request)); n < len(request) {
		return fmt.Errorf("handshake: %d bytes sent: %w", n, err)
	}
	var answer []byte
	for !bytes.HasSuffix(answer, []byte("\r\n\r\n")) { // nothing else comes before our hello
		var p [512]byte
		n, err := c.recv(p[:])
		switch {
		case err == unix.EAGAIN:
			err = await(c.fd, unix.POLLIN, connectTime)
		case err == nil && n == 0, len(answer) > upgradeMost:
			err = fmt.Errorf("no answer but %q (is -proto right?)", answer)
		}
		if err != nil {
			return fmt.Errorf("handshake: %w", err)
		}
		answer = append(answer, p[:n]...)
	}
	const accept = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	sum := sha1.Sum([]byte(key + accept))
	want := "Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:])
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 101 ")) || !bytes.Contains(answer, []byte(want)) {
		first, _, _ := strings.Cut(string(answer), "\r\n")
		return fmt.Errorf("handshake: %q is no yes to a WebSocket (is -proto right?)", first)
	}
	return nil
}
