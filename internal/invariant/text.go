// This file makes the text of a test's message and reads it again. Whatever is
// done to such a text on the way (cut, joined to another one, a byte lost or
// changed) is found.

package invariant

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"regexp"
	"strconv"
	"time"
)

// A text is
//
//	<sender.number time length checksum padding>
//
// with the time in microseconds since the Checker was made, the length of all of
// it in bytes, and the CRC-32 of all the rest in eight hexadecimal digits.

// shortest is a length that fits the largest numbers without any padding.
const shortest = len("<4294967295.18446744073709551615 9223372036854775807 65536 01234567 >")

const padding = "and everyone who was in the room that evening heard it, "

// Text appends to dst the text of the sender's n-th message, said now, and
// returns it. It is size bytes long, but at least 70.
func (c *Checker) Text(dst []byte, sender uint32, n uint64, size int) []byte {
	now := max(time.Since(c.began), time.Microsecond) // 0 is no time
	return AppendText(dst, Message{Sender: sender, N: n, Sent: now}, size)
}

// AppendText is Text for a message said at another time, or one whose time does
// not matter.
func AppendText(dst []byte, m Message, size int) []byte {
	size = max(size, shortest)
	begin := len(dst)
	dst = fmt.Appendf(dst, "<%d.%d %d %d ", m.Sender, m.N, m.Sent.Microseconds(), size)
	sum := len(dst)
	dst = append(dst, "01234567 "...)
	for left := begin + size - 1 - len(dst); left > 0; left = begin + size - 1 - len(dst) {
		dst = append(dst, padding[:min(left, len(padding))]...)
	}
	dst = append(dst, '>')
	copy(dst[sum:], fmt.Sprintf("%08x", checksum(dst[begin:], sum-begin)))
	return dst
}

// checksum is that of text without the eight digits at the place given.
func checksum(text []byte, at int) uint32 {
	sum := crc32.ChecksumIEEE(text[:at])
	return crc32.Update(sum, crc32.IEEETable, text[at+8:])
}

var errTorn = errors.New("not a whole message")

// parseText reads what AppendText has made.
func parseText(text []byte) (m Message, err error) {
	rest, ok := bytes.CutPrefix(text, []byte("<"))
	if !ok {
		return m, errTorn
	}
	var fields [4]uint64
	for i, end := range []byte(".   ") {
		at := bytes.IndexByte(rest, end)
		if at < 0 {
			return m, errTorn
		}
		if fields[i], err = strconv.ParseUint(string(rest[:at]), 10, 64); err != nil {
			return m, errTorn
		}
		rest = rest[at+1:]
	}
	at := len(text) - len(rest)
	if uint64(len(text)) != fields[3] || len(rest) < 10 || text[len(text)-1] != '>' || rest[8] != ' ' {
		return m, errTorn
	}
	if sum, err := strconv.ParseUint(string(rest[:8]), 16, 32); err != nil || uint32(sum) != checksum(text, at) {
		return m, errTorn
	}
	return Message{
		Sender: uint32(fields[0]), N: fields[1], Sent: time.Duration(fields[2]) * time.Microsecond,
	}, nil
}

var (
	stamped = regexp.MustCompile(`^\d\d:\d\d \S+: `)
	skipped = regexp.MustCompile(`^\* (\d+) messages? skipped \(#(\d+)(?:–#(\d+))?\)(?:$|;)`)
)

// ParseLine reads a line of a line connection, without its end: a message of a
// test, a gap, or another notice. All else is an error.
func ParseLine(line []byte) (Event, error) {
	if bytes.HasPrefix(line, []byte("* ")) {
		f := skipped.FindSubmatch(line)
		if f == nil {
			return Notice(line[2:]), nil
		}
		var g Gap
		g.Count, _ = strconv.ParseUint(string(f[1]), 10, 64)
		g.First, _ = strconv.ParseUint(string(f[2]), 10, 64)
		if g.Last = g.First; len(f[3]) > 0 {
			g.Last, _ = strconv.ParseUint(string(f[3]), 10, 64)
		}
		return g, nil
	}
	label := stamped.Find(line)
	if label == nil {
		return nil, errTorn
	}
	return parseText(line[len(label):])
}
