package feed

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// fakeSink takes as many bytes as it is told to, in one goroutine at a time. It
// keeps them. A copying one is like a connection that can only block: it takes
// nothing but from Drain, and copies before it waits.
type fakeSink struct {
	copying bool
	piece   int // bytes that a copying one takes at once

	// Written by the test while nobody writes, read by who writes.
	room int   // bytes until it is full; less than 0: it is never full
	err  error // what writing fails with

	resume  chan struct{} // room was made; never closed
	closed  chan struct{} // closed by the test
	waiting atomic.Bool
	busy    atomic.Bool

	got  []byte
	held int // bytes that were copied and have not left
}

func newFakeSink(room int) *fakeSink {
	return &fakeSink{room: room, resume: make(chan struct{}), closed: make(chan struct{}), piece: 100}
}

func (s *fakeSink) TryWrite(p []byte) (int, error) {
	if s.busy.Swap(true) {
		panic("two writers at once")
	}
	defer s.busy.Store(false)
	if s.copying {
		return 0, nil
	}
	return s.take(p)
}

func (s *fakeSink) take(p []byte) (int, error) {
	n := len(p)
	if s.room >= 0 {
		n = min(n, s.room)
		s.room -= n
	}
	s.got = append(s.got, p[:n]...)
	return n, s.err
}

// wait blocks until the test has made room.
func (s *fakeSink) wait() error {
	s.waiting.Store(true)
	select {
	case <-s.resume:
		return nil
	case <-s.closed:
		return net.ErrClosed
	}
}

func (s *fakeSink) Drain(peek func() ([]byte, error), took func(int)) error {
	if s.busy.Swap(true) {
		panic("two writers at once")
	}
	defer s.busy.Store(false)
	for {
		p, err := peek()
		if err != nil || len(p) == 0 {
			return err
		}
		if s.copying {
			s.got = append(s.got, p[:min(len(p), s.piece)]...)
			s.held = min(len(p), s.piece)
			took(s.held)
			for s.held > s.room && s.room >= 0 && s.err == nil {
				s.held -= s.room
				s.room = 0
				if err := s.wait(); err != nil {
					return err
				}
			}
			if s.room >= 0 {
				s.room -= s.held
			}
			if s.err != nil {
				return s.err
			}
			continue
		}
		n, err := s.take(p)
		took(n)
		if err != nil {
			return err
		}
		if n < len(p) {
			if err := s.wait(); err != nil {
				return err
			}
		}
	}
}

// settle waits until nobody writes, or who does waits for room.
func (s *fakeSink) settle(o *Outlet) {
	for !o.turn.free() && !s.waiting.Load() && !o.turn.closed() {
		runtime.Gosched()
	}
}

// give makes room and lets who waits for it go on.
func (s *fakeSink) give(o *Outlet, room int) {
	s.room = room
	if s.waiting.Swap(false) {
		s.resume <- struct{}{}
	}
	s.settle(o)
}

// chat is a ring whose records show in a stream what they are, so that a stream
// can be checked line by line.
type chat struct {
	ring    *Ring
	all     []said
	formats []*Format
}

// mute is a tag whose records chat's second format does not show.
const mute = 7

func newChat(id int, limits Limits) *chat {
	c := &chat{ring: NewRing(Place{Seq: 10}, limits, nil)}
	for f := range 2 {
		c.formats = append(c.formats, &Format{
			Render: func(dst []byte, r *Record) []byte {
				if f == 1 && r.Tag == mute {
					return dst
				}
				return append(append(fmt.Appendf(dst, "m %d %d %d ", id, f, r.Index), r.Text...), '\n')
			},
			Gap: func(dst []byte, g Gap) []byte {
				return fmt.Appendf(dst, "g %d %d %d %d %d\n", id, f, g.Missing, g.First, g.Last)
			},
		})
	}
	return c
}

func (c *chat) append(seq uint64, tag uint32, size int) {
	r := said{Index: uint64(len(c.all)), Tag: tag, Text: strings.Repeat("x", size)}
	if n := len(c.all); n > 0 {
		r.Ordinal = c.all[n-1].Ordinal
	}
	if seq != 0 {
		r.Ordinal++
		r.Seq = seq
	}
	c.ring.Append(&Record{Seq: seq, Tag: tag, Text: []byte(r.Text)})
	c.all = append(c.all, r)
}

