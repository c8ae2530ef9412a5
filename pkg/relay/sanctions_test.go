package relay

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// moderated is a server with an operator, olga, and those who come from addresses.
func moderated(t *testing.T, cfg Config, play func(b *bubble, olga *person)) {
	t.Helper()
	simulate(t, cfg, func(b *bubble) {
		olga := b.arrive()
		b.make(olga, &login{operator: true})
		olga.say("/nick olga")
		olga.seen()
		play(b, olga)
	})
}

// come is arrive from an address.
func (b *bubble) come(address string) *person {
	p := b.from(address)
	time.Sleep(openTime)
	p.seen()
	return p
}

// turnedAway is what somebody from an address reads who is not let in.
func (b *bubble) turnedAway(address string) string {
	b.Helper()
	p := b.from(address)
	got := p.seen()
	if !p.gone() || len(got) != 1 {
		b.Fatalf("from %s: let in, and shown %q", address, got)
	}
	return strings.TrimSuffix(got[0], "\r")
}

// A ban of an address holds for as long as it says, for all of the network, and no
// longer.
func TestBanOfAnAddress(t *testing.T) {
	moderated(t, Config{Rate: Unlimited}, func(b *bubble, olga *person) {
		eve, bob := b.come("192.0.2.7"), b.come("198.51.100.1")
		eve.say("/nick eve")
		bob.say("/nick bob")
		olga.seen()
		olga.say("/ban 192.0.2.0/24 10m scanning")
		eve.seen()
		if !eve.gone() {
			t.Error("one who is banned is still here")
		}
		olga.expect("* 192.0.2.0/24 is banned for 10 minutes: scanning; 1 person here")
		time.Sleep(2 * time.Second)
		for _, line := range bob.seen() {
			if strings.Contains(line, "192.0.2") {
				t.Errorf("others see an address: %q", line)
			}
		}
		time.Sleep(10*time.Minute - 3*time.Second)
		if got := b.turnedAway("192.0.2.200"); got != "* your address is banned for 1 second: scanning" {
			t.Errorf("told %q", got)
		}
		b.come("192.0.3.1").say("hello")
		time.Sleep(time.Second)
		b.come("192.0.2.200").say("hello again")
		if got := bob.seen(); count(got, "hello") != 2 {
			t.Errorf("bob has heard %q", got)
		}
		olga.seen()
		olga.say("/bans")
		olga.expect("* nobody is banned or muted")

		// Lifted before its time.
		olga.say("/ban 192.0.2.9 forever")
		olga.seen()
		if got := b.turnedAway("192.0.2.9"); got != "* your address is banned for ever" {
			t.Errorf("told %q", got)
		}
		b.come("192.0.2.8")
		olga.say("/unban 192.0.2.9")
		olga.expect("* 192.0.2.9 is no longer banned")
		b.come("192.0.2.9")

		// An IPv6 address stands for all that one person has.
		olga.say("/ban 2001:db8::1")
		olga.seen()
		b.turnedAway("2001:db8::ffff:2")
		b.come("2001:db8:0:1::1")
		olga.say("/ban ::ffff:203.0.113.0/120")
		olga.expect("* 203.0.113.0/24 is banned for 1 hour; nobody here")
		b.turnedAway("203.0.113.77")
	})
}

// A name that is banned comes back when its time is over, and not before.
func TestBanOfAName(t *testing.T) {
	moderated(t, Config{}, func(b *bubble, olga *person) {
		eve := b.come("192.0.2.7")
		eve.say("/nick eve")
		time.Sleep(2 * time.Second)
		olga.seen()
		olga.say("/ban eve 1h rude")
		if got := eve.seen(); got[len(got)-1] != "* you were banned by olga for 1 hour: rude" {
			t.Errorf("told %q", got)
		}
		got := olga.seen() // her answer and what the room hears, in either order
		slices.Sort(got)
		if want := []string{"* eve is banned for 1 hour: rude; 1 person here", "* eve left (banned by olga for 1 hour: rude)"}; !slices.Equal(got, want) {
			t.Errorf("olga has seen %q", got)
		}
		eve = b.come("192.0.2.7")
		time.Sleep(30 * time.Minute)
		eve.say("/nick Eve")
		eve.expect("* the name Eve is banned for 30 minutes: rude")
		time.Sleep(30 * time.Minute)
		eve.say("/nick eve")
		if got := eve.seen(); got[0] != "* eve joined" {
			t.Errorf("told %q", got)
		}
	})
}

// A mute of an address holds whatever name one takes, until it is over.
func TestMuteOfAnAddress(t *testing.T) {
	moderated(t, Config{}, func(b *bubble, olga *person) {
		eve := b.come("192.0.2.7")
		olga.say("/mute 192.0.2.7 1m")
		olga.expect("* 192.0.2.7 is muted for 1 minute; 1 person here")
		eve.expect("* you are muted by olga for 1 minute")
		eve.say("/nick mallory")
		eve.expect("* you are muted by olga for 1 minute; your name stays")
		eve.say("hello")
		eve.expect("* you are muted by olga for 1 minute; that was not said")
		time.Sleep(time.Minute)
		olga.seen()
		eve.say("hello")
		olga.expect("* guest2 joined", "00:01 guest2: hello")
	})
}

