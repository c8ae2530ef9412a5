package relay

import (
	"fmt"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/wire"
)

// greetNames is how many of those present a greeting names.
const greetNames = 10

// join brings the session into its room. If greet, it is greeted and shown what
// was said last.
func (s *session) join(greet bool) {
	s.room = s.srv.hold(s.key)
	f := format(s.format.Load())
	r, m := s.room, &member{session: s, out: s.out, slot: -1, format: f}
	s.member = m
	lines := 0
	if !s.key.raw {
		s.name = s.srv.names.guest(s)
		s.label = []byte(s.name)
		if s.srv.cfg.NoEcho {
			m.mask = s.id
		}
		if greet {
			lines = max(s.srv.cfg.History, 0)
			s.greet(lines)
		}
	}
	r.call(s.done, func() { r.enter(m, lines) })
}

// greet says where one is and who one is.
func (s *session) greet(lines int) {
	c, ok := s.census(greetNames)
	if !ok {
		return
	}
	cfg := &s.srv.cfg
	out := s.line(fmt.Sprintf("chatd on %s, room %s; here: %s", cfg.Name, s.room.key.name, c))
	out = append(out, s.line("you are "+s.name+": /nick NAME changes it, /help lists the rest")...)
	echo := "your own lines come back with their time; /echo off stops that"
	if cfg.NoEcho {
		echo = "your own lines do not come back; /echo on changes that"
	}
	out = append(out, s.line(echo)...)
	kept := fmt.Sprintf("the last %d messages are kept until the server stops; %s", journalMessages, zoneOf(s.srv.clock().In(cfg.Zone)))
	out = append(out, s.line(kept)...)
	s.answer(out)
	if cfg.MOTD == nil {
		return
	}
	for text := range strings.Lines(cfg.MOTD()) {
		s.tell(strings.TrimRight(text, "\r\n"))
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

// replayPiece is how many bytes of a replay are rendered at a time.
const replayPiece = 8 << 10

// replay shows what j keeps from a place on, up to the message numbered last, in
// pace with the reader. Meanwhile the session takes no input.
func (s *session) replay(j *journal, at feed.Place, last uint64) {
	text := wire.Text{EOL: format(s.format.Load()).eol(), Zone: s.srv.cfg.Zone}
	today := dayOf(s.srv.now(), s.srv.cfg.Zone)
	day := today
	for {
		var out []byte
		for rec := range j.ring.Records(at) {
			if rec.Seq > last || len(out) > replayPiece {
				break
			}
			if d := dayOf(rec.Time, s.srv.cfg.Zone); d != day {
				out = text.Append(out, wire.Day, rec.Time, nil, nil)
				day = d
			}
			out = text.Append(out, wire.Kind(rec.Kind), rec.Time, rec.Name, rec.Text)
			at = j.ring.At(rec.Index + 1)
		}
		if len(out) == 0 || s.why.Load() != nil {
			break
		}
		s.answer(out)
	}
	if day != today {
		s.answer(text.Append(nil, wire.Day, s.srv.now(), nil, nil))
	}
}
