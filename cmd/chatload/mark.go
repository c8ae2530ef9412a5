package main

import "encoding/binary"

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

// renumber changes the number of the message that p begins with.
func renumber(p []byte, seq uint32) { putHex(p[9:17], uint64(seq)) }

// parse reads the mark that p, at least markLen bytes, may begin with.
func (r run) parse(p []byte) (sender uint16, seq uint32, ok bool) {
	p = p[:markLen]
	if p[0] != markBar || p[markLen-1] != markBar || binary.LittleEndian.Uint32(p[1:]) != uint32(r) {
		return 0, 0, false
	}
	var bad uint8
	var v uint64
	for _, c := range p[5:17] {
		d := hexValue[c]
		bad |= d
		v = v<<4 | uint64(d&15)
	}
	return uint16(v >> 32), uint32(v), bad < 16
}

const hexDigits = "0123456789abcdef"

// hexValue holds the value of each lower-case digit and 16 for all else.
var hexValue = func() (values [256]uint8) {
	for i := range values {
		values[i] = 16
	}
	for i := range hexDigits {
		values[hexDigits[i]] = uint8(i)
	}
	return values
}()

func putHex(p []byte, v uint64) {
	for i := len(p) - 1; i >= 0; i-- {
		p[i] = hexDigits[v&15]
		v >>= 4
	}
}
