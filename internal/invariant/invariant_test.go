package invariant

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A script is what clients see, one line for each: a word is a message as
// sender.number, or sender.number#seq; -2:4-5 a gap of two messages, #4 to #5; !
// a receipt. The clients are called a, b, c …; the first one is the observer if
// its line begins with *, a client whose line begins with = saw all.
func play(t *testing.T, script string) *Checker {
	t.Helper()
	c := New()
	for i, line := range strings.Split(strings.TrimSpace(script), "\n") {
		cl := c.Client(string(rune('a' + i)))
		for word := range strings.FieldsSeq(line) {
			var m Message
			var g Gap
			switch {
			case word == "*":
				c.Observer(cl)
			case word == "=":
				cl.SawAll()
			case scan(word, "-%d:%d-%d", &g.Count, &g.First, &g.Last):
				cl.Add(g)
			case scan(word, "!%d.%d", &m.Sender, &m.N):
				cl.Add(Receipt(m))
			case scan(word, "%d.%d#%d", &m.Sender, &m.N, &m.Seq), scan(word, "%d.%d", &m.Sender, &m.N):
				cl.Add(m)
			default:
				cl.Add(Notice(word))
			}
		}
	}
	return c
}

func scan(word, format string, to ...any) bool {
	_, err := fmt.Sscanf(word, format, to...)
	return err == nil
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name   string
		script string
		want   []string // violations
	}{
		{"nothing", ``, nil},
		{"all is well", `
			* 1.1 2.1 joined 1.2 1.3 2.2
			= 1.1 2.1 1.2 1.3 2.2
			  1.2 1.3`, nil},
		{"all is well without an observer", `
			1.1 2.1 1.2
			2.1 1.2 2.2
			2.2 3.1`, nil},
		{"a gap told", `
			* 1.1 1.2 1.3 1.4 1.5 1.6
			= 1.1 -3:2-4 1.5 1.6`, nil},
		{"two gaps told in a row", `
			* 1.1 1.2 1.3 1.4 1.5 1.6
			= 1.1 -1:2-2 -2:3-4 1.5 1.6`, nil},
		{"a gap at the end", `
			* 1.1 1.2 1.3
			= 1.1 -2:2-3`, nil},
		{"a gap at the end of one who left", `
			* 1.1 1.2 1.3 1.4
			1.1 -2:2-3`, nil},
		{"a gap first", `
			* 1.1 1.2 1.3 1.4
			= -2:1-2 1.3 1.4`, nil},
		{"a gap with numbers that are not dense", `
			* 1.1#7 1.2#9 1.3#12 1.4#13 1.5#20
			= 1.1#7 -2:8-12 1.4#13 1.5#20`, nil},

		{"I1: two orders", `
			1.1 2.1
			2.1 1.1`, []string{"I1: there is no one order: 2 of 2 messages stand in a circle", "I1: b saw 1.1 after 2.1"}},
		{"I1: other than the observer's", `
			* 1.1 2.1 1.2
			  2.1 1.1 1.2`, []string{"I1: b saw 1.1 after 2.1"}},
		{"I1: what the observer did not see", `
			* 1.1
			  1.1 1.2`, []string{"I1: b saw 1.2, which the observer did not"}},
		{"I1: a sender's out of order", `
			* 1.2 1.1
			  1.2 1.1`, []string{"I1: 1.1 comes after 1.2"}},
		{"I1: numbers that do not rise", `
			* 1.1#3 1.2#3`, []string{"I1: 1.2 is #3, the one before it #3"}},
		{"I1: two numbers", `
			* 1.1#3
			  1.1#4`, []string{"I1: b saw 1.1 as #4, another as #3"}},
		{"I3: a silent gap", `
			* 1.1 1.2 1.3 1.4
			  1.1 1.4`, []string{"I3: b missed 2 messages in silence, the first of them 1.2"}},
		{"I3: a silent gap without an observer", `
			1.1 1.2 1.3
			1.1 1.3`, []string{"I3: b missed 1 messages in silence, the first of them 1.2"}},
		{"I3: a silent end", `
			* 1.1 1.2 1.3
			= 1.1 1.2`, []string{"I3: b missed 1 messages in silence, the first of them 1.3"}},
		{"I3: a wrong count", `
			* 1.1 1.2 1.3 1.4
			  1.1 -3:2-3 1.4`, []string{"I3: b was told of 3 messages in the gap #2–#3, which has 2"}},
		{"I3: a count that is not the distance of the numbers", `
			* 1.1#7 1.2#9 1.3#12 1.4#13
			  1.1#7 -5:8-12 1.4#13`, []string{"I3: b was told of 5 messages in the gap #8–#12, which has 2"}},
		{"I3: wrong numbers", `
			* 1.1 1.2 1.3 1.4
			  1.1 -2:3-4 1.4`, []string{"I3: b was told of a gap #3–#4 between #1 and #4"}},
		{"I3: a gap that tells too little", `
			* 1.1 1.2 1.3 1.4 1.5
			  1.1 -2:2-3 1.5`, []string{"I3: b missed 1 messages in silence, the first of them 1.4"}},
		{"I3: a gap that begins too late", `
			* 1.1 1.2 1.3 1.4 1.5
			  1.1 -2:3-4 1.5`, []string{"I3: b missed 1 messages in silence, the first of them 1.2"}},
		{"I3: a gap told where nothing is missing", `
			* 1.1 1.2
			  1.1 -1:2-2 1.2`, []string{"I3: b was told of a gap #2–#2 between #1 and #2"}},
		{"I3: a gap told twice", `
			* 1.1 1.2 1.3
			  1.1 -1:2-2 -1:2-2 1.3`, []string{"I3: b was told of a gap #2–#2 between #2 and #3"}},
		{"I3: a first gap and silence after it", `
			* 1.1 1.2 1.3
			  -1:1-1 1.3`, []string{"I3: b missed 1 messages in silence, the first of them 1.2"}},
		{"I4: a repeat", `
			* 1.1 1.2 2.1
			  1.1 1.2 1.1 2.1`, []string{"I4: b saw 1.1 again"}},
		{"I4: the observer's", `
			* 1.1 1.1 1.2
			  1.1 1.2`, []string{"I4: a saw 1.1 again"}},
		{"I4: a repeat without an observer", `
			1.1 1.1`, []string{"I4: a saw 1.1 again"}},
		{"I5: a receipt for what nobody saw", `
			* 1.1 !1.1 !1.2`, []string{"I5: a was told that 1.2 is stored, which nobody saw"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, v := range play(t, tt.script).Check() {
				got = append(got, v.Error())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBefore(t *testing.T) {
	c := play(t, `
		* 1.1 1.2 1.3
		= 1.1 -1:12-12 1.3`)
	c.Before = 10
	if got := c.Check(); len(got) > 0 {
		t.Error(got)
	}
}

func TestWithout(t *testing.T) {
	c := play(t, `
		* 1.1 2.1 1.2 3.1 3.2 1.3
		= 1.1 1.2 -2:4-5 1.3`)
	c.clients[1].Without(2)
	if got := c.Check(); len(got) > 0 {
		t.Error(got)
	}
	c.clients[1].without = map[uint32]bool{}
	if got := c.Check(); len(got) != 1 {
		t.Errorf("found %v", got)
	}
}

func TestSaid(t *testing.T) {
	c := play(t, `* 1.1 1.3 2.1`)
	c.Said(1, 4)
	c.Said(2, 1)
	got := c.Check()
	if len(got) != 1 || got[0].Error() != "I3: of the 4 messages that 1 said, 2 were lost" {
		t.Errorf("found %v", got)
	}
}

func TestKept(t *testing.T) {
	c := play(t, `* 1.1 !1.1 1.2 !1.2`)
	c.Kept(Message{Sender: 1, N: 1})
	got := c.Check()
	if len(got) != 1 || got[0].Error() != "I5: a was told that 1.2 is stored, which it is not" {
		t.Errorf("found %v", got)
	}
}

// What a line connection brings, in pieces of any size.
func TestWrite(t *testing.T) {
	for size := 1; size < 200; size++ {
		c := New()
		cl := c.Client("a")
		var stream []byte
		stream = append(stream, "* you are guest1\n"...)
		stream = fmt.Appendf(stream, "12:00 bob: %s\r\n", c.Text(nil, 1, 1, 80))
		stream = append(stream, "* 1 message skipped (#2)\n* 2 messages skipped (#3–#4); /show 3-4 shows them\n"...)
		stream = fmt.Appendf(stream, "12:01 ana: %s\n", c.Text(nil, 2, 1, 10))
		for p := range slices.Chunk(stream, size) {
			_, _ = cl.Write(p)
		}
		cl.End(io.EOF)
		if got, want := cl.Seen(), (Seen{Messages: 2, Gaps: 2, Notices: 1}); got != want || len(cl.torn) > 0 {
			t.Fatalf("in pieces of %d saw %+v, torn %q", size, got, cl.torn)
		}
		if want := []Gap{{1, 2, 2}, {2, 3, 4}}; !slices.Equal(cl.gaps, want) {
			t.Fatalf("gaps %v", cl.gaps)
		}
		if len(Lap(cl)) != 2 || len(Lap(cl)) != 0 {
			t.Fatal("laps")
		}
	}
}

// Any one byte that is lost, changed or doubled, and any cut and splice of two
// lines, is found.
func TestTornLines(t *testing.T) {
	c := New()
	one := fmt.Appendf(nil, "12:00 bob: %s", c.Text(nil, 1, 1, 90))
	two := fmt.Appendf(nil, "12:00 ana: %s", c.Text(nil, 2, 7, 90))
	if _, err := ParseLine(one); err != nil {
		t.Fatal(err)
	}
	label := len("12:00 bob: ")
	for i := range one {
		torn := map[string][]byte{
			"cut":     one[:i],
			"cut off": one[i:],
			"spliced": slices.Concat(one[:i], two[i:]),
			"joined":  slices.Concat(one[:i], two),
		}
		if i >= label {
			torn["lost"] = slices.Concat(one[:i], one[i+1:])
			torn["doubled"] = slices.Concat(one[:i], one[i:i+1], one[i:])
			torn["changed"] = slices.Concat(one[:i], []byte{one[i] ^ 1}, one[i+1:])
		}
		for how, line := range torn {
			whole := i == 0 && how != "cut" || bytes.Equal(line, one)
			if whole || how == "spliced" && i <= label+len("<") {
				continue // the other one, whole, behind a name
			}
			if e, err := ParseLine(line); err == nil {
				t.Errorf("%s at %d: %q is %v", how, i, line, e)
			}
		}
	}
	cl := c.Client("a")
	_, _ = cl.Write(slices.Concat(one[:20], two, []byte("\n")))
	if got := c.Check(); len(got) != 1 || got[0].Promise != "I2" {
		t.Errorf("found %v", got)
	}
}

func TestEnd(t *testing.T) {
	for err, want := range map[error]int{io.EOF: 1, errors.New("reset"): 0} {
		c := New()
		cl := c.Client("a")
		_, _ = cl.Write([]byte("12:00 bob: <1.1"))
		cl.End(err)
		if got := c.Check(); len(got) != want {
			t.Errorf("after %v found %v", err, got)
		}
	}
}

func TestAwaitAndLatencies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		cl := c.Client("a")
		time.Sleep(time.Second) // the clock shows a time now
		go func() {
			for n := range uint64(100) {
				line := fmt.Appendf(nil, "12:00 bob: %s\n", c.Text(nil, 1, n+1, 80))
				time.Sleep(time.Duration(n+1) * time.Millisecond)
				_, _ = cl.Write(line)
			}
		}()
		if err := cl.Await(context.Background(), 1, 100); err != nil {
			t.Fatal(err)
		}
		took := Lap(cl)
		for share, want := range map[float64]time.Duration{0: 1, 0.5: 51, 0.99: 100, 1: 100} {
			if got := took.Percentile(share); got != want*time.Millisecond {
				t.Errorf("%v of them within %v, want %v ms", share, got, int64(want))
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := cl.Await(ctx, 1, 101); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for what does not come: %v", err)
		}
	})
}
