package main

import "bytes"

// carryMost is how much of an unfinished line a stream keeps until its rest comes.
// A mark is shorter, and so are a NATS header, an IRC prefix, a PING and chatd's
// notice of a gap.
const carryMost = 128

// stream is what one connection's input needs to be remembered between reads: the
// beginning of a line, or which message is under way and how much of it is missing.
type stream struct {
	kept   uint8
	sender uint16
	seq    uint32
	skip   int32 // bytes of the message still to come
	carry  [carryMost]byte
}

// scanner finds the marks in what a server sends. It looks for the bar and jumps
// over the padding, so that a message costs some ten nanoseconds. It knows nothing
// of connections and nothing of sequences.
type scanner struct {
	run  run
	size int // of a message, with one byte for its end

	message func(sender uint16, seq uint32) // a message has come, to its end
	line    func(p []byte)                  // some other line, or a piece of one

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
		if s.ends(p[end-1]) {
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
		if gap := p[from:at]; len(gap) > 2 && holdsLine(gap) {
			s.lines(gap)
		}
		end := at + s.size
		if end > len(p) {
			st.sender, st.seq, st.skip = sender, seq, int32(end-len(p))
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
	rest := s.lines(p[from:])
	if over := len(rest) - carryMost; over > 0 {
		rest = rest[over:]
	}
	st.kept = uint8(copy(st.carry[:], rest))
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
