package main

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/when"
)

// The types below are how values are written in variables. Their errors continue
// the sentence `CHATD_X="value" …` and say what to write instead. Where 0 means
// that something is off, so does the word.

// count is a whole number: 40, off.
type count int

func (c *count) UnmarshalText(text []byte) error {
	if isOff(text) {
		*c = 0
		return nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return errors.New("is not a whole number; write digits only")
	}
	*c = count(n) // beyond the range of int, the nearest
	return nil
}

// rate is a number a second: 10, 0.5, off.
type rate float64

func (r *rate) UnmarshalText(text []byte) error {
	if isOff(text) {
		*r = 0
		return nil
	}
	n, err := strconv.ParseFloat(string(text), 64)
	if math.IsNaN(n) || err != nil && !errors.Is(err, strconv.ErrRange) {
		return errors.New("is not a number; write one such as 10 or 0.5")
	}
	*r = rate(n)
	return nil
}

// size is a number of bytes: 4096, 64KiB, 64MiB, 1GiB, off.
type size int64

func (s *size) UnmarshalText(text []byte) error {
	if isOff(text) {
		*s = 0
		return nil
	}
	m := numberAndUnit.FindStringSubmatch(string(text))
	if m == nil {
		return errors.New("is not a size; write bytes, or 64KiB, 64MiB or 1GiB")
	}
	shift, known := map[string]int{"": 0, "B": 0, "KIB": 10, "MIB": 20, "GIB": 30}[strings.ToUpper(m[2])]
	if !known {
		return fmt.Errorf("has a unit that is none of KiB, MiB and GiB; write %sKiB, %[1]sMiB or %[1]sGiB", m[1])
	}
	n, _ := strconv.ParseInt(m[1], 10, 64) // beyond the range of int64, the nearest
	*s = size(max(-1, min(n, math.MaxInt64>>shift)) << shift)
	return nil
}

// span is a length of time: 10s, 15m, 1h30m, off.
type span time.Duration

func (s *span) UnmarshalText(text []byte) error {
	if isOff(text) {
		*s = 0
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil {
		if m := numberAndUnit.FindStringSubmatch(string(text)); m != nil && m[2] == "" {
			return fmt.Errorf("has no unit; write %ss, %[1]sm or %[1]sh", m[1])
		}
		return errors.New("is not a length of time; write 10s, 10m or 10h")
	}
	*s = span(d)
	return nil
}

// onOff is a switch: on, yes, true, 1, or off, no, false, 0.
type onOff bool

func (o *onOff) UnmarshalText(text []byte) error {
	switch strings.ToLower(string(text)) {
	case "on", "yes", "true", "1":
		*o = true
	case "off", "no", "false", "0":
		*o = false
	default:
		return errors.New("is neither on nor off; write one of the two")
	}
	return nil
}

// choice is one of the words that the tag "of" lists, in small letters.
type choice string

func (c *choice) UnmarshalText(text []byte) error {
	*c = choice(strings.ToLower(string(text)))
	return nil
}

// hostName is what a server is called: 1 to 64 printable characters.
type hostName string

func (h *hostName) UnmarshalText(text []byte) error {
	switch {
	case !utf8.Valid(text):
		return errors.New("is not UTF-8")
	case strings.ContainsFunc(string(text), func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("holds a character that does not print; leave it out")
	case utf8.RuneCount(text) > 64:
		return errors.New("is longer than 64 characters; write a shorter one")
	}
	*h = hostName(text)
	return nil
}

// keep is how much is kept of each room: 90d,100000, or one of the two, or off.
type keep struct {
	Age   time.Duration // 0: any
	Count int           // of messages; 0: any
	Said  bool          // else it is the default
}

func (k *keep) UnmarshalText(text []byte) error {
	age, count, err := when.Keep(string(text))
	*k = keep{Age: age, Count: count, Said: true}
	return err
}

// names are names of people, separated by commas: ana,bob. The word off is none.
type names []string

func (n *names) UnmarshalText(text []byte) error {
	*n = nil
	if isOff(text) {
		return nil
	}
	seen := make(map[string]string) // by key
	for part := range strings.SplitSeq(string(text), ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		one, err := name.Check(part)
		switch {
		case err != nil:
			return fmt.Errorf("holds %s: %w", quoted(part), err)
		case name.IsGuest(one):
			return fmt.Errorf("holds %s, a name of guests, which nobody can register; write another one", one)
		case seen[name.Key(one)] == one:
			return fmt.Errorf("holds %s twice; remove one of the two", one)
		case seen[name.Key(one)] != "":
			return fmt.Errorf("holds %s and %s, which look alike and are one name; remove one of the two", seen[name.Key(one)], one)
		}
		seen[name.Key(one)] = one
		*n = append(*n, one)
	}
	if len(*n) == 0 {
		return errors.New("holds no name; write for example ana,bob")
	}
	return nil
}

func isOff(text []byte) bool { return strings.EqualFold(string(text), "off") }

// numberAndUnit matches "64 MiB": a whole number and what it counts.
var numberAndUnit = regexp.MustCompile(`^([-+]?[0-9]+) *([A-Za-z]*)$`)
