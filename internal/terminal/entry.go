package terminal

import (
	"fmt"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/wire"
	"github.com/chatd/chatd/pkg/client"
)

// kind is what sort of entry it is.
type kind int

const (
	said    kind = iota // a message, by somebody at some time
	notice              // a sentence of the server's or the program's
	passing             // a notice of who comes and goes, of which pipes do not hear
	mark                // a line between what is old and what is new
)

// entry is something to be printed. Nothing in it but room can harm a terminal: names and
// texts have gone through Label and text.
type entry struct {
	kind kind
	at   time.Time // zero: it has none
	room string    // named before it, if not empty
	lead string    // what stands before the name, * for what somebody does
	name string    // who says it, or nobody
	text string    // what comes after the name
	call bool      // the one who reads is named in it
}

// Label is a name or a sentence as a terminal may show it.
func Label(s string) string { return string(wire.AppendLabelString(nil, s)) }

// text is what somebody said as a terminal may show it. Where a TAB leads depends on
// what stands before it, so that it is shown as spaces.
func text(s string) string {
	return strings.ReplaceAll(string(wire.AppendTextString(nil, s)), "\t", "    ")
}

// plain is the entry in one line, without colours.
func (x entry) plain() string { return x.head() + x.lead + x.name + x.text }

// head is what stands before who says it: when, and where.
func (x entry) head() string {
	var head string
	if !x.at.IsZero() {
		head = x.at.Format("15:04") + " "
	}
	switch x.kind {
	case notice, passing:
		head += "* "
	}
	if x.room != "" {
		head += "[" + Label(x.room) + "] "
	}
	return head
}

// sentence is a notice: of the server, or of the program itself.
func sentence(s string) entry { return entry{kind: notice, text: Label(s)} }

// entryOf is how an event looks, if it is something to be printed. It names the room.
func entryOf(e client.Event) (x entry, ok bool) {
	switch e := e.(type) {
	case client.Message:
		return messageOf(e), true
	case client.Direct:
		return directOf(e, false), true
	case client.Gap:
		x = sentence(gapText(e))
		x.room = e.Room
	case client.Reset:
		x = sentence(e.Text)
		x.room = e.Room
	case client.Notice:
		x = sentence(e.Text)
		x.room = e.Room
	case client.Presence:
		x = sentence(e.Text)
		x.kind, x.room = passing, e.Room
	default:
		return x, false
	}
	return x, x.text != ""
}

func messageOf(m client.Message) entry {
	x := entry{at: m.Time.Local(), room: m.Room, name: Label(m.From)}
	switch m.Kind {
	case client.KindAct:
		x.lead, x.text = "* ", " "+text(m.Text)
	case client.KindTopic:
		x.lead, x.text = "* ", " set the topic: "+text(m.Text)
		if m.Text == "" {
			x.text = " took the topic away"
		}
	case client.KindAnnounce:
		x.lead, x.text = "* ", " to everyone: "+text(m.Text)
	default:
		x.text = ": " + text(m.Text)
	}
	return x
}

// directOf is what was said to one person only; own tells that the reader has said it.
func directOf(d client.Direct, own bool) entry {
	x := entry{at: d.Time.Local(), name: Label(d.From), text: " to you: " + text(d.Text)}
	if own {
		x.lead, x.name, x.text = "you to ", Label(d.To), ": "+text(d.Text)
	}
	return x
}

// gapText tells of messages that are missing, as people are told.
func gapText(g client.Gap) string {
	numbers := fmt.Sprintf("%d-%d", g.First, g.Last)
	shown := strings.ReplaceAll("#"+numbers, "-", "–#")
	if g.First == g.Last {
		numbers = fmt.Sprint(g.First)
		shown = "#" + numbers
	}
	s := "some messages skipped"
	if g.Missing > 0 {
		s = Count(int(g.Missing), "message", "messages") + " skipped"
	}
	s += " (" + shown + ")"
	if g.Kept {
		s += "; /show " + numbers + " shows " + map[bool]string{true: "it", false: "them"}[g.Missing == 1]
	}
	return s
}

// days notices where the day changes between two entries.
type days struct{ last string }

// newDays begins with today, which nobody needs to be told.
func newDays() days { return days{last: dayOf(time.Now())} }

// next returns the line that is due before an entry, if one is.
func (d *days) next(x entry) (entry, bool) {
	if x.at.IsZero() || dayOf(x.at) == d.last {
		return entry{}, false
	}
	d.last = dayOf(x.at)
	return entry{kind: notice, text: d.last}, true
}

func dayOf(t time.Time) string { return t.Format("Monday 2 January 2006") }
