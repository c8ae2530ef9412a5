package feed

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// modelRings is how many rings an outlet moves between.
const modelRings = 3

// outletModel is an outlet that follows rings, moves between them and leaves out
// authors, and its checker.
type outletModel struct {
	checker
	sink *fakeSink
	out  *Outlet
	read int // bytes of sink.got that were checked
	err  error
	seq  uint64
	line int    // private lines made
	time uint64 // what the outlet was told, so far

	// What was ordered, though it may not have been carried out yet.
	format  [modelRings]int
	follows [modelRings]bool
}

func newOutletModel(t *rapid.T) *outletModel {
	m := &outletModel{seq: 10}
	for id := range modelRings {
		m.chats = append(m.chats, newChat(id, Limits{
			Records: rapid.SampledFrom([]int{4, 30, 200}).Draw(t, "records"),
			Bytes:   rapid.SampledFrom([]int64{8 << 10, 20 << 10, 60 << 10}).Draw(t, "bytes"),
		}))
	}
	m.following = make([][]*follower, modelRings)
	m.sink = newFakeSink(rapid.IntRange(-1, 300).Draw(t, "room"))
	m.sink.copying = rapid.IntRange(0, 3).Draw(t, "copying") == 0
	m.sink.piece = rapid.IntRange(1, 2000).Draw(t, "piece")
	m.out = NewOutlet(m.sink, func(err error) { panic(err) })
	return m
}

// check reads what the sink took.
func (m *outletModel) check(t *rapid.T) {
	if m.err == nil {
		m.err = m.feed(m.sink.got[m.read:])
	}
	if m.err != nil {
		t.Fatal(m.err)
	}
	m.read = len(m.sink.got)
	if waits := !m.out.Parked().IsZero(); waits != m.sink.waiting.Load() {
		t.Fatalf("the outlet says that it waits: %v; the sink waits: %v", waits, !waits)
	}
	if len(m.posts) > 0 && m.out.turn.free() {
		t.Fatalf("%.40q is left to nobody", m.posts[0].text)
	}
	if held := len(m.out.mailbox) + len(m.out.waits)*waitSize; held > mailboxSize && len(m.out.waits) > 1 {
		t.Fatalf("the mailbox takes %d bytes", held)
	}
	m.checkPins(t)
}

// checkPins fails if anything is pinned that nobody reads.
func (m *outletModel) checkPins(t *rapid.T) {
	for _, c := range m.chats {
		for _, format := range c.formats {
			for _, s := range *c.ring.Feed(format).segs.Load() {
				if n := s.pins.Load(); n != 0 {
					t.Fatalf("a segment is pinned %d times", n)
				}
			}
		}
	}
}

// order gives an order to do with a ring and has the model follow it at the moment
// at which it is carried out, by the test or by a drain.
func (m *outletModel) order(id int, do func(), after func()) {
	held := m.out.turn.take() // so that all of it is carried out in one go
	m.mark(func() error { return m.note(id) })
	do()
	m.mark(func() error { after(); return nil })
	for held && !m.out.turn.release() {
	}
	m.out.Flush()
	m.sink.settle(m.out)
}

// mark has do run between two orders, after the lines written until then were
// checked.
func (m *outletModel) mark(do func() error) {
	m.out.order(func() {
		err := m.feed(m.sink.got[m.read:])
		m.read = len(m.sink.got)
		if err == nil && len(m.rest) > 0 {
			err = fmt.Errorf("an order was carried out in the middle of %.80q", m.rest)
		}
		if err == nil {
			err = do()
		}
		if m.err == nil {
			m.err = err
		}
	})
}

// note moves the followers of a ring to where the outlet's cursors are: what was
// looked at under the old mask or in the old format is over.
func (m *outletModel) note(id int) error {
	var left []*follower
	for _, f := range m.following[id] {
		at := f.until
		for _, c := range m.out.cursors {
			if c.since == f.order {
				at = min(c.at.Index, f.until)
				left = append(left, f)
			}
		}
		if err := m.skip(id, f, at); err != nil {
			return err
		}
	}
	m.following[id] = left
	return nil
}

