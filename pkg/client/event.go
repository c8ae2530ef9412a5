package client

import (
	"fmt"
	"time"
)

// Position is a place in a room's order, up to which somebody has seen it. A program
// that keeps the last one of each room goes on from there with RoomOptions.After,
// without gap or repeat.
type Position struct {
	Epoch uint64 `json:"epoch"`
	Seq   uint64 `json:"seq"`
}

// IsZero tells whether p is no position.
func (p Position) IsZero() bool { return p == Position{} }

// String returns p as EPOCH.SEQ.
func (p Position) String() string { return fmt.Sprintf("%d.%d", p.Epoch, p.Seq) }

// Event is what Next returns: one of [Connected], [Disconnected], [Joined], [Live],
// [Message], [Gap], [Reset], [Presence], [People], [Notice], [Direct], [You], [Left]
// and [Refused]. Later versions may have others.
//
// Texts and names are as their authors sent them: control characters and such as turn
// text around are among them, and who shows them on a terminal has to see to that.
type Event interface{ event() }

// Connected tells that the server has welcomed the client: at first, and again
// whenever a connection was lost. What rooms it is in is told by Joined.
type Connected struct {
	Server  string  // what the server calls itself
	Name    string  // the client's name
	Room    string  // the room everyone begins in
	Keeps   string  // a sentence on what is kept, and how long
	MOTD    string  // the message of the day
	MaxText int     // bytes that a text may have
	Rate    float64 // requests a second that are read; 0: any number
	Burst   int     // requests that may come at once
	Epoch   uint64
	Again   bool // there was a connection before
}

// Disconnected tells that there is no connection, once for every one that was lost and
// every attempt that failed.
type Disconnected struct {
	Err error
	// Retry is when the client tries again. Zero: it does not, and Next returns Err
	// from now on.
	Retry time.Time
}

// Joined tells that the client is in a room now.
type Joined struct {
	Room      string
	Topic     string
	People    []Person // who has spoken or has a name
	More      int      // others like them, who are not listed
	Listening int      // those who have not spoken
	Locked    bool
	After     Position // what follows in this room is after it
	// Again tells that the client was in the room before, on a connection that was
	// lost. What was said meanwhile follows, and then Live.
	Again bool
}

// Live tells that all that was said in a room before the client joined has been shown:
// what comes now is new.
type Live struct {
	Room string
	Position
}

// Message is what somebody said.
type Message struct {
	Room string
	Position
	Time time.Time
	From string
	Text string // for KindTopic the topic, empty if there is none any more
	Kind Kind
	ID   string // that its author gave it, or empty
	// Old tells that it was said before the client joined, or while it was not
	// connected. Whoever answers messages answers those that are not.
	Old bool
}

// Kind is what sort of message it is.
type Kind string

const (
	KindSaid     Kind = ""         // an ordinary one
	KindAct      Kind = "act"      // what somebody does, by /me
	KindTopic    Kind = "topic"    // what the room is about from now on
	KindAnnounce Kind = "announce" // an operator, to everyone
)

// Gap tells that exactly so many messages are missing here: whoever uses the client was
// too slow, or away for too long.
type Gap struct {
	Room        string
	Missing     uint64 // 0: the server cannot tell
	First, Last uint64 // their numbers
	Kept        bool   // some can be had with HistoryAfter
}

// Reset tells that messages after a position may be lost, because the server ended
// without having kept them. Numbers go on in another epoch.
type Reset struct {
	Room  string
	Epoch uint64
	After Position
	Text  string // a sentence for people
}

// Presence tells who comes and goes in a room.
type Presence struct {
	Room string
	What What
	Name string
	Now  string // the new name, if What is Renamed
	Text string // what people are told
}

// What is what somebody did of whom Presence tells.
type What string

const (
	PersonJoined  What = "joined"
	PersonLeft    What = "left"
	PersonRenamed What = "renamed"
	ManyMoved     What = "many" // the client asks who is there, and People follows
)

// People is who is in a room, told when so many came and went that only asking says.
type People struct {
	Room      string
	People    []Person // who has spoken or has a name
	More      int      // others like them, who are not listed
	Listening int      // those who have not spoken
}

// Person is somebody in a room.
type Person struct {
	Name string `json:"name"`
	Away bool   `json:"away"`
}

// Notice is a sentence for people.
type Notice struct {
	Room string // empty: from the server
	Text string
}

// Direct is what was said to one person only. Those that the client said itself are
// returned by its method Direct and are no events.
type Direct struct {
	From, To string
	Time     time.Time
	Text     string
}

// You is who the client is, told whenever that changes.
type You struct {
	Name       string
	Registered bool
	Operator   bool
}

// Left tells that the client is in a room no more: it left, the room failed, or, after
// a connection was lost, the room cannot be joined again, and then Err says why.
type Left struct {
	Room string
	Text string
	Err  *Error
}

// Refused tells that something was refused that no method of the Client waits for: the
// name in Options, or a room to begin with.
type Refused struct{ Err *Error }

func (Connected) event()    {}
func (Disconnected) event() {}
func (Joined) event()       {}
func (Live) event()         {}
func (Message) event()      {}
func (Gap) event()          {}
func (Reset) event()        {}
func (Presence) event()     {}
func (People) event()       {}
func (Notice) event()       {}
func (Direct) event()       {}
func (You) event()          {}
func (Left) event()         {}
func (Refused) event()      {}
