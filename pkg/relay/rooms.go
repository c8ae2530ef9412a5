package relay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/wire"
)

// sit gives the session a place in a room, in which it is nothing yet. after is
// what it has to see before.
func (s *session) sit(r *room, after feed.Mark) *member {
	m := &member{
		session: s, room: r, out: s.out, slot: -1, said: after,
		format: format(s.format.Load()), leaveOut: s.unseen,
	}
	s.here = m
	s.place.Store(m)
	return m
}

// part takes the session out of the room it is in, which is told how it left
// unless that is nothing. It returns the place before which all is that it has said
// there.
func (s *session) part(how string, unsaid bool) (said feed.Mark) {
	said = s.partFrom(s.here, how, unsaid)
	s.here = nil
	return said
}

// partFrom is part for one of the rooms that a session is in.
func (s *session) partFrom(m *member, how string, unsaid bool) (said feed.Mark) {
	r := m.room
	var until feed.Mark
	var left *leaving
	if r.call(s.srv.killed, func() {
		if left = r.leaving(m); left != nil && m.out != s.out {
			s.leaveBehind(*left)
		}
		r.leave(m)
		until = r.mark()
		if m.name != "" && how != "" {
			r.depart(m.name, how, unsaid)
		}
	}) {
		said = until
		if s.stay != nil {
			s.stay.parted = left
		}
	}
	s.srv.release(r)
	return said
}

// enter makes the session a member of the room it sits in, where it is shown the
// last lines. A room that has failed has it end.
func (s *session) enter(lines int, after feed.Mark) {
	m := s.here
	var since uint64
	if !m.room.call(s.done, func() {
		m.attach()
		m.room.enter(m, lines, after)
		since = m.room.ring.Head().Seq
	}) {
		s.end(endRoomFailed)
		return
	}
	s.entered(since)
}

// move leaves the room the session is in for another one. One who is behind first
// reads what the old one still has: so nobody keeps up many rooms that are empty.
func (s *session) move(to string) error {
	if err := s.mayMove(); err != nil {
		return err
	}
	r := s.srv.hold(roomKey{name: to})
	said := s.part("left (for another room)", false)
	m := s.sit(r, said)
	if !s.out.Parked().IsZero() {
		_ = s.out.Flushed(s.done)
	}
	s.welcome()
	s.enter(max(s.srv.cfg.History, 0), said)
	if s.present && !s.piped {
		n, bell, away := s.name, s.bell, s.srv.names.away(s.name) != ""
		s.do(func() {
			m.away = away
			r.setBell(m, bell)
			r.arrive(m, n)
		})
	}
	return nil
}

// welcome says where one is.
func (s *session) welcome() {
	c, ok := s.census(greetNames)
	if !ok {
		return
	}
	text := fmt.Sprintf("room %s; here: %s", s.here.room.key.name, c)
	if topic := s.srv.topic(s.here.room); topic != "" {
		text += "; topic: " + topic
	}
	s.tell(text)
}

// topic is a room's.
func (s *Server) topic(r *room) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.catalog.find(r.key.name); l != nil {
		return l.Topic
	}
	return ""
}

func (s *session) joinRoom(args string) error {
	word, password, _ := strings.Cut(args, " ")
	if word == "" {
		return errUsage
	}
	wanted, err := name.Check(word)
	if err != nil {
		return advice(err.Error())
	}
	to, err := s.admission(wanted, strings.TrimSpace(password))
	if err != nil {
		return err
	}
	if to == s.here.room.key.name {
		return advise("you are in %s already", to)
	}
	return s.move(to)
}

// admission is the name of the room that s may join as wanted, or why it may not.
func (s *session) admission(wanted, password string) (string, error) {
	s.srv.mu.Lock()
	l := s.srv.catalog.find(wanted)
	var state RoomState
	admitted := true
	if l != nil {
		state = l.RoomState
		admitted = !l.Locked || l.admits(s)
	}
	s.srv.mu.Unlock()
	switch {
	case l == nil:
		return wanted, nil
	case !strings.EqualFold(state.Name, wanted):
		return "", advise("that name looks like the room %s; try /join %s", state.Name, state.Name)
	case admitted:
		return state.Name, nil
	case state.Hash == "":
		return "", &fault{"locked", advise("%s is locked; somebody in it can /invite you", state.Name)}
	case password == "":
		return "", &fault{"locked", advise("%s is locked; write /join %s PASSWORD", state.Name, state.Name)}
	}
	if err := s.judge(state.Hash, password, "room "+state.Name); err != nil {
		return "", faulty("locked", err)
	}
	return state.Name, nil
}

