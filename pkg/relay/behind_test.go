package relay

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// moving is ana in the first room, who has a reading window, bob, who talks there, and
// eve, who talks in the room den.
func (b *bubble) moving() (ana, window, bob, eve *person) {
	ana, window, bob = b.trio()
	eve = b.arrive()
	eve.say("/nick eve")
	eve.say("/join den")
	time.Sleep(2 * crowdWindow)
	for _, p := range b.people {
		p.seen()
	}
	return ana, window, bob, eve
}

// between are the lines after the first one and before the next one that are given.
func between(t *testing.T, lines []string, first, last string) []string {
	t.Helper()
	text := "\n" + strings.Join(lines, "\n") + "\n"
	_, after, ok := strings.Cut(text, "\n"+first+"\n")
	inner, _, ended := strings.Cut(after, "\n"+last+"\n")
	if !ok || !ended {
		t.Fatalf("no %q … %q in\n%s", first, last, tail(text))
	}
	return strings.Split(inner, "\n")
}

// TestWindowGoesWhileItsWriterMoves: what a window that is stuck has not shown of the
// rooms its writer has left is shown by the other one, and then what it has not shown
// of the room that one is in.
func TestWindowGoesWhileItsWriterMoves(t *testing.T) {
	for _, c := range []struct{ said, den int }{{1500, 5}, {1500, 0}, {6000, 300}} {
		simulate(t, Config{Rate: Unlimited, History: Unlimited}, func(b *bubble) {
			ana, window, bob, eve := b.moving()
			window.pause()
			bob.talk(1, c.said)
			ana.say("/join den")
			ana.expect("* room den; here: eve")
			eve.talk(1, c.den)
			bob.talk(c.said+1, c.said+10) // she is no longer there
			time.Sleep(16 * time.Minute)
			lines := ana.seen()
			eve.talk(c.den+1, c.den+1)
			lines = append(lines, ana.seen()...)
			window.resume()
			had, gaps := runs(t, window.seen(), 1)
			if !window.gone() || gaps != 0 || had < 2 || had >= c.said {
				t.Fatalf("the window had lines up to %d, with %d gaps", had-1, gaps)
			}
			if lines[0] != "* "+singleLine {
				t.Fatalf("%q", lines[:min(len(lines), 3)])
			}
			rest := between(t, lines, "* what your reading window may lack of lobby:", "* now:")
			// How many lines the last bytes of a window were cannot be told where a gap begins.
			if first := firstOf(rest); first > had || first < 2 && c.said < 6000 {
				t.Errorf("the window had lines up to %d, and the rest begins with %d", had-1, first)
			}
			if next, _ := runs(t, rest, firstOf(rest)); next != c.said+1 {
				t.Errorf("the rest ends with line %d of %d", next-1, c.said)
			}
			_, den, _ := strings.Cut(strings.Join(lines, "\n"), "* now:")
			if next, gaps := runs(t, strings.Split(den, "\n"), 1); next != c.den+2 || gaps != 0 {
				t.Errorf("the den is shown up to line %d of %d, with %d gaps", next-1, c.den+1, gaps)
			}
		})
	}
}

// TestWindowGoesBeforeItShowsTheRoom: what was said before in the room that the
// session has come to is marked as such on its own connection too, and other rooms
// were shown in their order.
func TestWindowGoesBeforeItShowsTheRoom(t *testing.T) {
	simulate(t, Config{Rate: Unlimited}, func(b *bubble) {
		ana, window, bob, eve := b.moving()
		eve.say("earlier")
		eve.say("/join attic")
		eve.say("before")
		time.Sleep(2 * crowdWindow)
		window.pause()
		bob.talk(1, 1500)
		ana.say("/join den")
		ana.seen()
		ana.say("/join attic")
		ana.seen()
		time.Sleep(2 * crowdWindow)
		eve.say("after")
		time.Sleep(16 * time.Minute)
		lines := strings.Join(ana.seen(), "\n")
		at := 0
		for _, want := range []string{
			"* what your reading window may lack of lobby:\n", "line 1500 ", "* now:\n",
			"* what your reading window may lack of den:\n", "eve: earlier\n", "* now:\n",
			"* earlier in attic:\n", "eve: before\n", "* now:\n", "eve: after",
		} {
			i := strings.Index(lines[at:], want)
			if i < 0 {
				t.Fatalf("no %q in order in\n%s", want, tail(lines))
			}
			at += i + len(want)
		}
		if n := strings.Count(lines, "may lack"); n != 2 {
			t.Errorf("%d rooms are shown again", n)
		}
		window.resume()
	})
}

// TestWindowGoesWhenAllIsShown: of rooms whose end the window has shown nothing is
// shown again.
func TestWindowGoesWhenAllIsShown(t *testing.T) {
	simulate(t, Config{Rate: Unlimited, History: Unlimited}, func(b *bubble) {
		ana, window, bob, _ := b.moving()
		bob.talk(1, 10)
		for range 2 * behindMost {
			ana.say("/join den")
			ana.seen()
			ana.say("/leave")
			ana.seen()
		}
		time.Sleep(2 * crowdWindow)
		runs(t, window.seen(), 1)
		_ = window.conn.CloseWrite()
		time.Sleep(2 * crowdWindow)
		bob.say("hello")
		ana.expect("* "+singleLine, "00:00 bob: hello")
	})
}

// TestWindowThatComesBack: a room that was left and entered again is named with the
// numbers of what the window has not shown, as it is followed already.
func TestWindowThatComesBack(t *testing.T) {
	simulate(t, Config{Rate: Unlimited, History: Unlimited}, func(b *bubble) {
		ana, window, bob, _ := b.moving()
		window.pause()
		bob.talk(1, 1500)
		ana.say("/join den")
		ana.seen()
		ana.say("/leave")
		ana.seen()
		bob.talk(1501, 1502)
		time.Sleep(16 * time.Minute)
		lines := ana.seen()
		window.resume()
		had, _ := runs(t, window.seen(), 1)
		var first, last int
		for _, l := range lines {
			if _, err := fmt.Sscanf(l, "* of what was said in lobby before, your reading window may lack #%d–#%d;", &first, &last); err == nil {
				break
			}
		}
		if first > had || first < 2 || last != 1500 {
			t.Errorf("the window had lines up to %d; the other one reads of #%d–#%d in %q", had-1, first, last, lines)
		}
		if next, gaps := runs(t, lines, 1501); next != 1503 || gaps != 0 {
			t.Errorf("it goes on to line %d, with %d gaps", next-1, gaps)
		}
	})
}

// TestMovesWaitForTheWindow: who leaves one room after the other while the window is
// stuck has to wait for it in the end.
func TestMovesWaitForTheWindow(t *testing.T) {
	simulate(t, Config{Rate: Unlimited}, func(b *bubble) {
		ana, window, bob, _ := b.moving()
		window.pause()
		bob.talk(1, 1500)
		for i := range behindMost {
			ana.say("/join room%dr", i)
		}
		ana.seen()
		const refusal = "* your reading window has yet to show 4 rooms that you left; let it, or /pair off"
		for _, typed := range []string{"/join den", "/leave", "/resume ABCD-EFGH"} {
			ana.say("%s", typed)
			ana.expect(refusal)
		}
		window.resume()
		window.seen()
		ana.say("/join den")
		if got := ana.seen(); !strings.HasPrefix(got[0], "* room den; here: ") {
			t.Errorf("%q", got)
		}
	})
}
