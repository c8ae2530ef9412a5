package relay

import (
	"fmt"
	"time"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/wire"
)

func (f format) eol() string {
	if f == formatCRLF {
		return "\r\n"
	}
	return "\n"
}

// textFormat is how people who read lines see a room. hint says how to see what
// lies in a gap.
func textFormat(eol string, zone *time.Location, hint func(feed.Gap) string) *feed.Format {
	text := wire.Text{EOL: eol, Zone: zone}
	return &feed.Format{
		Name: "text",
		Render: func(dst []byte, r *feed.Record) []byte {
			return text.Append(dst, wire.Kind(r.Kind), r.Time, r.Name, r.Text)
		},
		Gap: func(dst []byte, g feed.Gap) []byte {
			return fmt.Appendf(dst, "* %s%s%s", skipped(g), hint(g), eol)
		},
	}
}

func skipped(g feed.Gap) string {
	if g.First == g.Last {
		return fmt.Sprintf("1 message skipped (#%d)", g.First)
	}
	unit := "messages"
	if g.Missing == 1 {
		unit = "message"
	}
	return fmt.Sprintf("%d %s skipped (#%d–#%d)", g.Missing, unit, g.First, g.Last)
}

// gapHint says how to see what lies in a gap, if any of it is still kept: oldest is
// the lowest number that is.
func gapHint(g feed.Gap, oldest uint64) string {
	switch {
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

// rawFormat is chunks as they came. It has no boundaries to tell a gap at.
func rawFormat() *feed.Format {
	return &feed.Format{
		Name:   "raw",
		Render: func(dst []byte, r *feed.Record) []byte { return append(dst, r.Text...) },
	}
}
