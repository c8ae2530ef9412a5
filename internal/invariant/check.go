package invariant

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Checker gathers what a test's clients see.
type Checker struct {
	// Before is how many messages the relay had numbered before the first one
	// that was seen. It is set before Check, and counts only where clients are
	// not told the numbers.
	Before uint64

	began time.Time

	mu       sync.Mutex
	clients  []*Client
	observer *Client
	said     map[uint32]uint64
	kept     map[id]bool // nil: not told
}

// New returns a Checker that has seen nothing.
func New() *Checker { return &Checker{began: time.Now(), said: make(map[uint32]uint64)} }

// Client adds a connection with the given name.
func (c *Checker) Client(name string) *Client {
	cl := &Client{
		name: name, checker: c, latest: make(map[uint32]uint64), without: make(map[uint32]bool),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clients = append(c.clients, cl)
	return cl
}

// Observer says which client never lags and is there from the first message to
// the last: the others are compared with it. Without one, the order is made out
// of what all have seen, of which each message must have been seen by somebody.
func (c *Checker) Observer(cl *Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.observer = cl
}

// Said says that a sender has said its first n messages, and that none of them
// may be lost.
func (c *Checker) Said(sender uint32, n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said[sender] = max(c.said[sender], n)
}

// Kept says which messages were found stored afterwards.
func (c *Checker) Kept(messages ...Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		c.kept = make(map[id]bool)
	}
	for _, m := range messages {
		c.kept[m.id()] = true
	}
}

// Violation is a promise that was broken.
type Violation struct {
	Promise string // I1 to I5
	Client  string // "": nobody's in particular
	What    string
}

func (v Violation) Error() string {
	if v.Client == "" {
		return fmt.Sprintf("%s: %s", v.Promise, v.What)
	}
	return fmt.Sprintf("%s: %s %s", v.Promise, v.Client, v.What)
}

// Check returns what was broken by all that was seen so far.
func (c *Checker) Check() []Violation {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := &checking{Checker: c}
	for _, cl := range c.clients {
		cl.mu.Lock()
		defer cl.mu.Unlock()
		for _, what := range cl.torn {
			k.broken("I2", cl, "%s", what)
		}
	}
	k.refer()
	k.senders()
	for _, cl := range c.clients {
		k.client(cl)
	}
	return k.found
}

// checking is one call of Check.
type checking struct {
	*Checker
	found []Violation

	order []id       // all messages
	seqs  []uint64   // of order
	at    map[id]int // in order
}

func (k *checking) broken(promise string, cl *Client, format string, args ...any) {
	v := Violation{Promise: promise, What: fmt.Sprintf(format, args...)}
	if cl != nil {
		v.Client = cl.name
	}
	k.found = append(k.found, v)
}

// refer finds the order that all are compared with, and its numbers.
func (k *checking) refer() {
	if k.observer != nil {
		k.order = sequence(k.observer)
	} else {
		k.order = k.union()
	}
	k.at = make(map[id]int, len(k.order))
	for i, m := range k.order {
		k.at[m] = i
	}
	k.number()
}

// sequence is what a client saw, less gaps and repeats.
func sequence(cl *Client) []id {
	var seq []id
	seen := make(map[id]bool)
	for _, e := range cl.entries {
		if e.gaps == 0 && !seen[e.id] {
			seq = append(seq, e.id)
			seen[e.id] = true
		}
	}
	return seq
}

// union is an order in which all clients have seen their messages. What no
// client's sequence decides is left as it was found. If there is none, the
// longest sequence stands in for it.
func (k *checking) union() []id {
	var (
		all    []id
		before = make(map[id]int) // how many come directly before
		after  = make(map[id][]id)
	)
	for _, cl := range k.clients {
		var last *id
		for _, m := range sequence(cl) {
			if _, known := before[m]; !known {
				all, before[m] = append(all, m), 0
			}
			if last != nil && !slices.Contains(after[*last], m) {
				after[*last] = append(after[*last], m)
				before[m]++
			}
			last = &m
		}
	}
	var order, ready []id
	for _, m := range slices.Backward(all) {
		if before[m] == 0 {
			ready = append(ready, m)
		}
	}
	for len(ready) > 0 {
		m := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		order = append(order, m)
		for _, next := range after[m] {
			if before[next]--; before[next] == 0 {
				ready = append(ready, next)
			}
		}
	}
	if len(order) == len(all) {
		return order
	}
	k.broken("I1", nil, "there is no one order: %d of %d messages stand in a circle", len(all)-len(order), len(all))
	var longest []id
	for _, cl := range k.clients {
		if seq := sequence(cl); len(seq) > len(longest) {
			longest = seq
		}
	}
	return longest
}