func (s *session) leaveRoom(string) error {
	home := s.home.name
	if s.here.room.key.name == home {
		return advise("you are in %s, where everyone begins; /quit leaves the server, /join ROOM goes elsewhere", home)
	}
	return s.move(home)
}

// roomsMost is how many rooms are listed.
const roomsMost = 50

func (s *session) rooms(string) error {
	list := s.srv.roomList(s)
	more := max(len(list)-roomsMost, 0)
	var out []byte
	for _, r := range list[:len(list)-more] {
		text := fmt.Sprintf("%s: %s", r.Name, people(r.People))
		if r.Locked {
			text += ", locked"
		}
		if !r.Spoken.IsZero() {
			text += ", last spoken " + s.moment(r.Spoken)
		}
		if r.Topic != "" {
			text += "; topic: " + r.Topic
		}
		out = append(out, s.reply(text)...)
	}
	if more > 0 {
		out = append(out, s.reply(fmt.Sprintf("and %d more", more))...)
	}
	s.answer(out)
	return nil
}

func people(n int) string {
	switch n {
	case 0:
		return "nobody"
	case 1:
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}

// moment is a point in time for people: the hour if it is today's.
func (s *session) moment(t time.Time) string {
	zone := s.srv.cfg.Zone
	if dayOf(t.UnixNano(), zone) == dayOf(s.srv.now(), zone) {
		return t.In(zone).Format("15:04")
	}
	return t.In(zone).Format("2 January 2006 15:04")
}

// topicMost is how long a topic may be, in bytes.
const topicMost = 300

func (s *session) setTopic(args string) error {
	r := s.here.room
	switch {
	case args == "":
		if topic := s.srv.topic(r); topic != "" {
			return advise("topic: %s", topic)
		}
		return advice("there is no topic; /topic TEXT sets one, /topic - takes it away")
	case len(args) > topicMost:
		return advise("a topic has at most %d bytes and that has %d; nothing was changed", topicMost, len(args))
	case args == "-":
		args = ""
	}
	if err := s.muted("nothing was changed"); err != nil {
		return err
	}
	by := s.name
	s.say(wire.Topic, []byte(args))
	s.do(func() {
		r.srv.amend(r.key.name, func(l *listing) { l.Topic, l.TopicBy, l.TopicAt = args, by, r.srv.clock() })
	})
	s.settle()
	return s.keepRoom(r)
}

// amend changes what is known of a room.
func (s *Server) amend(room string, change func(*listing)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.catalog.find(room); l != nil {
		change(l)
	}
}

// keepTime is how long a command waits for what it changed to be kept.
const keepTime = 5 * time.Second

// keep has f keep something, and tells the person if it could not.
func (s *session) keep(f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(s.srv.life, keepTime)
	defer cancel()
	if err := f(ctx); err != nil {
		s.srv.log.Error().Err(err).Uint32("id", s.id).Msg("registry")
		return advice("that holds now, but could not be kept: after a restart it is forgotten")
	}
	return nil
}

// keepRoom keeps what is known of a room, if there is anything.
func (s *session) keepRoom(r *room) error {
	s.srv.mu.Lock()
	l := s.srv.catalog.find(r.key.name)
	if l == nil {
		s.srv.mu.Unlock()
		return nil
	}
	state := l.RoomState
	state.Invited = slices.Clone(state.Invited)
	s.srv.mu.Unlock()
	return s.keep(func(ctx context.Context) error {
		if state.Topic == "" && !state.Locked {
			return s.srv.registry.DeleteRoom(ctx, state.Name)
		}
		return s.srv.registry.SaveRoom(ctx, state)
	})
}
