package relay

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// wide fails if a line of help does not fit into 79 columns.
func wide(t *testing.T, text string) {
	t.Helper()
	if n := utf8.RuneCountInString("* " + text); n > 79 {
		t.Errorf("%d columns: %q", n, text)
	}
}

// Help names every command, each once, in lines that any terminal can show.
func TestHelpNamesEveryCommand(t *testing.T) {
	s := New(Config{})
	list := s.helpLines(true)
	for _, line := range list {
		wide(t, line)
	}
	all := strings.Join(list, "\n")
	for i := range s.commands {
		c := &s.commands[i]
		if n := strings.Count(all, "/"+c.name); n < 1 {
			t.Errorf("/%s is not in\n%s", c.name, all)
		}
	}
	if strings.Contains(strings.Join(s.helpLines(false), "\n"), "/ban") {
		t.Error("what only operators can do is told to others")
	}
}

func TestHelpOnEveryCommand(t *testing.T) {
	simulate(t, Config{Rate: Unlimited}, func(b *bubble) {
		ana := b.arrive()
		ana.seen()
		for i := range b.commands {
			c := &b.commands[i]
			ana.say("/help %s", c.name)
			got := ana.seen()
			if !strings.HasPrefix(got[0], "* "+c.usage()) {
				t.Errorf("/help %s begins with %q", c.name, got[0])
			}
			for _, line := range got {
				wide(t, strings.TrimPrefix(line, "* "))
			}
		}
	})
}

// Whoever types what a command cannot do anything with is told what to type.
func TestBadArguments(t *testing.T) {
	simulate(t, Config{Rate: Unlimited, Operators: []string{"ana"}}, func(b *bubble) {
		ana := b.arrive()
		ana.say("/nick ana")
		b.make(ana, &login{operator: true})
		ana.seen()
		for typed, want := range map[string]string{
			"/help dance":        "there is no /dance; /help lists the commands",
			"/msg":               "write /msg NAME TEXT",
			"/msg bob":           "write /msg NAME TEXT",
			"/me":                "write /me TEXT",
			"/join":              "write /join ROOM [PASSWORD]",
			"/join *":            "a name has no *; use letters, digits, - and _",
			"/leave":             "you are in lobby, where everyone begins; /quit leaves the server, /join ROOM goes elsewhere",
			"/topic":             "there is no topic; /topic TEXT sets one, /topic - takes it away",
			"/invite":            "write /invite NAME",
			"/lock":              "lobby is where everyone begins and stays open; /join another room and lock that",
			"/unlock":            "lobby is not locked",
			"/nick":              "you are ana; /nick NAME changes it",
			"/nick *":            "a name has no *; use letters, digits, - and _",
			"/nick guest5":       "guest5 is a name for guests; choose another",
			"/login guest5":      "write /login [NAME]",
			"/takeover":          "write /login NAME first: only a registered name can be taken over",
			"/whois":             "write /whois NAME",
			"/last x":            "that is no time; write 14:30, 2026-11-20 or 2026-11-20 14:30",
			"/last 0":            "write /last N, with N from 1 to 1000, or a time such as /last 14:30",
			"/last -3":           "write /last N, with N from 1 to 1000, or a time such as /last 14:30",
			"/show":              "write /show N|N-M",
			"/show x":            "write /show N|N-M",
			"/show 3-1":          "write /show N|N-M",
			"/search":            "write /search WORDS",
			"/echo":              "write /echo on|off",
			"/echo loud":         "write /echo on|off",
			"/ignore *":          "a name has no *; use letters, digits, - and _",
			"/quiet":             "write /quiet on|off",
			"/bell":              "write /bell on|off",
			"/bell maybe":        "write /bell on|off",
			"/away":              "you are not away; /away TEXT says that you are",
			"/kick":              "write /kick NAME|#N [REASON]",
			"/ban":               "write /ban NAME|ADDRESS[/BITS] [TIME] [REASON]",
			"/ban *":             "a name has no *; use letters, digits, - and _",
			"/ban 192.0.2.0/33":  "192.0.2.0/33 is no address; write it as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32",
			"/ban ana":           "that would be you, or another operator; nothing was done",
			"/ban bob 5":         "5 has no unit; write 5m, 5h or 5d",
			"/ban bob 5 minutes": "5 has no unit; write 5m, 5h or 5d",
			"/mute":              "write /mute NAME|ADDRESS[/BITS] [TIME] [REASON]",
			"/unban":             "write /unban NAME|ADDRESS[/BITS]|#N",
			"/unban #7":          "nothing of that kind holds for #7; /bans lists what does",
			"/unmute":            "write /unmute NAME|ADDRESS[/BITS]|#N",
			"/announce":          "write /announce TEXT",
			"/forget":            "write /forget NAME",
			"/open":              "newcomers are let in already",
			"/kick #x":           "write /kick NAME|#N [REASON]",
			"/kick #7":           "there is no connection #7; /sessions lists them",
			"/kick #1":           "that is you",
			"/pause 5":           "5 has no unit; write 5m, 5h or 5d",
			"/pause 2h":          "a pause has an hour at most; nothing was done",
			"/pause forever":     "a pause has an hour at most; nothing was done",
			"/resume-accepting":  "newcomers are let in already",
			"/sessions a b":      "write /sessions [NAME|#N|ADDRESS[/BITS]|ROOM]",
			"/sessions nobody":   "no connection has that name, number or address, or is in that room",
			"/unannounced":       "others know of you already; connect again and write it before you speak",
			"/dance":             "there is no /dance, and nothing was sent; /help lists the commands, //dance sends the line as text",
		} {
			ana.say("%s", typed)
			if got := ana.seen(); !slices.Equal(got, []string{"* " + want}) {
				t.Errorf("%s is answered with %q", typed, got)
			}
		}
	})
}