// followers are those of a ring that read the given feed.
func (m *outletModel) followers(id int, feed *Feed) (fs []*follower) {
	for _, f := range m.following[id] {
		if m.chats[id].formats[f.format] == feed.format {
			fs = append(fs, f)
		}
	}
	return fs
}

func (m *outletModel) drawChat(t *rapid.T) (int, *chat) {
	id := rapid.IntRange(0, modelRings-1).Draw(t, "ring")
	return id, m.chats[id]
}

func (m *outletModel) feedOf(id int) *Feed {
	c := m.chats[id]
	return c.ring.Feed(c.formats[m.format[id]])
}

func drawTags(t *rapid.T) []uint32 {
	return slices.Clone(rapid.SampledFrom([][]uint32{nil, {1}, {2}, {2, 1}, {3, 2, mute}}).Draw(t, "leave out"))
}

func (m *outletModel) append(t *rapid.T) {
	_, c := m.drawChat(t)
	for range rapid.IntRange(1, 20).Draw(t, "records") {
		var seq uint64
		if rapid.IntRange(0, 4).Draw(t, "counted") > 0 {
			m.seq += rapid.Uint64Range(1, 3).Draw(t, "step")
			seq = m.seq
		}
		tag := rapid.SampledFrom([]uint32{0, 1, 2, 3, mute}).Draw(t, "tag")
		c.append(seq, tag, rapid.SampledFrom([]int{0, 3, 50, 300, 3000, 9000}).Draw(t, "size"))
	}
}

// flush brings all that is due, if the sink is not full.
func (m *outletModel) flush(t *rapid.T) {
	m.out.Flush()
	m.sink.settle(m.out)
	if m.check(t); !m.out.turn.free() {
		return
	}
	if err := m.done(); err != nil {
		t.Fatal(err)
	}
}

func (m *outletModel) post(t *rapid.T) {
	id, c := m.drawChat(t)
	m.postAfter(t, id, Mark{c.ring, rapid.Uint64Range(0, uint64(len(c.all))+5).Draw(t, "after")})
}

func (m *outletModel) postPlain(t *rapid.T) { m.postAfter(t, 0, Mark{}) }

func (m *outletModel) postAfter(t *rapid.T, id int, after Mark) {
	m.line++
	line := fmt.Sprintf("p %06d %s\n", m.line, strings.Repeat("y", rapid.SampledFrom([]int{0, 10, 500, 6000, 20000}).Draw(t, "size")))
	size := len(m.out.mailbox) + len(m.out.waits)*waitSize + len(line)
	if after.Ring != nil && !m.out.waitsFor(after) {
		size += waitSize
	}
	waits, full := m.sink.waiting.Load(), len(m.out.mailbox) > 0 && size > mailboxSize
	before := len(m.posts)
	m.time++
	p := private{
		text: line, ring: id, time: m.time, begun: m.lines,
		after: after.Index, there: min(after.Index, uint64(len(m.chats[id].all))),
	}
	if len(m.rest) > 0 {
		p.begun++
	}
	m.posts = append(m.posts, p)
	if !m.out.PostAfter(after, []byte(line)) {
		m.posts = m.posts[:before]
		if !waits || !full {
			t.Fatalf("a line was refused with %d bytes in the mailbox of an outlet that waits: %v", len(m.out.mailbox), waits)
		}
	} else if full {
		t.Fatal("a line was taken into a full mailbox")
	}
	m.sink.settle(m.out)
}

// follow follows a ring, or does so again while the outlet is still on its way
// to where it was to stop.
func (m *outletModel) follow(t *rapid.T) {
	if id, _ := m.drawChat(t); !m.follows[id] {
		m.enter(t, id)
	}
}

func (m *outletModel) enter(t *rapid.T, id int) {
	m.format[id] = rapid.IntRange(0, 1).Draw(t, "format")
	feed := m.feedOf(id)
	from := feed.Back(rapid.SampledFrom([]int{0, 0, 3, 40}).Draw(t, "back"))
	m.follows[id] = true
	m.time++
	f := newFollower(from.Index)
	f.format, f.leaveOut = m.format[id], drawTags(t)
	f.since, f.lines = m.time, m.seen+len(m.posts)
	m.order(id, func() { m.out.Follow(feed, from, f.leaveOut) }, func() {
		f.order = m.out.obeyed - 1 // this is the order after it
		m.following[id] = append(m.following[id], f)
	})
}

