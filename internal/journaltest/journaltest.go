// Package journaltest is what every relay.Journal is held to, whatever it keeps
// messages in: the contract of the interface as tests.
package journaltest

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/chatd/chatd/pkg/relay"
)

// Subject is a kind of journal under test.
type Subject struct {
	// New prepares a journal that has nothing yet, and returns what opens it: once,
	// and again after each Close.
	New func(t *testing.T) (open func(relay.Keep) relay.Journal)
	// Persists tells that what was kept is there again when it is opened again.
	Persists bool
}

// sweeper is a journal that can be told to delete, now, what Keep does not keep.
type sweeper interface {
	Sweep(context.Context) error
}

// Run holds journals of a kind to the contract.
func Run(t *testing.T, s Subject) {
	for name, test := range map[string]func(*testing.T, *rig){
		"Empty":           testEmpty,
		"Order":           testOrder,
		"Bytes":           testBytes,
		"Paging":          testPaging,
		"Since":           testSince,
		"Search":          testSearch,
		"SearchPages":     testSearchPages,
		"Rooms":           testRooms,
		"Forget":          testForget,
		"Stored":          testStored,
		"OutOfOrder":      testOutOfOrder,
		"Copied":          testCopied,
		"Concurrent":      testConcurrent,
		"KeepCount":       testKeepCount,
		"KeepAge":         testKeepAge,
		"Epoch":           testEpoch,
		"ContextIsDone":   testContextIsDone,
		"ClosedWithQueue": testClosedWithQueue,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, &rig{T: t, persists: s.Persists, place: s.New(t)})
		})
	}
}

// rig is one journal and what is said to it.
type rig struct {
	*testing.T
	relay.Journal
	place    func(relay.Keep) relay.Journal
	persists bool
	open     bool
}

// start opens the journal, and closes it when the test ends.
func (r *rig) start(keep relay.Keep) {
	r.Helper()
	r.Journal, r.open = r.place(keep), true
	r.Cleanup(r.stop)
}

func (r *rig) stop() {
	r.Helper()
	if !r.open {
		return
	}
	r.open = false
	if err := r.Close(); err != nil {
		r.Errorf("Close: %v", err)
	}
}

func (r *rig) ctx() context.Context { return r.Context() }

// noon is when the tests' first message is said; each follows a second later.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC).UnixNano()

// say appends a message with the next number of its room, and returns it as it is
// to be read again.
func (r *rig) say(room, author, text string) relay.Message {
	seq := r.Last(room) + 1
	m := relay.Message{
		Room: room, Position: relay.Position{Epoch: r.Epoch(), Seq: seq},
		Time: noon + int64(seq)*int64(time.Second), Author: []byte(author), Text: []byte(text),
	}
	if seq%3 == 0 { // programs give theirs ids
		m.ID = fmt.Appendf(nil, "id of %d", seq)
	}
	r.Append(&m, nil)
	return m
}

// sayMany says n messages, "message 1" and so on.
func (r *rig) sayMany(room string, n int) []relay.Message {
	list := make([]relay.Message, n)
	for i := range list {
		list[i] = r.say(room, "ana", fmt.Sprintf("message %d", i+1))
	}
	return list
}

// all is everything there is of a room.
func (r *rig) all(room string) []relay.Message {
	r.Helper()
	list, err := r.From(r.ctx(), room, 0, math.MaxInt32)
	if err != nil {
		r.Fatalf("From(%q, 0): %v", room, err)
	}
	return list
}

// first fails the test unless want is the lowest number kept of a room.
func (r *rig) first(room string, want uint64) {
	r.Helper()
	if got := r.First(room); got != want {
		r.Errorf("First(%q) is %d; want %d", room, got, want)
	}
}

func (r *rig) sync() {
	r.Helper()
	if err := r.Sync(r.ctx()); err != nil {
		r.Fatalf("Sync: %v", err)
	}
}

// sweep has the journal delete what it need not keep.
func (r *rig) sweep() {
	r.Helper()
	s, ok := r.Journal.(sweeper)
	if !ok {
		r.Fatalf("%T has no method Sweep(context.Context) error", r.Journal)
	}
	r.sync()
	if err := s.Sweep(r.ctx()); err != nil {
		r.Fatalf("Sweep: %v", err)
	}
}

// equal fails the test unless got and want are the same messages.
func (r *rig) equal(what string, got, want []relay.Message) {
	r.Helper()
	for i := range min(len(got), len(want)) {
		if g, w := show(got[i]), show(want[i]); g != w {
			r.Errorf("%s: message %d of %d is\n%s; want\n%s", what, i+1, len(got), g, w)
			return
		}
	}
	if len(got) != len(want) {
		r.Errorf("%s: %d messages; want %d", what, len(got), len(want))
	}
}

// show writes a message in a line.
func show(m relay.Message) string {
	return fmt.Sprintf("%q %d/%d %d kind %d %q %q: %q", m.Room, m.Epoch, m.Seq, m.Time, m.Kind, m.Author, m.ID, m.Text)
}

func texts(list []relay.Message) []string {
	var texts []string
	for _, m := range list {
		texts = append(texts, string(m.Text))
	}
	return texts
}
