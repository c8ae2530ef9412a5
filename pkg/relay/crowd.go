package relay

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/name"
	"github.com/chatd/chatd/internal/wire"
)

const (
	// crowdWindow is how often at most a room is told who came and went. One who
	// comes alone is told at once; in a storm all of a second are one line.
	crowdWindow = time.Second
	// crowdNames is up to how many are told by name.
	crowdNames = 3
	// crowdSoon is how long after one notice another one may be told before its time,
	// so that nobody is heard before being announced. In a storm more than crowdNames
	// have gathered by then.
	crowdSoon = crowdWindow / 5
)

// crowd gathers arrivals and departures. It belongs to a broadcaster.
type crowd struct {
	told         time.Time // when the last notice was told
	timer        *time.Timer
	joined, left tally
	how          string // the last one who left did so
	unsaid       int
}

// tally counts people and keeps the first few names.
type tally struct {
	n     int
	names []string
}

func (t *tally) add(who string) {
	if t.n++; t.n <= crowdNames {
		t.names = append(t.names, who)
	}
}

// String is how many, or who if they are few.
func (t *tally) String() string {
	switch {
	case t.n > crowdNames:
		return fmt.Sprint(t.n)
	case t.n == 1:
		return t.names[0]
	}
	return strings.Join(t.names[:t.n-1], ", ") + " and " + t.names[t.n-1]
}

func newCrowd() crowd {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return crowd{timer: t}
}

func (c *crowd) stop() { c.timer.Stop() }

// tellArrival tells the room that m is there: now, or with others soon, and then
// m learns at once that it has its name.
func (r *room) tellArrival(m *member) {
	now := time.Now()
	if r.crowd.quiet(now) {
		r.presence(wire.Came, tagCrowd, m.name, "", m.name+" joined")
		return
	}
	r.crowd.joined.add(m.name)
	if !name.IsGuest(m.name) && m.session.program == nil {
		text := wire.Text{EOL: m.format.eol()}
		m.out.Post(text.AppendNotice(nil, "you are "+m.name))
	}
}

// depart tells the room that who has left, how, and whether some of what was
// sent was not said.
func (r *room) depart(who, how string, unsaid bool) {
	now := time.Now()
	if r.crowd.quiet(now) {
		text := who + " " + how
		if unsaid {
			text += "; the rest of what " + who + " sent was not said"
		}
		r.presence(wire.Went, tagCrowd, who, "", text)
		return
	}
	r.crowd.left.add(who)
	r.crowd.how = how
	if unsaid {
		r.crowd.unsaid++
	}
}

// quiet tells whether a notice may be told at once. If not, the timer runs.
func (c *crowd) quiet(now time.Time) bool {
	pending := c.joined.n + c.left.n
	if since := now.Sub(c.told); pending > 0 || since < crowdWindow {
		if pending == 0 {
			c.timer.Reset(crowdWindow - since)
		}
		return false
	}
	c.told = now
	return true
}

// announce tells at once that who has come, who is about to be heard, if few have
// gathered.
func (r *room) announce(who []byte) {
	c := &r.crowd
	if c.joined.n == 0 || c.joined.n > crowdNames || !slices.Contains(c.joined.names, string(who)) {
		return
	}
	if now := time.Now(); now.Sub(c.told) >= crowdSoon {
		r.tellCrowd(now)
	}
}

// tellCrowd tells what has gathered, in one line.
func (r *room) tellCrowd(now time.Time) {
	c := &r.crowd
	if c.joined.n+c.left.n == 0 {
		return
	}
	var parts []string
	if c.joined.n > 0 {
		parts = append(parts, c.joined.String()+" joined")
	}
	switch {
	case c.left.n == 1:
		parts = append(parts, c.left.String()+" "+c.how)
	case c.left.n > 1:
		parts = append(parts, c.left.String()+" left")
	}
	text := strings.Join(parts, ", ")
	if c.unsaid > 0 {
		text += fmt.Sprintf("; the rest of what %d of them sent was not said", c.unsaid)
	}
	kind, who := wire.Crowd, ""
	switch {
	case c.joined.n == 1 && c.left.n == 0:
		kind, who = wire.Came, c.joined.names[0]
	case c.joined.n == 0 && c.left.n == 1:
		kind, who = wire.Went, c.left.names[0]
	}
	c.joined, c.left, c.unsaid, c.told = tally{}, tally{}, 0, now
	r.presence(kind, tagCrowd, who, "", text)
}
