package main

import (
	"encoding/binary"
	"math/bits"
)

// A message of the load begins with its mark: a bar, the run, the sender, the
// number and a bar, in hexadecimal digits of fixed width. The rest is padding:
//
//	|7f3a000200000041|was heard by all who were in the room that evening ...
//
// No protocol puts a bar into what it adds by itself (IRC's user masks hold ~ and
// @, NATS subjects dots and >), and a mark of another run, shown again from a
// server's history, is told apart.
const (
	markBar = '|'
	markLen = 1 + 4 + 4 + 8 + 1
	// probe is the sender of the messages that only ask who is in the room.
	probe = 0xffff
	// sendersMost is how many senders a mark can name.
	sendersMost = probe
)

// padding is what follows the mark, over and over. It has no bar in it, and words
// as people write them: a server that looks at the text sees nothing unusual.
const padding = "was heard by all who were in the room that evening and "

// run is what one run's marks have in common, as the bytes lie in memory.
type run uint32

func newRun(n uint16) run {
	var digits [4]byte
	putHex(digits[:], uint64(n))
	return run(binary.LittleEndian.Uint32(digits[:]))
}

// number is what newRun was given.
func (r run) number() uint32 {
	const zeros = '0'<<24 | '0'<<16 | '0'<<8 | '0'
	n, _ := hex8(zeros<<32 | uint64(bits.ReverseBytes32(uint32(r))))
	return n
}

// appendText appends a message of size bytes, less one for the end of the line.
func (r run) appendText(b []byte, size int, sender uint16, seq uint32) []byte {
	begin := len(b)
	b = append(b, make([]byte, markLen)...)
	p := b[begin:]
	p[0], p[markLen-1] = markBar, markBar
	binary.LittleEndian.PutUint32(p[1:], uint32(r))
	putHex(p[5:9], uint64(sender))
	putHex(p[9:17], uint64(seq))
	for len(b)-begin < size-1 {
		rest := size - 1 - (len(b) - begin)
		b = append(b, padding[:min(rest, len(padding))]...)
	}
	// A server may strip blanks at the end.
	if last := len(b) - 1; b[last] == ' ' {
		b[last] = '.'
	}
	return b
}

// renumber changes the number of the message that p begins with, each byte of which
// was XORed with mask.
func renumber(p []byte, seq uint32, mask byte) {
	digits := p[9:17]
	putHex(digits, uint64(seq))
	if mask != 0 {
		for i := range digits {
			digits[i] ^= mask
		}
	}
}

// parse reads the mark that p, at least markLen bytes, may begin with.
func (r run) parse(p []byte) (sender uint16, seq uint32, ok bool) {
	p = p[:markLen]
	if p[0] != markBar || p[markLen-1] != markBar || binary.LittleEndian.Uint32(p[1:]) != uint32(r) {
		return 0, 0, false
	}
	first, ok1 := hex8(binary.BigEndian.Uint64(p[5:13]))
	last, ok2 := hex8(binary.BigEndian.Uint64(p[9:17]))
	return uint16(first >> 16), last, ok1 && ok2
}

// hex8 reads eight lower-case digits, the first one highest, all at once: a loop
// over them was a tenth of what a message costs.
func hex8(digits uint64) (v uint32, ok bool) {
	const each = 0x0101010101010101
	n := digits&(15*each) + digits>>6&each*9 // letters have bit 6, and a is 1
	letters := (n + 6*each) >> 4 & each
	ok = n&(0xf0*each) == 0 && n+letters*('a'-'0'-10)+'0'*each == digits
	n = (n | n>>4) & 0x00ff00ff00ff00ff
	n = (n | n>>8) & 0x0000ffff0000ffff
	return uint32(n | n>>16), ok
}

const hexDigits = "0123456789abcdef"

func putHex(p []byte, v uint64) {
	for i := len(p) - 1; i >= 0; i-- {
		p[i] = hexDigits[v&15]
		v >>= 4
	}
}
