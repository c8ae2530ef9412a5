package relay

import (
	"context"
	"net/netip"
	"time"
)

// Position is a place in a room's history that a program can keep. Within an epoch
// sequence numbers rise and stand for one message each. The epoch changes whenever
// numbers may have been given to messages that were lost, so that going on from a
// position never pretends; even then no number is given twice.
type Position struct {
	Epoch uint64
	Seq   uint64 // 0: before the first message
}

// Kind says what an entry of a history is.
type Kind uint8

// The kinds of entries. Their numbers are kept on disk.
const (
	KindSay      Kind = 0 // said to the room
	KindAct      Kind = 1 // /me
	KindTopic    Kind = 2 // Text is the room's new topic, empty if it was taken away
	KindAnnounce Kind = 3 // said by an operator to all rooms
	// KindHole stands where messages are missing: Seq is the number of the last of
	// them, Text a sentence for people, and there is no author.
	KindHole Kind = 255
)

// Message is one entry of a room's history.
type Message struct {
	Room string
	Position
	Time   int64 // nanoseconds since 1970, UTC
	Kind   Kind
	Author []byte // the name as shown; at most 255 bytes
	Text   []byte // as it was sent: not sanitised
	ID     []byte // the author's own, at most 64 bytes; empty: none
}

// Journal keeps what is said: ordered, numbered, for later. Rooms are told apart by
// their name as given; who asks has folded it. Its methods may be called by any
// goroutine; those with a context may wait for a disk, the others never wait.
type Journal interface {
	// Epoch is the epoch of all messages appended from now on.
	Epoch() uint64
	// Last is the highest number given in a room, kept or not, 0 if none was. After an
	// unclean end it is higher in every room, by what no lost message can have had (the
	// store adds 100,000): so numbers have gaps, and a room's first may be 100,001.
	Last(room string) uint64
	// First is the lowest number that is kept of a room, Last+1 if nothing is.
	First(room string) uint64
	// Append hands over the next message of a room. Its epoch is Epoch's; its number
	// is higher than all before it in the room. It is copied. Unless stored is nil, it
	// is called once, by any goroutine, when the message is kept for good, or with the
	// reason why it is not; it must not wait. Messages of a room are appended by one
	// goroutine at a time.
	Append(m *Message, stored func(error))
	// Backlog is how full the queue of what is not kept yet is, between 0 and 1. Who
	// sends much should be read more slowly from one half on.
	Backlog() float64
	// Watch has f called whenever saving pauses or goes on. It is called once, before
	// the first Append. f must not wait.
	Watch(f func(Saving))

	// Before returns the newest n entries of a room with numbers below seq, oldest
	// first; those that Append was given before it was called are among them.
	Before(ctx context.Context, room string, seq uint64, n int) ([]Message, error)
	// From returns the oldest n entries of a room with numbers of seq and above.
	From(ctx context.Context, room string, seq uint64, n int) ([]Message, error)
	// Since is the number of the first entry of a room said at or after a time, in
	// nanoseconds since 1970; one more than Last if there is none.
	Since(ctx context.Context, room string, at int64) (uint64, error)
	// Search returns the newest n messages below seq that hold all words, oldest
	// first. Case and accents do not matter.
	Search(ctx context.Context, room, words string, seq uint64, n int) ([]Message, error)
	// Ended returns the last number that is kept of an epoch in a room, and whether
	// the epoch is known: a position with a higher one, or of an epoch that is not
	// known, was never kept.
	Ended(ctx context.Context, room string, epoch uint64) (seq uint64, ok bool, err error)
	// Rooms lists the rooms with anything kept, by name.
	Rooms(ctx context.Context) ([]Kept, error)
	// Forget deletes, beyond recovery, all messages of an author, in all rooms, and
	// returns how many those were. Case does not matter.
	Forget(ctx context.Context, author string) (int, error)
	// Sync returns when all that was appended before is kept, or an error if some of
	// it cannot be.
	Sync(ctx context.Context) error
	// Close keeps what was appended, as far as that is possible, and gives everything
	// back. Nothing may be called afterwards.
	Close() error
}

// Kept is what a journal has of one room.
type Kept struct {
	Room     string
	Messages uint64
	First    uint64 // the lowest number
	Last     uint64 // the highest
	Spoken   int64  // when the last message was said, nanoseconds since 1970
}

// Saving is whether a journal keeps what it is given.
type Saving struct {
	// Paused tells that messages are not kept for now.
	Paused bool
	// Reason is why, in a few words for people: "disk full".
	Reason string
	// Lost is how many messages were not kept, once saving goes on.
	Lost uint64
}

// Keep bounds what a journal has of each room. The zero value has no bound.
type Keep struct {
	Age   time.Duration // older messages are deleted; 0: none are
	Count int           // more messages than that are not kept; 0: all are
}

// Account is a registered name.
type Account struct {
	Name string // as it is shown
	Key  string // by which it is found; look-alikes have the same
	Hash string // of the password, a PHC string
	Made time.Time
	Seen time.Time // the last login
}

// Sanction is a ban or a mute.
type Sanction struct {
	ID      uint64
	Mute    bool         // else a ban
	Name    string       // whom it is for, as shown; "": an address
	Key     string       // as in Account
	Address netip.Prefix // invalid: a name
	Until   time.Time    // zero: for ever
	Reason  string
	By      string
	Made    time.Time
}

// RoomState is what is known of a room beside its messages.
type RoomState struct {
	Name    string
	Topic   string
	TopicBy string
	TopicAt time.Time
	Locked  bool
	Hash    string   // of the password that opens a locked room, a PHC string; "": only invitations do
	Owner   string   // key of the name that locked it
	Invited []string // keys of names
}

// Ticket is a seat that was left, for /resume to take again.
type Ticket struct {
	Hash    string // of its code, hexadecimal SHA-256
	Name    string
	Account string // key of the account that the seat was logged in to; "": none
	Room    string
	At      Position
	Expires time.Time
}

// State is all that a Registry holds, and what a Journal has of each room.
type State struct {
	Kept      []Kept
	Accounts  []Account
	Sanctions []Sanction
	Rooms     []RoomState
	Tickets   []Ticket
}

// Registry keeps what a server must know again after a restart beside what was
// said. The server reads all of it when it starts, and answers from memory. Its
// methods may wait for a disk; when they return, it is kept. They may be called by
// any goroutine.
type Registry interface {
	Load(ctx context.Context) (State, error)          // without Kept
	SaveAccount(ctx context.Context, a Account) error // by Key
	DeleteAccount(ctx context.Context, key string) error
	SaveSanction(ctx context.Context, s Sanction) error // by ID, which the caller chooses
	DeleteSanction(ctx context.Context, id uint64) error
	SaveRoom(ctx context.Context, r RoomState) error // by Name
	DeleteRoom(ctx context.Context, name string) error
	SaveTicket(ctx context.Context, t Ticket) error // by Hash
	DeleteTicket(ctx context.Context, hash string) error
}

// LoadState reads what a journal and a registry hold, for Config.
func LoadState(ctx context.Context, j Journal, r Registry) (State, error) {
	state, err := r.Load(ctx)
	if err != nil {
		return state, err
	}
	state.Kept, err = j.Rooms(ctx)
	return state, err
}