// follower is what a checker knows of an outlet's place in a ring.
type follower struct {
	at, until uint64
	mask      uint32
	format    int
	gapped    bool // since the last record shown
}

// checker reads an outlet's stream and knows what must stand in it.
type checker struct {
	chats []*chat
	// following are the places in each ring. A second one begins where the first
	// has ended.
	following [][]*follower
	posts     []string // accepted, not seen yet
	rest      []byte   // a begun line
	gaps      int
}

// skip moves f to the record to and fails if one on the way should have been shown.
func (k *checker) skip(id int, f *follower, to uint64) error {
	c := k.chats[id]
	for ; f.at < to; f.at++ {
		r := &c.all[f.at]
		hidden := f.mask != 0 && r.Tag == f.mask || f.format == 1 && r.Tag == mute
		lost := r.Seq == 0 && (f.gapped || r.Index < c.ring.Feed(c.formats[f.format]).Tail().Index)
		if !hidden && !lost {
			return fmt.Errorf("ring %d: record %d (seq %d, tag %d) is missing before %d", id, r.Index, r.Seq, r.Tag, to)
		}
	}
	return nil
}

// pass ends what was followed up to a place before index.
func (k *checker) pass(id int, index uint64) error {
	for len(k.following[id]) > 1 && index >= k.following[id][0].until {
		if err := k.skip(id, k.following[id][0], k.following[id][0].until); err != nil {
			return err
		}
		k.following[id] = k.following[id][1:]
	}
	return nil
}

// feed takes bytes of the stream.
func (k *checker) feed(p []byte) error {
	k.rest = append(k.rest, p...)
	for {
		i := bytes.IndexByte(k.rest, '\n')
		if i < 0 {
			return nil
		}
		if err := k.line(string(k.rest[:i+1])); err != nil {
			return err
		}
		k.rest = k.rest[i+1:]
	}
}

func (k *checker) line(line string) error {
	if strings.HasPrefix(line, "p ") {
		if len(k.posts) == 0 || k.posts[0] != line {
			return fmt.Errorf("private line %.40q is not the next one", line)
		}
		k.posts = k.posts[1:]
		return nil
	}
	var id, format int
	var g Gap
	if n, _ := fmt.Sscanf(line, "g %d %d %d %d %d\n", &id, &format, &g.Missing, &g.First, &g.Last); n == 5 {
		return k.gap(id, format, g)
	}
	var index uint64
	if n, _ := fmt.Sscanf(line, "m %d %d %d", &id, &format, &index); n != 3 {
		return fmt.Errorf("not a whole line: %.80q", line)
	}
	c := k.chats[id]
	if index >= uint64(len(c.all)) {
		return fmt.Errorf("ring %d has no record %d", id, index)
	}
	if want := fmt.Sprintf("m %d %d %d %s\n", id, format, index, c.all[index].Text); line != want {
		return fmt.Errorf("%.80q is not %.80q", line, want)
	}
	if err := k.pass(id, index); err != nil {
		return err
	}
	if len(k.following[id]) == 0 {
		return fmt.Errorf("ring %d is not followed and record %d is shown", id, index)
	}
	f := k.following[id][0]
	r := &c.all[index]
	switch {
	case format != f.format:
		return fmt.Errorf("ring %d: record %d is in format %d, not %d", id, index, format, f.format)
	case index < f.at:
		return fmt.Errorf("ring %d: record %d is shown again or late, %d was due", id, index, f.at)
	case index >= f.until:
		return fmt.Errorf("ring %d: record %d is shown, the end was %d", id, index, f.until)
	case f.mask != 0 && r.Tag == f.mask:
		return fmt.Errorf("ring %d: record %d has tag %d and is shown", id, index, r.Tag)
	}
	if err := k.skip(id, f, index); err != nil {
		return err
	}
	f.at, f.gapped = index+1, false
	return nil
}

