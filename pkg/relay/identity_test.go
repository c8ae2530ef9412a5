package relay

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/passwd"
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

// Passwords that are to be kept are work: an address has three a minute, whether they
// are for names or for rooms, and others have theirs.
func TestNewPasswordsAreFew(t *testing.T) {
	simulate(t, Config{Rate: Unlimited}, func(b *bubble) {
		enrol := func(from, name string) string {
			p := b.come(from)
			p.say("/nick %s", name)
			p.say("/register")
			p.say(CheapPassword)
			p.seen()
			p.say(CheapPassword)
			return strings.Join(p.seen(), "\n")
		}
		for _, n := range []string{"ana", "bob", "carol"} {
			if got, want := enrol("192.0.2.7", n), "* "+n+" is yours; /login "+n+" takes it next time"; got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		}
		const refusal = "* too many new passwords from your address; try again in 1 minute, and nothing was changed"
		if got := enrol("192.0.2.7", "dave"); got != refusal {
			t.Errorf("told %q", got)
		}
		if b.accounts.has("dave") {
			t.Error("dave is registered")
		}
		eve := b.come("192.0.2.7")
		eve.say("/nick eve")
		b.make(eve, &login{key: "eve"})
		eve.say("/join den")
		eve.seen()
		eve.say("/lock %s", CheapPassword)
		eve.expect(refusal)
		if got := enrol("198.51.100.1", "frank"); got != "* frank is yours; /login frank takes it next time" {
			t.Errorf("elsewhere one is told %q", got)
		}
		time.Sleep(time.Minute)
		if got := enrol("192.0.2.7", "gina"); got != "* gina is yours; /login gina takes it next time" {
			t.Errorf("a minute later one is told %q", got)
		}
	})
}

// Of a name that nobody has, and of a password that is wrong, the answer is the same and
// takes as long.
func TestGuessesTakeTheSameTime(t *testing.T) {
	hash, err := passwd.New().Hash(t.Context(), []byte(CheapPassword))
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{State: State{Accounts: []Account{{Name: "ana", Key: name.Key("ana"), Hash: hash}}}}
	r := openRig(t, cfg)
	took := make(map[string][]time.Duration)
	for i := range sized(5, 20) {
		for j, who := range []string{"ana", "nobody"} {
			e := r.listen(r.dial(r.port, net.IPv4(127, 3, byte(j), byte(i+1)), 0)) // each has its own tries
			e.say("/bot\n/login " + who + "\n")
			e.hears("the password of " + who + ":\n")
			begin := time.Now()
			e.say("wrong horse\n")
			if got := e.hears("\n"); got != "* that is not right\n" {
				t.Errorf("%s: told %q", who, got)
			}
			took[who] = append(took[who], time.Since(begin))
			e.reset()
		}
	}
	wrong, nobody := median(took["ana"]), median(took["nobody"])
	t.Logf("a wrong password takes %v, a name that nobody has %v", wrong, nobody)
	if nobody < wrong/2 || nobody > 2*wrong {
		t.Errorf("a wrong password takes %v, a name that nobody has %v", wrong, nobody)
	}
}