// make has a person be whom l says.
func (b *bubble) make(p *person, l *login) {
	b.Helper()
	p.seen()
	b.sessionOf(p).login.Store(l)
}

// sessionOf is a person's session.
func (b *bubble) sessionOf(p *person) *session {
	b.Helper()
	i := slices.Index(b.people, p)
	for _, s := range b.snapshot() {
		if int(s.id) == i+1 {
			return s
		}
	}
	b.Fatalf("person %d is not there", i+1)
	return nil
}

// misused is what a script has a person read who uses a command for what it cannot do, if
// that is not how the command is written.
var misused = map[string]string{
	"help":             "there is no /",
	"away":             "you are not away; ",
	"bot":              "alice is taken; ",
	"json":             "write /json as the first line, ",
	"leave":            "you are in lobby, where everyone begins; ",
	"topic":            "a topic has at most ",
	"lock":             "only a registered name can lock a room; ",
	"unlock":           "only who locked a room, or an operator, unlocks it",
	"nick":             "alice is taken; ",
	"register":         "take a name of your own first, ",
	"takeover":         "write /login NAME first: ",
	"last":             "write /last N, with N from 1 to ",
	"pair":             "there is no reading window; ",
	"ignore":           "that is you; ",
	"bans":             "/bans is for operators; ",
	"close":            "/close is for operators; ",
	"open":             "newcomers are let in already",
	"pause":            "that is no length of time; ",
	"resume-accepting": "newcomers are let in already",
	"stats":            "/stats is for operators; ",
	"unannounced":      "others know of you already; ",
	"who":              "", // these three cannot be misused
	"rooms":            "",
	"quit":             "",
}

// Every command is used in a script, and misused in one: so both are played over every
// transport.
func TestScriptsUseEveryCommand(t *testing.T) {
	files, err := filepath.Glob("testdata/*.chat")
	if err != nil {
		t.Fatal(err)
	}
	var scripts strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		scripts.Write(text)
	}
	all := scripts.String()
	s := New(Config{})
	for i := range s.commands {
		c := &s.commands[i]
		if used := regexp.MustCompile(`(?mi)^\w+>-? "?/` + c.name + `\b`); !used.MatchString(all) {
			t.Errorf("no script uses /%s", c.name)
		}
		refusal, listed := misused[c.name]
		if !listed {
			refusal = "write " + c.usage()
		}
		if refusal != "" && !strings.Contains(all, "< * "+refusal) {
			t.Errorf("no script has somebody read %q of /%s", refusal, c.name)
		}
	}
}