// What an operator does is in the log, with who, whom, where from and why, and
// nothing in it that a terminal would obey. What people say is not.
func TestModerationIsLogged(t *testing.T) {
	var logged locked
	log := zerolog.New(&logged)
	moderated(t, Config{Logger: &log}, func(b *bubble, olga *person) {
		b.come("192.0.2.7").say("/nick eve")
		olga.seen()
		olga.say("/kick eve \u202espam\u009b")
		olga.seen()
		b.come("192.0.2.8").say("/nick bob")
		olga.seen()
		olga.say("/ban bob 10m rude")
		olga.say("/ban 192.0.2.0/24 forever")
		olga.say("/unban bob")
		olga.say("/announce psst")
		olga.say("/close")
		olga.seen()
	})
	got := logged.String()
	for _, want := range []string{
		`"act":"kick","by":"olga","whom":"eve","address":"192.0.2.7","reason":"<U+202E>spam<U+009B>"`,
		`"act":"ban","by":"olga","whom":"bob","address":"192.0.2.8","until":"2000-01-01T00:10:00Z","reason":"rude"`,
		`"act":"ban","by":"olga","whom":"192.0.2.0/24","address":"192.0.2.0/24","until":"forever","reason":""`,
		`"act":"unban","by":"olga","whom":"bob"`,
		`"act":"announce"`, `"act":"close"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the log lacks %s:\n%s", want, got)
		}
	}
	if strings.Contains(got, "psst") {
		t.Error("what was said is in the log")
	}
}

// Newcomers are turned away by /close, but not those who are on the machine: an
// operator must be able to come in and open again.
func TestClose(t *testing.T) {
	moderated(t, Config{}, func(b *bubble, olga *person) {
		olga.say("/close")
		olga.expect("* newcomers are turned away until /open")
		if got := b.turnedAway("192.0.2.7"); got != "* this chat takes no newcomers just now; come back later" {
			t.Errorf("told %q", got)
		}
		b.arrive() // over no network
		olga.say("/open")
		olga.expect("* newcomers are let in")
		b.come("192.0.2.7")
	})
}

func TestNetworkOf(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7":           "192.0.2.7/32",
		"192.0.2.7/24":        "192.0.2.0/24",
		"::ffff:192.0.2.7":    "192.0.2.7/32",
		"::ffff:192.0.2.7/96": "0.0.0.0/0",
		"2001:db8::7":         "2001:db8::/64",
		"2001:db8::7/128":     "2001:db8::7/128",
		"2001:db8::7/32":      "2001:db8::/32",
		"fe80::1%eth0":        "fe80::/64",
		"alice":               "",
		"192.0.2.0/33":        "",
	} {
		var p netip.Prefix
		if want != "" {
			p = netip.MustParsePrefix(want)
		}
		if got := networkOf(text); got != p {
			t.Errorf("networkOf(%q) = %v, want %s", text, got, want)
		}
	}
}

// sanctionRegistry keeps bans and mutes, unless it fails.
type sanctionRegistry struct {
	Registry
	mu      sync.Mutex
	kept    map[uint64]Sanction
	dropped []uint64
	fail    error
}

func (r *sanctionRegistry) SaveSanction(_ context.Context, n Sanction) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept[n.ID] = n
	return nil
}

func (r *sanctionRegistry) DeleteSanction(_ context.Context, id uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	delete(r.kept, id)
	r.dropped = append(r.dropped, id)
	return nil
}

func (r *sanctionRegistry) left() []uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.kept))
}

// What is over is kept no longer, though nobody asks; what holds is.
func TestSanctionsEndByThemselves(t *testing.T) {
	registry := &sanctionRegistry{Registry: NewMemory(Keep{}), kept: make(map[uint64]Sanction)}
	moderated(t, Config{Registry: registry}, func(b *bubble, olga *person) {
		olga.say("/ban eve 10m")
		olga.say("/mute eve 2h")
		olga.say("/mute 192.0.2.7 10m")
		olga.say("/ban mallory forever")
		olga.seen()
		time.Sleep(10*time.Minute - time.Second)
		if got := registry.left(); !slices.Equal(got, []uint64{1, 2, 3, 4}) {
			t.Errorf("before their time, #%v are kept", got)
		}
		time.Sleep(sanctionsSwept + 10*time.Second)
		if got := registry.left(); !slices.Equal(got, []uint64{2, 4}) {
			t.Errorf("of what holds no longer, #%v is kept", got)
		}
		if _, over := b.sanctions.list(b.clock()); len(over) != 0 {
			t.Errorf("%d are held that are over", len(over))
		}
		olga.say("/bans")
		if got := olga.seen(); len(got) != 2 || !strings.HasPrefix(got[0], "* #2 eve is muted") || !strings.HasPrefix(got[1], "* #4 mallory is banned") {
			t.Errorf("listed are %q", got)
		}

		registry.mu.Lock()
		registry.fail = errors.New("disk full")
		registry.mu.Unlock()
		time.Sleep(2 * time.Hour)
		olga.say("/bans")
		olga.expect("* #4 mallory is banned by olga for ever")
		if got := registry.left(); !slices.Equal(got, []uint64{2, 4}) {
			t.Errorf("while the disk is full, #%v are kept", got)
		}
	})
	// What could not be deleted is found again at the next start.
	state := State{Sanctions: slices.Collect(maps.Values(registry.kept))}
	registry.fail = nil
	moderated(t, Config{Registry: registry, State: state}, func(*bubble, *person) {
		time.Sleep(sanctionsSwept + 3*time.Hour)
		if got := registry.left(); !slices.Equal(got, []uint64{4}) {
			t.Errorf("after the next start, #%v are kept", got)
		}
	})
	if want := []uint64{1, 3, 2}; !slices.Equal(registry.dropped, want) {
		t.Errorf("deleted were #%v, want #%v", registry.dropped, want)
	}
}
