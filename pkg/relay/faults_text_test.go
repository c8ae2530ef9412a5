// Text that would do something to a terminal, text that is no UTF-8, and text in
// all languages: what comes out at the other end, everywhere where text comes out.

package relay

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"github.com/chatd/chatd/internal/name"
)

// sayings are texts that must come out harmless: one of each kind of control.
func sayings() []string {
	s := []string{
		"\x1b[31mred\x1b[0m", "\x1b[2J\x1b[H", "\x1b]0;title\a", "\x1b]2;title\x1b\\", "\x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\",
		"\x1b]52;c;Y2hhdA==\a", "\x1bP+q544e\x1b\\", "\x1b_apc\x1b\\", "\x1b^pm\x1b\\", "\x1bX sos\x1b\\", "\x1bc", "\x1b#8", "\x1b(0",
		"\xc2\x9b31mred", "\xc2\x9d0;title\xc2\x9c", "\xc2\x90q\xc2\x9c", "\x9b31mred", "\x9d0;title\x9c", "\x90q\x9c", "\x85", "\xc2\x85",
		"bell\a", "back\b\b\bspace", "del\x7f\x7f", "\v\f", "a\u2028b", "a\u2029b", "\ufeffbom",
		"\u202eright to left", "\u202adeep\u202b\u202c", "\u2066isolate", "\u2069\u202c", "\u2067a\u202eb\u2069", "\ufff9a\ufffab\ufffb",
		"tab\there", "ends with ESC \x1b",
	}
	for c := range byte(' ') {
		if c != '\n' && c != '\r' && c != 0 {
			s = append(s, fmt.Sprintf("c0 %c end", c))
		}
	}
	for c := rune(0x80); c < 0xa0; c++ {
		s = append(s, fmt.Sprintf("c1 %c end", c), fmt.Sprintf("raw c1 %s end", []byte{byte(c)}))
	}
	return s
}

// harmful returns what of a line, without its end, a terminal could take for a
// command, or what reaches beyond the line; "" if nothing.
func harmful(line string) string {
	if !utf8.ValidString(line) {
		return "no UTF-8"
	}
	var isolates, embeddings int
	for _, c := range line {
		switch {
		case c == '\t':
		case unicode.Is(unicode.Cc, c), c == 0x2028, c == 0x2029:
			return fmt.Sprintf("%U", c)
		case 0x2066 <= c && c <= 0x2068:
			isolates++
		case c == 0x2069:
			isolates--
		case c == 0x202c:
			embeddings--
		case 0x202a <= c && c <= 0x202e:
			embeddings++
		}
		if isolates < 0 || embeddings < 0 {
			return fmt.Sprintf("%U without a beginning", c)
		}
	}
	if isolates != 0 || embeddings != 0 {
		return "an open bidi control"
	}
	return ""
}

// secret stands in everything a person says here, and nowhere in the log.
const secret = "psst"

// locked is a buffer that many may write to.
type locked struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestFault3NothingHarmfulComesOut(t *testing.T) {
	var logged locked
	log := zerolog.New(&logged)
	r := openRig(t, Config{Rate: Unlimited, History: 1000, Logger: &log})
	ana, bob := r.member("ana", r.port), r.listen(r.member("bob", r.port))
	anas := r.listen(ana)
	telnet := r.listen(r.dial(r.port, nil, 0))
	telnet.say("/bot tel\r\n")
	r.await("all are in the room", func() bool { return r.members() == 3 })

	texts := sayings()
	for i, text := range texts {
		text += " " + secret
		for _, line := range []string{
			text, "/me " + text, "//" + text, "/msg bob " + text, "/msg " + text, "/nick x" + text,
			"/" + strings.ReplaceAll(text, "/", ""), "/show " + text, "/last " + text, "/echo " + text, "/who " + text,
		} {
			anas.say(line + "\n")
		}
		anas.say(fmt.Sprintf("said %d\n", i))
		bob.until(func(heard []byte) bool {
			// one message in is one line out
			if !bytes.HasSuffix(heard, fmt.Appendf(nil, "ana: said %d\n", i)) {
				return false
			}
			got := lines(string(heard))
			got = slices.DeleteFunc(got, func(l string) bool { return strings.HasPrefix(l, "* ") })
			if len(got) != 5 {
				t.Errorf("of %q bob reads %d lines: %q", text, len(got), got)
			}
			for _, l := range got {
				if what := harmful(l); what != "" {
					t.Errorf("of %q bob reads %q: %s", text, l, what)
				}
			}
			return true
		})
	}
	// Once more, as history and as an answer.
	late := r.listen(r.dial(r.port, nil, 0))
	late.hears(fmt.Sprintf("ana: said %d\n", len(texts)-1))
	late.say("/last 10000\n/show 1-1000\n/who\nend\n")
	heards := map[string]string{
		"the newcomer": late.hears(": end\n"),
		"telnet":       telnet.hears(": end\r\n"),
		"ana":          anas.hears(": end\n"),
	}
	for who, heard := range heards {
		for _, l := range lines(heard) {
			if who == "telnet" {
				l = strings.TrimSuffix(l, "\r")
			}
			if what := harmful(l); what != "" {
				t.Errorf("%s reads %q: %s", who, l, what)
			}
		}
	}
	for _, l := range lines(logged.String()) {
		if what := harmful(l); what != "" || strings.Contains(l, secret) {
			t.Errorf("the log has %q: %s", l, what)
		}
	}
}

