package terminal

import (
	"strings"
	"testing"
	"time"
)

// Only rows that are known to be of the live part are erased, however the terminal has
// broken them anew.
func TestErase(t *testing.T) {
	drawn := live{rows: []string{strings.Repeat("-", 50), "> " + strings.Repeat("x", 70), "yy"}, row: 1, head: "> " + strings.Repeat("x", 70)}
	for _, test := range []struct {
		name        string
		was, now    int // columns
		reflow      bool
		late        time.Duration
		above, rows int // the cursor's row from the top; how many rows there are
	}{
		{name: "the same", was: 80, now: 80, reflow: true, above: 1, rows: 3},
		{name: "wider", was: 80, now: 120, reflow: true, above: 1, rows: 3},
		{name: "narrower", was: 80, now: 39, reflow: true, above: 3, rows: 5},
		{name: "much narrower", was: 80, now: 19, reflow: true, above: 6, rows: 8},
		{name: "narrower, and lines are cut off", was: 80, now: 39, above: 1, rows: 3},
		{name: "narrower, perhaps drawn since", was: 80, now: 39, reflow: true, late: time.Hour, above: 1, rows: 3},
	} {
		s := &screen{reflow: test.reflow, late: test.late, drawn: drawn, columns: test.was, at: time.Now()}
		if test.was != test.now {
			s.resized()
		}
		got := s.erase(test.now)
		want := move(test.above, 'A') + strings.Repeat(eraseRow+move(1, 'B'), test.rows-1) + eraseBelow + move(test.rows-1, 'A')
		if got != want {
			t.Errorf("%s: %q instead of %q", test.name, got, want)
		}
	}
}
