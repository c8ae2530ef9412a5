package client

import (
	"hash/maphash"
	"slices"
)

// room is a room that the client is in, or was until the connection was lost.
type room struct {
	name      string
	password  string
	topic     string
	locked    bool
	people    []Person
	more      int
	listening int

	in         bool // on this connection
	live       bool // what comes now is new
	refreshing bool // it was asked who is there

	seen  Position // up to where the room has come
	epoch uint64   // of what comes next
	reset Reset    // the last one told, if nothing was said since
	said  recall
}

// enter notes that the client is in the room now.
func (r *room) enter(o *object, password string) {
	r.name, r.password = o.Room, password
	r.topic, r.locked = o.Topic, o.Locked
	r.in, r.live = true, false
	if r.seen.IsZero() {
		r.seen, r.epoch = o.After, o.After.Epoch
	}
	r.meet(o)
}

// meet notes who is there.
func (r *room) meet(o *object) {
	n := min(len(o.People), peopleMost)
	r.people = slices.Clone(o.People[:n])
	r.more, r.listening = int(o.More)+len(o.People)-n, o.Listening
}

// hear notes a message, and tells whether it is one that has not come before.
func (r *room) hear(m *Message, seed maphash.Seed) (fresh bool) {
	if m.Epoch == r.seen.Epoch && m.Seq <= r.seen.Seq {
		return false
	}
	r.seen, r.epoch = m.Position, m.Epoch
	r.reset = Reset{}
	if m.Kind == KindTopic {
		r.topic = m.Text
	}
	m.Old = !r.live
	return !r.said.repeats(m, seed)
}

// skip notes that messages up to a number will not come.
func (r *room) skip(last uint64) {
	if p := (Position{Epoch: r.epoch, Seq: last}); p.Epoch != r.seen.Epoch || p.Seq > r.seen.Seq {
		r.seen = p
	}
}

// begin notes that numbers go on in another epoch, and tells whether that is news. The
// position seen stays until there is one in the new epoch: what numbers that begins
// with, only the server knows.
func (r *room) begin(e Reset) (fresh bool) {
	if r.reset == e {
		return false
	}
	r.epoch, r.reset = e.Epoch, e
	return true
}

// reach notes that all up to a position has come.
func (r *room) reach(p Position) {
	r.live = true
	if p.Epoch != r.seen.Epoch || p.Seq > r.seen.Seq {
		r.seen, r.epoch = p, p.Epoch
	}
}

// move notes who came or went.
func (r *room) move(p Presence) {
	at := slices.IndexFunc(r.people, func(x Person) bool { return x.Name == p.Name })
	switch p.What {
	case PersonJoined:
		switch {
		case at >= 0:
		case len(r.people) >= peopleMost:
			r.more++
		default:
			r.people = append(r.people, Person{Name: p.Name})
		}
	case PersonLeft:
		if at >= 0 {
			r.people = slices.Delete(r.people, at, at+1)
		} else {
			r.more = max(r.more-1, 0)
		}
	case PersonRenamed:
		if at >= 0 {
			r.people[at].Name = p.Now
		}
	}
}

// recallMost is how many messages of a room are remembered by what their authors
// called them.
const recallMost = 256

// recall remembers the last messages of a room. A server that breaks down may lose what
// everybody has seen; its author's program says that again, in the next epoch and under
// the same id, and nobody wants to read it twice.
type recall struct {
	last [recallMost]struct {
		epoch, hash uint64
	}
	next   int
	epochs int // how many there were
}

// repeats tells whether m was said in an earlier epoch already, and remembers it.
func (r *recall) repeats(m *Message, seed maphash.Seed) bool {
	if m.ID == "" {
		return false
	}
	hash := maphash.Comparable(seed, [3]string{m.ID, m.From, m.Text})
	newest := &r.last[(r.next+recallMost-1)%recallMost]
	if newest.epoch != m.Epoch {
		r.epochs++
	}
	if r.epochs > 1 {
		for _, x := range r.last {
			if x.hash == hash && x.epoch != m.Epoch && x.epoch != 0 {
				return true
			}
		}
	}
	r.last[r.next].epoch, r.last[r.next].hash = m.Epoch, hash
	r.next = (r.next + 1) % recallMost
	return false
}
