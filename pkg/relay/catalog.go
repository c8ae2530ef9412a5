package relay

import (
	"slices"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/name"
)

// catalog is what is known of chat rooms beside who is in them: what they are
// called, topics and locks. Guarded by Server.mu.
type catalog struct {
	byKey map[string]*listing // by the key of the name: two that look alike are one
}

// listing is one room. It is there as long as somebody is in the room or anything
// of it is kept.
type listing struct {
	RoomState
	spoken int64           // when the last message was said, nanoseconds since 1970; 0: never
	guests map[uint32]bool // sessions that are invited; nil: none
}

func newCatalog() catalog { return catalog{byKey: make(map[string]*listing)} }

// learn enters a room that the journal or the registry knows.
func (c *catalog) learn(state RoomState, spoken int64) {
	l := c.byKey[name.Key(state.Name)]
	if l == nil {
		l = &listing{RoomState: RoomState{Name: state.Name}}
		c.byKey[name.Key(state.Name)] = l
	}
	if state.Topic != "" || state.Locked {
		l.RoomState = state
	}
	l.spoken = max(l.spoken, spoken)
}

// find returns the listing of a room with that name, or of one that looks like it.
func (c *catalog) find(n string) *listing { return c.byKey[name.Key(n)] }

// open returns the listing of a room and makes one if there is none.
func (c *catalog) open(n string) *listing {
	key := name.Key(n)
	if c.byKey[key] == nil {
		c.byKey[key] = &listing{RoomState: RoomState{Name: n}}
	}
	return c.byKey[key]
}

// close forgets a room that nobody is in, if nothing of it is kept.
func (c *catalog) close(n string, kept bool, spoken int64) {
	l := c.find(n)
	if l == nil {
		return
	}
	l.guests = nil
	l.spoken = max(l.spoken, spoken)
	if !kept && !l.Locked && l.Topic == "" {
		delete(c.byKey, name.Key(n))
	}
}

// admits tells whether a session may come in: with a password that is right, by
// invitation, or as the one who locked the room. It is asked for locked rooms.
func (l *listing) admits(s *session) bool {
	key := s.account()
	return l.guests[s.id] || key != "" && (key == l.Owner || slices.Contains(l.Invited, key)) || s.operator()
}

// roomInfo is one room as a list shows it.
type roomInfo struct {
	Name   string
	People int // known by name
	Topic  string
	Spoken time.Time // zero: nothing has been said
	Locked bool
}

// roomList lists the rooms that s may know of: those with people first, then those
// in which something was said last.
func (s *Server) roomList(who *session) []roomInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []roomInfo
	for _, l := range s.catalog.byKey {
		if l.Locked && !l.admits(who) && !who.isIn(l.Name) {
			continue
		}
		info := roomInfo{Name: l.Name, Topic: l.Topic, Locked: l.Locked}
		spoken := l.spoken
		if r := s.rooms[roomKey{name: l.Name}]; r != nil {
			info.People = int(r.people.Load())
			spoken = max(spoken, r.spoken.Load())
		}
		if spoken != 0 {
			info.Spoken = time.Unix(0, spoken)
		}
		list = append(list, info)
	}
	slices.SortFunc(list, func(a, b roomInfo) int {
		if a.People != b.People {
			return b.People - a.People
		}
		if c := b.Spoken.Compare(a.Spoken); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}
