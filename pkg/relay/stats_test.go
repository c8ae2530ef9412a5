package relay

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/feed"
)

// delivered fails unless the server has counted exactly what the callers have seen.
func (r *rig) delivered(callers ...*caller) {
	r.Helper()
	var seen, gaps int
	for _, c := range callers {
		saw := c.saw.Seen()
		seen, gaps = seen+saw.Messages, gaps+saw.Gaps
	}
	r.await("what was written is counted", func() bool { return r.Stats().Deliveries >= uint64(seen) })
	switch st := r.Stats(); {
	case st.Deliveries != uint64(seen):
		r.Errorf("%d deliveries are counted, and %d messages were seen", st.Deliveries, seen)
	case st.Gaps != uint64(gaps):
		r.Errorf("%d gap notices are counted, and %d were seen", st.Gaps, gaps)
	case st.Deliveries+st.Skipped < st.Messages*uint64(len(callers)-1): // one does not see its own
		r.Errorf("of %d messages for %d, %d were delivered and %d skipped", st.Messages, len(callers), st.Deliveries, st.Skipped)
	}
}

// What is counted is what clients receive: those who read, those who do not see their
// own, those who stall and catch up, and those who stall and are told of a gap.
func TestStatsCountDeliveries(t *testing.T) {
	for name, bytes := range map[string]int{"kept": ringBytes / 4, "not kept": 3 * ringBytes} {
		t.Run(name, func(t *testing.T) {
			r := openRig(t, Config{Rate: Unlimited})
			ana, bob := r.call("ana"), r.call("bob")
			bob.saw.Without(bob.sender)
			bob.write("/echo off\n")
			r.settled()
			stalled := r.stall(5, bob, ana)
			if n := r.Stats().Parked; n != len(stalled) {
				t.Errorf("%d are counted as parked, want %d", n, len(stalled))
			}
			bob.blast(bytes/1000, 1000, ana)
			for _, c := range stalled {
				c.read()
			}
			bob.say(100)
			for _, c := range append(stalled, ana) {
				c.hears(bob)
			}
			r.check.Said(bob.sender, bob.said)
			r.delivered(append(stalled, ana, bob)...)
			if name == "not kept" && r.Stats().Skipped == 0 {
				t.Error("nobody was told of a gap, so this tests nothing")
			}
			r.await("nobody is parked", func() bool { return r.Stats().Parked == 0 })
		})
	}
}

// A room that several hands sweep counts the same.
func TestStatsCountManyHands(t *testing.T) {
	r := openRig(t, Config{Rate: Unlimited})
	crowd := r.crowd(3 * sweepShare)
	for range 5 {
		crowd[0].say(100)
	}
	for _, c := range crowd {
		c.hears(crowd[0])
	}
	r.check.Said(crowd[0].sender, crowd[0].said)
	r.delivered(crowd...)
	st := r.Stats()
	if n := sum(st.SweepSeconds.Counts); n == 0 || n > 5 || n != sum(st.SweepMessages.Counts) || st.SweepMessages.Sum != 5 {
		t.Errorf("5 messages in %d sweeps, of %d with %v messages", n, sum(st.SweepMessages.Counts), st.SweepMessages.Sum)
	}
	if st.SweepSeconds.Sum <= 0 || st.SweepSeconds.Sum > patience.Seconds() {
		t.Errorf("the sweeps took %v s", st.SweepSeconds.Sum)
	}
}

