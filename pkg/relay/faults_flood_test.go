// Those who want more than their share: they get theirs, and others wait no
// longer for it.

package relay

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/figure"
	"github.com/chatd/chatd/internal/invariant"
)

// disturbed is how much longer others may wait beside those who want too much.
func disturbed(row int, part string) bound {
	return bound{row: row, part: part, share: 0.10, time: 2 * time.Millisecond}
}

// A flooder is read at the rate. It loses nothing.
func TestFault8Flooder(t *testing.T) {
	const burst = 20
	r := openRig(t, Config{Rate: 50, Burst: burst})
	l := r.baseline()
	arrive := func() *caller {
		f := r.call("flooder")
		r.settled()
		return f
	}
	leave := func(f *caller) {
		f.hangUp()
		r.settled()
	}
	l.compare(disturbed(8, "the others beside one"), func() func() {
		f := arrive()
		return func() { leave(f) }
	}, func() func() {
		f := arrive()
		// A small buffer and long lines, so that the flood ends soon after its
		// flooder does.
		_ = f.SetWriteBuffer(4 << 10)
		var rest []byte // of a line that was begun
		var flood sync.WaitGroup
		flood.Go(func() {
			for {
				f.said++
				line := invariant.AppendText(nil, invariant.Message{Sender: f.sender, N: f.said}, 3000)
				line = append(line, '\n')
				if n, err := f.Write(line); err != nil {
					rest = line[n:]
					return
				}
			}
		})
		ctx, cancel := soon()
		defer cancel()
		if err := l.people[0].saw.Await(ctx, f.sender, burst); err != nil {
			t.Error(err)
		}
		return func() {
			_ = f.SetWriteDeadline(time.Unix(1, 0))
			flood.Wait()
			_ = f.SetWriteDeadline(time.Time{})
			f.write(string(rest))
			for _, c := range l.people {
				c.hears(f)
			}
			r.check.Said(f.sender, f.said)
			leave(f)
		}
	})
}

// Those who ask again and again pay for it with their rate, and nobody else does.
func TestFault28Askers(t *testing.T) {
	r := openRig(t, Config{})
	l := r.baseline()
	arrive := func() (askers []*ear, end func()) {
		for range sized(20, 100) {
			e := r.listen(r.dial(r.port, nil, 0))
			e.say("/bot\n")
			askers = append(askers, e)
		}
		r.await("all are in the room", func() bool { return r.members() == len(l.people)+len(askers) })
		return askers, func() {
			for _, e := range askers {
				e.reset()
			}
			r.settled()
		}
	}
	l.compare(disturbed(28, fmt.Sprintf("the others beside %d who ask", sized(20, 100))), func() func() {
		_, end := arrive()
		return end
	}, func() func() {
		askers, end := arrive()
		// Each begins at a moment of its own, and with another question: people do
		// not ask in step.
		beat := time.NewTicker(time.Second / time.Duration(r.cfg.Rate) / time.Duration(len(askers)))
		defer beat.Stop()
		questions := []string{"/last\n", "/who\n", "/last 100\n", "/rooms\n", "/search heard\n"}
		for i, e := range askers {
			first := i % len(questions)
			e.say(strings.Repeat(strings.Join(slices.Concat(questions[first:], questions[:first]), ""), 120))
			<-beat.C
		}
		for _, e := range askers { // their burst is over
			e.hears("* you are faster than 10 lines a second")
		}
		return end
	})
}

// Those who make rooms as fast as they can are not faster than their rate, and of
// the rooms nothing is left: 800 in a round here, 4,000 in full.
func TestFault28RoomExplosion(t *testing.T) {
	r := openRig(t, Config{})
	l := r.baseline()
	goroutines := runtime.NumGoroutine()
	n := sized(20, 100)
	makers := func(typed func(maker int) string) (end func()) {
		before := r.begun()
		var list []*ear
		for i := range n {
			e := r.listen(r.dial(r.port, nil, 0))
			e.say("/bot\n" + typed(i))
			list = append(list, e)
		}
		if typed(0) != "" {
			for _, e := range list { // their burst is over
				e.hears("* you are faster than 10 lines a second")
			}
			if made, least := r.begun()-before, uint32(n*(r.cfg.Burst-1)); made < least {
				t.Errorf("%d rooms were made, at least %d should have been", made, least)
			}
		}
		return func() {
			for _, e := range list {
				e.reset()
			}
			r.await("their rooms are gone", func() bool { return r.Counts().Rooms == 1 })
			r.settled()
		}
	}
	l.compare(disturbed(28, fmt.Sprintf("the others beside %d who make rooms", n)), func() func() {
		return makers(func(int) string { return "" })
	}, func() func() {
		return makers(func(maker int) string {
			typed := &strings.Builder{}
			for i := range 500 {
				fmt.Fprintf(typed, "/join room%dof%dx\n", i, maker)
			}
			return typed.String()
		})
	})
	if n := r.listed(); n != 1 {
		t.Errorf("%d rooms are listed", n)
	}
	r.await("their broadcasters have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	var own int64 // of the room that is left
	lobby := r.room(r.lobby())
	lobby.call(t.Context().Done(), func() { own = lobby.ring.HeldAll() })
	held := r.Counts().LogBytes
	figure.Figure{
		Row: 28, Part: "what is left of their rooms", Held: held == own && r.listed() == 1, Bar: "nothing",
		Got: fmt.Sprintf("%d rooms, %d bytes", r.listed()-1, held-own),
	}.Tell(t)
	if held != own {
		t.Errorf("%d bytes are held, of which the lobby has %d", held, own)
	}
}

// begun is how many rooms there have ever been.
func (r *rig) begun() uint32 {
	r.Server.mu.Lock()
	defer r.Server.mu.Unlock()
	return r.lastRoom
}

// listed is how many rooms the server knows of.
func (r *rig) listed() int {
	r.Server.mu.Lock()
	defer r.Server.mu.Unlock()
	return len(r.catalog.byKey)
}
