package feed

import (
	"fmt"
	"strings"
	"testing"
)

// mover is an outlet that moves between rings.
type mover struct {
	sink   *fakeSink
	out    *Outlet
	settle func() // lets the outlet write as far as the pace allows
	chats  []*chat
	seq    uint64
}

// newMover returns one that reads ring 0 and has begun its first record.
func newMover(t *testing.T, sink *fakeSink) *mover {
	m := &mover{sink: sink, out: NewOutlet(sink, func(err error) { t.Error(err) }), seq: 10}
	m.settle = func() { m.out.Flush(); m.sink.settle(m.out) }
	for id := range 3 {
		m.chats = append(m.chats, newChat(id, Limits{Records: 40, Bytes: 20 << 10}))
	}
	m.enter(0, 0)
	m.say(0, 1)
	return m
}

func (m *mover) feed(id int) *Feed { return m.chats[id].ring.Feed(m.chats[id].formats[0]) }

// say appends records to a ring and brings them.
func (m *mover) say(id, n int) {
	for range n {
		m.seq++
		m.chats[id].append(m.seq, 0, 1)
	}
	m.settle()
}

// enter follows a ring from so many records back on.
func (m *mover) enter(id, back int) { m.out.Follow(m.feed(id), m.feed(id).Back(back), nil) }

// leave unfollows a ring at its head and posts a line that stands after its end.
func (m *mover) leave(id int, line string) {
	m.out.Unfollow(m.feed(id), m.feed(id).Head())
	m.post(id, line)
}

// post posts a line that stands after what a ring holds now.
func (m *mover) post(id int, line string) {
	m.out.PostAfter(Mark{m.chats[id].ring, m.chats[id].ring.Head().Index}, []byte(line+"\n"))
}

// read lets all be written and returns the stream, with "2.5" for the sixth record
// of the third ring, and spaces between the lines.
func (m *mover) read() string {
	m.out.Flush()
	m.sink.settle(m.out)
	m.sink.give(m.out, -1)
	var all []string
	for line := range strings.Lines(string(m.sink.got)) {
		var id, format, index int
		if n, _ := fmt.Sscanf(line, "m %d %d %d", &id, &format, &index); n == 3 {
			line = fmt.Sprintf("%d.%d", id, index)
		}
		all = append(all, strings.TrimSpace(line))
	}
	return strings.Join(all, " ")
}

// paces are how an outlet's reader may read.
var paces = map[string]func(t *testing.T, do func(*mover)) string{
	"at once": func(t *testing.T, do func(*mover)) string {
		m := newMover(t, newFakeSink(-1))
		do(m)
		return m.read()
	},
	"not until the end": func(t *testing.T, do func(*mover)) string {
		m := newMover(t, newFakeSink(5))
		do(m)
		return m.read()
	},
	"slowly": func(t *testing.T, do func(*mover)) string {
		m := newMover(t, newFakeSink(5))
		m.settle = func() { m.out.Flush(); m.sink.settle(m.out); m.sink.give(m.out, 7) }
		do(m)
		return m.read()
	},
	"in copies": func(t *testing.T, do func(*mover)) string {
		sink := newFakeSink(-1)
		sink.copying, sink.piece = true, 3
		m := newMover(t, sink)
		do(m)
		return m.read()
	},
	"in copies, not until the end": func(t *testing.T, do func(*mover)) string {
		sink := newFakeSink(0)
		sink.copying = true
		m := newMover(t, sink)
		do(m)
		return m.read()
	},
	"all in one go": func(t *testing.T, do func(*mover)) string {
		m := newMover(t, newFakeSink(-1))
		if !m.out.turn.take() {
			t.Fatal("somebody writes")
		}
		m.settle = func() {}
		do(m)
		for !m.out.turn.release() {
		}
		return m.read()
	},
}

