package wire

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// JSON renders a room's entries for programs: one object a line.
//
// What it appends depends on its arguments, Room and Epoch alone. It remembers the
// last second, so it is for one goroutine at a time.
type JSON struct {
	Room  string
	Epoch uint64

	message  []byte // how every message begins
	presence []byte // how who comes and goes begins
	second   int64  // since 1970, of stamp
	stamp    []byte // "2026-11-20T09:42:00."
}

// Append appends the object of one entry, and a line end; nothing if programs are
// not told such entries. note is the client's own id of a message, or the new name
// of who is renamed.
func (j *JSON) Append(dst []byte, kind Kind, seq uint64, at int64, name, note, text []byte) []byte {
	if j.message == nil {
		j.begin()
	}
	switch kind {
	case Say, Act, Topic, Announce:
		return append(j.appendMessage(dst, kind, seq, at, name, note, text), '\n')
	case Came, Went, Renamed, Crowd:
		dst = append(append(dst, j.presence...), events[kind]...)
		if kind != Crowd {
			dst = AppendQuoted(append(dst, `","name":`...), name)
		} else {
			dst = append(dst, '"')
		}
		if kind == Renamed {
			dst = AppendQuoted(append(dst, `,"now":`...), note)
		}
		return append(AppendQuoted(append(dst, `,"text":`...), text), "}\n"...)
	case Day:
		return dst // programs have the time of each message
	}
	dst = AppendQuotedString(append(dst, `{"type":"notice","room":`...), j.Room)
	return append(AppendQuoted(append(dst, `,"text":`...), text), "}\n"...)
}

// events are how programs call the kinds of presence.
var events = map[Kind]string{Came: "joined", Went: "left", Renamed: "renamed", Crowd: "many"}

// kinds are how programs call the kinds of messages; a plain one is not named.
var kinds = map[Kind]string{Act: "act", Topic: "topic", Announce: "announce"}

// AppendMessage appends the object of one message, without a line end.
func (j *JSON) AppendMessage(dst []byte, kind Kind, seq uint64, at int64, name, note, text []byte) []byte {
	if j.message == nil {
		j.begin()
	}
	return j.appendMessage(dst, kind, seq, at, name, note, text)
}

func (j *JSON) begin() {
	j.message = AppendQuotedString([]byte(`{"type":"message","room":`), j.Room)
	j.message = strconv.AppendUint(append(j.message, `,"epoch":`...), j.Epoch, 10)
	j.message = append(j.message, `,"seq":`...)
	j.presence = AppendQuotedString([]byte(`{"type":"presence","room":`), j.Room)
	j.presence = append(j.presence, `,"event":"`...)
}

func (j *JSON) appendMessage(dst []byte, kind Kind, seq uint64, at int64, name, note, text []byte) []byte {
	dst = strconv.AppendUint(append(dst, j.message...), seq, 10)
	dst = j.appendTime(append(dst, `,"time":"`...), at)
	dst = AppendQuoted(append(dst, `","from":`...), name)
	dst = AppendQuoted(append(dst, `,"text":`...), text)
	if word := kinds[kind]; word != "" {
		dst = append(append(append(dst, `,"kind":"`...), word...), '"')
	}
	if len(note) > 0 {
		dst = AppendQuoted(append(dst, `,"id":`...), note)
	}
	return append(dst, '}')
}

// appendTime appends a time as RFC 3339 has it, UTC, to the millisecond.
func (j *JSON) appendTime(dst []byte, at int64) []byte {
	const perSecond = int64(time.Second)
	second, rest := at/perSecond, at%perSecond
	if rest < 0 {
		second, rest = second-1, rest+perSecond
	}
	if second != j.second || len(j.stamp) == 0 {
		j.second = second
		j.stamp = time.Unix(second, 0).UTC().AppendFormat(j.stamp[:0], "2006-01-02T15:04:05.")
	}
	ms := rest / int64(time.Millisecond)
	dst = append(dst, j.stamp...)
	return append(dst, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

// AppendTime appends a time as in JSON.
func AppendTime(dst []byte, at int64) []byte {
	return time.Unix(0, at).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

// AppendQuoted appends src as a JSON string (RFC 8259, section 7), quotes and all.
// What could do harm in a terminal is escaped: C0, DEL, C1, the separators and the
// bidi controls. What is no UTF-8 becomes U+FFFD, one for each byte. Everything else
// is as it was. What is appended is at most six times as long as src, and the quotes.
func AppendQuoted(dst, src []byte) []byte { return appendQuoted(dst, src) }

// AppendQuotedString is AppendQuoted for a string.
func AppendQuotedString(dst []byte, src string) []byte { return appendQuoted(dst, src) }

func appendQuoted[T string | []byte](dst []byte, src T) []byte {
	dst = append(dst, '"')
	sent := 0 // src[sent:i] is to be sent as it is
	for i := 0; i < len(src); {
		c := src[i]
		if plainInString[c] {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = decodeRune(src[i:])
			if size > 1 && !shownByNumber(r) && !bidiControl(r) {
				i += size
				continue
			}
		}
		dst = append(dst, src[sent:i]...)
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case size > 1 || c < utf8.RuneSelf:
			dst = appendEscape(dst, r)
		default: // a byte that is no UTF-8
			dst = utf8.AppendRune(dst, utf8.RuneError)
		}
		i += size
		sent = i
	}
	return append(append(dst, src[sent:]...), '"')
}

// decodeRune decodes the first character of at most four bytes.
func decodeRune[T string | []byte](src T) (rune, int) {
	var b [utf8.UTFMax]byte
	return utf8.DecodeRune(b[:copy(b[:], src)])
}

// appendEscape appends a character as \u and four digits, or, beyond the basic
// plane, as a surrogate pair.
func appendEscape(dst []byte, r rune) []byte {
	if r > 0xffff {
		r -= 0x10000
		dst = appendEscape(dst, 0xd800+r>>10)
		r = 0xdc00 + r&0x3ff
	}
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}

// plainInString tells of each byte whether it is an ASCII character that stands for
// itself in a JSON string.
var plainInString = func() (p [256]bool) {
	for c := ' '; c <= '~'; c++ {
		p[c] = c != '"' && c != '\\'
	}
	return p
}()
