package journaltest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chatd/chatd/pkg/relay"
)

func testForget(t *testing.T, r *rig) {
	r.start(relay.Keep{})
	var tea, coffee []relay.Message
	for i := range 300 {
		for _, author := range []string{"ana", "Ben", "BEN", "Änne", "benno"} {
			m := r.say("tea", author, fmt.Sprintf("secret%d of %s", i, author))
			if author != "Ben" && author != "BEN" {
				tea = append(tea, m)
			}
		}
	}
	coffee = append(coffee, r.say("coffee", "ana", "to ben: secret"))
	r.say("coffee", "ben", "secret too")
	r.sayMany("milk", 1)
	last := r.Last("tea")

	n, err := r.Forget(r.ctx(), "ben")
	if err != nil || n != 601 {
		t.Errorf("Forget(ben): %d, %v; want 601", n, err)
	}
	r.equal("tea", r.all("tea"), tea)
	r.equal("coffee", r.all("coffee"), coffee)
	if n := r.Last("tea"); n != last {
		t.Errorf("the last number is %d after Forget; it was %d", n, last)
	}
	for looked, want := range map[string]int{"of Ben": 0, "secret7": 3, "secret": 0} {
		found, err := r.Search(r.ctx(), "tea", looked, math.MaxUint64, 100)
		if err != nil || len(found) != want {
			t.Errorf("Search(%q) after Forget: %q, %v; want %d", looked, texts(found), err, want)
		}
	}
	if n, err := r.Forget(r.ctx(), "ben"); err != nil || n != 0 {
		t.Errorf("Forget(ben) again: %d, %v; want 0", n, err)
	}
	if n, err := r.Forget(r.ctx(), "äNNE"); err != nil || n != 300 {
		t.Errorf("Forget(äNNE): %d, %v; want 300", n, err)
	}
	if n, err := r.Forget(r.ctx(), "ana"); err != nil || n != 302 {
		t.Errorf("Forget(ana): %d, %v; want 302", n, err)
	}
	rooms, err := r.Rooms(r.ctx())
	if err != nil || len(rooms) != 1 || rooms[0].Messages != 300 {
		t.Errorf("Rooms when only benno's messages are left: %v, %v", rooms, err)
	}
	r.first("tea", tea[2].Seq)
	r.first("coffee", 3)
	m := r.say("coffee", "ana", "and on it goes")
	r.first("coffee", 3)
	if m.Seq != 3 {
		t.Errorf("the next number in a room that was emptied is %d; want 3", m.Seq)
	}
	r.equal("coffee", r.all("coffee"), []relay.Message{m})
}

// testStored counts how often each message's callback is called.
func testStored(t *testing.T, r *rig) {
	r.start(relay.Keep{})
	const n = 1000
	var calls [n]atomic.Int32
	for i := range n {
		m := relay.Message{Room: "tea", Position: relay.Position{Seq: uint64(i + 1)}, Time: noon, Author: []byte("ana")}
		r.Append(&m, func(err error) {
			calls[i].Add(1)
			if err != nil {
				t.Errorf("message %d is not kept: %v", i+1, err)
			}
		})
	}
	r.sync()
	for i := range calls {
		if got := calls[i].Load(); got != 1 {
			t.Fatalf("stored of message %d was called %d times when Sync returned", i+1, got)
		}
	}
}

// testOutOfOrder appends a number that was given before.
func testOutOfOrder(t *testing.T, r *rig) {
	r.start(relay.Keep{})
	said := r.sayMany("tea", 5)
	for _, seq := range []uint64{5, 1, 0} {
		refused := make(chan error, 1)
		m := said[4]
		m.Seq, m.Text = seq, []byte("another")
		r.Append(&m, func(err error) { refused <- err })
		if err := <-refused; err == nil {
			t.Errorf("a second message %d was kept", seq)
		}
	}
	r.first("tea", 1)
	said = append(said, r.say("tea", "ana", "the next"))
	r.equal("tea", r.all("tea"), said)
}

// testCopied changes a message's bytes as soon as Append has returned.
func testCopied(_ *testing.T, r *rig) {
	r.start(relay.Keep{})
	var want []relay.Message
	author, text := []byte("ana"), []byte("message x")
	for i := range 600 {
		author[2], text[8] = 'a'+byte(i%26), 'a'+byte(i%26)
		m := relay.Message{
			Room: "tea", Position: relay.Position{Epoch: r.Epoch(), Seq: uint64(i + 1)}, Time: noon,
			Author: author, Text: text,
		}
		r.Append(&m, nil)
		m.Author, m.Text = append([]byte(nil), author...), append([]byte(nil), text...)
		want = append(want, m)
	}
	r.equal("tea", r.all("tea"), want)
}

// testConcurrent has rooms talk, readers read and an author be forgotten, all at
// once. What is read must be in order and without gaps whatever else happens.
func testConcurrent(t *testing.T, r *rig) {
	r.start(relay.Keep{})
	const rooms, messages = 4, 400
	ctx, cancel := context.WithCancel(r.ctx())
	defer cancel()
	var talking, reading sync.WaitGroup
	for i := range rooms {
		room := fmt.Sprintf("room%d", i)
		talking.Go(func() { r.sayMany(room, messages) })
		reading.Go(func() {
			for ctx.Err() == nil {
				list, err := r.Before(ctx, room, math.MaxUint64, 50)
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("Before: %v", err)
				}
				for i := 1; i < len(list); i++ {
					if list[i].Seq != list[i-1].Seq+1 {
						t.Errorf("%s has %d after %d", room, list[i].Seq, list[i-1].Seq)
					}
				}
			}
		})
	}
	reading.Go(func() {
		for ctx.Err() == nil {
			if _, err := r.Search(ctx, "room0", "message", math.MaxUint64, 5); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("Search: %v", err)
			}
			if _, err := r.Rooms(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("Rooms: %v", err)
			}
			r.Backlog()
		}
	})
	talking.Go(func() {
		for range 3 {
			if n, err := r.Forget(r.ctx(), "nobody"); n != 0 || err != nil {
				t.Errorf("Forget: %d, %v", n, err)
			}
		}
	})
	talking.Wait()
	for i := range rooms {
		list := r.all(fmt.Sprintf("room%d", i))
		if len(list) != messages {
			t.Errorf("room%d has %d of %d messages", i, len(list), messages)
		}
	}
	cancel()
	reading.Wait()
}

