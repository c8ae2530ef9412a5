// Readers that stop reading, and a log that nobody reads.

package relay

import (
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/chatd/chatd/internal/figure"
	"github.com/chatd/chatd/internal/logsink"
)

// window is the receive buffer of those who stop reading: the sooner it is full,
// the sooner they stall.
const window = 4 << 10

// beyondKernel is more bytes than kernel buffers of loopback connections hold that
// have such a window.
const beyondKernel = 256 << 10

// stall brings n callers in that do not read, and has more said than the kernel
// holds for them.
func (r *rig) stall(n int, by, ear *caller) []*caller {
	r.Helper()
	stalled := make([]*caller, n)
	for i := range stalled {
		stalled[i] = r.mute(fmt.Sprintf("stalled%dx", i), window)
	}
	r.settled()
	by.blast(beyondKernel/1000, 1000, ear)
	r.await("all have stalled", func() bool { return r.parked() == n })
	return stalled
}

// parked is how many sessions wait for their peer to read.
func (r *rig) parked() (n int) {
	for _, s := range r.snapshot() {
		if !s.out.Parked().IsZero() {
			n++
		}
	}
	return n
}

func TestFault1StalledReadersDelayNobody(t *testing.T) {
	l := openRig(t, Config{Rate: Unlimited}).baseline()
	counts := []int{50}
	if torture {
		counts = []int{1000, 100, 10, 1}
	}
	stall := func(n int) func() func() {
		return func() func() {
			stalled := l.stall(n, l.people[0], l.people[1])
			return func() {
				for _, c := range stalled {
					c.hangUp()
				}
				l.settled()
			}
		}
	}
	for _, n := range counts {
		b := bound{row: 1, part: fmt.Sprintf("the others beside %d stalled", n), share: 0.05, time: time.Millisecond}
		l.compare(b, stall(0), stall(n))
	}
}

// stalledMost is what a reader that has stopped may cost this process, in bytes.
const stalledMost = 16 << 10

func TestFault1StalledReadersCostLittle(t *testing.T) {
	r := openRig(t, Config{Rate: Unlimited, Journal: newNumbering()})
	by := r.call("bob")
	r.settled()
	by.blast(2*ringBytes/1000, 1000, by) // the feed is as large as it gets
	n := sized(100, 1000)
	before := memory()
	stalled := make([]*ear, n)
	for i := range stalled {
		stalled[i] = &ear{Conn: r.dial(r.port, nil, window), t: t}
		stalled[i].say("/bot\n")
	}
	r.await("all are in the room", func() bool { return r.members() == n+1 })
	idle := memory()
	by.blast(beyondKernel/1000, 1000, by)
	r.await("all have stalled", func() bool { return r.parked() == n })
	after := memory()
	t.Logf("%d bytes each in the room, %d when they have stopped reading", (idle-before)/int64(n), (after-before)/int64(n))
	each := (after - before) / int64(n)
	figure.Figure{
		Row: 1, Part: "memory of a stalled one", Held: each <= stalledMost, Bar: "16 KiB",
		Got: fmt.Sprintf("%.1f KiB", float64(each)/1024),
	}.Tell(t)
	if each > stalledMost {
		t.Errorf("each costs %d bytes, at most %d", each, stalledMost)
	}
	for _, e := range stalled {
		e.reset()
	}
}

// Those who read on see all that is kept, or one notice of what is not.
func TestFault1StalledReadersGoOn(t *testing.T) {
	for _, test := range []struct {
		name  string
		bytes int
		gaps  int
	}{
		{"kept", ringBytes / 4, 0},
		{"not kept", 4 * ringBytes, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := openRig(t, Config{Rate: Unlimited})
			ana, bob := r.call("ana"), r.call("bob")
			r.settled()
			r.check.Observer(ana.saw)
			stalled := r.stall(sized(10, 100), bob, ana)
			bob.blast(test.bytes/1000, 1000, ana)
			for _, c := range stalled {
				c.read()
			}
			bob.say(100)
			exact := 0
			for _, c := range stalled {
				c.hears(bob)
				c.saw.SawAll()
				if saw := c.saw.Seen(); saw.Gaps != test.gaps {
					t.Errorf("a reader that went on was told of %d gaps, want %d", saw.Gaps, test.gaps)
				} else {
					exact++
				}
			}
			ana.hears(bob)
			r.check.Said(bob.sender, bob.said)
			figure.Figure{
				Row: 1, Part: fmt.Sprintf("who reads on, what was said is %s", test.name), Held: exact == len(stalled),
				Got: fmt.Sprintf("%d of %d were told of %d gaps", exact, len(stalled), test.gaps), Bar: "all, and of exactly what is missing",
			}.Tell(t)
		})
	}
}

// blockable is a writer that can be made to block.
type blockable struct{ block chan struct{} } // who holds its place blocks it

func (b blockable) Write(p []byte) (int, error) {
	b.block <- struct{}{}
	<-b.block
	return len(p), nil
}

func TestFault31BlockedLogDelaysNobody(t *testing.T) {
	w := blockable{make(chan struct{}, 1)}
	sink := logsink.New(w, func(int) []byte { return []byte("dropped\n") })
	go sink.Run()
	t.Cleanup(func() { _ = sink.Close() })
	log := zerolog.New(sink)
	l := openRig(t, Config{Rate: Unlimited, Logger: &log}).baseline()
	logging := func() func() {
		for range sized(20, 100) { // connections that speak, and are logged
			l.call("logged").hangUp()
		}
		for range 2000 { // more lines than the sink holds
			l.log.Info().Msg("full")
		}
		return func() {}
	}
	l.compare(bound{row: 31, part: "under load", share: 0.05, time: time.Millisecond}, logging, func() func() {
		w.block <- struct{}{}
		logging()
		return func() { <-w.block }
	})
}
