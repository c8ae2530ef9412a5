package client

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed is what everything returns after Close.
	ErrClosed = errors.New("client: closed")
	// ErrUnsure tells that a request was sent and the answer did not come: whether it
	// was done is not known. It comes together with the reason, such as that of the
	// context.
	ErrUnsure = errors.New("client: it is not known whether that was done")
	// ErrNotReading tells that an answer cannot come, because it stands behind events
	// and nobody has taken one for five seconds. Next is to be called in another
	// goroutine than the one that waits, or Options.SendOnly set.
	ErrNotReading = errors.New("client: the answer waits behind events that nobody takes with Next")
	// ErrProtocol tells that what answers is not chatd, or breaks the protocol.
	ErrProtocol = errors.New("client: the server does not speak chatd's protocol")
	// ErrSilent tells that the server has not answered a ping: it, or the network, is
	// gone.
	ErrSilent = errors.New("client: the server is silent")
	// ErrSendOnly is what Next returns if there are no events.
	ErrSendOnly = errors.New("client: made with SendOnly, there are no events")
)

// Error is a refusal by the server.
type Error struct {
	Code Code
	Text string // a sentence for people
	Room string // if it is about one
}

// Error returns the server's sentence.
func (e *Error) Error() string {
	if e.Text == "" {
		return string(e.Code)
	}
	return e.Text
}

// Is tells whether target is an Error of the same code and without a text, so that
// errors.Is(err, &client.Error{Code: client.Locked}) asks for a code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Text == "" && t.Code == e.Code
}

// Code is what sort of refusal an Error is.
type Code string

// The codes that the protocol has. A later server may have others.
const (
	Syntax         Code = "syntax"
	TooLong        Code = "too-long" // a line or a text
	UnknownType    Code = "unknown-type"
	Missing        Code = "missing" // a field
	Invalid        Code = "invalid" // a field's value
	Version        Code = "version"
	WrongPassword  Code = "password"   // the chat's
	NameTaken      Code = "name-taken" // somebody has that name
	NameRefused    Code = "name-refused"
	WrongLogin     Code = "login" // not that name's password
	NotThere       Code = "not-there"
	NoSuchRoom     Code = "no-such-room"
	RoomRefused    Code = "room-refused" // its name cannot be one
	Locked         Code = "locked"
	TooManyRooms   Code = "too-many-rooms"
	NoSuchPerson   Code = "no-such-person"
	NotDelivered   Code = "not-delivered"
	Empty          Code = "empty"
	Muted          Code = "muted"
	NotStored      Code = "not-stored" // said, but not kept
	UseRequest     Code = "use-request"
	UnknownCommand Code = "unknown-command"
	Denied         Code = "denied" // for operators only
	Slow           Code = "slow"   // too many tries
	Internal       Code = "internal"
)

// ByeError tells that the server has ended the connection, and why.
type ByeError struct {
	Code Bye
	Text string // a sentence for people
}

// Bye is why a server ends a connection, as far as it says. Others than these may come.
type Bye string

// What a server says. After SentAway and TakenOver a client does not come again.
const (
	ByeQuit       Bye = "quit"
	ByeStopping   Bye = "stopping"
	ByeIdle       Bye = "idle"
	ByeNotReading Bye = "not-reading"
	ByeSentAway   Bye = "sent-away"  // by an operator
	ByeTakenOver  Bye = "taken-over" // by another connection with the same Session
)

func (e *ByeError) Error() string { return "client: the server says: " + e.Text }

// unsure is err for a request that may have been done.
func unsure(err error) error { return fmt.Errorf("%w: %w", ErrUnsure, err) }
