package relay

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var pairForm = regexp.MustCompile(`and there (/pair \S+) as the first line`)

// offer has p ask for a reading window, and returns what is to be typed there.
func (p *person) offer() string {
	p.b.Helper()
	p.seen()
	p.say("/pair")
	lines := p.seen()
	m := pairForm.FindStringSubmatch(strings.Join(lines, "\n"))
	if m == nil {
		p.b.Fatalf("no code in %q", lines)
	}
	return m[1]
}

// pairUp gives p a reading window.
func (p *person) pairUp() (window *person) {
	p.b.Helper()
	code := p.offer()
	window = p.b.connect()
	window.say("%s", code)
	window.expect("* this is a reading window now: type in the other one; /quit closes this one")
	p.expect("* " + pairedLine)
	return window
}

// trio is ana, who has a reading window, and bob, who talks.
func (b *bubble) trio() (ana, window, bob *person) {
	ana, bob = b.arrive(), b.arrive()
	ana.say("/nick ana")
	bob.say("/nick bob")
	time.Sleep(2 * crowdWindow)
	window = ana.pairUp()
	bob.seen()
	return ana, window, bob
}

// talk has bob say numbered lines, and read them.
func (p *person) talk(first, last int) {
	p.b.Helper()
	body := strings.Repeat("x", 60)
	for i := first; i <= last; i++ {
		p.say("line %d %s", i, body)
		if i%500 == 0 || i == last {
			p.seen()
		}
	}
}

var (
	spoken  = regexp.MustCompile(`: line (\d+) x*$`)
	gapLine = regexp.MustCompile(`^\* (\d+) messages? skipped`)
)

// runs reads numbered lines and gaps, and fails if a number comes twice, or is missing
// where no gap is told.
func runs(t *testing.T, lines []string, next int) (after, gaps int) {
	t.Helper()
	for _, l := range lines {
		var n int
		if m := gapLine.FindStringSubmatch(l); m != nil {
			fmt.Sscan(m[1], &n)
			next += n
			gaps++
		} else if m := spoken.FindStringSubmatch(l); m != nil {
			if fmt.Sscan(m[1], &n); n != next {
				t.Fatalf("line %d, want %d", n, next)
			}
			next++
		}
	}
	return next, gaps
}

// TestWindowStalls: a window that stops reading harms nobody, and is told what it
// missed.
func TestWindowStalls(t *testing.T) {
	simulate(t, Config{Rate: Unlimited}, func(b *bubble) {
		ana, window, bob := b.trio()
		window.pause()
		bob.talk(1, 20_000)
		ana.say("/who")
		ana.expect("* here: ana, bob")
		ana.say("line 20001 ")
		ana.expect("")
		window.resume()
		next, gaps := runs(t, window.seen(), 1)
		if next != 20_002 || gaps != 1 {
			t.Errorf("the window went on to line %d, with %d gaps", next, gaps)
		}
	})
}

// TestWindowGoes: the first window goes on where the second one had stopped. One that
// stops reading is sent away as any reader is.
func TestWindowGoes(t *testing.T) {
	for _, c := range []struct {
		said   int
		reaped bool
		gap    bool // so much was said that a gap has to be told
	}{
		{said: 10},
		{said: 300},
		{said: 3000},
		{said: 1500, reaped: true},
		{said: 20_000, reaped: true, gap: true},
	} {
		simulate(t, Config{Rate: Unlimited}, func(b *bubble) {
			ana, window, bob := b.trio()
			window.pause()
			bob.talk(1, c.said)
			if c.reaped {
				time.Sleep(16 * time.Minute)
			} else {
				_ = window.conn.CloseWrite()
			}
			window.resume()
			had, gaps := runs(t, window.seen(), 1)
			if !window.gone() || gaps != 0 {
				t.Fatalf("the window is there, with %d gaps", gaps)
			}
			bob.talk(c.said+1, c.said+1)
			lines := ana.seen()
			if lines[0] != "* "+singleLine {
				t.Fatalf("%q", lines[:min(len(lines), 3)])
			}
			first := firstOf(lines)
			if first > had || !c.reaped && first != had {
				t.Errorf("the window had lines up to %d, and the first one goes on with line %d", had-1, first)
			}
			if next, gaps := runs(t, lines, first); next != c.said+2 || (gaps == 1) != c.gap {
				t.Errorf("after %d: went on to line %d, with %d gaps", c.said, next, gaps)
			}
		})
	}
}

