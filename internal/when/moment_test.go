package when

import (
	"testing"
	"time"
	_ "time/tzdata" // the same zones everywhere
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestMoment(t *testing.T) {
	now := time.Date(2026, 11, 20, 14, 30, 59, 999, zone(t, "Asia/Kathmandu")) // UTC+5:45
	for text, want := range map[string]string{
		"14:30":                "2026-11-20 14:30",
		"14:29":                "2026-11-20 14:29",
		"14:31":                "2026-11-19 14:31",
		"00:00":                "2026-11-20 00:00",
		"23:59":                "2026-11-19 23:59",
		"9:05":                 "2026-11-20 09:05",
		" 14:30\t":             "2026-11-20 14:30",
		"2026-11-20":           "2026-11-20 00:00",
		"2026-11-20 14:30":     "2026-11-20 14:30",
		"2026-11-20  9:05":     "2026-11-20 09:05",
		"2026-11-21":           "2026-11-21 00:00",
		"2024-02-29":           "2024-02-29 00:00",
		"1970-01-01":           "1970-01-01 00:00",
		"1970-01-01 00:00":     "1970-01-01 00:00",
		"2199-12-31 23:59":     "2199-12-31 23:59",
		"2026-11-20 00:00\r\n": "2026-11-20 00:00",
	} {
		got, err := Moment(text, now)
		if err != nil || got.Format("2006-01-02 15:04") != want || got.Second() != 0 || got.Nanosecond() != 0 {
			t.Errorf("Moment(%q) = %v, %v; want %s", text, got, err, want)
		}
		if got.Location() != now.Location() {
			t.Errorf("Moment(%q) is in the zone %v", text, got.Location())
		}
	}
	for text, want := range map[string]string{
		"1969-12-31":       "that is out of reach; write a day from 1970-01-01 to 2199-12-31",
		"2200-01-01":       "that is out of reach; write a day from 1970-01-01 to 2199-12-31",
		"0000-01-01 00:00": "that is out of reach; write a day from 1970-01-01 to 2199-12-31",

		"":                    "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"yesterday":           "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"24:00":               "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"14:60":               "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"14:3":                "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"14:30:00":            "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"-1:30":               "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"2pm":                 "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"20.11.2026":          "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"2026-02-29":          "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"2026-11-31 14:30":    "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"2026-13-01":          "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"26-11-20":            "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"12026-11-20":         "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"2026-11-20T14:30":    "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"2026-11-20 14:30 +1": "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
		"١٤:٣٠":               "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
	} {
		if got, err := Moment(text, now); err == nil || err.Error() != want || !got.IsZero() {
			t.Errorf("Moment(%q) = %v, %v; want %s", text, got, err, want)
		}
	}
}

// TestChange: a time that is shown twice means the first one, one that is skipped
// the moment of the change.
func TestChange(t *testing.T) {
	for _, c := range []struct{ zone, text, want string }{
		{"Europe/Berlin", "2024-10-27 01:59", "2024-10-26T23:59Z"},
		{"Europe/Berlin", "2024-10-27 02:00", "2024-10-27T00:00Z"}, // and an hour later again
		{"Europe/Berlin", "2024-10-27 02:59", "2024-10-27T00:59Z"},
		{"Europe/Berlin", "2024-10-27 03:00", "2024-10-27T02:00Z"},
		{"Europe/Berlin", "2024-03-31 01:59", "2024-03-31T00:59Z"},
		{"Europe/Berlin", "2024-03-31 02:00", "2024-03-31T01:00Z"},
		{"Europe/Berlin", "2024-03-31 02:59", "2024-03-31T01:00Z"},
		{"Europe/Berlin", "2024-03-31 03:00", "2024-03-31T01:00Z"},
		{"Europe/Berlin", "2024-03-31 03:01", "2024-03-31T01:01Z"},
		{"Australia/Lord_Howe", "2024-04-07 01:45", "2024-04-06T14:45Z"}, // half an hour back
		{"Australia/Lord_Howe", "2024-04-07 02:00", "2024-04-06T15:30Z"},
		{"Australia/Lord_Howe", "2024-10-06 02:10", "2024-10-05T15:30Z"},
		{"Antarctica/Troll", "2024-03-31 01:30", "2024-03-31T01:00Z"}, // two hours on
		{"Antarctica/Troll", "2024-10-27 01:30", "2024-10-26T23:30Z"},
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00Z"}, // a day that begins at one
		{"America/Sao_Paulo", "2019-02-16 23:30", "2019-02-17T01:30Z"},
		{"America/Sao_Paulo", "2019-02-17", "2019-02-17T03:00Z"},
		{"Pacific/Apia", "2011-12-29 23:59", "2011-12-30T09:59Z"},
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00Z"}, // a day that never was
		{"Pacific/Apia", "2011-12-30 23:59", "2011-12-30T10:00Z"},
		{"Pacific/Apia", "2011-12-31", "2011-12-30T10:00Z"},
		{"Pacific/Apia", "2011-12-31 00:01", "2011-12-30T10:01Z"},
	} {
		got, err := Moment(c.text, time.Now().In(zone(t, c.zone)))
		if utc := got.UTC().Format("2006-01-02T15:04Z"); err != nil || utc != c.want {
			t.Errorf("%s in %s is %s, %v; want %s", c.text, c.zone, utc, err, c.want)
		}
	}
}

// TestWalk compares with somebody who looks at the clock every minute for days
// before and after it is set.
func TestWalk(t *testing.T) {
	for _, c := range []struct {
		zone string
		year int
		want int // how often the clocks are set
	}{
		{"Europe/Berlin", 2024, 2},
		{"Australia/Lord_Howe", 2024, 2},
		{"Antarctica/Troll", 2024, 2},
		{"America/Sao_Paulo", 2018, 2},
		{"Pacific/Apia", 2011, 3},
	} {
		t.Run(c.zone, func(t *testing.T) {
			begin := time.Date(c.year, 1, 1, 0, 0, 0, 0, zone(t, c.zone))
			n := 0
			for _, change := begin.ZoneBounds(); change.Year() == c.year; _, change = change.ZoneBounds() {
				walk(t, change)
				n++
			}
			if n != c.want {
				t.Errorf("the clocks were set %d times in %d, want %d", n, c.year, c.want)
			}
		})
	}
}

// walk begins so early that each time of day asked for, a day and a half around the
// change, has been seen.
func walk(t *testing.T, change time.Time) {
	const form = "2006-01-02 15:04"
	begin, end := change.Add(-90*time.Hour), change.Add(36*time.Hour)
	seen := map[string]time.Time{} // what was shown, or was passed over, and when first
	next := reading(begin)
	for now := begin; now.Before(end); now = now.Add(time.Minute) {
		for ; !next.After(reading(now)); next = next.Add(time.Minute) {
			seen[next.Format(form)] = now
		}
	}
	for text, want := range seen {
		if got, err := Moment(text, begin); err != nil || !got.Equal(want) {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
	}
	for now := change.Add(-36 * time.Hour); now.Before(end); now = now.Add(17 * time.Minute) {
		for minute := 0; minute < 24*60; minute += 13 {
			today := reading(now).Truncate(24 * time.Hour).Add(time.Duration(minute) * time.Minute)
			want, found := seen[today.Format(form)]
			if !found || want.After(now) {
				if want, found = seen[today.AddDate(0, 0, -1).Format(form)]; !found {
					t.Fatalf("the walk is too short for %s at %v", today.Format("15:04"), now)
				}
			}
			if got, err := Moment(today.Format("15:04"), now); err != nil || !got.Equal(want) {
				t.Errorf("at %v, %s is %v, %v; want %v", now, today.Format("15:04"), got, err, want)
			}
		}
	}
}

// reading is what a clock on the wall shows, as if it were one of UTC.
func reading(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// FuzzMoment: what is understood is shown by the clocks then, or is the moment at
// which they were set over it; a time of day is never still to come.
func FuzzMoment(f *testing.F) {
	var zones []*time.Location
	for _, name := range []string{
		"UTC", "Europe/Berlin", "Australia/Lord_Howe", "Antarctica/Troll", "America/Sao_Paulo",
		"Pacific/Apia", "Africa/Monrovia", "America/St_Johns", "Asia/Kathmandu",
	} {
		zones = append(zones, zone(f, name))
	}
	for i, text := range []string{
		"14:30", "2026-11-20", "2026-11-20 14:30", "2024-03-31 02:30", "2011-12-30", "1972-01-07 00:20",
		"1972-01-07 00:44", "2199-12-31", " 1:30", "2026-02-29", "0:0", "2026-11-20 1:30.5",
	} {
		f.Add(text, int64(1_795_185_000), uint8(i))
		f.Add(text, int64(1_325_239_200), uint8(5)) // the moment Apia went over a day
		f.Add(text, int64(1_325_239_200), uint8(6))
	}
	f.Fuzz(func(t *testing.T, text string, unix int64, z uint8) {
		now := time.Unix(unix&(1<<32-1), 0).In(zones[int(z)%len(zones)])
		got, err := Moment(text, now)
		if err != nil {
			if err != errMoment && err != errYear || !got.IsZero() {
				t.Errorf("%q: %v, %v", text, got, err)
			}
			return
		}
		if got.Location() != now.Location() {
			t.Errorf("%q is in the zone %v", text, got.Location())
		}
		asked := asked(t, text, now, got)
		switch begin, _ := got.ZoneBounds(); {
		case reading(got).Equal(asked):
		case !got.Equal(begin) || !reading(got).After(asked):
			t.Errorf("%q is %v, when the clocks do not show it and are not set over it", text, got)
		}
		for back := time.Duration(0); back <= 3*time.Hour; back += 30 * time.Minute {
			if earlier := got.Add(-max(back, time.Second)); !reading(earlier).Before(asked) {
				t.Errorf("%q is %v, but the clocks had come that far at %v", text, got, earlier)
			}
		}
	})
}

// asked is the reading that text asks for, taken apart without package time.
func asked(t *testing.T, text string, now, got time.Time) time.Time {
	var y, m, d, hour, minute int
	if n := scan(text, "%d-%d-%d %d:%d", &y, &m, &d, &hour, &minute); n == 3 || n == 5 {
		return time.Date(y, time.Month(m), d, hour, minute, 0, 0, time.UTC)
	}
	if scan(text, "%d:%d", &hour, &minute) != 2 {
		t.Fatalf("%q is %v", text, got)
	}
	if got.After(now) {
		t.Errorf("%q is %v, which is still to come at %v", text, got, now)
	}
	today := time.Date(now.Year(), now.Month(), now.Day(), hour, minute, 0, 0, time.UTC)
	if first(today, now.Location()).After(now) {
		return today.AddDate(0, 0, -1)
	}
	return today
}
