package when

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// Forever is the length of time without an end.
	Forever time.Duration = 0
	// Longest is the longest time that is understood: a hundred years of 365 days.
	Longest = 100 * 365 * day

	day  = 24 * time.Hour // whatever the clocks do
	week = 7 * day
)

var units = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': day, 'w': week}

var (
	errSpan = errors.New("that is no length of time; write 10m, 2h, 3d, 1w or forever")
	errNone = errors.New("that is no time at all; write 1m or more")
	errLong = errors.New("that is more than a hundred years; write forever")
)

// Span is how long text says: whole numbers of seconds, minutes, hours, days and
// weeks (1h30m), from a second to Longest, or Forever. Capitals are no units: 1M
// might mean a month.
func Span(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	if strings.EqualFold(text, "forever") {
		return Forever, nil
	}
	if text == "" || digits(text) != text {
		return span(text)
	}
	switch {
	case strings.Trim(text, "0") == "":
		return 0, errNone
	case len(text) > 9:
		return 0, errSpan // too much to repeat
	default:
		return 0, fmt.Errorf("%s has no unit; write %[1]sm, %[1]sh or %[1]sd", text)
	}
}

// span is Span of numbers with a unit, one or more.
func span(text string) (sum time.Duration, err error) {
	for rest := text; ; {
		number := digits(rest)
		if number == "" || number == rest {
			return 0, errSpan
		}
		unit, known := units[rest[len(number)]]
		if !known {
			return 0, errSpan
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n > int64((Longest-sum)/unit) {
			return 0, errLong
		}
		sum += time.Duration(n) * unit
		if rest = rest[len(number)+1:]; rest == "" {
			break
		}
	}
	if sum == 0 {
		return 0, errNone
	}
	return sum, nil
}

// digits is what text begins with of 0 to 9.
func digits(text string) string {
	return text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
}

// Spell is d in words, never less than it is: "10 minutes", "3 days", "2 hours
// 5 minutes". It is rounded up to a whole second, and to the smaller of the two
// units that it is told in. Nothing, and less, is "0 seconds".
func Spell(d time.Duration) string {
	seconds := int64(max(0, d) / time.Second)
	if d > 0 && d%time.Second != 0 {
		seconds++
	}
	for i, large := range spelled[:len(spelled)-1] {
		if seconds < large.seconds {
			continue
		}
		small := spelled[i+1]
		n := (seconds + small.seconds - 1) / small.seconds
		each := large.seconds / small.seconds
		words := plural(n/each, large.name)
		if n%each != 0 {
			words += " " + plural(n%each, small.name)
		}
		return words
	}
	return plural(seconds, "second")
}

// spelled are the units of Spell. 23 hours and 59.5 minutes are 24 hours: a larger
// unit begins with what it is, not with what is rounded to it.
var spelled = []struct {
	seconds int64
	name    string
}{{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}}

func plural(n int64, name string) string {
	if n != 1 {
		name += "s"
	}
	return fmt.Sprintf("%d %s", n, name)
}