func sum(counts []uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// Connections that can only block are counted like others, and so is what a newcomer
// is shown of earlier talk.
func TestStatsOfADay(t *testing.T) {
	simulate(t, Config{MaxClients: 3, Rate: 1, Burst: 2, StallTimeout: time.Minute}, func(b *bubble) {
		ana, bob := b.arrive(), b.arrive()
		ana.say("one")
		bob.say("two")
		ana.seen()
		eve := b.arrive() // is shown both
		for range 4 {
			eve.say("quick") // of which two have to wait
		}
		time.Sleep(2 * time.Second)
		lines := slices.Concat(ana.seen(), bob.seen(), eve.seen())
		heard := count(lines, `^\d\d:\d\d guest\d+: `) + 2 // and what ana saw before
		st := b.Stats()
		if st.Deliveries != uint64(heard) || heard != 6*3 {
			t.Errorf("%d deliveries, and %d lines were heard", st.Deliveries, heard)
		}
		if st.RateWaits != 2 {
			t.Errorf("%d lines waited for the rate, want 2", st.RateWaits)
		}
		b.arrive() // the server is full, and nobody can make room
		eve.say("/quit")
		time.Sleep(5 * time.Second) // for the rate, and until she has closed
		st = b.Stats()
		if st.RefusedFor[refusedFull] != 1 || st.Refused != 1 || st.Ended[endQuit.log] != 1 {
			t.Errorf("refused %v, ended %v", st.RefusedFor, st.Ended)
		}
		if total := st.Transports["pipe"]; total != (Traffic{2, 3}) || st.Sessions != 2 || st.Limit != 3 {
			t.Errorf("connections: %v", st.Transports)
		}
		if st.People != 2 || st.Listening != 0 || st.Rooms != 1 || st.Messages != 6 {
			t.Errorf("%d talk and %d listen in %d rooms, %d messages", st.People, st.Listening, st.Rooms, st.Messages)
		}
	})
}

func TestStatsOfTheStalled(t *testing.T) {
	simulate(t, Config{Rate: Unlimited, StallTimeout: time.Minute}, func(b *bubble) {
		ana, bob := b.arrive(), b.arrive()
		bob.pause()
		for i := range 200 {
			ana.say("%d %s", i, strings.Repeat("x", 1000))
		}
		time.Sleep(20 * time.Second)
		if st := b.Stats(); st.Stalled != 1 || st.Parked != 1 {
			t.Errorf("%d are stalled, %d parked", st.Stalled, st.Parked)
		}
		time.Sleep(time.Minute)
		if st := b.Stats(); st.Stalled != 0 || st.Parked != 0 || st.Ended[endStalled.log] != 1 {
			t.Errorf("%d are stalled, %d parked, ended %v", st.Stalled, st.Parked, st.Ended)
		}
	})
}

func TestStatsOfAccepting(t *testing.T) {
	r := openRig(t, Config{})
	r.await("both are served", func() bool { return len(r.Addrs()) == 2 })
	r.PauseAccepting()
	if st := r.Stats(); st.Accepting || !st.Paused || st.Stopping {
		t.Errorf("paused: %+v", st)
	}
	r.ResumeAccepting()
	if st := r.Stats(); !st.Accepting || st.Paused {
		t.Errorf("resumed: %+v", st)
	}
	if err := r.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := r.Stats(); st.Accepting || !st.Stopping {
		t.Errorf("stopped: %+v", st)
	}
}

// Every cause there is in the source is counted from 0 on.
func TestStatsKnowAllCauses(t *testing.T) {
	known := New(Config{}).Stats().Ended
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	logs := regexp.MustCompile(`cause\{log: "([^"]+)"`)
	found := 0
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range logs.FindAllStringSubmatch(string(text), -1) {
			found++
			if _, ok := known[m[1]]; !ok {
				t.Errorf("%s: %q is no cause that Stats knows of", f, m[1])
			}
		}
	}
	if found < len(known) {
		t.Errorf("found %d causes, and Stats knows %d: %v", found, len(known), slices.Sorted(maps.Keys(known)))
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for _, v := range []int64{0, 1, 2, 3, 512, 513, 9999} {
		h.add(sweepSizeBounds, v)
	}
	got := h.snapshot(sweepSizeBounds, 1)
	if want := []uint64{2, 1, 1, 0, 0, 0, 0, 0, 0, 1, 2}; !slices.Equal(got.Counts, want) || got.Sum != 11030 {
		t.Errorf("%v, in all %v; want %v", got.Counts, got.Sum, want)
	}
	if n := max(len(sweepSizeBounds), len(sweepTimeBounds)); n >= bucketsMost {
		t.Errorf("%d bounds need %d buckets", n, n+1)
	}
	if got := h.snapshot(sweepTimeBounds, time.Second).Bounds; got[0] != 1e-05 || got[10] != 1 {
		t.Errorf("bounds in seconds: %v", got)
	}
}

// nowhere takes everything.
type nowhere struct{}

func (nowhere) TryWrite(p []byte) (int, error)                { return len(p), nil }
func (nowhere) Drain(func() ([]byte, error), func(int)) error { return nil }

// hall is a raw room of n whose connections take everything at once, and in which a
// message of 64 bytes is said and brought to all by the function returned.
func hall(n int) (r *room, say func()) {
	s := New(Config{})
	r = newRoom(s, 1, roomKey{name: "hall", raw: true})
	r.begin()
	f := r.ring.Feed(r.formats[formatRaw])
	for range n {
		out := feed.NewOutlet(nowhere{}, func(err error) { panic(err) })
		out.Tally = &s.tally
		r.follow(&member{out: out, room: r, format: formatRaw}, f, f.Head())
	}
	e := &event{name: []byte("ana"), text: []byte(fmt.Sprintf("%063d\n", 7))}
	return r, func() {
		r.submit(e)
		r.sweep()
	}
}

// Neither saying something nor bringing it to everybody allocates, but for the segments
// of ring and feed, which are some hundred bytes a message.
func TestNoAllocationsInASweep(t *testing.T) {
	const members, sweeps = 100, 1000
	r, say := hall(members)
	for range 10 * sweeps { // until segments are large
		say()
	}
	if n := testing.AllocsPerRun(sweeps, say); n != 0 {
		t.Errorf("%v allocations for a message and %d deliveries; want none", n, members)
	}
	st := r.srv.Stats()
	if want := st.Messages * members; st.Deliveries != want || sum(st.SweepSeconds.Counts) != st.Messages {
		t.Errorf("%d deliveries in %d sweeps of %d messages for %d", st.Deliveries, sum(st.SweepSeconds.Counts), st.Messages, members)
	}
}

// BenchmarkRoomSweep is a message said and brought to a room, whose connections cost
// nothing.
func BenchmarkRoomSweep(b *testing.B) {
	for _, members := range []int{2, 200} {
		b.Run(fmt.Sprint("members=", members), func(b *testing.B) {
			_, say := hall(members)
			b.ReportAllocs()
			for b.Loop() {
				say()
			}
		})
	}
}

// Listeners that wait for somebody are nobody who waits to be greeted.
func TestNobodyIsPending(t *testing.T) {
	r := openRig(t, Config{})
	ana := r.listen(r.dial(r.port, nil, 0))
	ana.hears("* you are ")
	r.await("nobody waits to be greeted", func() bool { return r.Stats().Pending == 0 })
}
