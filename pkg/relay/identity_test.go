package relay

import (
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/chatd/chatd/internal/name"
)

// registered is a server's configuration with accounts, all with CheapPassword.
func registered(names ...string) (cfg Config) {
	for _, n := range names {
		cfg.State.Accounts = append(cfg.State.Accounts, Account{Name: n, Key: name.Key(n), Hash: CheapHash})
	}
	return cfg
}

// Whoever guesses has three tries a minute, whatever the names, and learns nothing
// but that it was not right. The owner, elsewhere, comes in meanwhile.
func TestPasswordsAreGuessed(t *testing.T) {
	var logged locked
	log := zerolog.New(&logged)
	cfg := registered("ana", "bob")
	cfg.Logger = &log
	simulate(t, cfg, func(b *bubble) {
		eve, ana := b.come("192.0.2.7"), b.come("198.51.100.1")
		login := func(p *person, who, password string) string {
			p.say("/login %s", who)
			ask := p.seen()
			if !strings.HasPrefix(ask[0], "* this connection is not encrypted: ") || !strings.HasSuffix(ask[0], "the password of "+who+":") {
				t.Errorf("asked with %q", ask)
			}
			p.say("%s", password)
			return strings.Join(p.seen(), "\n")
		}
		for _, who := range []string{"ana", "bob", "no\u202eone"} {
			if who == "no\u202eone" {
				eve.say("/login %s", who)
				eve.expect("* this connection is not encrypted: whoever is on the way can read what you type; the password of no<U+202E>one:")
				eve.say("guess")
				eve.expect("* that is not right")
			} else if got := login(eve, who, "guess"); got != "* that is not right" {
				t.Errorf("told %q", got)
			}
		}
		if got := login(eve, "ana", CheapPassword); got != "* too many wrong passwords; try again in 1 minute" {
			t.Errorf("told %q", got)
		}
		if got := login(ana, "ana", CheapPassword); got != "* ana joined" {
			t.Errorf("told %q", got)
		}
		time.Sleep(time.Minute)
		eve.seen()
		if got := login(eve, "bob", CheapPassword); got != "* bob joined" {
			t.Errorf("told %q", got)
		}
	})
	if n := strings.Count(logged.String(), `"of":"name `); n != 3 || !strings.Contains(logged.String(), `"peer":"192.0.2.7:5000","of":"name `) {
		t.Errorf("%d wrong passwords are logged:\n%s", n, logged.String())
	}
	for _, l := range lines(logged.String()) {
		if what := harmful(l); what != "" || strings.Contains(l, "guess") || strings.Contains(l, CheapPassword) {
			t.Errorf("the log has %q: %s", l, what)
		}
	}
}

// An answer is nothing but an answer: no command, no text, and nothing of it is said
// or kept, however long it is.
func TestAnswersAreNotSaid(t *testing.T) {
	simulate(t, func() Config { c := registered("ana"); c.MaxLine = 64; c.Rate = Unlimited; return c }(), func(b *bubble) {
		bob, eve := b.arrive(), b.arrive()
		bob.seen()
		eve.seen()
		for _, answer := range []string{"/quit", "/msg guest1 secret", strings.Repeat("secret ", 50), "//secret"} {
			time.Sleep(time.Minute)
			eve.say("/login ana")
			eve.expect("* the password of ana:")
			eve.say("%s", answer)
			eve.expect("* that is not right")
		}
		bob.say("/last")
		bob.expect("* nothing has been said yet")
		eve.say("/login ana")
		eve.expect("* the password of ana:")
		_ = eve.conn.CloseWrite()
		bob.expect("")
	})
}

// Those who register a name have it at once, and nobody the same one.
func TestTwoRegisterAtOnce(t *testing.T) {
	simulate(t, Config{}, func(b *bubble) {
		ana, bob := b.arrive(), b.arrive()
		ana.say("/nick ana")
		ana.say("/register")
		ana.say(CheapPassword)
		ana.seen()
		// Meanwhile somebody else has registered one that looks like it.
		if !b.accounts.add(Account{Name: "аna", Key: name.Key("ana"), Hash: CheapHash}) {
			t.Fatal("it was registered before")
		}
		ana.say(CheapPassword)
		ana.expect("* ana is registered by somebody else meanwhile")
		bob.say("/whois ana")
		if got := bob.seen(); strings.Contains(got[len(got)-1], "registered") {
			t.Errorf("told %q", got)
		}
	})
}
