package when

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestKeep(t *testing.T) {
	for text, want := range map[string]struct {
		age   time.Duration
		count int
	}{
		"90d,100000":     {90 * day, 100_000},
		"100000,90d":     {90 * day, 100_000},
		" 90d , 100000 ": {90 * day, 100_000},
		"90d":            {90 * day, 0},
		"1w12h":          {week + 12*time.Hour, 0},
		"100000":         {0, 100_000},
		"0100":           {0, 100},
		"1000000000":     {0, MaxCount},
		"36500d,1":       {Longest, 1},
		"90d,0":          {90 * day, 0},
		"0":              {},
		"off":            {},
		" OFF ":          {},
	} {
		age, count, err := Keep(text)
		if err != nil || age != want.age || count != want.count {
			t.Errorf("Keep(%q) = %v, %d, %v; want %v, %d", text, age, count, err, want.age, want.count)
		}
	}
	for text, want := range map[string]string{
		"":                          "is neither an age nor a count of messages; write 90d,100000, or 90d, or 100000, or off",
		",":                         "is neither an age nor a count of messages; write 90d,100000, or 90d, or 100000, or off",
		"90d,":                      "is neither an age nor a count of messages; write 90d,100000, or 90d, or 100000, or off",
		",100000":                   "is neither an age nor a count of messages; write 90d,100000, or 90d, or 100000, or off",
		"90D":                       "is neither an age nor a count of messages; write 90d,100000, or 90d, or 100000, or off",
		"90d 100000":                "is neither an age nor a count of messages; write 90d,100000, or 90d, or 100000, or off",
		"90d,off":                   "is neither an age nor a count of messages; write 90d,100000, or 90d, or 100000, or off",
		"forever":                   "is neither an age nor a count of messages; write 90d,100000, or 90d, or 100000, or off",
		"-1":                        "is neither an age nor a count of messages; write 90d,100000, or 90d, or 100000, or off",
		"1e6":                       "is neither an age nor a count of messages; write 90d,100000, or 90d, or 100000, or off",
		"90d,100000,x":              "is neither an age nor a count of messages; write 90d,100000, or 90d, or 100000, or off",
		"90d,30d":                   "says the same thing twice; write one age and one count, as in 90d,100000",
		"5,5":                       "says the same thing twice; write one age and one count, as in 90d,100000",
		"90d,5,30d":                 "says the same thing twice; write one age and one count, as in 90d,100000",
		"0,0":                       "says the same thing twice; write one age and one count, as in 90d,100000",
		"0d":                        "has an age of nothing, or of more than a hundred years; write 90d, or leave it out for any age",
		"101w,36501d":               "has an age of nothing, or of more than a hundred years; write 90d, or leave it out for any age",
		"1000000001":                "has a count above 1000000000; leave it out for any count",
		"90d,999999999999999999999": "has a count above 1000000000; leave it out for any count",
	} {
		age, count, err := Keep(text)
		if err == nil || err.Error() != want || age != 0 || count != 0 {
			t.Errorf("Keep(%q) = %v, %d, %v; want %s", text, age, count, err, want)
		}
	}
}

// FuzzKeep: what is understood means the same the other way round and written
// plainly, and is within bounds.
func FuzzKeep(f *testing.F) {
	for _, seed := range []string{
		"90d,100000", "100000,90d", "90d", "100000", "off", "0", "0,0", ",", "", "90d,", "90d,30d", "1000000001", " 1w2h , 5 ",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		age, count, err := Keep(text)
		first, second, both := strings.Cut(text, ",")
		if both && !strings.Contains(second, ",") {
			a, c, e := Keep(second + "," + first)
			if a != age || c != count || (e == nil) != (err == nil) {
				t.Errorf("Keep(%q) = %v, %d, %v; the other way round %v, %d, %v", text, age, count, err, a, c, e)
			}
		}
		if err != nil {
			if err != errKeep && err != errTwice && err != errAge && err != errCount || age != 0 || count != 0 {
				t.Errorf("Keep(%q) = %v, %d, %v", text, age, count, err)
			}
			return
		}
		if age != 0 && age < time.Second || age < 0 || age > Longest || count < 0 || count > MaxCount {
			t.Errorf("Keep(%q) = %v, %d", text, age, count)
		}
		plain := fmt.Sprint(count)
		if age != 0 {
			plain += fmt.Sprintf(",%ds", age/time.Second)
		}
		if a, c, err := Keep(plain); a != age || c != count || err != nil {
			t.Errorf("Keep(%q) = %v, %d, but Keep(%q) = %v, %d, %v", text, age, count, plain, a, c, err)
		}
	})
}