func (k *checker) gap(id, format int, g Gap) error {
	k.gaps++
	c := k.chats[id]
	if g.Missing == 0 || g.First > g.Last {
		return fmt.Errorf("ring %d: gap %+v", id, g)
	}
	var n uint64
	first, after := -1, -1
	for i := range c.all {
		if seq := c.all[i].Seq; seq >= g.First && seq <= g.Last {
			if n++; first < 0 {
				first = i
			}
			after = i + 1
		}
	}
	if n != g.Missing {
		return fmt.Errorf("ring %d: %d are said to be missing within #%d–#%d, where there are %d", id, g.Missing, g.First, g.Last, n)
	}
	if err := k.pass(id, uint64(first)); err != nil {
		return err
	}
	if len(k.following[id]) == 0 {
		return fmt.Errorf("ring %d is not followed and a gap is told", id)
	}
	f := k.following[id][0]
	if f.format != format {
		return fmt.Errorf("ring %d: a gap is told in format %d, not %d", id, format, f.format)
	}
	if uint64(after) > f.until {
		return fmt.Errorf("ring %d: record %d counts as missing, the end was %d", id, after-1, f.until)
	}
	if f.at > uint64(first) {
		return fmt.Errorf("ring %d: record %d counts as missing and was shown", id, first)
	}
	f.gapped = true
	if err := k.skip(id, f, uint64(first)); err != nil {
		return err
	}
	f.at = uint64(after)
	return nil
}

// done fails if something is due that was not seen.
func (k *checker) done() error {
	if len(k.posts) > 0 {
		return fmt.Errorf("%d private lines were not written, the first is %.40q", len(k.posts), k.posts[0])
	}
	if len(k.rest) > 0 {
		return fmt.Errorf("a line was begun and not ended: %.80q", k.rest)
	}
	for id, c := range k.chats {
		for _, f := range k.following[id] {
			if err := k.skip(id, f, min(f.until, uint64(len(c.all)))); err != nil {
				return err
			}
		}
	}
	return nil
}

// outletModel is an outlet that follows two rings, and its checker.
type outletModel struct {
	checker
	sink *fakeSink
	out  *Outlet
	read int // bytes of sink.got that were checked
	err  error
	seq  uint64
	line int // private lines made

	// What was ordered, though it may not have been carried out yet.
	format  [2]int
	follows [2]bool
	again   [2]bool // it did before
}

