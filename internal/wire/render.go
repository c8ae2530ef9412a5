package wire

import "time"

// Kind says what an entry of a room is, and so how it looks.
type Kind uint8

// The kinds of entries, and how they look on a text connection.
const (
	Say      Kind = iota // 12:00 alice: hello
	Act                  // 12:00 * alice waves
	Topic                // 12:00 * alice set the topic: tea
	Announce             // 12:00 * alice to everyone: back in five minutes
	Notice               // * alice joined
	Day                  // * Friday 20 November 2026
	Came                 // * alice joined; name is who
	Went                 // * alice left
	Renamed              // * alice is now bob
	Crowd                // * 14 joined, 9 left
)

// Text renders entries for people who read lines. No text of a person can look
// like a notice: it always stands behind a time and the person's name.
//
// What it appends depends on its arguments and Zone alone. It remembers the last
// stamp, so it is for one goroutine at a time.
type Text struct {
	EOL  string         // "\n", or "\r\n" for telnet
	Zone *time.Location // whose clock the stamps show

	minute int64 // since 1970, of stamp
	stamp  [6]byte
}

// Append appends one line: what was entered at the time at, in nanoseconds since
// 1970, by name. Both name and text are sanitised.
func (t *Text) Append(dst []byte, kind Kind, at int64, name, text []byte) []byte {
	switch kind {
	case Say:
		dst = AppendLabel(t.appendStamp(dst, at), name)
		dst = AppendText(append(dst, ": "...), text)
	case Act:
		dst = AppendLabel(append(t.appendStamp(dst, at), "* "...), name)
		dst = AppendText(append(dst, ' '), text)
	case Topic:
		dst = AppendLabel(append(t.appendStamp(dst, at), "* "...), name)
		if len(text) == 0 {
			dst = append(dst, " took the topic away"...)
			break
		}
		dst = AppendText(append(dst, " set the topic: "...), text)
	case Announce:
		dst = AppendLabel(append(t.appendStamp(dst, at), "* "...), name)
		dst = AppendText(append(dst, " to everyone: "...), text)
	case Day:
		dst = time.Unix(0, at).In(t.Zone).AppendFormat(append(dst, "* "...), "Monday 2 January 2006")
	default:
		dst = AppendText(append(dst, "* "...), text)
	}
	return append(dst, t.EOL...)
}

// AppendNotice appends a notice.
func (t *Text) AppendNotice(dst []byte, text string) []byte {
	return append(AppendTextString(append(dst, "* "...), text), t.EOL...)
}

// appendStamp appends the hour and minute, and a space.
func (t *Text) appendStamp(dst []byte, at int64) []byte {
	const perMinute = int64(time.Minute)
	minute := at / perMinute
	if minute != t.minute || t.stamp[5] == 0 {
		h, m, _ := time.Unix(0, at).In(t.Zone).Clock()
		t.minute = minute
		t.stamp = [6]byte{byte('0' + h/10), byte('0' + h%10), ':', byte('0' + m/10), byte('0' + m%10), ' '}
	}
	return append(dst, t.stamp[:]...)
}
