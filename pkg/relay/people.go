package relay

import (
	"slices"
	"time"
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
	r.notice(was + " is now " + now)
}

// census is who is here, at most so many by name.
func (r *room) census(most int) (c census) {
	for _, m := range r.members {
		switch {
		case m.name == "":
			c.listening++
		case len(c.names) >= most:
			c.more++
		case m.away:
			c.names = append(c.names, m.name+" (away)")
		default:
			c.names = append(c.names, m.name)
		}
	}
	slices.Sort(c.names)
	return c
}
