package client

import (
	"hash/maphash"
	"slices"
	"strings"
)

// peopleMost is how many people of a room are known by name at most; others are only
// counted.
const peopleMost = 1000

// state is what the client knows, and wants. It is guarded by Client.mu.
type state struct {
	welcome   Connected // the last one
	welcomes  int
	connected bool
	you       You

	// Asked for at each connection.
	wanted   string // the name
	password string // of it, if it is registered

	rooms  []*room // that the client is in, or was until the connection was lost
	asking []asked // rooms asked for in a hello that were not answered, in order
	seed   maphash.Seed
}

// asked is a room in a hello. Without a name it is the one everyone begins in.
type asked struct {
	RoomOptions
	known bool // the client was in it on the last connection
}

// begin notes what is wanted at first.
func (s *state) begin(rooms []string, o Options) {
	s.wanted, s.password = o.Name, o.Password
	s.seed = maphash.MakeSeed()
	for _, name := range rooms {
		s.asking = append(s.asking, asked{RoomOptions: RoomOptions{Room: name, History: o.History}})
	}
	for _, r := range o.Rooms {
		s.asking = append(s.asking, asked{RoomOptions: r})
	}
	if len(s.asking) == 0 && o.Rooms == nil {
		s.asking = []asked{{RoomOptions: RoomOptions{History: o.History}}}
	}
}

// hello returns the rooms to ask for on a new connection, and notes that they are.
// Nil stands for the room everyone begins in.
func (s *state) hello() []join {
	var all []asked
	for _, r := range s.rooms {
		all = append(all, asked{RoomOptions{Room: r.name, Password: r.password, After: r.seen}, true})
	}
	for _, a := range s.asking {
		if a.Room == "" && len(s.rooms) > 0 {
			a.Room = s.welcome.Room
		}
		if !a.known && s.find(a.Room) == nil {
			all = append(all, a)
		}
	}
	s.asking = all
	if len(all) == 1 && all[0].Room == "" {
		return nil
	}
	list := []join{}
	for _, a := range all {
		list = append(list, joinOf(a.RoomOptions))
	}
	return list
}

// answered takes the room out of asking that is answered next.
func (s *state) answered() (a asked) {
	if len(s.asking) > 0 {
		a, s.asking = s.asking[0], s.asking[1:]
	}
	return a
}

// disconnected notes that nothing is as the last connection told.
func (s *state) disconnected() {
	s.connected = false
	for _, r := range s.rooms {
		r.in, r.live, r.refreshing = false, false, false
	}
}

// find returns a room that the client is or was in, or nil.
func (s *state) find(name string) *room {
	for _, r := range s.rooms {
		if r.name == name {
			return r
		}
	}
	return nil
}

// forget takes a room away.
func (s *state) forget(name string) (known bool) {
	n := len(s.rooms)
	s.rooms = slices.DeleteFunc(s.rooms, func(r *room) bool { return r.name == name })
	return len(s.rooms) < n
}

// become notes who the client is now, and that this is what it wants to be.
func (s *state) become(y You) {
	s.you, s.welcome.Name = y, y.Name
	if isGuest(y.Name) || y.Name == s.wanted {
		return
	}
	s.wanted, s.password = y.Name, ""
}

// isGuest tells whether a name is one that the server gives to those without.
func isGuest(name string) bool {
	number, ok := strings.CutPrefix(name, "guest")
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}

// Room is what is known of a room that the client is in.
type Room struct {
	Name      string
	Topic     string
	Locked    bool
	People    []Person // at most 1,000
	More      int      // others like them
	Listening int      // those who had not spoken when it was last told
	Seen      Position // up to where its events have come
	// Live tells that the connection stands and that all that was said before has come.
	Live bool
}

// Room returns what is known of a room, and whether the client is in it. It is kept up
// to date by what comes, and may be ahead of the events that wait for Next.
func (c *Client) Room(name string) (Room, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.state.find(name)
	if r == nil {
		return Room{}, false
	}
	return Room{
		Name: r.name, Topic: r.topic, Locked: r.locked, People: slices.Clone(r.people), More: r.more,
		Listening: r.listening, Seen: r.seen, Live: r.live,
	}, true
}

// Joined returns the names of the rooms the client is in, or comes back to when it is
// connected again, the one that was joined first at the front.
func (c *Client) Joined() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, r := range c.state.rooms {
		names = append(names, r.name)
	}
	return names
}

// Name returns the client's name, or, before it was ever connected, nothing.
func (c *Client) Name() string { return c.You().Name }

// You returns who the client is.
func (c *Client) You() You {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.you
}

// Server returns the last welcome, and whether there is a connection.
func (c *Client) Server() (Connected, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.welcome, c.state.connected
}

// home returns the room that was joined first, or nothing.
func (c *Client) home() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.state.rooms) == 0 {
		return ""
	}
	return c.state.rooms[0].name
}