// firstOf is the number of the first numbered line, or of the first one of a gap.
func firstOf(lines []string) (n int) {
	for _, l := range lines {
		if m := spoken.FindStringSubmatch(l); m != nil {
			fmt.Sscan(m[1], &n)
			return n
		}
		if gapLine.MatchString(l) {
			fmt.Sscan(l[strings.Index(l, "#")+1:], &n)
			return n
		}
	}
	return 0
}

// TestBothVanish: whoever takes the seat again is shown what neither had got.
func TestBothVanish(t *testing.T) {
	for _, order := range []string{"first", "window", "both"} {
		simulate(t, Config{Rate: Unlimited, Journal: NewMemory(Keep{})}, func(b *bubble) {
			ana, bob, window, code := b.seated()
			bob.talk(1, 20)
			runs(t, window.seen(), 1)
			if order != "window" {
				_ = ana.conn.Close()
			}
			if order == "first" {
				synctest.Wait()
			}
			_ = window.conn.Close()
			if order == "window" {
				time.Sleep(2 * flushStep)
				_ = ana.conn.Close()
			}
			time.Sleep(2 * flushStep)
			bob.talk(21, 21)
			again := b.connect()
			again.say("/resume %s", code)
			lines := again.seen()
			first := firstOf(lines)
			// Of a write that failed nobody can say how much of it was read.
			if first > 21 || order != "both" && first != 21 {
				t.Errorf("%s: line %d comes after line 20", order, first)
			}
			if next, gaps := runs(t, lines, first); next != 22 || gaps != 0 {
				t.Errorf("%s: went on to line %d, with %d gaps", order, next, gaps)
			}
		})
	}
}

// seated is ana, who has a reading window and a seat with a code, and bob.
func (b *bubble) seated() (ana, bob, window *person, code string) {
	ana, bob = b.arrive(), b.arrive()
	code = codeIn(b.T, ana.seen())
	ana.say("/nick ana")
	time.Sleep(2 * crowdWindow)
	return ana, bob, ana.pairUp(), code
}

// TestSeatWithStalledWindow: who takes over a seat whose window does not read is shown
// what that one did not take, and not all that it did.
func TestSeatWithStalledWindow(t *testing.T) {
	for _, said := range []int{1500, 6000} {
		simulate(t, Config{Rate: Unlimited, Journal: NewMemory(Keep{})}, func(b *bubble) {
			_, bob, window, code := b.seated()
			window.pause()
			bob.talk(1, said)
			again := b.connect()
			again.say("/resume %s", code)
			time.Sleep(2 * flushStep)
			lines := again.seen()
			window.resume()
			had, gaps := runs(t, window.seen(), 1)
			if !window.gone() || gaps != 0 || had < 100 || had > said {
				t.Fatalf("the window has had lines up to %d, and %d gaps", had-1, gaps)
			}
			first := firstOf(lines)
			if repeated := (had - first) * 60; first > had || repeated > blindBytes {
				t.Errorf("line %d comes after line %d", first, had-1)
			}
			if next, gaps := runs(t, lines, first); next != said+1 || gaps != 0 {
				t.Errorf("went on to line %d, with %d gaps", next, gaps)
			}
		})
	}
}

// TestMovesWhilePairing: whatever room the first session goes to while windows come
// and go, what it is shown, here or there, is in order, and none of it comes twice.
func TestMovesWhilePairing(t *testing.T) {
	for range 10 {
		simulate(t, Config{Rate: Unlimited, History: Unlimited}, func(b *bubble) {
			ana, bob, eve := b.arrive(), b.arrive(), b.arrive()
			ana.say("/nick ana")
			bob.say("/nick bob")
			eve.say("/nick eve")
			eve.say("/join den")
			time.Sleep(2 * crowdWindow)
			for i := range 30 {
				code := ana.offer()
				window := b.connect()
				var acting sync.WaitGroup
				acting.Go(func() { fmt.Fprintf(window.conn, "%s\n", code) })
				acting.Go(func() {
					for j := range 5 {
						fmt.Fprintf(ana.conn, "%s\n", []string{"/join den", "/leave"}[j%2])
						fmt.Fprintf(bob.conn, "line %d \n", i*5+j+1)
						fmt.Fprintf(eve.conn, "line %d \n", i*5+j+1)
					}
				})
				acting.Wait()
				synctest.Wait()
				bob.say("last %d", i)
				eve.say("last %d", i)
				if shown, here := count(window.seen(), fmt.Sprintf(`: last %d$`, i)), count(ana.seen(), fmt.Sprintf(`: last %d$`, i)); shown+here != 1 || here != 0 {
					t.Fatalf("round %d: shown %d times in the window, %d times beside it", i, shown, here)
				}
				if i%2 == 0 {
					window.say("/quit")
				} else {
					ana.say("/pair off")
				}
				time.Sleep(2 * time.Second)
				bob.say("again %d", i)
				eve.say("again %d", i)
				if here := count(ana.seen(), fmt.Sprintf(`: again %d$`, i)); here != 1 {
					t.Fatalf("round %d: shown %d times after the window has gone", i, here)
				}
				if lines := window.seen(); count(lines, `again`) != 0 || !window.gone() {
					t.Fatalf("round %d: a window that is gone was written %q", i, lines)
				}
			}
			if n := b.Counts().Sessions; n != 3 {
				t.Errorf("%d sessions", n)
			}
		})
	}
}

