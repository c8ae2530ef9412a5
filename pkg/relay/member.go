package relay

import (
	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/wire"
)

// member is a session's place in a room.
type member struct {
	// Set at the start.
	session *session
	room    *room

	// Owned by the broadcaster, once it has entered.
	out      *feed.Outlet // the session's, or its reading window's
	from     feed.Place   // the first that was written there
	now      uint64       // the index from which on what it is shown is no history
	slot     int          // in room.members; -1: not there
	format   format
	leaveOut []uint32 // tags of what it does not see; never changed in place
	name     string   // by which others know it; "": they do not
	away     bool

	// Owned by the session's goroutine.
	said      feed.Mark // before which all is that it has sent
	unsettled bool      // it has sent something since
}

// mark is the place before which all is that has been said.
func (r *room) mark() feed.Mark { return feed.Mark{Ring: r.ring, Index: r.ring.Head().Index} }

// enter makes m a member that sees the last lines and all that follows, once it
// has seen what lies before after.
func (r *room) enter(m *member, lines int, after feed.Mark) {
	f := r.ring.Feed(r.formats[m.format])
	at := f.Back(lines)
	if at.Index < r.forgotten {
		at = f.At(r.forgotten)
	}
	m.now = f.Head().Index
	earlier := at.Ordinal < f.Head().Ordinal
	if !earlier {
		at = f.Head() // who came and went is no news
	} else {
		m.out.PostAfter(after, r.heading(m.format, at))
	}
	r.follow(m, f, at)
	if earlier {
		text := wire.Text{EOL: m.format.eol()}
		m.out.PostAfter(r.mark(), text.AppendNotice(nil, nowLine))
	}
}

// follow makes m a member that sees what follows a place in the feed of its format.
func (r *room) follow(m *member, f *feed.Feed, at feed.Place) {
	m.from = at
	m.slot = len(r.members)
	r.members = append(r.members, m)
	r.readers[m.format]++
	m.out.Follow(f, at, m.leaveOut)
}

// nowLine stands between what was said before and what is said now.
const nowLine = "now:"

// heading stands before what was said before, from at on.
func (r *room) heading(f format, at feed.Place) []byte {
	zone := r.srv.cfg.Zone
	text := wire.Text{EOL: f.eol(), Zone: zone}
	heading := text.AppendNotice(nil, "earlier in "+r.key.name+":")
	for rec := range r.ring.Records(r.ring.At(at.Index)) {
		if dayOf(rec.Time, zone) != dayOf(r.srv.now(), zone) && rec.Kind != uint8(wire.Day) {
			heading = text.Append(heading, wire.Day, rec.Time, nil, nil)
		}
		break
	}
	return heading
}

// leave takes m out of the room. It is still written what was said before.
func (r *room) leave(m *member) {
	if m.slot < 0 {
		return
	}
	f := r.ring.Feed(r.formats[m.format])
	m.out.Unfollow(f, f.Head())
	last := len(r.members) - 1
	r.members[m.slot] = r.members[last]
	r.members[m.slot].slot = m.slot
	r.members[last] = nil
	r.members = r.members[:last]
	m.slot = -1
	r.setBell(m, false)
	if m.name != "" {
		r.people.Add(-1)
	}
	r.unread(m.format)
}

// reformat changes the format m reads, between two records.
func (r *room) reformat(m *member, to format) {
	if m.slot < 0 || m.format == to {
		return
	}
	m.out.Switch(r.ring.Feed(r.formats[m.format]), r.ring.Feed(r.formats[to]))
	r.unread(m.format)
	m.format = to
	r.readers[to]++
}

// remask changes whose messages m does not see.
func (r *room) remask(m *member, tags []uint32) {
	m.leaveOut = tags
	if m.slot >= 0 {
		m.out.Mask(r.ring.Feed(r.formats[m.format]), tags)
	}
}