// Every language arrives as it was sent.
func TestFault5Languages(t *testing.T) {
	corpus, err := os.ReadFile("../../internal/wire/testdata/languages.txt")
	if err != nil {
		t.Fatal(err)
	}
	r := openRig(t, Config{Rate: Unlimited})
	r.clock = still
	ana, bob := r.listen(r.member("ana", r.port)), r.listen(r.member("bob", r.port))
	telnet := r.listen(r.dial(r.port, nil, 0))
	telnet.say("/bot tel\r\n")
	r.await("all are in the room", func() bool { return r.members() == 3 })
	texts := lines(string(corpus))
	if len(texts) != 500 {
		t.Fatalf("the corpus has %d lines", len(texts))
	}
	var want []string
	for _, text := range texts {
		ana.say(text + "\n/me " + text + "\n")
		want = append(want, stamp+"ana: "+text, stamp+"* ana "+text)
	}
	ana.say("end\n")
	telnets := telnet.hears("ana: end\r\n")
	for who, heard := range map[string]string{
		"ana": ana.hears("ana: end\n"), "bob": bob.hears("ana: end\n"), "telnet": strings.ReplaceAll(telnets, "\r\n", "\n"),
	} {
		got := slices.DeleteFunc(lines(heard), func(l string) bool { return strings.HasPrefix(l, "* ") })
		got = got[:len(got)-1]
		for i := range want {
			if i >= len(got) || got[i] != want[i] {
				t.Errorf("%s reads %q, want %q", who, got[min(i, len(got)-1)], want[i])
				break
			}
		}
	}
}

// What is no UTF-8 is shown as U+FFFD, and what was only cut by packets is not.
func TestFault6InvalidAndCutCharacters(t *testing.T) {
	corpus, err := os.ReadFile("../../internal/wire/testdata/languages.txt")
	if err != nil {
		t.Fatal(err)
	}
	r := openRig(t, Config{Rate: Unlimited})
	r.clock = still
	ana, bob := r.listen(r.member("ana", r.port)), r.listen(r.member("bob", r.port))
	invalid := map[string]string{
		"\x80": "\ufffd", "a\xffb": "", "\xc3(": "\ufffd(", "\xe2\x82": "\ufffd\ufffd", "\xe2\x28\xa1": "\ufffd(\ufffd",
		"\xf0\x9f\x98": "\ufffd\ufffd\ufffd", "\xc0\xaf": "\ufffd\ufffd", "\xed\xa0\x80": "\ufffd\ufffd\ufffd",
		"\xf4\x90\x80\x80": "\ufffd\ufffd\ufffd\ufffd", "ok\xe9": "ok\ufffd", "\xe9t\xe9": "\ufffdt\ufffd",
	}
	for sent, want := range invalid {
		if strings.Contains(sent, "\xff") {
			continue // telnet's
		}
		ana.say("x" + sent + "\n")
		heard := lines(bob.hears("ana: x" + want + "\n"))
		for _, l := range heard {
			if !utf8.ValidString(l) {
				t.Errorf("of %q came %q", sent, l)
			}
		}
	}
	// A byte at a time: sent in pieces of one byte, most are read so.
	texts := lines(string(corpus))[:sized(50, 500)]
	for _, text := range texts {
		for _, b := range []byte(text + "\n") {
			ana.say(string([]byte{b}))
		}
	}
	heard := bob.hears("ana: " + texts[len(texts)-1] + "\n")
	got := slices.DeleteFunc(lines(heard), func(l string) bool { return strings.HasPrefix(l, "* ") })
	for i, text := range texts {
		if i >= len(got) || got[i] != stamp+"ana: "+text {
			t.Fatalf("of %d cut lines the one numbered %d came as %q, want %q", len(texts), i, got[min(i, len(got)-1)], text)
		}
	}
}

// Whatever stands in a topic, a reason, or where a name is expected, what people read
// of it is harmless, and turns nothing round that comes after it.
func TestFault3RoomsAndReasons(t *testing.T) {
	var logged locked
	log := zerolog.New(&logged)
	simulate(t, Config{Rate: Unlimited, Logger: &log}, func(b *bubble) {
		ana, bob := b.arrive(), b.arrive()
		b.make(ana, &login{operator: true})
		ana.say("/nick ana")
		bob.say("/nick bob")
		readers := []*person{ana, bob}
		for _, text := range sayings() {
			victim := b.arrive()
			victim.say("/nick victim")
			victim.seen()
			for _, line := range []string{
				"/topic " + text, "/topic", "/rooms", "/away " + text, "/join " + text, "/leave", "/join tea " + text, "/leave",
				"/mute victim 1h " + text, "/mute " + text, "/bans", "/unmute " + text, "/unmute victim", "/ban x" + text,
				"/ignore " + text, "/whois " + text, "/invite " + text, "/search " + text, "/lock " + text, "/help " + text,
				"/announce " + text, "/forget " + text, "/kick " + text, "/kick victim " + text, "/login " + text, text, "/last 5",
			} {
				ana.say("%s", line)
			}
			bob.say("/msg ana hello")
			late := b.arrive()
			for _, p := range append(readers, victim, late) {
				for _, l := range p.seen() {
					if what := harmful(strings.TrimSuffix(l, "\r")); what != "" {
						t.Errorf("of %q somebody reads %q: %s", text, l, what)
					}
				}
			}
			_ = late.conn.Close()
			_ = victim.conn.Close()
		}
	})
	for _, l := range lines(logged.String()) {
		if what := harmful(l); what != "" {
			t.Errorf("the log has %q: %s", l, what)
		}
	}
}

