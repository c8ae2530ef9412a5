package relay

import (
	"cmp"
	"container/list"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// ticketTime is for how long a seat that was left may be taken again.
	ticketTime = 24 * time.Hour
	// ticketsMost is how many seats that were left are remembered, about 10 MB. The
	// oldest go first, and before them those on which nobody ever typed a line.
	ticketsMost = 20_000
	// savesMost is how many tickets at once the registry is asked to save, so that it
	// can keep many with one sync when a whole crowd leaves.
	savesMost = 32
)

// codeLetters are the letters of codes: none is taken for another in a terminal.
// There are 32 of them, so each is worth five bits.
const codeLetters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

// newCode is a secret of 40 random bits that a person can type.
func newCode() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	for i := range b {
		b[i] = codeLetters[b[i]%32]
	}
	return string(b[:4]) + "-" + string(b[4:])
}

// codeHash is by what a code is found, however its letters were typed: the code
// itself is not kept.
func codeHash(code string) string {
	plain := strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToUpper(code))
	sum := sha256.Sum256([]byte(plain))
	return hex.EncodeToString(sum[:])
}

// seat is a session's place in the chat, which it may leave and take again.
// All of it is guarded by tickets.mu but left.
type seat struct {
	Ticket
	session *session      // who sits there; nil: it was left
	left    chan struct{} // closed when it was left and Ticket says what was seen there
	spoken  bool          // the registry is to know of it
	over    bool          // its code was used, or is good for nothing any more

	entry *list.Element // in tickets.spoken or tickets.silent; nil: somebody sits there

	// What the registry knows.
	known   bool // it may have the ticket
	changed bool // something else than what is held here
	queued  bool // in tickets.due
	saving  bool // being saved right now
}

// tickets are the seats that may be taken again, found by their codes.
type tickets struct {
	srv *Server

	mu     sync.Mutex
	byHash map[string]*seat
	spoken list.List // seats that were left, the oldest first
	silent list.List // those of them on which nobody ever typed a line
	due    []*seat   // to be saved, or deleted
	savers int       // goroutines that do so
}

// newTickets remembers the seats of an earlier time.
func newTickets(srv *Server, kept []Ticket) *tickets {
	t := &tickets{srv: srv, byHash: make(map[string]*seat)}
	kept = slices.Clone(kept)
	slices.SortFunc(kept, func(a, b Ticket) int {
		return cmp.Or(a.Expires.Compare(b.Expires), strings.Compare(a.Hash, b.Hash))
	})
	for _, one := range kept {
		x := &seat{Ticket: one, spoken: true, known: true, left: make(chan struct{})}
		close(x.left)
		t.byHash[one.Hash] = x
		x.entry = t.spoken.PushBack(x)
	}
	return t
}

// issue gives s a seat and returns its code.
func (t *tickets) issue(s *session) (x *seat, code string) {
	code = t.srv.code()
	x = &seat{
		Ticket:  Ticket{Hash: codeHash(code)},
		session: s, left: make(chan struct{}),
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byHash[x.Hash] = x
	return x, code
}

// occupy gives s the seat that belongs to a secret of its own, which stays the same
// for all its connections. before is the seat as it was left, nil if there was none;
// if somebody sits there still, that is the session returned, and before is known only
// when it has left.
func (t *tickets) occupy(secret string, s *session) (x, before *seat, other *session) {
	hash := codeHash(secret)
	t.mu.Lock()
	defer t.mu.Unlock()
	before = t.byHash[hash]
	x = &seat{Ticket: Ticket{Hash: hash}, session: s, left: make(chan struct{})}
	t.byHash[hash] = x
	if before == nil {
		return x, nil, nil
	}
	x.known, x.spoken = before.known, before.spoken
	if before.entry != nil {
		t.listOf(before).Remove(before.entry)
		before.entry = nil
	}
	return x, before, before.session
}

// update notes what is to be known of a seat on which somebody sits, should the
// server end without warning.
func (t *tickets) update(x *seat, change func(*Ticket), spoken bool) {
	now := t.srv.clock()
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&x.Ticket)
	x.Expires = now.Add(ticketTime)
	if x.spoken = x.spoken || spoken; x.spoken {
		t.save(x)
	}
}

