// Package when reads what people write about time, and writes time for people:
//
//	14:30, 2026-11-20, 2026-11-20 14:30     since when
//	10m, 2h, 3d, 1w, 1h30m, forever         for how long
//	90d,100000                              how much to keep
//
// It knows no language but that of digits, no order of day and month but the
// year's first, and no clock: now and its zone are given. What cannot be read is an
// error that says in one sentence what to write instead. Such a sentence holds
// nothing of what was written but a few digits.
package when

import (
	"errors"
	"strings"
	"time"
)

// Years that are understood: all that anybody asks for. Their moments fit into 64 bits
// of nanoseconds since 1970, as histories count; those end in 2262.
const (
	firstYear = 1970
	lastYear  = 2199
)

var (
	errMoment = errors.New("that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30")
	errYear   = errors.New("that is out of reach; write a day from 1970-01-01 to 2199-12-31")
)

// Moment is when text says, in the zone of now: at a time of day the last time, if
// not today then yesterday; or on a day, at its beginning or the time that follows
// after a space. What has not come yet may be named with its day.
//
// Where the clocks are set back and show a time twice, it is the first, so that
// nothing is left out. Where they are set forward and do not show it, it is the
// moment they are.
func Moment(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if t, err := time.Parse("15:04", text); err == nil {
		then := at(now, 0, t)
		if then.After(now) {
			then = at(now, -1, t)
		}
		return then, nil
	}
	for _, form := range []string{"2006-01-02", "2006-01-02 15:04"} {
		if t, err := time.Parse(form, text); err == nil {
			if t.Year() < firstYear || t.Year() > lastYear {
				return time.Time{}, errYear
			}
			return first(t, now.Location()), nil
		}
	}
	return time.Time{}, errMoment
}

// at is the moment of a time of day, so many days after today.
func at(now time.Time, days int, clock time.Time) time.Time {
	y, m, d := now.Date()
	return first(time.Date(y, m, d+days, clock.Hour(), clock.Minute(), 0, 0, time.UTC), now.Location())
}

// first is the first moment at which the clocks of a zone show what those of UTC
// show at shown, or more.
func first(shown time.Time, zone *time.Location) time.Time {
	y, m, d := shown.Date()
	// Where there is a choice, Date does not say which it takes.
	t := time.Date(y, m, d, shown.Hour(), shown.Minute(), 0, 0, zone)
	begin, end := t.ZoneBounds()
	switch show := face(t); {
	case show.After(shown): // the clocks had been set forward, over it
		return begin
	case show.Before(shown): // they are to be
		return end
	case begin.IsZero():
		return t
	}
	_, offset := begin.Add(-1).Zone()
	if earlier := shown.Add(-time.Duration(offset) * time.Second).In(zone); earlier.Before(begin) {
		return earlier // they were set back at begin
	}
	return t
}

// face is when the clocks of UTC show what those of t's zone show at t.
func face(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}
