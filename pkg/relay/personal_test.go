package relay

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The bell rings at the terminal of whose name is said, and at no other; nobody can
// ring it otherwise.
func TestBell(t *testing.T) {
	simulate(t, Config{Rate: Unlimited}, func(b *bubble) {
		ana, bob, eve := b.arrive(), b.arrive(), b.arrive()
		for i, p := range []*person{ana, bob, eve} {
			p.say("/nick %s", []string{"ana", "bob", "eve"}[i])
			p.say("/bell on")
		}
		time.Sleep(2 * time.Second)
		heard := func(said string) (rung string) {
			for _, p := range []*person{ana, bob, eve} {
				p.seen()
			}
			eve.say("%s", said)
			for i, p := range []*person{ana, bob, eve} {
				if strings.Contains(p.text(), "\a") {
					rung += "abe"[i : i+1]
				}
			}
			return rung
		}
		for said, want := range map[string]string{
			"Ana, are you there?": "a", "ANA!": "a", "ana": "a", "(ana)": "a", "ana and bob": "ab", "/me hugs ana": "a",
			"banana": "", "anabel": "", "ana_": "", "ana-lyse": "", "aana ana": "a", "eve": "", "\a": "", "nobody": "",
		} {
			if got := heard(said); got != want {
				t.Errorf("%q rings for %q, want %q", said, got, want)
			}
		}
		ana.say("/join tea")
		if got := heard("ana"); got != "" {
			t.Errorf("what is said in another room rings for %q", got)
		}
		eve.say("/join tea")
		if got := heard("ana"); got != "a" {
			t.Errorf("in the other room too it rings for %q", got)
		}
		ana.say("/ignore eve")
		if got := heard("ana"); got != "" {
			t.Errorf("of one who is ignored it rings for %q", got)
		}
		ana.say("/ignore eve")
		ana.say("/bell off")
		if got := heard("ana"); got != "" {
			t.Errorf("switched off it rings for %q", got)
		}
	})
}

// Names of scripts that have no spaces between words ring too.
func TestMentions(t *testing.T) {
	for _, c := range []struct {
		text, name string
		want       bool
	}{
		{"今天王小明来吗", "王小明", true},
		{"小明", "王小明", false},
		{"привет, иван!", "иван", true},
		{"иванов", "иван", false},
		{"zoé", "zoe", false},
		{"zoe\u0301", "zoe", false},
		{"", "ana", false},
		{"ana", "ana", true},
	} {
		if got := mentions([]byte(c.text), []byte(c.name)); got != c.want {
			t.Errorf("mentions(%q, %q) = %v", c.text, c.name, got)
		}
	}
}

// Whom one ignores is one thing, what one leaves out of one's own another: they do not
// get into each other's way, whoever has which name.
func TestIgnoreAndEcho(t *testing.T) {
	simulate(t, Config{Rate: Unlimited}, func(b *bubble) {
		ana, bob, eve := b.arrive(), b.arrive(), b.arrive()
		ana.say("/nick ana")
		bob.say("/nick bob")
		eve.say("/nick eve")
		ana.seen()
		ana.say("/ignore bob")
		time.Sleep(2 * time.Second)

		// Bob gives up his name, and eve takes it.
		bob.say("/echo off")
		bob.say("/nick robert")
		bob.seen()
		eve.say("/nick bob")
		for _, p := range []*person{ana, bob, eve} {
			p.seen()
		}
		bob.say("I was bob")
		bob.expect("")
		eve.say("I am bob")
		ana.expect("")
		bob.expect("00:00 bob: I am bob")
		eve.expect("00:00 robert: I was bob", "00:00 bob: I am bob")

		// Two of whom one has the other's former name.
		ana.say("/ignore robert")
		ana.say("/ignore bob")
		ana.seen()
		bob.say("I was bob")
		bob.seen()
		eve.say("I am bob")
		ana.expect("00:00 bob: I am bob")
		ana.say("/ignore robert")
		ana.seen()
		bob.say("I was bob")
		ana.expect("00:00 robert: I was bob")
	})
}

// Nothing is left of whom those ignored who have left.
func TestIgnoredNamesAreForgotten(t *testing.T) {
	simulate(t, Config{Rate: Unlimited}, func(b *bubble) {
		ana := b.arrive()
		for i := range 2 * ignoresMost {
			ana.say("/ignore n%dn", i)
		}
		if n := count(ana.seen(), `^\* you ignore 100 names`); n != ignoresMost {
			t.Errorf("told %d times that no more can be ignored", n)
		}
		ana.say("/ignore n0n")
		ana.seen()
		if n := b.names.ignoredNames(); n != ignoresMost-1 {
			t.Errorf("%d names are known as ignored", n)
		}
		_ = ana.conn.Close()
		synctest.Wait()
		time.Sleep(2 * time.Second)
		if n := b.names.ignoredNames(); n != 0 {
			t.Errorf("%d names are known as ignored by nobody", n)
		}
	})
}

func (d *directory) ignoredNames() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.shared)
}

// One who takes a name over does so in this order for all to see, also after much
// coming and going.
func TestTakeover(t *testing.T) {
	simulate(t, Config{Rate: Unlimited, State: State{Accounts: []Account{{Name: "ana", Key: "ana"}}}}, func(b *bubble) {
		bob, ghost, ana := b.arrive(), b.arrive(), b.arrive()
		ghost.say("/nick other")
		b.make(ghost, &login{key: "ana"})
		ghost.say("/takeover")
		ana.say("/nick again")
		b.make(ana, &login{key: "ana"})
		ghost.say("/away a while")
		for i := range 5 {
			p := b.arrive()
			p.say("/nick n%dn", i)
		}
		bob.seen()
		ana.say("/takeover")
		got := fmt.Sprint(bob.seen())
		left, now := strings.Index(got, "ana left"), strings.Index(got, "again is now ana")
		if left < 0 || now < left {
			t.Errorf("bob has seen %s", got)
		}
		if last := ghost.seen(); last[len(last)-1] != "* another connection of yours has taken over; goodbye" || !ghost.gone() {
			t.Errorf("the ghost was told %q", last)
		}
		if s, n := b.names.find("ana"); s == nil || n != "ana" || s != b.sessionOf(ana) {
			t.Errorf("ana is %v", s)
		}
		// The ghost is gone with all it had.
		if why := b.names.away("ana"); why != "" {
			t.Errorf("away: %q", why)
		}
	})
}
