package relay

import (
	"fmt"

	"github.com/chatd/chatd/internal/feed"
)

// What the journal in memory keeps of a room.
const (
	journalMessages = 10_000
	journalBytes    = 4 << 20
)

// journal is what was said in one room, ordered, numbered, kept until the server
// ends. The room's broadcaster adds; anyone may read.
type journal struct {
	ring *feed.Ring
}

func newJournal() *journal {
	return &journal{ring: feed.NewRing(feed.Place{}, feed.Limits{Records: journalMessages, Bytes: journalBytes}, nil)}
}

// next is the number of the message that is said next.
func (j *journal) next() uint64 { return j.ring.Head().Seq + 1 }

// add keeps a message, of which it copies what it needs.
func (j *journal) add(rec *feed.Record) { j.ring.Append(rec) }

// oldest is the number of the oldest message kept; of the next one if there is none.
func (j *journal) oldest() uint64 { return j.ring.Tail().Seq + 1 }

// hint says how to see what lies in a gap, if any of it is still kept.
func (j *journal) hint(g feed.Gap) string {
	switch oldest := j.oldest(); {
	case oldest > g.Last:
		return ""
	case g.First == g.Last:
		return fmt.Sprintf("; /show %d shows it", g.First)
	case oldest > g.First:
		return fmt.Sprintf("; /show %d-%d shows those that are kept", g.First, g.Last)
	default:
		return fmt.Sprintf("; /show %d-%d shows them", g.First, g.Last)
	}
}
