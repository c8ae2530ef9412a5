package relay

import (
	"fmt"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/when"
)

// greetNames is how many of those present a greeting names.
const greetNames = 10

// join brings the session into the room it comes to. If greet, it is greeted and
// shown what was said last.
func (s *session) join(greet bool) {
	s.comeIn()
	s.begin(greet)
}

// comeIn gives the session a place in the room it comes to, and a name.
func (s *session) comeIn() {
	m := s.sit(s.srv.hold(s.home), feed.Mark{})
	if s.home.raw {
		return
	}
	s.firstName()
	if s.srv.cfg.NoEcho {
		s.unseen = []uint32{s.tag}
		m.leaveOut = s.unseen
	}
}

// begin makes the session a member of the room it has a place in.
func (s *session) begin(greet bool) {
	lines := 0
	if greet && !s.home.raw {
		lines = max(s.srv.cfg.History, 0)
		s.greet()
	}
	s.enter(lines, feed.Mark{})
}

// greet says where one is and who one is.
func (s *session) greet() {
	c, ok := s.census(greetNames)
	if !ok {
		return
	}
	cfg := &s.srv.cfg
	where := fmt.Sprintf("chatd on %s, room %s; here: %s", cfg.Name, s.here.room.key.name, c)
	if topic := s.srv.topic(s.here.room); topic != "" {
		where += "; topic: " + topic
	}
	out := s.line(where)
	out = append(out, s.line("you are "+s.name+": /nick NAME changes it, /help lists the rest")...)
	echo := "your own lines come back with their time; /echo off stops that"
	if cfg.NoEcho {
		echo = "your own lines do not come back; /echo on changes that"
	}
	out = append(out, s.line(echo+resumeHint(s.seated()))...)
	out = append(out, s.line(cfg.keeps()+"; "+zoneOf(s.srv.clock().In(cfg.Zone)))...)
	s.answer(out)
	if cfg.MOTD == nil {
		return
	}
	for text := range strings.Lines(cfg.MOTD()) {
		s.tell(strings.TrimRight(text, "\r\n"))
	}
}

// keeps says what is kept of what is said, and for how long.
func (c *Config) keeps() string {
	count, age := "what is said", ""
	if c.Keep.Count > 0 {
		count = fmt.Sprintf("the last %d messages", c.Keep.Count)
	}
	if c.Keep.Age > 0 {
		age = " for " + when.Spell(c.Keep.Age)
	}
	switch {
	case c.Journal == nil && age == "":
		return count + " are kept until the server stops"
	case c.Keep.Count > 0:
		return count + " of a room are kept" + age
	default:
		return count + " is kept" + age
	}
}

// zoneOf names the zone of the times.
func zoneOf(t time.Time) string {
	name, offset := t.Zone()
	switch {
	case offset == 0:
		return "times are UTC"
	case strings.ContainsAny(name, "+-0123456789") || name == "":
		return "times are UTC" + t.Format("-07:00")
	}
	return "times are " + name + " (UTC" + t.Format("-07:00") + ")"
}