// moves are what an outlet does, and what it reads, at whatever pace.
var moves = []struct {
	name string
	do   func(m *mover)
	want string
}{
	{"a move", func(m *mover) {
		m.say(0, 2)
		m.leave(0, "to-1")
		m.say(0, 1)
		m.say(1, 1)
		m.enter(1, 0)
		m.say(1, 2)
		m.say(0, 1)
	}, "0.0 0.1 0.2 to-1 1.1 1.2"},
	{"the line is posted last", func(m *mover) {
		m.say(0, 2)
		m.out.Unfollow(m.feed(0), m.feed(0).Head())
		m.enter(1, 0)
		m.post(0, "to-1")
		m.say(1, 1)
	}, "0.0 0.1 0.2 to-1 1.0"},
	{"to what was said before", func(m *mover) {
		m.say(1, 5)
		m.say(0, 1)
		m.leave(0, "earlier-in-1:")
		m.enter(1, 3)
		m.post(1, "now:")
		m.say(1, 2)
		m.post(1, "aside")
	}, "0.0 0.1 earlier-in-1: 1.2 1.3 1.4 now: 1.5 1.6 aside"},
	{"twice", func(m *mover) {
		m.say(0, 1)
		m.leave(0, "to-1")
		m.enter(1, 0)
		m.say(1, 2)
		m.leave(1, "to-2")
		m.say(0, 1)
		m.say(1, 1)
		m.enter(2, 0)
		m.say(2, 2)
		m.say(1, 1)
	}, "0.0 0.1 to-1 1.0 1.1 to-2 2.0 2.1"},
	{"twice, and nothing was said", func(m *mover) {
		m.leave(0, "to-1")
		m.enter(1, 0)
		m.leave(1, "to-2")
		m.say(1, 1)
		m.enter(2, 0)
		m.say(2, 1)
	}, "0.0 to-1 to-2 2.0"},
	{"twice, through what was said before", func(m *mover) {
		m.say(0, 1)
		m.say(1, 4)
		m.leave(0, "earlier-in-1:")
		m.enter(1, 3)
		m.post(1, "now:")
		m.say(1, 1)
		m.leave(1, "to-2")
		m.say(1, 1)
		m.enter(2, 0)
		m.say(2, 1)
	}, "0.0 0.1 earlier-in-1: 1.1 1.2 1.3 now: 1.4 to-2 2.0"},
	{"there and back", func(m *mover) {
		m.say(0, 1)
		m.leave(0, "to-1")
		m.enter(1, 0)
		m.say(1, 1)
		m.say(0, 1)
		m.leave(1, "to-0")
		m.say(0, 1)
		m.enter(0, 0)
		m.say(0, 2)
		m.say(1, 1)
	}, "0.0 0.1 to-1 1.0 to-0 0.4 0.5"},
	{"there and back, and what was said before is shown again", func(m *mover) {
		m.say(0, 1)
		m.leave(0, "to-1")
		m.enter(1, 0)
		m.say(0, 1)
		m.leave(1, "earlier-in-0:")
		m.enter(0, 3)
		m.post(0, "now:")
		m.say(0, 1)
	}, "0.0 0.1 to-1 earlier-in-0: 0.0 0.1 0.2 now: 0.3"},
	{"out and in", func(m *mover) {
		m.say(0, 1)
		m.leave(0, "out")
		m.enter(0, 0)
		m.say(0, 1)
	}, "0.0 0.1 out 0.2"},
	{"a line does not wait for a later visit", func(m *mover) {
		m.say(0, 1)
		m.post(0, "aside")
		m.leave(0, "to-1")
		m.enter(1, 0)
		m.say(1, 1)
		m.leave(1, "to-0")
		m.enter(0, 2)
		m.say(0, 1)
	}, "0.0 0.1 aside to-1 1.0 to-0 0.0 0.1 0.2"},
	{"an end beyond the last record", func(m *mover) {
		until := m.feed(0).Head()
		until.Index += 10
		m.out.Unfollow(m.feed(0), until)
		m.say(0, 1)
		m.enter(1, 0)
		m.say(1, 1)
	}, "0.0 1.0"},
	{"an end before what was read", func(m *mover) {
		m.out.Unfollow(m.feed(0), Place{})
		m.enter(1, 0)
		m.say(0, 1)
		m.say(1, 1)
	}, "0.0 1.0"},
	{"an end that is brought forward", func(m *mover) {
		m.out.Unfollow(m.feed(0), m.feed(0).Head())
		m.enter(1, 0)
		m.out.Unfollow(m.feed(0), Place{})
		m.say(1, 1)
	}, "0.0 1.0"},
}

// TestMove: who moves reads the end of one ring, the lines posted in between, and
// then the other ring, and the pace at which it reads changes nothing.
func TestMove(t *testing.T) {
	for _, move := range moves {
		for pace, play := range paces {
			t.Run(move.name+"/"+pace, func(t *testing.T) {
				if got := play(t, move.do); got != move.want {
					t.Errorf("got %q, want %q", got, move.want)
				}
			})
		}
	}
}