func newOutletModel(t *rapid.T) *outletModel {
	m := &outletModel{seq: 10}
	for id := range 2 {
		m.chats = append(m.chats, newChat(id, Limits{
			Records: rapid.SampledFrom([]int{4, 30, 200}).Draw(t, "records"),
			Bytes:   rapid.SampledFrom([]int64{8 << 10, 20 << 10, 60 << 10}).Draw(t, "bytes"),
		}))
	}
	m.following = make([][]*follower, 2)
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

// order gives an order and has the model follow it at the moment at which it is
// carried out, by the test or by a drain. before is run before it, after after it.
func (m *outletModel) order(before func() error, do func(), after func() error) {
	held := m.out.turn.take() // so that all of it is carried out in one go
	m.mark(before)
	do()
	m.mark(after)
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
	c := m.chats[id]
	var at []uint64
	for _, cur := range m.out.cursors {
		if cur.feed.format == c.formats[0] || cur.feed.format == c.formats[1] {
			at = append(at, cur.at.Index)
		}
	}
	for len(m.following[id]) > len(at) { // these have come to their end
		f := m.following[id][0]
		if err := m.skip(id, f, f.until); err != nil {
			return err
		}
		m.following[id] = m.following[id][1:]
	}
	for i, f := range m.following[id] {
		if err := m.skip(id, f, min(at[i], f.until)); err != nil {
			return err
		}
	}
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
	id := rapid.IntRange(0, 1).Draw(t, "ring")
	return id, m.chats[id]
}

func (m *outletModel) append(t *rapid.T) {
	_, c := m.drawChat(t)
	for range rapid.IntRange(1, 20).Draw(t, "records") {
		var seq uint64
		if rapid.IntRange(0, 4).Draw(t, "counted") > 0 {
			m.seq += rapid.Uint64Range(1, 3).Draw(t, "step")
			seq = m.seq
		}
		tag := rapid.SampledFrom([]uint32{0, 1, 2, mute}).Draw(t, "tag")
		c.append(seq, tag, rapid.SampledFrom([]int{0, 3, 50, 300, 3000, 9000}).Draw(t, "size"))
	}
}

func (m *outletModel) flush(t *rapid.T) {
	m.out.Flush()
	m.sink.settle(m.out)
}

func (m *outletModel) post(t *rapid.T) {
	m.line++
	line := fmt.Sprintf("p %06d %s\n", m.line, strings.Repeat("y", rapid.SampledFrom([]int{0, 10, 500, 6000, 20000}).Draw(t, "size")))
	waits, full := m.sink.waiting.Load(), len(m.out.mailbox) > 0 && len(m.out.mailbox)+len(line) > mailboxSize
	before := len(m.posts)
	m.posts = append(m.posts, line)
	if !m.out.PostAfter(rapid.Uint64Range(0, 60).Draw(t, "after"), []byte(line)) {
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
	id, c := m.drawChat(t)
	if m.follows[id] {
		return
	}
	m.format[id] = rapid.IntRange(0, 1).Draw(t, "format")
	feed := c.ring.Feed(c.formats[m.format[id]])
	from := feed.Head()
	if !m.again[id] {
		from = feed.Back(rapid.IntRange(0, 40).Draw(t, "back"))
	}
	m.follows[id], m.again[id] = true, true
	f := &follower{
		at: from.Index, until: endless.Index,
		format: m.format[id], mask: rapid.SampledFrom([]uint32{0, 1, 2}).Draw(t, "mask"),
	}
	m.order(func() error { return m.note(id) }, func() { m.out.Follow(feed, from, f.mask) }, func() error {
		m.following[id] = append(m.following[id], f)
		return nil
	})
}

func (m *outletModel) unfollow(t *rapid.T) {
	id, c := m.drawChat(t)
	feed := c.ring.Feed(c.formats[m.format[id]])
	until := feed.Back(rapid.IntRange(0, 3).Draw(t, "back"))
	m.follows[id] = false
	m.order(func() error { return m.note(id) }, func() { m.out.Unfollow(feed, until) }, func() error {
		for _, f := range m.followers(id, feed) {
			f.until = max(min(f.until, until.Index), f.at)
		}
		return nil
	})
}

func (m *outletModel) remask(t *rapid.T) {
	id, c := m.drawChat(t)
	mask := rapid.SampledFrom([]uint32{0, 1, 2}).Draw(t, "mask")
	feed := c.ring.Feed(c.formats[m.format[id]])
	m.order(func() error { return m.note(id) }, func() { m.out.Mask(feed, mask) }, func() error {
		for _, f := range m.followers(id, feed) {
			f.mask = mask
		}
		return nil
	})
}

func (m *outletModel) change(t *rapid.T) {
	id, c := m.drawChat(t)
	old := m.format[id]
	m.format[id] = 1 - old
	from, to := c.ring.Feed(c.formats[old]), c.ring.Feed(c.formats[1-old])
	m.order(func() error { return m.note(id) }, func() { m.out.Switch(from, to) }, func() error {
		for _, f := range m.followers(id, from) {
			f.format = 1 - old
		}
		return nil
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
		"flush":    m.flush,
		"flush 2":  m.flush,
		"post":     m.post,
		"follow":   m.follow,
		"unfollow": m.unfollow,
		"mask":     m.remask,
		"switch":   m.change,
		"give":     m.give,
		"give 2":   m.give,
	})
	m.flush(t)
	m.sink.give(m.out, -1)
	if !m.out.turn.free() {
		t.Fatal("the outlet waits for a sink that is not full")
	}
	if !m.out.Parked().IsZero() {
		t.Fatal("the outlet says that it waits")
	}
	m.check(t)
	if err := m.done(); err != nil {
		t.Fatal(err)
	}
	if n := m.out.Written(); n != uint64(len(m.sink.got)) {
		t.Fatalf("%d bytes were written, %d counted", len(m.sink.got), n)
	}
}

func TestOutletModel(t *testing.T) { rapid.Check(t, checkOutlet) }

func FuzzOutlet(f *testing.F) { seed(f); f.Fuzz(rapid.MakeFuzz(checkOutlet)) }

// followed is an outlet on one feed of a ring that holds what fits.
func followed(sink Sink, fail func(error)) (*chat, *Outlet) {
	c := newChat(0, Limits{Records: 40, Bytes: 20 << 10})
	o := NewOutlet(sink, fail)
	o.Follow(c.ring.Feed(c.formats[0]), Place{}, 0)
	return c, o
}

// eagerSink makes news at the moment at which its drain has found nothing due.
type eagerSink struct {
	*fakeSink
	news func()
}

func (s *eagerSink) Drain(peek func() ([]byte, error), took func(int)) error {
	return s.fakeSink.Drain(func() ([]byte, error) {
		p, err := peek()
		if err == nil && len(p) == 0 && s.news != nil {
			s.news()
			s.news = nil
		}
		return p, err
	}, took)
}

// TestOutletWaitsAgain: a drain that was left word as it ended, and finds the sink
// full again, goes on waiting, and the outlet says so.
func TestOutletWaitsAgain(t *testing.T) {
	sink := &eagerSink{fakeSink: newFakeSink(0)}
	c, o := followed(sink, func(err error) { t.Error(err) })
	c.append(11, 0, 100)
	o.Flush()
	sink.settle(o)
	if o.Parked().IsZero() {
		t.Fatal("the sink is full and the outlet does not say that it waits")
	}
	sink.news = func() {
		c.append(12, 0, 1000)
		o.Flush()
	}
	sink.give(o, len("m 0 0 0 \n")+100+50)
	if !sink.waiting.Load() {
		t.Fatal("the second record was not begun")
	}
	if o.Parked().IsZero() {
		t.Error("the sink is full again and the outlet does not say that it waits")
	}
	sink.give(o, -1)
	if !o.Parked().IsZero() || !o.turn.free() {
		t.Error("all is written and the outlet says that it waits")
	}
}

// waiting is an outlet whose sink is full and that has begun a line.
func waiting(t *testing.T) (*fakeSink, *chat, *Outlet) {
	sink := newFakeSink(5)
	c, o := followed(sink, func(err error) { t.Error(err) })
	c.append(11, 0, 10)
	o.Flush()
	sink.settle(o)
	return sink, c, o
}

// TestFollowComesAfterLines: a greeting that was posted stands before the history.
func TestFollowComesAfterLines(t *testing.T) {
	sink, _, o := waiting(t)
	other := newChat(1, Limits{Records: 10, Bytes: 10 << 10})
	other.append(11, 0, 3)
	o.Post([]byte("p hello\n"))
	o.Follow(other.ring.Feed(other.formats[0]), Place{}, 0)
	o.Post([]byte("p more\n"))
	sink.give(o, -1)
	if got, want := string(sink.got), "m 0 0 0 xxxxxxxxxx\np hello\np more\nm 1 0 0 xxx\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestGapEndsWhereTheFollowingDoes: what was said after an outlet left is none that
// it missed.
func TestGapEndsWhereTheFollowingDoes(t *testing.T) {
	sink, c, o := waiting(t)
	for i := range uint64(20) {
		c.append(12+i, 0, 10)
	}
	o.Unfollow(c.ring.Feed(c.formats[0]), c.ring.Feed(c.formats[0]).Head())
	for i := range uint64(1000) {
		c.append(32+i, 0, 10)
	}
	sink.give(o, -1)
	if got, want := string(sink.got), "m 0 0 0 xxxxxxxxxx\ng 0 0 20 12 31\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(o.cursors) != 0 {
		t.Error("it goes on following")
	}
}

// TestReturnIsNotForgotten: an outlet that left a ring and came back while it was
// behind is written all of it in one go.
func TestReturnIsNotForgotten(t *testing.T) {
	sink, c, o := waiting(t)
	f := c.ring.Feed(c.formats[0])
	for i := range uint64(5) {
		c.append(12+i, 0, 1)
	}
	o.Unfollow(f, f.Head())
	c.append(17, 0, 1) // said while it was away
	o.Follow(f, f.Head(), 0)
	for i := range uint64(5) {
		c.append(18+i, 0, 1)
	}
	sink.give(o, -1)
	want := "m 0 0 0 xxxxxxxxxx\n"
	for _, i := range []int{1, 2, 3, 4, 5, 7, 8, 9, 10, 11} {
		want += fmt.Sprintf("m 0 0 %d x\n", i)
	}
	if got := string(sink.got); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestReturnAtTheHead: so is one that had nothing left to read where it left.
func TestReturnAtTheHead(t *testing.T) {
	sink := newFakeSink(-1)
	c, o := followed(sink, func(err error) { t.Error(err) })
	f := c.ring.Feed(c.formats[0])
	c.append(11, 0, 1)
	o.Flush()
	if !o.turn.take() {
		t.Fatal("somebody writes")
	}
	o.Unfollow(f, f.Head())
	c.append(12, 0, 1)
	o.Follow(f, f.Back(1), 0)
	for !o.turn.release() {
	}
	o.Flush()
	if got, want := string(sink.got), "m 0 0 0 x\nm 0 0 1 x\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPostAfter: a line that answers to a record stands after it, and is not held up
// by one that will not come.
func TestPostAfter(t *testing.T) {
	for name, test := range map[string]struct {
		after  uint64
		before func(c *chat, o *Outlet) // the line is posted
		want   string                   // after record 0
	}{
		"nothing":         {0, func(*chat, *Outlet) {}, "p\n"},
		"what was seen":   {1, func(*chat, *Outlet) {}, "p\n"},
		"what is to come": {100, func(*chat, *Outlet) {}, "p\n"},
		"a record":        {2, func(c *chat, o *Outlet) { c.append(12, 0, 1) }, "m 0 0 1 x\np\n"},
		"an earlier one":  {1, func(c *chat, o *Outlet) { c.append(12, 0, 1) }, "p\nm 0 0 1 x\n"},
		"a masked one": {2, func(c *chat, o *Outlet) {
			c.append(12, 5, 1)
			o.Mask(c.ring.Feed(c.formats[0]), 5)
		}, "p\n"},
		"one that is gone": {2, func(c *chat, o *Outlet) {
			c.append(12, 0, 1)
			c.append(13, 0, 1)
			o.Unfollow(c.ring.Feed(c.formats[0]), c.ring.Head())
			for i := range uint64(1000) {
				c.append(14+i, 0, 100)
			}
		}, "g 0 0 2 12 13\np\n"},
		"one after the end": {2, func(c *chat, o *Outlet) {
			o.Unfollow(c.ring.Feed(c.formats[0]), c.ring.Head())
			c.append(12, 0, 1)
		}, "p\n"},
	} {
		t.Run(name, func(t *testing.T) {
			sink, c, o := waiting(t)
			test.before(c, o)
			if !o.PostAfter(test.after, []byte("p\n")) {
				t.Fatal("an empty mailbox refused a line")
			}
			sink.give(o, -1)
			if got, want := string(sink.got), "m 0 0 0 xxxxxxxxxx\n"+test.want; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestPostAfterTheLatest: of several who post at once, the latest record counts.
func TestPostAfterTheLatest(t *testing.T) {
	sink, _, o := waiting(t)
	var posters sync.WaitGroup
	for i := range uint64(4) {
		posters.Go(func() {
			for n := range uint64(scale(2000, 20000, 1_000_000)) {
				if o.PostAfter(4*n+i, nil); o.after.Load() < 4*n+i {
					t.Errorf("a line is to come after record %d, and others do after %d only", 4*n+i, o.after.Load())
					return
				}
			}
		})
	}
	posters.Wait()
	sink.give(o, -1)
}

// TestSendWaitsForRoomOnly: it returns when its line is in the mailbox, though much
// else is still to be written.
func TestSendWaitsForRoomOnly(t *testing.T) {
	sink, _, o := waiting(t)
	big := make([]byte, mailboxSize)
	if !o.Post(big) {
		t.Fatal("an empty mailbox refused a line")
	}
	sent := make(chan error)
	go func() { sent <- o.Send(nil, 0, big) }()
	for !o.waited.Load() {
		runtime.Gosched()
	}
	sink.give(o, 1000) // the begun line and some of the mailbox
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if o.Parked().IsZero() {
		t.Error("it does not wait any longer")
	}
	sink.give(o, -1)
}

// TestSwitchAheadOfTheFeed: an outlet may change feeds while a record is in the
// first and not in the second yet.
func TestSwitchAheadOfTheFeed(t *testing.T) {
	sink := newFakeSink(-1)
	c, o := followed(sink, func(err error) { t.Error(err) })
	feeds := [2]*Feed{c.ring.Feed(c.formats[0]), c.ring.Feed(c.formats[1])}
	render, now := c.formats[1].Render, 0
	c.formats[1].Render = func(dst []byte, r *Record) []byte {
		o.Flush()
		o.Switch(feeds[now], feeds[1-now])
		now = 1 - now
		return render(dst, r)
	}
	k := checker{chats: []*chat{c}, following: [][]*follower{{{until: endless.Index}}}}
	for i := range uint64(200) {
		c.append(11+i, 0, int(i)) // first in format 0, and shown there
		o.Flush()
		if err := k.feed(sink.got); err != nil {
			t.Fatal(err)
		}
		sink.got = nil
	}
	if err := k.done(); err != nil {
		t.Fatal(err)
	}
}

// TestOutletFails: an outlet whose sink fails, or that cannot tell a gap, says so
// once and takes no more.
func TestOutletFails(t *testing.T) {
	for name, provoke := range map[string]struct {
		do   func(c *chat, o *Outlet, sink *fakeSink)
		want error
	}{
		"writing fails": {func(c *chat, o *Outlet, sink *fakeSink) {
			sink.err = net.ErrWriteToConnected
			c.append(11, 0, 10)
			o.Flush()
		}, net.ErrWriteToConnected},
		"waiting fails": {func(c *chat, o *Outlet, sink *fakeSink) {
			sink.room = 5
			c.append(11, 0, 10)
			o.Flush()
			sink.settle(o)
			sink.err = net.ErrWriteToConnected
			sink.give(o, 5)
		}, net.ErrWriteToConnected},
		"no way to tell a gap": {func(c *chat, o *Outlet, sink *fakeSink) {
			c.formats[0].Gap = nil
			for i := range uint64(100) {
				c.append(11+i, 0, 1000)
			}
			o.Flush()
		}, ErrFellOff},
		"closed": {func(c *chat, o *Outlet, sink *fakeSink) { o.Close() }, nil},
		"closed, and the sink goes on": {func(c *chat, o *Outlet, sink *fakeSink) {
			sink.room = 5
			c.append(11, 0, 10)
			o.Flush()
			sink.settle(o)
			o.Close()
			sink.room = -1
			sink.resume <- struct{}{}
			o.Wait()
			if len(sink.got) != 5 {
				t.Errorf("%q was written, %q after the end", sink.got, sink.got[5:])
			}
		}, nil},
		"closed while it waits": {func(c *chat, o *Outlet, sink *fakeSink) {
			sink.room = 5
			c.append(11, 0, 10)
			o.Flush()
			sink.settle(o)
			o.Close()
			close(sink.closed)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			sink := newFakeSink(-1)
			failed := make(chan error, 2)
			c, o := followed(sink, func(err error) { failed <- err })
			provoke.do(c, o, sink)
			o.Wait()
			if provoke.want != nil {
				if err := <-failed; !errors.Is(err, provoke.want) {
					t.Errorf("failed with %v, want %v", err, provoke.want)
				}
			}
			written := o.Written()
			c.append(1000, 0, 10)
			o.Flush()
			if o.Post([]byte("x\n")) {
				t.Error("a closed outlet takes a line")
			}
			if err := o.Send(nil, 0, []byte("x\n")); err != ErrClosed {
				t.Errorf("Send: %v, want ErrClosed", err)
			}
			if err := o.Flushed(nil); err != ErrClosed {
				t.Errorf("Flushed: %v, want ErrClosed", err)
			}
			o.Close()
			if o.Written() != written {
				t.Error("a closed outlet writes")
			}
			if len(failed) > 0 {
				t.Errorf("it failed again, with %v", <-failed)
			}
		})
	}
}

// TestOutletResumesNearHead: who fell off goes on a little behind the head, not at
// the oldest record, so as not to fall off again at once.
func TestOutletResumesNearHead(t *testing.T) {
	c := newChat(0, Limits{Records: 4096, Bytes: 1 << 20})
	sink := newFakeSink(-1)
	o := NewOutlet(sink, func(err error) { t.Error(err) })
	o.Follow(c.ring.Feed(c.formats[0]), Place{}, 0)
	for i := range uint64(3000) {
		c.append(11+i, 0, 1000)
	}
	o.Flush()
	k := checker{chats: []*chat{c}, following: [][]*follower{{{until: endless.Index}}}}
	if err := errors.Join(k.feed(sink.got), k.done()); err != nil {
		t.Fatal(err)
	}
	if n := len(sink.got); n > resumeWithin+100 || n < resumeWithin-2000 || k.gaps != 1 {
		t.Errorf("%d bytes were written with %d gaps, want one gap and %d bytes", n, k.gaps, resumeWithin)
	}
	if o.Skipped() == 0 || o.Skipped()+uint64(bytes.Count(sink.got, []byte("m "))) != 3000 {
		t.Errorf("%d records were skipped and %d written, of 3000", o.Skipped(), bytes.Count(sink.got, []byte("m ")))
	}
}