// number gives each message its number: the one that clients were told, or, if
// they were told none, its place.
func (k *checking) number() {
	k.seqs = make([]uint64, len(k.order))
	for _, cl := range k.clients {
		for _, e := range cl.entries {
			i, known := k.at[e.id]
			switch {
			case e.gaps > 0 || e.seq == 0 || !known:
			case k.seqs[i] == 0:
				k.seqs[i] = e.seq
			case k.seqs[i] != e.seq:
				k.broken("I1", cl, "saw %v as #%d, another as #%d", e.id, e.seq, k.seqs[i])
			}
		}
	}
	last := k.Before
	for i, seq := range k.seqs {
		if seq == 0 {
			k.seqs[i] = last + 1
		} else if seq <= last {
			k.broken("I1", nil, "%v is #%d, the one before it #%d", k.order[i], seq, last)
		}
		last = k.seqs[i]
	}
}

// senders checks that what each sender said is in order, and all there.
func (k *checking) senders() {
	next := make(map[uint32]uint64)
	lost := make(map[uint32]uint64)
	for _, m := range k.order {
		switch last := next[m.sender]; {
		case m.n <= last:
			k.broken("I1", nil, "%v comes after %v", m, id{m.sender, last})
		case m.n > last+1:
			lost[m.sender] += m.n - last - 1
		}
		next[m.sender] = max(next[m.sender], m.n)
	}
	for s, n := range k.said {
		if n > next[s] {
			lost[s] += n - next[s]
		}
		if lost[s] > 0 {
			k.broken("I3", nil, "of the %d messages that %d said, %d were lost", n, s, lost[s])
		}
	}
}

// client checks what one client saw.
func (k *checking) client(cl *Client) {
	var (
		seen = make([]bool, len(k.order))
		last = -1 // place of the message seen last
		gaps []Gap
	)
	for _, e := range cl.entries {
		if e.gaps > 0 {
			gaps = append(gaps, cl.gaps[e.gaps-1])
			continue
		}
		i, known := k.at[e.id]
		switch {
		case !known:
			k.broken("I1", cl, "saw %v, which the observer did not", e.id)
			continue
		case seen[i]:
			k.broken("I4", cl, "saw %v again", e.id)
			continue
		case i < last:
			k.broken("I1", cl, "saw %v after %v", e.id, k.order[last])
			seen[i] = true
			continue
		}
		seen[i] = true
		k.between(cl, last, i, gaps)
		last, gaps = i, nil
	}
	switch {
	case cl.all:
		k.between(cl, last, len(k.order), gaps)
	case len(gaps) > 0: // what comes behind the last gap is not owed
		end, _ := slices.BinarySearch(k.seqs, gaps[len(gaps)-1].Last+1)
		k.between(cl, last, max(end, last+1), gaps)
	}
	for _, r := range cl.receipts {
		if _, said := k.at[r]; !said {
			k.broken("I5", cl, "was told that %v is stored, which nobody saw", r)
		}
		if k.kept != nil && !k.kept[r] {
			k.broken("I5", cl, "was told that %v is stored, which it is not", r)
		}
	}
}

// between checks that the gaps told between two places cover what is missing
// there, exactly. Before its first message a client is owed nothing.
func (k *checking) between(cl *Client, from, to int, gaps []Gap) {
	low, high := k.Before, ^uint64(0)
	if from >= 0 {
		low = k.seqs[from]
	}
	if to < len(k.seqs) {
		high = k.seqs[to]
	}
	next := from + 1  // the first that is not accounted for
	owed := from >= 0 // or a gap was told
	silent := func(to int) {
		n, first := 0, id{}
		for ; next < to; next++ {
			if m := k.order[next]; owed && !cl.without[m.sender] {
				if n++; n == 1 {
					first = m
				}
			}
		}
		if n > 0 {
			k.broken("I3", cl, "missed %d messages in silence, the first of them %v", n, first)
		}
	}
	for _, g := range gaps {
		if g.First > g.Last || g.First <= low || g.Last >= high {
			k.broken("I3", cl, "was told of a gap #%d–#%d between #%d and #%d", g.First, g.Last, low, high)
			return
		}
		begin, _ := slices.BinarySearch(k.seqs, g.First)
		end, _ := slices.BinarySearch(k.seqs, g.Last+1)
		if uint64(end-begin) != g.Count {
			k.broken("I3", cl, "was told of %d messages in the gap #%d–#%d, which has %d", g.Count, g.First, g.Last, end-begin)
		}
		silent(begin)
		owed, next, low = true, end, g.Last
	}
	silent(to)
}
