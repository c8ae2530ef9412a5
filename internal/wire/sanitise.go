// This file makes what came from a person safe to print on a terminal. All that
// could move the cursor, change a colour, ring, hide text or turn the order of
// what follows is shown instead of sent; all that writing needs, in any script,
// is sent as it came.

package wire

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// AppendText appends to dst what a person said, as text connections may print
// it, and returns dst. It is always valid UTF-8 and safe for a terminal:
//
//   - control characters (C0 and DEL) are shown as their Control Pictures, ␛
//     for ESC. TAB is sent. CR, LF and CR LF are shown as ⏎
//   - invalid UTF-8 is shown as U+FFFD, one for each byte, as Go's range does;
//     so are the C1 controls when they are raw bytes
//   - C1 controls in UTF-8, the separators U+2028 and U+2029, the byte order
//     mark U+FEFF and the interlinear annotations U+FFF9 to U+FFFB are shown by
//     number, <U+0085>
//   - bidi controls (U+202A to U+202E, U+2066 to U+2069) are sent when they are
//     paired within src: an isolate with its PDI, an embedding or override with
//     its PDF, one within the other (UAX #9, BD9 and BD11), at most 125 deep. The
//     rest of them are shown by number, as nothing may reorder what comes after
//     the text
//
// Everything else is sent byte for byte, ZWJ, ZWNJ, variation selectors, LRM,
// RLM, ALM and tag characters included. What is appended is at most four times
// as long as src. A text that is safe already comes out as it is, and nothing is
// allocated when dst has room.
func AppendText(dst, src []byte) []byte { return sanitise(dst, src, &textPlain) }

// AppendLabel is AppendText for names, rooms, topics and log fields, where a TAB
// is shown too.
func AppendLabel(dst, src []byte) []byte { return sanitise(dst, src, &labelPlain) }

// AppendTextString is AppendText for a string.
func AppendTextString(dst []byte, src string) []byte { return sanitise(dst, []byte(src), &textPlain) }

// AppendLabelString is AppendLabel for a string.
func AppendLabelString(dst []byte, src string) []byte { return sanitise(dst, []byte(src), &labelPlain) }

// plain tells of each byte whether it is an ASCII character that is sent as it
// is.
type plain [256]bool

var (
	textPlain  = printable('\t')
	labelPlain = printable()
)

func printable(besides ...byte) (p plain) {
	for c := ' '; c <= '~'; c++ {
		p[c] = true
	}
	for _, c := range besides {
		p[c] = true
	}
	return p
}

// allPrintable tells whether each of eight bytes is from space to tilde. Taking
// a space away sets the top bit of those below it and leaves that of those from
// 0xA0; adding one sets DEL's and leaves that of those from 0x80 to 0x9F. Only
// bytes found out so lend to or carry into the next.
func allPrintable(eight uint64) bool {
	const each = 0x0101010101010101
	return ((eight-' '*each)|(eight+each))&(0x80*each) == 0
}

func sanitise(dst, src []byte, ascii *plain) []byte {
	dst, rest := appendUnidirectional(dst, src, ascii)
	if len(rest) == 0 {
		return dst
	}
	return appendBidi(dst, rest, ascii)
}

// appendUnidirectional appends src up to its first bidi control and returns
// what is left of it, which begins with that control or is empty.
func appendUnidirectional(dst, src []byte, ascii *plain) (_, rest []byte) {
	sent, i := 0, 0 // src[sent:i] is to be sent as it is
	for i < len(src) {
		for len(src)-i >= 8 && allPrintable(binary.LittleEndian.Uint64(src[i:])) {
			i += 8
		}
		for i < len(src) && ascii[src[i]] {
			i++
		}
		if i == len(src) {
			break
		}
		c := src[i]
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(src[i:])
			if size > 1 && !shownByNumber(r) && !bidiControl(r) {
				i += size
				continue
			}
		}
		dst = append(dst, src[sent:i]...)
		switch {
		case size > 1 && bidiControl(r):
			return dst, src[i:]
		case size > 1:
			dst = appendNumber(dst, r)
		case r == '\r' && i+1 < len(src) && src[i+1] == '\n':
			size = 2
			dst = utf8.AppendRune(dst, '⏎')
		case r == '\r' || r == '\n':
			dst = utf8.AppendRune(dst, '⏎')
		case r < ' ':
			dst = utf8.AppendRune(dst, '\u2400'+r)
		case r == 0x7F:
			dst = utf8.AppendRune(dst, '\u2421')
		default: // a byte that is no UTF-8
			dst = utf8.AppendRune(dst, utf8.RuneError)
		}
		i += size
		sent = i
	}
	return append(dst, src[sent:]...), nil
}

