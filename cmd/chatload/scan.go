package main

import "bytes"

// framing is what stands around each message that comes.
type framing uint8

const (
	lines   framing = iota // the message ends its line
	objects                // JSON, one a line: the message ends a string in it
	frames                 // JSON, one a WebSocket frame
)

// carryMost is how much of an unfinished line or frame a stream keeps until its rest
// comes. A mark is shorter, and so are a NATS header, an IRC prefix, a PING, chatd's
// notice of a gap, and what chatd's objects have before the text and the mark in it.
const carryMost = 256

// stream is what one connection's input needs to be remembered between reads: the
// beginning of a line, or which message is under way and how much of it is missing.
type stream struct {
	kept   uint16
	sender uint16
	seq    uint32
	skip   int32 // bytes of the message still to come, or
	other  bool  // of a frame that is none
	carry  [carryMost]byte
}

// scanner finds the marks in what a server sends. It looks for the bar and jumps
// over the padding, so that a message costs some ten nanoseconds. It knows nothing
// of connections and nothing of sequences.
type scanner struct {
	run  run
	size int // of a message, with one byte for its end
	wire framing

	message func(sender uint16, seq uint32) // a message has come, to its end
	line    func(p []byte)                  // some other line or object, or a piece of one
	ping    func(p []byte)                  // a frame that asks for an answer

	torn int64 // messages whose end was not where it had to be
}

// scan takes the bytes that came next.
func (s *scanner) scan(st *stream, p []byte) {
	if st.skip > 0 {
		if int(st.skip) > len(p) {
			st.skip -= int32(len(p))
			return
		}
		end := st.skip
		st.skip = 0
		if !st.other && s.ends(p[end-1]) {
			s.message(st.sender, st.seq)
		}
		p = p[end:]
	}
	from, at := 0, 0 // where the bytes between two messages begin, and where to look
	for {
		i := bytes.IndexByte(p[at:], markBar)
		if i < 0 || len(p)-at-i < markLen {
			break
		}
		at += i
		sender, seq, ok := s.run.parse(p[at:])
		if !ok {
			at++
			continue
		}
		s.between(p[from:at])
		end := at + s.size
		if end > len(p) {
			st.sender, st.seq, st.skip, st.other = sender, seq, int32(end-len(p)), false
			return
		}
		if !s.ends(p[end-1]) {
			at += markLen
			from = at
			continue
		}
		s.message(sender, seq)
		at, from = end, end
	}
	if s.wire == frames {
		s.lastFrames(st, p[from:])
		return
	}
	rest := s.lines(p[from:])
	if over := len(rest) - carryMost; over > 0 {
		rest = rest[over:]
	}
	st.kept = uint16(copy(st.carry[:], rest))
}

// between passes on what came between two messages, if there was anything.
func (s *scanner) between(gap []byte) {
	switch {
	case s.wire == frames:
		s.framesBefore(gap)
	case len(gap) <= 2:
	case s.wire == objects && bytes.IndexByte(gap[2:], '\n') >= 0, // the first two end the object before
		s.wire == lines && holdsLine(gap):
		s.lines(gap)
	}
}

// holdsLine tells whether there may be a line in what stands before a message that
// is no header of it: NATS's begins with the end of the message before and is a line
// of its own, and to look at each would cost more than all the rest.
func holdsLine(gap []byte) bool {
	last := len(gap) - 1
	return gap[last] == '\n' && gap[0] != '\n' || bytes.IndexByte(gap[1:last], '\n') >= 0
}

// ends tells whether a message may be followed by c: the end of a line, or of a
// JSON string.
func (s *scanner) ends(c byte) bool {
	if c == '\n' || c == '\r' || c == '"' {
		return true
	}
	s.torn++
	return false
}

// lines passes on the whole lines that p begins with and returns the rest.
func (s *scanner) lines(p []byte) (rest []byte) {
	for {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			return p
		}
		if line := bytes.TrimRight(p[:end], "\r"); len(line) > 0 {
			s.line(line)
		}
		p = p[end+1:]
	}
}

// join puts what was kept of st before the bytes that lie in buf from carryMost on
// and returns both.
func (st *stream) join(buf []byte, n int) []byte {
	from := carryMost - int(st.kept)
	copy(buf[from:], st.carry[:st.kept])
	st.kept = 0
	return buf[from : carryMost+n]
}