// leave notes that the session has left its seat, and what it had seen.
func (t *tickets) leave(x *seat, change func(*Ticket), spoken bool) {
	now := t.srv.clock()
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&x.Ticket)
	x.Expires = now.Add(ticketTime)
	x.session = nil
	x.spoken = x.spoken || spoken
	close(x.left)
	if t.byHash[x.Hash] != x {
		return // it is good for nothing
	}
	if x.spoken {
		x.entry = t.spoken.PushBack(x)
		if !x.over {
			t.save(x)
		}
	} else {
		x.entry = t.silent.PushBack(x)
	}
	t.prune(now)
}

// drop has the code of a seat be good for nothing. Nobody sits there any more.
func (t *tickets) drop(x *seat) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x.session = nil
	close(x.left)
	t.remove(x)
}

// prune forgets seats that have expired, and the oldest of too many.
func (t *tickets) prune(now time.Time) {
	for _, l := range []*list.List{&t.silent, &t.spoken} {
		for e := l.Front(); e != nil; e = l.Front() {
			x := e.Value.(*seat)
			if now.Before(x.Expires) && t.silent.Len()+t.spoken.Len() <= ticketsMost {
				break
			}
			t.remove(x)
		}
	}
}

// remove forgets a seat.
func (t *tickets) remove(x *seat) {
	delete(t.byHash, x.Hash)
	if x.entry != nil {
		t.listOf(x).Remove(x.entry)
		x.entry = nil
	}
	x.over = true
	t.save(x)
}

func (t *tickets) listOf(x *seat) *list.List {
	if x.spoken {
		return &t.spoken
	}
	return &t.silent
}

// take returns the seat with a code, for s to take, and uses up the code. If
// somebody sits there, that is the session returned. known tells that there is, or
// was, such a code.
func (t *tickets) take(code string, s *session) (x *seat, other *session, known bool, err error) {
	now := t.srv.clock()
	t.mu.Lock()
	defer t.mu.Unlock()
	x = t.byHash[codeHash(code)]
	switch {
	case x == nil:
		return nil, nil, false, advice("no seat has that code; a code works once, for 24 hours after the seat was left")
	case x.over:
		return nil, nil, true, advice("that code was used already; the seat it opened has a code of its own")
	case x.session == s:
		return nil, nil, true, advice("that is the code of this very connection; it is for after a break")
	case x.session == nil && !now.Before(x.Expires):
		return nil, nil, true, advice("that code has expired: it worked for 24 hours after the seat was left")
	}
	x.over = true
	t.save(x)
	return x, x.session, true, nil
}

// ticket is what is known of a seat.
func (t *tickets) ticket(x *seat) Ticket {
	t.mu.Lock()
	defer t.mu.Unlock()
	return x.Ticket
}

// save has the registry know what is held here, soon. t.mu is held. Who calls it is
// a session that has not ended: so a saver begins before Shutdown waits for all.
func (t *tickets) save(x *seat) {
	if x.over && !x.known {
		return
	}
	x.changed = true
	if x.queued || x.saving {
		return
	}
	x.queued = true
	t.due = append(t.due, x)
	if t.savers < savesMost {
		t.savers++
		t.srv.running.Go(t.saveDue)
	}
}

// saveDue saves what is due, one after the other, until nothing is.
func (t *tickets) saveDue() {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer func() { t.savers-- }()
	for len(t.due) > 0 {
		x := t.due[0]
		t.due = t.due[1:]
		x.queued, x.changed, x.saving, x.known = false, false, true, true
		one, over := x.Ticket, x.over
		t.mu.Unlock()
		err := t.keep(one, over)
		t.mu.Lock()
		if x.saving = false; x.changed {
			t.queue(x)
		}
		if err != nil && t.srv.life.Err() != nil {
			t.due = nil // a stop does not wait for a disk that is stuck
			return
		}
	}
	t.due = nil
}

// queue puts a seat that has changed while it was saved behind the others.
func (t *tickets) queue(x *seat) {
	x.queued = true
	t.due = append(t.due, x)
}

// keep has the registry keep a ticket, or forget it. It does not depend on the
// server's life: the last seats are left as it ends.
func (t *tickets) keep(one Ticket, over bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), keepTime)
	defer cancel()
	var err error
	if over {
		err = t.srv.registry.DeleteTicket(ctx, one.Hash)
	} else {
		err = t.srv.registry.SaveTicket(ctx, one)
	}
	if err != nil {
		t.srv.log.Error().Err(err).Msg("a ticket could not be saved")
	}
	return err
}
