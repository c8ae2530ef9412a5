package relay

import (
	"slices"
	"strings"
	"time"

	"github.com/chatd/chatd/internal/wire"
)

const (
	// idsRemembered is how many ids a room remembers, and how many of the last messages
	// in its history are looked at for some.
	idsRemembered = 4096
	// receiptsDue is how many messages of one program may wait for their receipts:
	// what fits into a mailbox, twice over.
	receiptsDue = 16
)

// requestSay says something in a room.
func (s *session) requestSay(q *request) error {
	m, err := s.inRoom(q.Room)
	if err != nil {
		return err
	}
	if err := s.judgeText(q.Text); err != nil {
		return err
	}
	if err := s.muted("that was not said"); err != nil {
		return faulty("muted", err)
	}
	var x *receipt
	if q.ID != "" {
		if x, err = s.receipt(m, q.ID); err != nil {
			return nil // it ends
		}
	}
	kind := wire.Say
	if q.Act {
		kind = wire.Act
	}
	s.sayWith(kind, []byte(q.Text), x)
	return nil
}

// judgeText returns why a text cannot be said, or nil.
func (s *session) judgeText(text string) error {
	switch most := s.srv.cfg.MaxLine; {
	case strings.TrimSpace(text) == "":
		return &fault{"empty", advice("there is nothing in that text; nothing was said")}
	case len(text) > most:
		return &fault{"too-long", advise("a text has at most %d bytes, and that has %d; nothing was said", most, len(text))}
	}
	return nil
}

// receipt is what a program is told of a message that has an id.
type receipt struct {
	session *session
	format  format
	id      string
	room    string
	at      place
}

// receipt makes one, once so few are due that all of them fit into the mailbox. It
// fails if the session ends first.
func (s *session) receipt(m *member, id string) (*receipt, error) {
	p := s.program
	if p.receipts == nil {
		p.receipts = make(chan struct{}, receiptsDue)
	}
	if err := s.out.Spare(s.done, spareForReceipts); err != nil {
		return nil, err
	}
	select {
	case p.receipts <- struct{}{}:
	case <-s.done:
		return nil, errUsage
	}
	return &receipt{session: s, format: format(s.format.Load()), id: id, room: m.room.key.name}, nil
}

// spareForReceipts is how much of the mailbox has to be free before another message
// is said, in bytes.
const spareForReceipts = 8 << 10

// post tells the program, and ends it if it does not read.
func (x *receipt) post(object any) {
	if !x.session.out.Post(x.format.encode(object)) {
		x.session.end(endDeaf)
	}
}

// receiptTime is how long a program that ends waits for the receipts that are due.
const receiptTime = 2 * time.Second

// awaitReceipts waits until what a program has said is stored, and it has been told,
// if it ends in peace: who pipes its requests in has no more to send, and reads on.
func (s *session) awaitReceipts(c *cause) {
	if s.program == nil || s.program.receipts == nil || c.dead {
		return
	}
	t := time.NewTimer(receiptTime)
	defer t.Stop()
	for range cap(s.program.receipts) {
		select {
		case s.program.receipts <- struct{}{}:
		case <-t.C:
			return
		case <-s.srv.killed:
			return
		}
	}
}

// said tells that a message has its number.
func (x *receipt) said(at place, repeated bool) {
	x.at = at
	x.post(receiptObject{kind: kind{"said"}, ID: quoted(x.id), Room: quoted(x.room), place: at, Repeated: repeated})
}

// stored tells that a message is kept, or that it is not. It is the last.
func (x *receipt) stored(err error) {
	defer func() { <-x.session.program.receipts }()
	if err != nil {
		x.post(errorObject{
			kind: kind{"error"}, Code: "not-stored", Room: quoted(x.room), answer: answer{quoted(x.id)},
			Text: "it was said, and will not be found in the history: " + quoted(harmless(err.Error())),
		})
		return
	}
	x.post(receiptObject{kind: kind{"stored"}, ID: quoted(x.id), Room: quoted(x.room), place: x.at})
}

// ids are those of a room's last messages that have one. They belong to the
// broadcaster.
type ids struct {
	known  map[string]uint64 // numbers, by id
	order  []named           // oldest first
	loaded bool              // those from before the room began are among them
}

type named struct {
	id  string
	seq uint64
}

// find returns the number of the message that an id was given to.
func (d *ids) find(id string) (seq uint64, ok bool) {
	seq, ok = d.known[id]
	return seq, ok
}

// add notes an id, and forgets those that are too old.
func (d *ids) add(id string, seq uint64) {
	for len(d.order) >= idsRemembered {
		delete(d.known, d.order[0].id)
		d.order = d.order[1:]
	}
	if d.known == nil {
		d.known = make(map[string]uint64)
	}
	d.known[id] = seq
	d.order = append(d.order, named{id, seq})
}

// load adds ids from before the room began, oldest first.
func (d *ids) load(before []named) {
	if d.loaded {
		return
	}
	d.loaded = true
	after := d.order
	d.order = nil
	for _, n := range append(before, after...) {
		d.add(n.id, n.seq)
	}
}

// earlierIDs reads the ids of a room's last messages in the history.
func (s *session) earlierIDs(room string, last uint64) []named {
	var list []named
	for next, left := last+1, idsRemembered; left > 0; {
		ctx, cancel := s.recalling()
		page, err := s.srv.journal.Before(ctx, room, next, min(left, recallPage*4))
		cancel()
		if err != nil || len(page) == 0 {
			break
		}
		for i := len(page) - 1; i >= 0; i-- {
			if m := &page[i]; len(m.ID) > 0 {
				list = append(list, named{string(m.ID), m.Seq})
			}
		}
		next, left = page[0].Seq, left-len(page)
	}
	slices.Reverse(list)
	return list
}

// repeated answers for a message that was said before.
func (r *room) repeated(x *receipt, seq uint64) {
	if x == nil {
		return
	}
	x.said(place{r.journal.Epoch(), seq}, true)
	r.srv.running.Go(func() {
		err := r.journal.Sync(r.srv.life)
		x.stored(err)
	})
}

// requestDirect says something to one person only.
func (s *session) requestDirect(q *request) error {
	if q.To == "" {
		return &fault{"missing", advice("direct needs to, the name of a person")}
	}
	if err := s.judgeText(q.Text); err != nil {
		return err
	}
	_, err := s.whisper(q.To, q.Text)
	return err
}

// leavesOutOwn tells whether the session does not want what it says itself.
func (s *session) leavesOutOwn() bool { return slices.Contains(s.unseen, s.tag) }
