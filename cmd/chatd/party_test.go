package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd/chatd/internal/invariant"
)

// party is people in one room, each with another program.
type party struct {
	t       *testing.T
	members []*member
	checks  []*invariant.Checker
}

// member is one of them, and what that one sees of the room. It says messages that are
// numbered, as package invariant has them.
type member struct {
	*invariant.Client
	party  *party
	name   string
	sender uint32

	// Set by what the member uses.
	say  func(text string) error    // has it said, and waits for nothing
	saw  func(marks ...place) error // waits until all of these are seen
	look func() error               // takes in what is on a screen. Nil: all was taken in as it came

	said uint64 // how many messages; for one goroutine at a time

	mu    sync.Mutex
	other map[string]int // what was said that is none of the numbered messages: how often
}

// place is the n-th message of a sender.
type place struct {
	sender uint32
	n      uint64
}

// beginning is how the text of that message begins.
func (p place) beginning() string { return fmt.Sprintf("<%d.%d ", p.sender, p.n) }

// newParty is of people with these names, who all see one order.
func newParty(t *testing.T, people ...string) *party {
	check := invariant.New()
	p := &party{t: t, checks: []*invariant.Checker{check}}
	for _, name := range people {
		p.add(name, check)
	}
	return p
}

// newLooseParty is of people who all see everything in its authors' order, but not in
// one.
func newLooseParty(t *testing.T, people ...string) *party {
	p := &party{t: t}
	for _, name := range people {
		check := invariant.New()
		p.checks = append(p.checks, check)
		p.add(name, check)
	}
	return p
}

func (p *party) add(name string, check *invariant.Checker) {
	m := &member{
		Client: check.Client(name), party: p, name: name,
		sender: uint32(len(p.members) + 1), other: make(map[string]int),
	}
	m.saw = m.received
	p.members = append(p.members, m)
}

// received is saw for those who take in what comes as it comes.
func (m *member) received(marks ...place) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, mark := range marks {
		if err := m.Await(ctx, mark.sender, mark.n); err != nil {
			return fmt.Errorf("%s does not see message %d.%d: %w", m.name, mark.sender, mark.n, err)
		}
	}
	return nil
}

// says has m say so many messages, and waits for none of them.
func (m *member) says(count int) error {
	for range count {
		m.said++
		text := invariant.AppendText(nil, invariant.Message{Sender: m.sender, N: m.said}, 0)
		if err := m.say(string(text)); err != nil {
			return fmt.Errorf("%s cannot say message %d: %w", m.name, m.said, err)
		}
	}
	return nil
}

// talk has everyone say so many messages at the same time, and returns when everyone
// has seen them all.
func (p *party) talk(count int) {
	p.t.Helper()
	marks := p.lastSaid()
	for i := range marks {
		marks[i].n += uint64(count)
	}
	p.all(func(m *member) error {
		if err := m.says(count); err != nil {
			return err
		}
		return m.saw(marks...)
	})
}

// lastSaid is what each one said last.
func (p *party) lastSaid() (marks []place) {
	for _, m := range p.members {
		marks = append(marks, place{m.sender, m.said})
	}
	return marks
}

// catchUp returns when everyone has seen all that was said so far.
func (p *party) catchUp() {
	p.t.Helper()
	var marks []place
	for _, mark := range p.lastSaid() {
		if mark.n > 0 {
			marks = append(marks, mark)
		}
	}
	p.all(func(m *member) error { return m.saw(marks...) })
}

// all has everyone do something at the same time.
func (p *party) all(do func(m *member) error) {
	p.t.Helper()
	var working sync.WaitGroup
	errs := make([]error, len(p.members))
	for i, m := range p.members {
		working.Go(func() { errs[i] = do(m) })
	}
	working.Wait()
	if err := errors.Join(errs...); err != nil {
		p.t.Fatal(err)
	}
}

// end looks at the screens, and checks that everyone has seen all that was said, each
// message once, in order and without a gap.
func (p *party) end() {
	p.t.Helper()
	p.all(func(m *member) error {
		if m.look == nil {
			return nil
		}
		return m.look()
	})
	all := 0
	for _, m := range p.members {
		m.SawAll()
		all += int(m.said)
		for _, check := range p.checks {
			check.Said(m.sender, m.said)
		}
	}
	for _, m := range p.members {
		if seen := m.Seen(); seen.Messages != all || seen.Gaps > 0 {
			p.t.Errorf("%s has seen %d messages of %d, and %d gaps", m.name, seen.Messages, all, seen.Gaps)
		}
	}
	for _, check := range p.checks {
		for _, broken := range check.Check() {
			p.t.Error(broken)
		}
	}
}

var spoken = regexp.MustCompile(`^\d\d:\d\d (\S+): (.*)$`)

// line takes in a line that m has received or looks at.
func (m *member) line(text string) {
	m.mustBeHarmless(text)
	if f := spoken.FindStringSubmatch(text); f != nil {
		m.message(f[1], f[2], 0)
		return
	}
	e, err := invariant.ParseLine([]byte(text))
	if err != nil {
		m.party.t.Errorf("%s sees %q: %v", m.name, text, err)
		return
	}
	m.Add(e)
}

// message takes in what somebody has said, with its number if m is told that.
func (m *member) message(from, text string, seq uint64) {
	e, err := invariant.ParseLine([]byte("00:00 " + from + ": " + text))
	if err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.other[from+": "+text]++
		return
	}
	one := e.(invariant.Message)
	if by := m.party.members[one.Sender-1].name; by != from {
		m.party.t.Errorf("%s sees message %v of %s under the name of %s", m.name, one, by, from)
	}
	one.Seq = seq
	m.Add(one)
}

// mustBeHarmless checks that nothing in a text would do something to a terminal.
func (m *member) mustBeHarmless(text string) {
	harm := func(r rune) bool { return unicode.IsControl(r) && r != '\t' }
	if strings.ContainsFunc(text, harm) {
		m.party.t.Errorf("%s is sent a control character: %q", m.name, text)
	}
}

// sawBesides checks that m has seen no other texts than the numbered ones and those
// wanted, each once.
func (m *member) sawBesides(want ...string) {
	m.party.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	once := make(map[string]int)
	for _, text := range want {
		once[text] = 1
	}
	if diff := cmp.Diff(once, maps.Clone(m.other)); diff != "" {
		m.party.t.Errorf("what %s has seen besides (-want +got):\n%s", m.name, diff)
	}
}
