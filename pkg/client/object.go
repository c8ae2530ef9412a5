package client

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// newID returns 26 random letters and digits.
func newID() string { return rand.Text() }

// ask is a request, but for hello and join.
type ask struct {
	Type     string  `json:"type"`
	ID       string  `json:"id,omitempty"`
	Room     string  `json:"room,omitempty"`
	To       string  `json:"to,omitempty"`
	Text     string  `json:"text,omitempty"`
	Act      bool    `json:"act,omitempty"`
	Before   uint64  `json:"before,omitempty"`
	After    *uint64 `json:"after,omitempty"`
	Count    int     `json:"count,omitempty"`
	Words    string  `json:"words,omitempty"`
	Name     string  `json:"name,omitempty"`
	Password string  `json:"password,omitempty"`
}

// join is a request, and a room in a hello.
type join struct {
	Type     string    `json:"type,omitempty"`
	ID       string    `json:"id,omitempty"`
	Room     string    `json:"room"`
	Password string    `json:"password,omitempty"`
	After    *Position `json:"after,omitempty"`
	History  *int      `json:"history,omitempty"`
}

// hello is the first request on a connection.
type hello struct {
	Type           string `json:"type"`
	ID             string `json:"id"`
	Version        int    `json:"version"`
	Name           string `json:"name,omitempty"`
	Password       string `json:"password,omitempty"`
	ServerPassword string `json:"server_password,omitempty"`
	Session        string `json:"session"`
	Rooms          []join `json:"rooms,omitzero"` // nil: the room everyone begins in
	History        *int   `json:"history,omitempty"`
	Echo           *bool  `json:"echo,omitempty"`
	Bot            bool   `json:"bot,omitempty"`
}

// encode returns a request as it is sent, without a line end.
func encode(request any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // it would make lines longer than they need to be
	if err := e.Encode(request); err != nil {
		panic("client: a request of strings and numbers does not encode: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// joinOf asks for a room.
func joinOf(o RoomOptions) join {
	j := join{Room: o.Room, Password: o.Password}
	if !o.After.IsZero() {
		j.After = &o.After
		return j
	}
	j.History = historyField(o.History)
	return j
}

// historyField is how a History of the options is asked for: nil is the server's usual.
func historyField(n int) *int {
	if n == 0 {
		return nil
	}
	n = max(n, 0)
	return &n
}

// object is anything that the server sends.
type object struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Room string `json:"room"`
	Text string `json:"text"`
	Code Code   `json:"code"`

	// What was said, and where.
	Epoch    uint64        `json:"epoch"`
	Seq      uint64        `json:"seq"`
	Time     time.Time     `json:"time"`
	From     string        `json:"from"`
	To       string        `json:"to"`
	Kind     Kind          `json:"kind"`
	Messages []messageItem `json:"messages"`

	// Who is there.
	Name       string   `json:"name"`
	Now        string   `json:"now"`
	Event      What     `json:"event"`
	People     []Person `json:"people"`
	Listening  int      `json:"listening"`
	More       number   `json:"more"`
	Registered bool     `json:"registered"`
	Operator   bool     `json:"operator"`

	// Rooms, and places in them.
	Topic   string     `json:"topic"`
	Locked  bool       `json:"locked"`
	After   Position   `json:"after"`
	Missing uint64     `json:"missing"`
	First   uint64     `json:"first"`
	Last    uint64     `json:"last"`
	Kept    bool       `json:"kept"`
	Rooms   []RoomInfo `json:"rooms"`

	// A welcome's.
	Version int     `json:"version"`
	Server  string  `json:"server"`
	MaxText int     `json:"max_text"`
	Rate    float64 `json:"rate"`
	Burst   int     `json:"burst"`
	Keeps   string  `json:"keeps"`
	MOTD    string  `json:"motd"`
}

// messageItem is a message on a page.
type messageItem struct {
	Room  string    `json:"room"`
	Epoch uint64    `json:"epoch"`
	Seq   uint64    `json:"seq"`
	Time  time.Time `json:"time"`
	From  string    `json:"from"`
	Text  string    `json:"text"`
	Kind  Kind      `json:"kind"`
	ID    string    `json:"id"`
}

// number is a count; where only whether there is something matters, true and false
// count too.
type number int

// UnmarshalJSON reads n from a number, true or false.
func (n *number) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true":
		*n = 1
		return nil
	case "false":
		*n = 0
		return nil
	}
	return json.Unmarshal(b, (*int)(n))
}

// decode reads an object. The error is ErrProtocol.
func decode(line []byte) (*object, error) {
	if len(line) == 0 || line[0] != '{' {
		return nil, fmt.Errorf("%w: it sent %.80q", ErrProtocol, line)
	}
	o := new(object)
	err := json.Unmarshal(line, o)
	var field *json.UnmarshalTypeError
	switch {
	case err == nil:
	case errors.As(err, &field) && !knownType(o.Type):
		// What an unknown type has in its fields is nobody's business.
	default:
		return nil, fmt.Errorf("%w: %s: %w", ErrProtocol, o.Type, err)
	}
	return o, nil
}

func knownType(t string) bool {
	switch t {
	case "welcome", "joined", "live", "message", "presence", "notice", "gap", "reset", "said", "stored",
		"direct", "messages", "people", "rooms", "left", "you", "done", "pong", "error", "bye":
		return true
	}
	return false
}

func (o *object) position() Position { return Position{Epoch: o.Epoch, Seq: o.Seq} }

func (o *object) refusal() *Error { return &Error{Code: o.Code, Text: o.Text, Room: o.Room} }

func (o *object) message() Message {
	return Message{
		Room: o.Room, Position: o.position(), Time: o.Time, From: o.From, Text: o.Text, Kind: o.Kind, ID: o.ID,
	}
}

func (o *object) joined() Joined {
	return Joined{
		Room: o.Room, Topic: o.Topic, People: o.People, More: int(o.More), Listening: o.Listening,
		Locked: o.Locked, After: o.After,
	}
}

func (o *object) people() People {
	return People{Room: o.Room, People: o.People, More: int(o.More), Listening: o.Listening}
}

func (o *object) direct() Direct { return Direct{From: o.From, To: o.To, Time: o.Time, Text: o.Text} }

func (o *object) you() You {
	return You{Name: o.Name, Registered: o.Registered, Operator: o.Operator}
}

func (o *object) page() Page {
	p := Page{Room: o.Room, More: o.More != 0}
	for _, m := range o.Messages {
		def(&m.Room, o.Room)
		p.Messages = append(p.Messages, Message{
			Room: m.Room, Position: Position{Epoch: m.Epoch, Seq: m.Seq}, Time: m.Time, From: m.From, Text: m.Text,
			Kind: m.Kind, ID: m.ID, Old: true,
		})
	}
	return p
}

func (o *object) connected(again bool) Connected {
	return Connected{
		Server: o.Server, Name: o.Name, Room: o.Room, Keeps: o.Keeps, MOTD: o.MOTD, MaxText: o.MaxText,
		Rate: o.Rate, Burst: o.Burst, Epoch: o.Epoch, Again: again,
	}
}
