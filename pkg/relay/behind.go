package relay

import (
	"fmt"
	"slices"

	"github.com/chatd/chatd/internal/feed"
	"github.com/chatd/chatd/internal/sock"
)

// A session that moves leaves its reading window to show the end of the old room
// before it shows the new one. If the window ends before it has, the session is shown
// the rest itself: so what was said while somebody could hear it is never lost between
// two connections.

// behindMost is how many rooms a window may have to show the end of. A room that
// nobody is in any more is held for that, with up to ringBytes.
const behindMost = 4

// mayMove returns why the session cannot go to another room just now.
func (s *session) mayMove() error {
	w := s.paired()
	if w == nil {
		return nil
	}
	if w.shownAll() {
		s.behind.Store(nil)
		return nil
	}
	if list := s.behind.Load(); list != nil && len(*list) >= behindMost {
		return advise("your reading window has yet to show %d rooms that you left; let it, or /pair off", behindMost)
	}
	return nil
}

// shownAll tells whether the peer has all that is due, as far as that can be known.
// Any goroutine may ask.
func (s *session) shownAll() bool {
	var prober sock.Prober
	h, _ := prober.Probe(s.conn)
	return s.out.Parked().IsZero() && s.taken(h) >= s.out.Written()
}

// leaveBehind notes where the session left a room that its window shows. The room's
// broadcaster calls it.
func (s *session) leaveBehind(l leaving) {
	l.own = l.room.feedFor(format(s.format.Load()))
	for {
		list := s.behind.Load()
		all := []leaving{l}
		if list != nil {
			all = append(slices.Clip(*list), l)
		}
		if s.behind.CompareAndSwap(list, &all) {
			return
		}
	}
}

// feedFor is the feed in a format, which nobody has to read.
func (r *room) feedFor(f format) *feed.Feed {
	shown := r.ring.Feed(r.formats[f])
	r.readers[f]++
	r.unread(f)
	return shown
}

// showBehind shows the session a window belonged to the end of the rooms it has left,
// from the first line on that the window may not have got; unacked is how many bytes
// it was written in vain. It is for a window whose outlet is closed.
func (s *session) showBehind(unacked uint64) {
	a := s.writer
	list := a.behind.Swap(nil)
	if list == nil {
		return
	}
	for i := range *list {
		l := &(*list)[i]
		at, rest := s.out.Seen(l.feed, l.at, l.leaveOut, unacked)
		if at = notBefore(at.Before(rest), l.from); at.Index >= l.at.Index {
			continue
		}
		name := l.room.key.name
		if here := a.place.Load(); here != nil && here.room == l.room { // it came back, and may follow that feed
			if at.Seq < l.at.Seq {
				a.out.Post(a.line(fmt.Sprintf("of what was said in %s before, your reading window may lack #%d–#%d; /show %[2]d-%[3]d shows that",
					name, at.Seq+1, l.at.Seq)))
			}
			continue
		}
		a.out.Post(a.line("what your reading window may lack of " + name + ":"))
		end := l.at
		at.Offset, end.Offset = l.own.At(at.Index).Offset, l.own.At(end.Index).Offset
		a.out.Follow(l.own, at, l.leaveOut)
		a.out.Unfollow(l.own, end)
		a.out.PostAfter(feed.Mark{Ring: l.room.ring, Index: end.Index}, a.line(nowLine))
	}
}

// notBefore is the later one of two places in a ring.
func notBefore(at, first feed.Place) feed.Place {
	if at.Index < first.Index {
		return first
	}
	return at
}
