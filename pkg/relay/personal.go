package relay

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/name"
)

// tagCrowd is what notices of joining and leaving carry, so that they can be left out.
const tagCrowd = math.MaxUint32

// ignoresMost is how many names one may ignore.
const ignoresMost = 100

// ignore leaves out what somebody says, also when that one comes again.
func (s *session) ignore(who string) error {
	if who == "" {
		return s.listIgnored()
	}
	checked, err := name.Check(who)
	if err != nil {
		return advice(err.Error())
	}
	key := name.Key(checked)
	list := s.ignoring()
	i := slices.IndexFunc(list, func(g ignored) bool { return g.key == key })
	switch {
	case i >= 0:
		s.heed(i)
		return advise("%s is no longer ignored", checked)
	case key == name.Key(s.name):
		return advice("that is you; /echo off leaves out your own lines")
	case len(list) == ignoresMost:
		return advise("you ignore %d names, and more cannot be; /ignore NAME once more ends it for one", ignoresMost)
	}
	g := ignored{name: checked, key: key, tags: s.srv.names.ignored(checked)}
	list = append(slices.Clip(list), g)
	s.ignored.Store(&list)
	s.unsee(g.tags...)
	return advise("you no longer see what %s says; /ignore %s once more ends that", checked, checked)
}

// heed ends ignoring the i-th of those ignored.
func (s *session) heed(i int) {
	list := s.ignoring()
	g := list[i]
	list = slices.Delete(slices.Clone(list), i, i+1)
	s.ignored.Store(&list)
	s.srv.names.heeded(g.key)
	s.see(slices.DeleteFunc(slices.Clone(g.tags), func(tag uint32) bool { // which another one may have too
		return slices.ContainsFunc(list, func(o ignored) bool { return slices.Contains(o.tags, tag) })
	})...)
}

// heedAll ends all ignoring, with the session.
func (s *session) heedAll() {
	for _, g := range s.ignoring() {
		s.srv.names.heeded(g.key)
	}
}

// ignored is a name whose messages a session does not see.
type ignored struct {
	name, key string
	tags      []uint32
}

// ignoring is whom the session ignores. Any goroutine may ask; nobody changes it.
func (s *session) ignoring() []ignored {
	if list := s.ignored.Load(); list != nil {
		return *list
	}
	return nil
}

// ignores tells whether the session ignores who has a name, or what carries a tag;
// 0 is nobody's. Any goroutine may ask.
func (s *session) ignores(n string, tag uint32) bool {
	list := s.ignoring()
	if len(list) == 0 {
		return false
	}
	key := name.Key(n)
	return slices.ContainsFunc(list, func(g ignored) bool { return g.key == key || slices.Contains(g.tags, tag) })
}

func (s *session) listIgnored() error {
	list := s.ignoring()
	if len(list) == 0 {
		return advice("you ignore nobody; /ignore NAME does")
	}
	names := make([]string, len(list))
	for i, g := range list {
		names[i] = g.name
	}
	return advice("you ignore " + strings.Join(names, ", "))
}

// quiet leaves out who joins and leaves.
func (s *session) quiet(args string) error {
	switch strings.ToLower(args) {
	case "on":
		if !slices.Contains(s.unseen, tagCrowd) {
			s.unsee(tagCrowd)
		}
		return advice("you no longer see who joins and leaves; /quiet off changes that")
	case "off":
		s.see(tagCrowd)
		return advice("you see who joins and leaves")
	}
	return errUsage
}

// setBell has the terminal ring when somebody says one's name.
func (s *session) setBell(args string) error {
	on := true
	switch strings.ToLower(args) {
	case "on":
	case "off":
		on = false
	default:
		return errUsage
	}
	s.bell = on
	for _, m := range s.seats() {
		s.doIn(m, func() { m.room.setBell(m, on) })
	}
	if on {
		return advice("the bell rings when somebody says your name; /bell off stops that")
	}
	return advice("the bell no longer rings")
}

// setBell puts m on the list of those for whom the bell rings, or takes it off.
func (r *room) setBell(m *member, on bool) {
	r.bells = slices.DeleteFunc(r.bells, func(o *member) bool { return o == m })
	if on && m.slot >= 0 {
		r.bells = append(r.bells, m)
	}
}

// ringBells rings for those whose names somebody else says, and who see it.
func (r *room) ringBells(said *feed.Record) {
	text := bytes.ToLower(said.Text)
	for _, m := range r.bells {
		if m.name != "" && m.name != string(said.Name) && !slices.Contains(m.leaveOut, said.Tag) &&
			mentions(text, bytes.ToLower([]byte(m.name))) {
			m.out.Post([]byte{'\a'})
		}
	}
}

// mentions tells whether a name stands in a text as a word. Both are in lower case.
func mentions(text, name []byte) bool {
	for at := 0; ; {
		i := bytes.Index(text[at:], name)
		if i < 0 {
			return false
		}
		at += i
		before, _ := utf8.DecodeLastRune(text[:at])
		after, _ := utf8.DecodeRune(text[at+len(name):])
		if !inWord(before) && !inWord(after) {
			return true
		}
		_, n := utf8.DecodeRune(text[at:])
		at += n
	}
}

// unspaced are scripts in which words are written one after the other.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

// inWord tells whether a word goes on at r.
func inWord(r rune) bool {
	switch {
	case r == utf8.RuneError || unicode.In(r, unspaced...):
		return false
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == '_' || r == '-'
}

// awayMost is how long the reason for being away may be, in bytes.
const awayMost = 100

// away says that one does not look, and why, until one is back.
func (s *session) away(args string) error {
	if len(args) > awayMost {
		return advise("that has %d bytes, at most %d; nothing was changed", len(args), awayMost)
	}
	if args == "" && s.srv.names.away(s.name) == "" {
		return advice("you are not away; /away TEXT says that you are")
	}
	if err := s.muted("nothing was changed"); err != nil && args != "" {
		return err
	}
	s.srv.names.setAway(s, s.name, args)
	gone := args != ""
	for _, m := range s.seats() {
		s.doIn(m, func() { m.away = gone })
	}
	if gone {
		return advise("you are away: %s; /away ends that", args)
	}
	return advice("you are back")
}