// What was kept may come from anywhere, such as a database that was edited by hand:
// topics, names of rooms and of people, reasons, and what is found or shown again.
func TestFault3WhatIsKept(t *testing.T) {
	var logged locked
	log := zerolog.New(&logged)
	for i, text := range sayings() {
		journal := NewMemory(Keep{})
		state := State{
			Rooms:     []RoomState{{Name: "tea", Topic: text, TopicBy: text}, {Name: "den" + text, Topic: text}},
			Accounts:  []Account{{Name: "eve" + text, Key: name.Key("eve"), Hash: CheapHash}},
			Sanctions: []Sanction{{ID: 1, Name: "bob" + text, Key: name.Key("bob"), By: text, Reason: text}, {ID: 2, Mute: true, Name: "cat", Key: name.Key("cat"), By: text, Reason: text}},
			Tickets:   []Ticket{{Hash: codeHash("AAAA-AAAA"), Name: "gil" + text, Room: "tea", At: Position{Epoch: 7}, Expires: still().Add(1000 * 24 * time.Hour)}},
		}
		for n, kind := range []Kind{KindSay, KindAct, KindTopic, KindAnnounce, KindHole} {
			journal.Append(&Message{
				Room: "tea", Position: Position{journal.Epoch(), uint64(n + 1)}, Time: still().UnixNano(), Kind: kind,
				Author: []byte("fay" + text), Text: []byte(text + " " + secret),
			}, nil)
		}
		kept, err := journal.Rooms(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		state.Kept = append(kept, Kept{Room: "attic" + text})
		simulate(t, Config{Rate: Unlimited, Logger: &log, Journal: journal, State: state}, func(b *bubble) {
			ana := b.arrive()
			b.make(ana, &login{operator: true})
			again := b.connect()
			again.say("/resume AAAA-AAAA")
			for _, line := range []string{
				"/rooms", "/join tea", "/topic", "/last 10", "/show 1-5", "/search " + secret, "/bans", "/nick bob", "/nick eve", "/nick cat",
				"/whois eve", "/join den", "/join den" + text, "/join attic" + text, "/unban bob", "/unmute cat", "/forget fay" + text,
			} {
				ana.say("%s", line)
			}
			heard := append(ana.seen(), again.seen()...)
			for _, l := range heard {
				if what := harmful(strings.TrimSuffix(l, "\r")); what != "" {
					t.Errorf("of %q somebody reads %q: %s", text, l, what)
				}
			}
			// Earlier in the room, /last, /show and /search: one message is one line each time.
			if n := count(heard, " "+secret+"$"); n < 4*4 && i == 0 {
				t.Errorf("what was said before was seen %d times: %q", n, heard)
			}
		})
	}
	for _, l := range lines(logged.String()) {
		if what := harmful(l); what != "" || strings.Contains(l, secret) {
			t.Errorf("the log has %q: %s", l, what)
		}
	}
}

// A room cannot be given a name that a person could take for another room's.
func TestFault4RoomsThatLookAlike(t *testing.T) {
	table, err := os.ReadFile("../../internal/name/testdata/lookalikes.txt")
	if err != nil {
		t.Fatal(err)
	}
	simulate(t, Config{Rate: Unlimited}, func(b *bubble) {
		ana, bob := b.arrive(), b.arrive()
		bob.seen()
		pairs := 0
		for _, line := range lines(string(table)) {
			present, rest, isPair := strings.Cut(line, "\t")
			if !isPair || strings.HasPrefix(line, "#") {
				continue
			}
			quoted, _, _ := strings.Cut(rest, "\t")
			other, err := strconv.Unquote(quoted)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			pairs++
			ana.say("/join %s", present)
			ana.seen()
			bob.say("/join %s", other)
			got := bob.seen()
			// Refused, or, if it is the same name but for case or width, the same room.
			if r := b.sessionOf(bob).place.Load().room; r.key.name != present && r.key.name != b.cfg.Room {
				t.Errorf("%s: bob is in %s, and is told %q", line, r.key.name, got)
			}
			bob.say("/leave")
			ana.say("/leave")
			bob.seen()
		}
		if pairs < 200 {
			t.Errorf("%d pairs, want 200", pairs)
		}
	})
}
