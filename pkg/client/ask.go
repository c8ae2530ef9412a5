package client

import (
	"context"
	"time"
)

// Join goes into a room, and comes back to it when the connection was lost. A room that
// the client is in already is refused.
func (c *Client) Join(ctx context.Context, o RoomOptions) (Joined, error) {
	var j Joined
	q := joinOf(o)
	q.Type, q.ID = "join", newID()
	err := c.do(ctx, &request{id: q.ID, line: encode(q), again: true, join: &o, takes: func(a *object) bool {
		j = a.joined()
		return true
	}})
	return j, err
}

// Leave leaves a room.
func (c *Client) Leave(ctx context.Context, room string) error {
	return c.ask(ctx, ask{Type: "leave", Room: room}, true, func(*object) bool { return true })
}

// Page is a part of what was said in a room, oldest first.
type Page struct {
	Room     string
	Messages []Message
	More     bool // there are others, in the direction that was asked for
}

// HistoryBefore returns the newest count messages of a room with numbers below seq; 0
// stands for all of them. A count is 1 to 500; 0 stands for 50. Fewer come if they are
// long.
func (c *Client) HistoryBefore(ctx context.Context, room string, seq uint64, count int) (Page, error) {
	return c.page(ctx, ask{Type: "history", Room: room, Before: seq, Count: count})
}

// HistoryAfter returns the oldest count messages of a room with numbers above seq.
func (c *Client) HistoryAfter(ctx context.Context, room string, seq uint64, count int) (Page, error) {
	return c.page(ctx, ask{Type: "history", Room: room, After: &seq, Count: count})
}

// Search returns the newest count messages of a room in which all the words are, with
// numbers below before, if that is not 0. A count is at most 100; 0 stands for 20.
func (c *Client) Search(ctx context.Context, room, words string, before uint64, count int) (Page, error) {
	return c.page(ctx, ask{Type: "search", Room: room, Words: words, Before: before, Count: count})
}

func (c *Client) page(ctx context.Context, q ask) (p Page, err error) {
	err = c.ask(ctx, q, true, func(a *object) bool {
		p = a.page()
		return true
	})
	return p, err
}

// Who returns who is in a room.
func (c *Client) Who(ctx context.Context, room string) (p People, err error) {
	err = c.ask(ctx, ask{Type: "who", Room: room}, true, func(a *object) bool {
		p = a.people()
		return true
	})
	return p, err
}

// RoomList is which rooms there are.
type RoomList struct {
	Rooms []RoomInfo
	More  int // others, that are not listed
}

// RoomInfo is what the list of rooms says of one.
type RoomInfo struct {
	Room   string    `json:"room"`
	People int       `json:"people"`
	Topic  string    `json:"topic"`
	Locked bool      `json:"locked"`
	Spoken time.Time `json:"spoken"` // when something was said last; zero: not known
}

// Rooms returns which rooms there are.
func (c *Client) Rooms(ctx context.Context) (l RoomList, err error) {
	err = c.ask(ctx, ask{Type: "rooms"}, true, func(a *object) bool {
		l = RoomList{Rooms: a.Rooms, More: int(a.More)}
		return true
	})
	return l, err
}

// Direct says something to one person only, and returns it as that one sees it. It is
// not sent again if the connection is lost before the answer; then the error is
// ErrUnsure.
func (c *Client) Direct(ctx context.Context, to, text string) (d Direct, err error) {
	err = c.ask(ctx, ask{Type: "direct", To: to, Text: text}, false, func(a *object) bool {
		d = a.direct()
		return true
	})
	return d, err
}

// Command does what a person does who types line, such as /whois ana or /topic tea, in
// a room, and returns what is answered. Of very many notices the first are returned, as
// many as make a megabyte.
func (c *Client) Command(ctx context.Context, room, line string) (notices []Notice, err error) {
	size := 0
	err = c.ask(ctx, ask{Type: "command", Room: room, Text: line}, false, func(a *object) bool {
		if a.Type != "notice" {
			return a.Type == "done"
		}
		if size += len(a.Text) + len(a.Room) + 64; size <= bytesMost {
			notices = append(notices, Notice{Room: a.Room, Text: a.Text})
		}
		return false
	})
	return notices, err
}

// Nick takes another name. The client asks for it whenever it connects again.
func (c *Client) Nick(ctx context.Context, name string) error {
	_, err := c.you(ctx, ask{Type: "nick", Name: name}, true)
	return err
}

// Login takes a registered name. The client logs in again whenever it connects again.
func (c *Client) Login(ctx context.Context, name, password string) (You, error) {
	return c.you(ctx, ask{Type: "login", Name: name, Password: password}, true)
}

// Register makes the client's name its own, with a password. The client logs in with it
// whenever it connects again.
func (c *Client) Register(ctx context.Context, password string) (You, error) {
	return c.you(ctx, ask{Type: "register", Password: password}, false)
}

func (c *Client) you(ctx context.Context, q ask, again bool) (y You, err error) {
	err = c.ask(ctx, q, again, func(a *object) bool {
		y = a.you()
		c.state.wanted, c.state.password = y.Name, q.Password
		return true
	})
	return y, err
}

// Ping returns when the server has answered all that was asked before.
func (c *Client) Ping(ctx context.Context) error {
	return c.ask(ctx, ask{Type: "ping"}, true, func(*object) bool { return true })
}
