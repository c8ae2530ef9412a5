package when

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"
)

// scan is how many of the numbers in a form text has, without what is around it.
func scan(text, form string, numbers ...any) int {
	n, _ := fmt.Sscanf(strings.TrimSpace(text), form, numbers...)
	return n
}

func TestSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"10m": 10 * time.Minute, "2h": 2 * time.Hour, "3d": 72 * time.Hour, "1w": 168 * time.Hour,
		"1s": time.Second, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "30m1h": 90 * time.Minute,
		"1w2d3h4m5s": 9*day + 3*time.Hour + 4*time.Minute + 5*time.Second, "0h5m": 5 * time.Minute,
		" 007m ": 7 * time.Minute, "36500d": Longest, "3153600000s": Longest, "36499d23h59m60s": Longest,
		"forever": Forever, "Forever": Forever, "FOREVER ": Forever,
	} {
		if got, err := Span(text); err != nil || got != want {
			t.Errorf("Span(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":           "that is no length of time; write 10m, 2h, 3d, 1w or forever",
		" ":          "that is no length of time; write 10m, 2h, 3d, 1w or forever",
		"h":          "that is no length of time; write 10m, 2h, 3d, 1w or forever",
		"1M":         "that is no length of time; write 10m, 2h, 3d, 1w or forever",
		"1H":         "that is no length of time; write 10m, 2h, 3d, 1w or forever",
		"1y":         "that is no length of time; write 10m, 2h, 3d, 1w or forever",
		"1h30":       "that is no length of time; write 10m, 2h, 3d, 1w or forever",
		"1h 30m":     "that is no length of time; write 10m, 2h, 3d, 1w or forever",
		"1.5h":       "that is no length of time; write 10m, 2h, 3d, 1w or forever",
		"-5m":        "that is no length of time; write 10m, 2h, 3d, 1w or forever",
		"+5m":        "that is no length of time; write 10m, 2h, 3d, 1w or forever",
		"5ms":        "that is no length of time; write 10m, 2h, 3d, 1w or forever",
		"spamming":   "that is no length of time; write 10m, 2h, 3d, 1w or forever",
		"5m\x00":     "that is no length of time; write 10m, 2h, 3d, 1w or forever",
		"٥m":         "that is no length of time; write 10m, 2h, 3d, 1w or forever",
		"1234567890": "that is no length of time; write 10m, 2h, 3d, 1w or forever",

		"10":        "10 has no unit; write 10m, 10h or 10d",
		"123456789": "123456789 has no unit; write 123456789m, 123456789h or 123456789d",

		"0":      "that is no time at all; write 1m or more",
		"000":    "that is no time at all; write 1m or more",
		"0m":     "that is no time at all; write 1m or more",
		"0w0d0s": "that is no time at all; write 1m or more",

		"36501d":                    "that is more than a hundred years; write forever",
		"36500d1s":                  "that is more than a hundred years; write forever",
		"5215w":                     "that is more than a hundred years; write forever",
		"9223372036854775807s":      "that is more than a hundred years; write forever",
		"99999999999999999999999s":  "that is more than a hundred years; write forever",
		"30000d30000d30000d30000d1": "that is more than a hundred years; write forever",
	} {
		if got, err := Span(text); err == nil || err.Error() != want || got != 0 {
			t.Errorf("Span(%q) = %v, %v; want %s", text, got, err, want)
		}
	}
}

func TestSpell(t *testing.T) {
	for d, want := range map[time.Duration]string{
		math.MinInt64: "0 seconds", -time.Hour: "0 seconds", 0: "0 seconds",
		1: "1 second", time.Second: "1 second", time.Second + 1: "2 seconds", 59 * time.Second: "59 seconds",
		59*time.Second + 1:                "1 minute",
		time.Minute:                       "1 minute",
		61 * time.Second:                  "1 minute 1 second",
		10 * time.Minute:                  "10 minutes",
		59*time.Minute + 59*time.Second:   "59 minutes 59 seconds",
		time.Hour - 1:                     "1 hour",
		time.Hour:                         "1 hour",
		time.Hour + time.Second:           "1 hour 1 minute",
		2*time.Hour + 5*time.Minute:       "2 hours 5 minutes",
		2*time.Hour + 4*time.Minute + 1:   "2 hours 5 minutes",
		23*time.Hour + 59*time.Minute:     "23 hours 59 minutes",
		day - time.Second:                 "24 hours",
		day:                               "1 day",
		day + 1:                           "1 day 1 hour",
		3 * day:                           "3 days",
		week:                              "7 days",
		90 * day:                          "90 days",
		2*day - time.Minute:               "2 days",
		25*time.Hour + 30*time.Minute:     "1 day 2 hours",
		Longest:                           "36500 days",
		math.MaxInt64:                     "106752 days",
		1500 * time.Millisecond:           "2 seconds",
		119*time.Second + time.Nanosecond: "2 minutes",
	} {
		if got := Spell(d); got != want {
			t.Errorf("Spell(%v) = %s, want %s", d, got, want)
		}
	}
}

// FuzzSpan compares with a sum that has no bounds.
func FuzzSpan(f *testing.F) {
	for _, seed := range []string{
		"10m", "1h30m", "3d", "1w", "forever", "10", "0", "0m", "1M", "36500d", "36500d1s",
		"99999999999999999999s", "1h30", " 5m\n", "-5m", "",
	} {
		f.Add(seed)
	}
	form, part := regexp.MustCompile(`^([0-9]+[smhdw])+$`), regexp.MustCompile(`([0-9]+)([smhdw])`)
	seconds := map[string]int64{"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
	noUnit := regexp.MustCompile(`^([0-9]{1,9}) has no unit; write [0-9]+m, [0-9]+h or [0-9]+d$`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Span(text)
		trimmed := strings.TrimSpace(text)
		switch err {
		case nil, errSpan, errNone, errLong:
		default:
			if m := noUnit.FindStringSubmatch(err.Error()); m == nil || m[1] != trimmed {
				t.Errorf("Span(%q): %v", text, err)
			}
		}
		if err != nil && got != 0 {
			t.Errorf("Span(%q) = %v and %v", text, got, err)
		}
		if !form.MatchString(trimmed) {
			if understood := err == nil; understood != strings.EqualFold(trimmed, "forever") || got != Forever {
				t.Errorf("Span(%q) = %v, %v", text, got, err)
			}
			return
		}
		sum := new(big.Int)
		for _, m := range part.FindAllStringSubmatch(trimmed, -1) {
			n, _ := new(big.Int).SetString(m[1], 10)
			sum.Add(sum, n.Mul(n, big.NewInt(seconds[m[2]])))
		}
		var want error
		switch {
		case sum.Sign() == 0:
			want = errNone
		case sum.Cmp(big.NewInt(int64(Longest/time.Second))) > 0:
			want = errLong
		}
		if err != want || err == nil && int64(got/time.Second) != sum.Int64() {
			t.Errorf("Span(%q) = %v, %v; want %v s, %v", text, got, err, sum, want)
		}
	})
}

// FuzzSpell: the words are never less than the time, and more by less than the
// smaller unit that such a time is told in.
func FuzzSpell(f *testing.F) {
	for _, seed := range []time.Duration{
		0, 1, -1, time.Minute - 1, time.Hour - 1, time.Hour + 1, day - 1, day + 1, Longest, math.MaxInt64, math.MinInt64,
	} {
		f.Add(int64(seed))
	}
	form := regexp.MustCompile(`^([1-9][0-9]*) (day|hour|minute|second)(s?)(?: ([1-9][0-9]*) (hour|minute|second)(s?))?$`)
	seconds := map[string]int64{"day": 86400, "hour": 3600, "minute": 60, "second": 1}
	smaller := map[string]string{"day": "hour", "hour": "minute", "minute": "second"}
	f.Fuzz(func(t *testing.T, n int64) {
		d := time.Duration(n)
		words := Spell(d)
		if d <= 0 {
			if words != "0 seconds" {
				t.Errorf("Spell(%v) = %s", d, words)
			}
			return
		}
		m := form.FindStringSubmatch(words)
		if m == nil || m[5] != "" && m[5] != smaller[m[2]] {
			t.Fatalf("Spell(%v) = %s", d, words)
		}
		var large, small int64
		scan(m[1], "%d", &large)
		scan(m[4], "%d", &small)
		if (m[3] == "") != (large == 1) || m[4] != "" && (m[6] == "") != (small == 1) {
			t.Errorf("Spell(%v) = %s", d, words)
		}
		whole := int64((d-1)/time.Second) + 1
		told := large*seconds[m[2]] + small*seconds[m[5]]
		unit := int64(1)
		switch {
		case whole >= 86400:
			unit = 3600
		case whole >= 3600:
			unit = 60
		}
		if told < whole || told-whole >= unit || small*seconds[m[5]] >= seconds[m[2]] {
			t.Errorf("Spell(%v) = %s, which is %d s", d, words, told)
		}
	})
}