func testKeepCount(t *testing.T, r *rig) {
	r.start(relay.Keep{Count: 100})
	said := r.sayMany("tea", 350)
	few := r.sayMany("coffee", 30)
	r.sweep()
	got := r.all("tea")
	if len(got) > 100 || len(got) < 50 {
		t.Fatalf("%d messages are kept; want 100 or somewhat less", len(got))
	}
	r.equal("what is kept of tea", got, said[len(said)-len(got):])
	r.first("tea", got[0].Seq)
	r.equal("what is kept of coffee", r.all("coffee"), few)
	rooms, err := r.Rooms(r.ctx())
	if err != nil || len(rooms) != 2 || rooms[1].Messages != uint64(len(got)) || rooms[1].First != got[0].Seq {
		t.Errorf("Rooms: %v, %v; want %d messages from %d on", rooms, err, len(got), got[0].Seq)
	}
	found, err := r.Search(r.ctx(), "tea", "message", math.MaxUint64, 1000)
	if err != nil {
		t.Fatal(err)
	}
	r.equal("what is found", found, got)
}

func testKeepAge(t *testing.T, r *rig) {
	r.start(relay.Keep{Age: time.Hour})
	var want []relay.Message
	now := time.Now().UnixNano()
	for i := range 300 {
		m := relay.Message{
			Room: "tea", Position: relay.Position{Epoch: r.Epoch(), Seq: uint64(i + 1)},
			Time: now - int64(300-i)*int64(time.Minute), Author: []byte("ana"), Text: []byte("old"),
		}
		r.Append(&m, nil)
		if i > 240 {
			want = append(want, m)
		}
		if m.Room = "past"; i < 240 {
			r.Append(&m, nil)
		}
	}
	r.sweep()
	r.equal("what is kept", r.all("tea"), want)
	r.equal("what is kept of the past", r.all("past"), nil)
	if rooms, err := r.Rooms(r.ctx()); err != nil || len(rooms) != 1 {
		t.Errorf("Rooms: %v, %v; want tea alone", rooms, err)
	}
	r.first("tea", 242)
	r.first("past", 241)
	if n := r.Last("past"); n != 240 {
		t.Errorf("the last number of a room that has aged is %d; want 240", n)
	}
}

// testEpoch keeps positions over two closings, the way a program does.
func testEpoch(t *testing.T, r *rig) {
	r.start(relay.Keep{})
	first := r.Epoch()
	if first == 0 {
		t.Error("the epoch is 0, which a program takes for none")
	}
	if first >= 1<<53 {
		t.Errorf("the epoch %d is more than a double holds", first)
	}
	said := r.sayMany("tea", 10)
	r.ended("tea", first, 10, true)
	r.ended("coffee", first, 0, true)
	r.ended("tea", first-1, 0, false)
	r.ended("tea", first+1, 0, false)
	for range 2 {
		r.stop()
		r.start(relay.Keep{})
		if !r.persists {
			if r.Epoch() == first {
				t.Error("the epoch is the same as of an earlier journal")
			}
			r.ended("tea", first, 0, false)
			continue
		}
		if r.Epoch() != first {
			t.Errorf("the epoch is %d after a clean end; it was %d", r.Epoch(), first)
		}
		if n := r.Last("tea"); n != uint64(len(said)) {
			t.Errorf("the last number is %d after a clean end; want %d", n, len(said))
		}
		r.ended("tea", first, uint64(len(said)), true)
		r.equal("tea", r.all("tea"), said)
		said = append(said, r.say("tea", "ana", "again"))
		r.ended("tea", first, uint64(len(said)), true)
	}
}

func (r *rig) ended(room string, epoch, want uint64, known bool) {
	r.Helper()
	seq, ok, err := r.Ended(r.ctx(), room, epoch)
	if err != nil || ok != known || seq != want {
		r.Errorf("Ended(%q, %d): %d, %v, %v; want %d, %v", room, epoch, seq, ok, err, want, known)
	}
}

// testContextIsDone asks for what nobody waits for any longer: an error or an
// answer, but no waiting.
func testContextIsDone(t *testing.T, r *rig) {
	r.start(relay.Keep{})
	r.sayMany("tea", 300)
	ctx, cancel := context.WithCancel(r.ctx())
	cancel()
	if list, err := r.Before(ctx, "tea", math.MaxUint64, 10); err == nil && len(list) != 10 {
		t.Errorf("Before has %d messages and no error", len(list))
	} else if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Before: %v", err)
	}
}

// testClosedWithQueue closes a journal at once after much was said.
func testClosedWithQueue(t *testing.T, r *rig) {
	r.start(relay.Keep{})
	said := r.sayMany("tea", 500)
	r.stop()
	if !r.persists {
		return
	}
	r.start(relay.Keep{})
	r.first("tea", 1)
	r.equal("tea", r.all("tea"), said)
	if rooms, err := r.Rooms(r.ctx()); err != nil || len(rooms) != 1 || rooms[0].Messages != 500 {
		t.Errorf("Rooms: %v, %v; want 500 messages of tea", rooms, err)
	}
}