// TestMoveFarBehind: what a reader that is far behind sees of several rings. Who
// leaves one is held up in those alone that it follows afterwards.
func TestMoveFarBehind(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(m *mover) // the first record of ring 0 is begun
		want string
	}{
		"a ring followed before": {func(m *mover) {
			m.enter(1, 0)
			m.say(0, 1)
			m.say(1, 1)
			m.out.Unfollow(m.feed(0), m.feed(0).Head())
		}, "0.0 1.0 0.1"},
		"a ring followed before, and one after": {func(m *mover) {
			m.enter(1, 0)
			m.say(0, 1)
			m.say(1, 1)
			m.leave(0, "to-2")
			m.enter(2, 0)
			m.say(2, 1)
		}, "0.0 1.0 0.1 to-2 2.0"},
		"the later of two is left": {func(m *mover) {
			m.enter(1, 0)
			m.say(0, 1)
			m.say(1, 1)
			m.leave(1, "to-2")
			m.enter(2, 0)
			m.say(2, 1)
		}, "0.0 1.0 to-2 0.1 2.0"},
		"an end that is brought forward": {func(m *mover) {
			m.say(0, 3)
			m.out.Unfollow(m.feed(0), m.feed(0).Head())
			m.enter(1, 0)
			m.say(1, 1)
			m.out.Unfollow(m.feed(0), m.feed(0).Back(1))
		}, "0.0 0.1 0.2 1.0"},
		"an end that is put off": {func(m *mover) {
			m.say(0, 1)
			m.out.Unfollow(m.feed(0), m.feed(0).Head())
			m.say(0, 1)
			m.out.Unfollow(m.feed(0), m.feed(0).Head())
		}, "0.0 0.1"},
		"a line about a ring that has ended": {func(m *mover) {
			m.enter(1, 0)
			m.say(0, 1)
			m.say(1, 1)
			m.out.Unfollow(m.feed(0), Place{})
			m.post(0, "aside")
		}, "0.0 aside 1.0"},
		"a line about a ring that is not followed": {func(m *mover) {
			m.say(0, 1)
			m.say(1, 1)
			m.post(1, "aside")
		}, "0.0 aside 0.1"},
		"a line about a ring that is followed later": {func(m *mover) {
			m.say(0, 1)
			m.say(1, 1)
			m.post(1, "aside")
			m.enter(1, 1)
		}, "0.0 aside 1.0 0.1"},
		"lines about several rings": {func(m *mover) {
			m.enter(1, 0)
			m.say(0, 2)
			m.say(1, 2)
			m.post(1, "aside-in-1")
			m.post(0, "aside-in-0")
			m.out.Post([]byte("by-the-way\n"))
			m.say(0, 1)
			m.say(1, 1)
		}, "0.0 1.0 1.1 aside-in-1 0.1 0.2 aside-in-0 by-the-way 1.2 0.3"},
		"a line about a third ring": {func(m *mover) {
			m.enter(1, 0)
			m.say(1, 2)
			m.post(1, "aside-in-1")
			m.say(1, 1)
			m.leave(0, "to-2") // stands behind the line before, and ring 2 behind both
			m.enter(2, 0)
			m.say(2, 1)
		}, "0.0 1.0 1.1 aside-in-1 to-2 1.2 2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMover(t, newFakeSink(5))
			test.do(m)
			if got := m.read(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if !m.out.turn.free() || m.out.posted.Load() || len(m.out.waits) > 0 {
				t.Error("something is still due")
			}
		})
	}
}

// TestMoveGap: what was missed of the rings left is told in its place.
func TestMoveGap(t *testing.T) {
	m := newMover(t, newFakeSink(5))
	m.say(0, 3) // #12 to #14
	m.leave(0, "to-1")
	m.enter(1, 0)
	m.say(1, 2) // #15 and #16
	m.leave(1, "to-2")
	m.enter(2, 0)
	m.say(2, 1)
	m.say(0, 1000)
	m.say(1, 1000)
	if got, want := m.read(), "0.0 g 0 0 3 12 14 to-1 g 1 0 2 11 16 to-2 2.0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(m.out.cursors) != 1 {
		t.Errorf("it follows %d rings", len(m.out.cursors))
	}
}

// TestLineAfterWhatIsNotShown: a line does not stay behind when all that it waits for
// is left out.
func TestLineAfterWhatIsNotShown(t *testing.T) {
	m := newMover(t, newFakeSink(-1))
	m.out.Mask(m.feed(0), []uint32{5, 6})
	m.chats[0].append(100, 5, 1) // not brought yet
	m.post(0, "aside")
	if got, want := string(m.sink.got), "m 0 0 0 x\naside\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestLineAfterAnOrder: a line does not overtake an order that was given before it,
// though the writer comes to the line first.
func TestLineAfterAnOrder(t *testing.T) {
	m := newMover(t, newFakeSink(-1))
	m.chats[1].append(100, 0, 1)
	m.out.Mask(m.feed(0), []uint32{5})
	m.chats[0].formats[0].Gap = func(dst []byte, _ Gap) []byte { // the writer is about to look into the mailbox
		m.enter(1, 1)
		m.post(1, "now:")
		return dst
	}
	for range 1000 {
		m.chats[0].append(uint64(11+len(m.chats[0].all)), 5, 1)
	}
	if got, want := m.read(), "0.0 1.0 now:"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
