package feed

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

// followed is an outlet on one feed of a ring that holds what fits.
func followed(sink Sink, fail func(error)) (*chat, *Outlet) {
	c := newChat(0, Limits{Records: 40, Bytes: 20 << 10})
	o := NewOutlet(sink, fail)
	o.Follow(c.ring.Feed(c.formats[0]), Place{}, nil)
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
	o.Follow(other.ring.Feed(other.formats[0]), Place{}, nil)
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
	o.Follow(f, f.Head(), nil)
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
	o.Follow(f, f.Back(1), nil)
	for !o.turn.release() {
	}
	o.Flush()
	if got, want := string(sink.got), "m 0 0 0 x\nm 0 0 1 x\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What was left out when it was appended stays out, however late the reader is.
func TestUnmaskedLater(t *testing.T) {
	sink, c, o := waiting(t)
	feed := c.ring.Feed(c.formats[0])
	o.Mask(feed, []uint32{5})
	c.append(12, 5, 1)
	o.Mask(feed, nil)
	c.append(13, 5, 1)
	o.Mask(feed, []uint32{6})
	c.append(14, 6, 1)
	c.append(15, 5, 1)
	sink.give(o, -1)
	if got, want := string(sink.got), "m 0 0 0 xxxxxxxxxx\nm 0 0 2 x\nm 0 0 4 x\n"; got != want {
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
		"one of several": {3, func(c *chat, o *Outlet) {
			for i := range uint64(3) {
				c.append(12+i, 0, 1)
			}
		}, "m 0 0 1 x\nm 0 0 2 x\np\nm 0 0 3 x\n"},
		"a masked one": {2, func(c *chat, o *Outlet) {
			c.append(12, 5, 1)
			o.Mask(c.ring.Feed(c.formats[0]), []uint32{5})
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
			if !o.PostAfter(Mark{c.ring, test.after}, []byte("p\n")) {
				t.Fatal("an empty mailbox refused a line")
			}
			sink.give(o, -1)
			if got, want := string(sink.got), "m 0 0 0 xxxxxxxxxx\n"+test.want; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestPostAfterFromMany: of several who post at once, each line stands after the
// record it waits for.
func TestPostAfterFromMany(t *testing.T) {
	const records, posters, lines = 30, 4, 10
	for range scale(20, 200, 5000) {
		sink, c, o := waiting(t)
		for i := range uint64(records - 1) {
			c.append(12+i, 0, 1)
		}
		var all sync.WaitGroup
		for i := range posters {
			all.Go(func() {
				for n := range lines {
					after := (i*7 + n*11) % (records + 1)
					if !o.PostAfter(Mark{c.ring, uint64(after)}, fmt.Appendf(nil, "p %d %d %d\n", i, n, after)) {
						t.Error("a line was refused")
					}
				}
			})
		}
		all.Go(func() { sink.give(o, 100) })
		all.Wait()
		sink.give(o, -1)
		checkAfter(t, string(sink.got), records, posters, lines)
	}
}

// checkAfter checks a stream of records and of private lines that name their
// poster, their number and how many records they wait for.
func checkAfter(t *testing.T, stream string, records, posters, lines int) {
	t.Helper()
	seen, next := 0, make([]int, posters)
	for line := range strings.Lines(stream) {
		var i, n, after int
		if line[0] == 'm' {
			seen++
		} else if _, err := fmt.Sscanf(line, "p %d %d %d\n", &i, &n, &after); err != nil || n != next[i] || seen < after {
			t.Fatalf("after %d records and %d lines of its poster comes %q", seen, next[i], line)
		} else {
			next[i]++
		}
	}
	if seen != records || slices.Min(next) != lines {
		t.Fatalf("%d records and %v lines were written", seen, next)
	}
}

// TestMailboxIsBounded: with what is kept of what its lines wait for, of which nothing
// is kept when they have left.
func TestMailboxIsBounded(t *testing.T) {
	if size := unsafe.Sizeof(wait{}); size != waitSize {
		t.Errorf("what a line waits for takes %d bytes, not %d", size, waitSize)
	}
	sink, c, o := waiting(t)
	if o.PostAfter(Mark{c.ring, 1}, nil); len(o.waits) > 0 {
		t.Error("no line waits for something")
	}
	n := 0
	for o.PostAfter(Mark{c.ring, uint64(n)}, []byte("p\n")) {
		if n++; n > mailboxSize {
			t.Fatal("the mailbox is never full")
		}
	}
	if held := len(o.mailbox) + len(o.waits)*waitSize; held > mailboxSize || held < mailboxSize*9/10 {
		t.Errorf("the mailbox is full with %d bytes", held)
	}
	sink.give(o, -1)
	if o.mailbox != nil || o.waits != nil {
		t.Errorf("%d bytes are kept, and what %d lines waited for", len(o.mailbox), len(o.waits))
	}
	if got, want := string(sink.got), "m 0 0 0 xxxxxxxxxx\n"+strings.Repeat("p\n", n); got != want {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}
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
	go func() { sent <- o.Send(nil, Mark{}, big) }()
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
	k := checker{chats: []*chat{c}, following: [][]*follower{{newFollower(0)}}}
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
			if err := o.Send(nil, Mark{}, []byte("x\n")); err != ErrClosed {
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
	o.Follow(c.ring.Feed(c.formats[0]), Place{}, nil)
	for i := range uint64(3000) {
		c.append(11+i, 0, 1000)
	}
	o.Flush()
	k := checker{chats: []*chat{c}, following: [][]*follower{{newFollower(0)}}}
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