func (m *outletModel) unfollow(t *rapid.T) {
	id, _ := m.drawChat(t)
	m.leave(t, id)
}

func (m *outletModel) leave(t *rapid.T, id int) (until Place) {
	feed := m.feedOf(id)
	until = feed.Back(rapid.SampledFrom([]int{0, 0, 3}).Draw(t, "back"))
	m.follows[id] = false
	m.time++
	now := m.time
	m.order(id, func() { m.out.Unfollow(feed, until) }, func() {
		for _, f := range m.followers(id, feed) {
			if until.Index < f.until {
				f.until, f.ending = max(until.Index, f.at), min(f.ending, now)
			}
		}
	})
	return until
}

// move leaves a ring for another, which may be the same, with a line in between and
// one after what was said there before.
func (m *outletModel) move(t *rapid.T) {
	id, c := m.drawChat(t)
	to, there := m.drawChat(t)
	if !m.follows[id] || m.follows[to] && to != id {
		return
	}
	m.postAfter(t, id, Mark{c.ring, m.leave(t, id).Index})
	m.enter(t, to)
	m.postAfter(t, to, Mark{there.ring, there.ring.Head().Index})
}

func (m *outletModel) remask(t *rapid.T) {
	id, _ := m.drawChat(t)
	feed, tags := m.feedOf(id), drawTags(t)
	from := feed.Head().Index
	m.order(id, func() { m.out.Mask(feed, tags) }, func() {
		for _, f := range m.followers(id, feed) {
			f.masks = append(f.masks, mask{from, tags})
			for _, c := range m.out.cursors {
				if c.since == f.order && len(c.masks) == masksMost { // the last ones are one by now
					f.leaveOut, f.masks = c.leaveOut, slices.Clone(c.masks)
				}
			}
		}
	})
}

func (m *outletModel) change(t *rapid.T) {
	id, _ := m.drawChat(t)
	from := m.feedOf(id)
	m.format[id] = 1 - m.format[id]
	to, format := m.feedOf(id), m.format[id]
	m.order(id, func() { m.out.Switch(from, to) }, func() {
		for _, f := range m.followers(id, from) {
			f.format = format
		}
	})
}

func (m *outletModel) give(t *rapid.T) {
	m.sink.give(m.out, rapid.SampledFrom([]int{-1, 0, 1, 2, 17, 100, 1000, 5000, 50000}).Draw(t, "room"))
}

// checkOutlet does at random what may happen to an outlet.
func checkOutlet(t *rapid.T) {
	m := newOutletModel(t)
	defer func() { // also when the model fails
		m.out.Close()
		close(m.sink.closed)
		m.out.Wait()
	}()
	t.Repeat(map[string]func(*rapid.T){
		"":         m.check,
		"append":   m.append,
		"append 2": m.append,
		"append 3": m.append,
		"flush":    m.flush,
		"flush 2":  m.flush,
		"post":     m.postPlain,
		"post 2":   m.post,
		"follow":   m.follow,
		"unfollow": m.unfollow,
		"move":     m.move,
		"move 2":   m.move,
		"mask":     m.remask,
		"switch":   m.change,
		"give":     m.give,
		"give 2":   m.give,
	})
	m.sink.give(m.out, -1)
	m.flush(t)
	if !m.out.turn.free() {
		t.Fatal("the outlet waits for a sink that is not full")
	}
	if !m.out.Parked().IsZero() {
		t.Fatal("the outlet says that it waits")
	}
	if len(m.out.waits) > 0 {
		t.Fatalf("it remembers what %d lines waited for", len(m.out.waits))
	}
	if n := m.out.Written(); n != uint64(len(m.sink.got)) {
		t.Fatalf("%d bytes were written, %d counted", len(m.sink.got), n)
	}
}

func TestOutletModel(t *testing.T) { rapid.Check(t, checkOutlet) }

func FuzzOutlet(f *testing.F) { seed(f); f.Fuzz(rapid.MakeFuzz(checkOutlet)) }
