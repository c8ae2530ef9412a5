package relay

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/chatd/chatd/internal/feed"
)

// cause is why a session ended: one for each session, the first one counts.
type cause struct {
	log string // the line in the log
	how string // what others read behind the name; "": they are not told
	// last is what the person reads; "": nothing.
	last string
	code string // what programs read; "": nothing
	head string // lines before last, each with its end, for who is no person
	// dead: nobody is there to read, or reads. What is unread or unsent is
	// given up.
	dead bool
	err  error // what the cause was; nil: not known, or of no interest
	// drops: what it has sent and nobody has read is not said.
	drops bool
}

var (
	endQuit       = &cause{log: "said goodbye", how: "left", last: "goodbye", code: "quit"}
	endInput      = &cause{log: "end of input", how: "left"}
	endReset      = &cause{log: "connection reset", how: "is gone (connection lost)", dead: true}
	endLost       = &cause{log: "connection lost", how: "is gone (connection lost)", dead: true}
	endStalled    = &cause{log: "stalled", how: "is gone (stopped reading)", dead: true}
	endBehind     = &cause{log: "fell off the feed", dead: true}
	endTakenOver  = &cause{log: "taken over", how: "left (taken over)", last: "another connection of yours has taken over; goodbye", code: "taken-over"}
	endDenied     = &cause{log: "wrong password", last: "that is not the password; goodbye", code: "password"}
	endFull       = &cause{log: "made room for others", last: "the server is full and you have not said anything yet; come back in a minute", code: "refused"}
	endStopping   = &cause{log: "server stopping", last: "chatd is shutting down", code: "stopping"}
	endServing    = &cause{log: "listener closed", how: "left", last: "chatd no longer serves this address", code: "stopping"}
	endRoomFailed = &cause{log: "room failed", last: "internal error in this room; connect again", code: "internal"}
	endForeign    = &cause{log: "not a chat client"}
	endKilled     = &cause{log: "server stopped", dead: true}
)

// endIdle is the cause of one who has been silent for so long.
func endIdle(after time.Duration) *cause {
	return &cause{log: "idle", code: "idle", how: "left (idle)", last: "you were silent for " + spell(after) + "; goodbye"}
}

// causes are one of each kind there is, by their line in the log.
func causes() []*cause {
	return []*cause{
		endQuit, endInput, endReset, endLost, endStalled, endBehind, endTakenOver, endDenied, endFull, endStopping,
		endServing, endRoomFailed, endForeign, endKilled, endIdle(0), endSentAway(""), endSilent, endProtocol,
		endWriter, endUnpaired, endNotPair, endVersion, endDeaf,
	}
}

// causeOf is the cause that an error of reading or writing amounts to.
func causeOf(err error) *cause {
	switch {
	case errors.Is(err, feed.ErrFellOff):
		return endBehind
	case errors.Is(err, syscall.ETIMEDOUT), errors.Is(err, syscall.EHOSTUNREACH),
		errors.Is(err, syscall.ENETUNREACH), errors.Is(err, os.ErrDeadlineExceeded):
		return endLost
	}
	return endReset
}
