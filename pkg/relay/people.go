package relay

import (
	"slices"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/wire"
)

// arrive makes m known to the others as name.
func (r *room) arrive(m *member, name string) {
	m.name = name
	r.people.Add(1)
	r.tellArrival(m)
}

// rename tells the others that m has another name.
func (r *room) rename(m *member, was, now string) {
	if m.name == "" {
		return
	}
	m.name = now
	r.tellCrowd(time.Now()) // who has just come is known to the others before
	r.presence(wire.Renamed, 0, was, now, was+" is now "+now)
}

// census is who is here, at most so many by name.
func (r *room) census(most int) (c census) {
	for _, m := range r.members {
		switch {
		case m.name == "":
			c.listening++
		case len(c.people) >= most:
			c.more++
		default:
			c.people = append(c.people, someone{m.name, m.away})
		}
	}
	slices.SortFunc(c.people, func(a, b someone) int { return strings.Compare(a.name, b.name) })
	return c
}