// shownByNumber tells of a character beyond ASCII whether it is shown as <U+…>
// wherever it stands.
func shownByNumber(r rune) bool {
	switch {
	case r < 0xA0: // C1
		return true
	case r < 0x2028:
		return false
	}
	return r <= 0x2029 || r == 0xFEFF || 0xFFF9 <= r && r <= 0xFFFB
}

// The bidi controls that open or close something (UAX #9, section 2). The marks
// LRM, RLM and ALM are characters without a shape and reach no further than any
// letter.
const (
	lre = '\u202A'
	pdf = '\u202C'
	rlo = '\u202E'
	lri = '\u2066'
	fsi = '\u2068'
	pdi = '\u2069'
)

func bidiControl(r rune) bool { return lre <= r && r <= rlo || lri <= r && r <= pdi }

func isolateInitiator(r rune) bool { return lri <= r && r <= fsi }

// maxDepth is how deep bidi controls may be nested: a display needs to know no
// more (UAX #9, BD2). One that opens deeper is shown, and its end pairs with
// what is then open.
const maxDepth = 125

// opening is a bidi control that was sent and has not been closed yet.
type opening struct {
	at      int32 // where it stands in dst, behind what was there before
	isolate bool
}

// appendBidi appends src, which begins with a bidi control. Whether one that
// opens something is paired shows only later, so it is sent at first and
// replaced when it turns out not to be.
//
// It is a function of its own as the stack takes a kilobyte, which texts without
// such controls need not have.
func appendBidi(dst, src []byte, ascii *plain) []byte {
	var (
		stack [maxDepth]opening
		base  = len(dst)
		open  = stack[:0]
	)
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		depth := matching(open, r)
		switch {
		case r != pdf && r != pdi && len(open) < maxDepth:
			open = append(open, opening{at: int32(len(dst) - base), isolate: isolateInitiator(r)})
			dst = append(dst, src[:size]...)
		case depth >= 0:
			// A PDI ends the embeddings within its isolate, which have no PDF.
			dst = showOpenings(dst, base, open[depth+1:])
			open = open[:depth]
			dst = append(dst, src[:size]...)
		default:
			dst = appendNumber(dst, r)
		}
		dst, src = appendUnidirectional(dst, src[size:], ascii)
	}
	return showOpenings(dst, base, open)
}

// matching returns the index in open of what r closes, or -1.
func matching(open []opening, r rune) int {
	last := len(open) - 1
	switch r {
	case pdf: // reaches into no isolate and out of none (BD11)
		if last >= 0 && !open[last].isolate {
			return last
		}
	case pdi:
		for ; last >= 0; last-- {
			if open[last].isolate {
				return last
			}
		}
	}
	return -1
}

// showOpenings replaces controls in dst, which stand in open in their order, by
// their numbers.
func showOpenings(dst []byte, base int, open []opening) []byte {
	const (
		was   = len("\u202A")
		grows = len("<U+202A>") - was
	)
	end := len(dst)
	dst = slices.Grow(dst, grows*len(open))[:end+grows*len(open)]
	// From the last to the first, each part moves straight to its place.
	for n := len(open); n > 0; n-- {
		at := base + int(open[n-1].at)
		r, _ := utf8.DecodeRune(dst[at:])
		copy(dst[at+was+n*grows:], dst[at+was:end])
		appendNumber(dst[:at+(n-1)*grows], r)
		end = at
	}
	return dst
}

// appendNumber appends r, at most U+FFFF, as <U+0085>.
func appendNumber(dst []byte, r rune) []byte {
	const hex = "0123456789ABCDEF"
	return append(dst, '<', 'U', '+', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15], '>')
}