// TestWindowKeepsItsFormat: and so does the first one.
func TestWindowKeepsItsFormat(t *testing.T) {
	simulate(t, Config{}, func(b *bubble) {
		ana, bob := b.arrive(), b.arrive()
		ana.say("/nick ana")
		code := ana.offer()
		window := b.connect()
		fmt.Fprintf(window.conn, "%s\r\n", code)
		window.seen()
		ana.seen()
		bob.say("one")
		window.expect("00:00 guest2: one\r")
		ana.say("/away at \xff\xfb\x1flunch") // a telnet now
		if got := ana.seen(); len(got) != 1 || !strings.HasSuffix(got[0], "* you are away: at lunch; /away ends that\r") {
			t.Errorf("%q", got)
		}
		bob.say("/msg ana hello")
		bob.say("two")
		window.expect("00:00 guest2 to you: hello\r", "00:00 guest2: two\r")
		ana.say("/pair off")
		window.seen()
		bob.say("three")
		ana.expect("* "+singleLine+"\r", "00:00 guest2: three\r")
	})
}

// TestPairCodeExpires: after ten minutes.
func TestPairCodeExpires(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		want  string
	}{
		{pairTime - 1, "* this is a reading window now"},
		{pairTime, "* that code has expired"},
	} {
		simulate(t, Config{}, func(b *bubble) {
			code := b.arrive().offer()
			window := b.arrive()
			time.Sleep(c.after - openTime)
			window.seen()
			window.say("%s", code)
			if got := window.seen(); !strings.HasPrefix(got[0], c.want) {
				t.Errorf("after %v: %q", c.after, got)
			}
		})
	}
}

// TestWindowIsNotIdle while somebody types in the other one.
func TestWindowIsNotIdle(t *testing.T) {
	simulate(t, Config{IdleTimeout: 30 * time.Minute}, func(b *bubble) {
		ana, window, _ := b.trio()
		for range 10 {
			time.Sleep(20 * time.Minute)
			ana.say("/who")
		}
		if lines := window.seen(); window.gone() || count(lines, "silent") != 0 {
			t.Errorf("%q", lines)
		}
	})
}

// TestPairsAreNotChained: a window has no window, nor is one who has one a window.
func TestPairsAreNotChained(t *testing.T) {
	simulate(t, Config{}, func(b *bubble) {
		ana, _, bob := b.trio()
		code := bob.offer()
		ana.say("%s", code)
		ana.expect("* you have a reading window; /pair off closes it")
		// Who waits for a window and becomes one waits no more.
		eve := b.arrive()
		waiting := eve.offer()
		eve.say("%s", code)
		eve.seen()
		late := b.arrive()
		late.seen()
		late.say("%s", waiting)
		if got := late.seen(); !strings.HasPrefix(got[0], "* no window waits under that code") {
			t.Errorf("%q", got)
		}
	})
}

// TestWindowsAreNobody: a reading window is a session, and nobody more.
func TestWindowsAreNobody(t *testing.T) {
	simulate(t, Config{}, func(b *bubble) {
		ana, window, _ := b.trio()
		if c := b.Counts(); c.Sessions != 3 || c.People != 2 {
			t.Errorf("with a window: %d sessions, %d people", c.Sessions, c.People)
		}
		window.say("/quit")
		time.Sleep(2 * flushStep)
		if c := b.Counts(); c.Sessions != 2 || c.People != 2 {
			t.Errorf("when it is gone: %d sessions, %d people", c.Sessions, c.People)
		}
		ana.pairUp()
		ana.say("/quit")
		time.Sleep(2 * flushStep)
		if c := b.Counts(); c.Sessions != 1 || c.People != 1 {
			t.Errorf("when both are gone: %d sessions, %d people", c.Sessions, c.People)
		}
	})
}
