package when

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// MaxCount is the largest count of messages that is understood.
const MaxCount = 1_000_000_000

var (
	errKeep  = errors.New("is neither an age nor a count of messages; write 90d,100000, or 90d, or 100000, or off")
	errTwice = errors.New("says the same thing twice; write one age and one count, as in 90d,100000")
	errAge   = errors.New("has an age of nothing, or of more than a hundred years; write 90d, or leave it out for any age")
	errCount = errors.New("has a count above 1000000000; leave it out for any count")
)

// Keep is how much of what was said text says to keep: an age, as Span reads it, a
// count, at most MaxCount, or both in either order with a comma between. What is
// left out is 0 and has no bound; off leaves out both. Its errors continue the
// sentence `CHATD_KEEP="text" …`.
func Keep(text string) (age time.Duration, count int, err error) {
	text = strings.TrimSpace(text)
	if strings.EqualFold(text, "off") {
		return 0, 0, nil
	}
	var aged, counted bool
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		var again bool
		if part != "" && digits(part) == part {
			again, counted = counted, true
			count, err = parseCount(part)
		} else {
			again, aged = aged, true
			age, err = parseAge(part)
		}
		if err == nil && again {
			err = errTwice
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return age, count, nil
}

func parseCount(text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > MaxCount {
		return 0, errCount
	}
	return int(n), nil
}

func parseAge(text string) (time.Duration, error) {
	age, err := span(text)
	switch err {
	case errNone, errLong:
		err = errAge
	case errSpan:
		err = errKeep
	}
	return age, err
}
