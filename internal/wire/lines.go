// This file cuts a stream of bytes into lines, whatever ends them and however
// they arrive. It promises that no byte but line ends is lost and that no more
// than one line's limit is ever held.

package wire

import (
	"bytes"
	"unicode/utf8"
)

// Lines splits a stream of bytes into lines. A line ends with LF, CR LF, CR NUL
// (the NVT's bare CR, RFC 854) or CR. The ends are no part of the lines.
//
// A line longer than Max is returned in pieces, cut where no UTF-8 character is
// split; joined they are the line. Where the pieces are cut depends on the
// bytes of the stream alone and not on how they were cut into chunks.
//
// Set Max before the first use.
type Lines struct {
	// Max is the longest line or piece, in bytes without the line end. A
	// character must fit in, so that less than utf8.UTFMax counts as that.
	Max int

	held []byte // the unfinished line; nil when there is none
	cr   bool   // the last byte was a CR that ended a line: an LF or NUL now belongs to it
	cut  bool
	crlf bool
	lf   bool // a line ended with LF alone
}

// Next takes bytes from chunk up to the first line end, or up to where a line
// that is too long has to be cut. It returns the line and what is left of
// chunk. When ok is false there was no end in sight: all of chunk is used up,
// what it held of a line is kept, and rest is empty.
//
// A line is valid until the next call: it is part of chunk where the line lay
// whole within it, and then nothing is allocated. Lines that came in parts are
// collected in a buffer that is let go with the line.
//
// A CR ends the line at once; waiting for the LF would hold back the line of a
// client that sends none.
func (l *Lines) Next(chunk []byte) (line, rest []byte, ok bool) {
	l.cut = false
	if l.cr && len(chunk) > 0 {
		chunk = l.swallow(chunk)
	}

	room := l.max() - len(l.held)
	window := chunk[:min(len(chunk), room+1)]
	if n := lineEnd(window); n >= 0 {
		l.cr = chunk[n] == '\r'
		l.lf = l.lf || !l.cr
		rest = chunk[n+1:]
		if l.cr && len(rest) > 0 {
			rest = l.swallow(rest)
		}
		return l.take(chunk[:n]), rest, true
	}
	if len(window) <= room {
		l.hold(chunk)
		return nil, nil, false
	}

	// One byte more than fits, and it is no line end: something always follows
	// a piece, so that cutting never makes an empty line.
	l.cut = true
	if l.held == nil {
		n := boundary(chunk[:room])
		return chunk[:n], chunk[n:], true
	}
	before := len(l.held)
	l.hold(chunk[:room])
	piece := l.held
	n := boundary(piece)
	l.held = nil
	if n >= before {
		return piece[:n], chunk[n-before:], true
	}
	// The character over the limit began in an earlier chunk.
	l.hold(piece[n:before])
	return piece[:n], chunk, true
}

// Flush returns the unfinished line at the end of the input, where a last line
// counts without a line end. When there is none, ok is false.
func (l *Lines) Flush() (line []byte, ok bool) {
	line = l.held
	l.held, l.cr, l.cut = nil, false, false
	return line, len(line) > 0
}

// Pending returns how many bytes of an unfinished line are held: at most Max.
func (l *Lines) Pending() int { return len(l.held) }

// CRLF tells whether a line that ended with CR LF or CR NUL was seen, which is
// how telnet and Windows clients end theirs.
func (l *Lines) CRLF() bool { return l.crlf }

// AllCRLF tells whether there were such lines and none that ended with LF alone:
// the client is telnet, though it may never have sent a command.
func (l *Lines) AllCRLF() bool { return l.crlf && !l.lf }

// Cut tells whether the line returned last is a piece of a line that was too
// long, and more of it follows.
func (l *Lines) Cut() bool { return l.cut }

func (l *Lines) max() int { return max(l.Max, utf8.UTFMax) }

// swallow takes the second half of a two-byte line end off the front of b,
// which is not empty and follows a CR.
func (l *Lines) swallow(b []byte) []byte {
	l.cr = false
	if b[0] != '\n' && b[0] != 0 {
		return b
	}
	l.crlf = true
	return b[1:]
}

// take returns the line that ends with tail and lets go of what was held.
func (l *Lines) take(tail []byte) []byte {
	if l.held == nil {
		return tail
	}
	l.hold(tail)
	line := l.held
	l.held = nil
	return line
}

// hold keeps a copy of b behind what is held already. The buffer doubles as
// append's would, but never beyond what a line may need.
func (l *Lines) hold(b []byte) {
	need := len(l.held) + len(b)
	if need > cap(l.held) {
		const least = 64 // most lines typed are shorter, and it is an allocator's size
		grown := make([]byte, len(l.held), min(max(need, 2*cap(l.held), least), max(need, l.max())))
		copy(grown, l.held)
		l.held = grown
	}
	l.held = append(l.held, b...)
}

// lineEnd returns the index of the first CR or LF in b, or -1.
func lineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf >= 0 {
		b = b[:lf]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// boundary returns how much of b can be cut off its front without splitting a
// UTF-8 character that goes on behind it. It looks at b alone, so that the
// answer is the same however much of what follows has arrived. Bytes that begin
// no character are not waited for.
func boundary(b []byte) int {
	for n := len(b) - 1; n > len(b)-utf8.UTFMax; n-- {
		if !utf8.RuneStart(b[n]) {
			continue
		}
		if !utf8.FullRune(b[n:]) {
			return n
		}
		break
	}
	return len(b)
}
