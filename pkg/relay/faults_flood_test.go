// Those who want more than their share: they get theirs, and others wait no
// longer for it.

package relay

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/invariant"
)

// disturbed is how much longer others may wait beside those who want too much.
var disturbed = bound{0.10, 2 * time.Millisecond}

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
	l.compare(disturbed, func() func() {
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
	l.compare(disturbed, func() func() {
		_, end := arrive()
		return end
	}, func() func() {
		askers, end := arrive()
		for _, e := range askers {
			e.say(strings.Repeat("/last\n/who\n/last 100\n/rooms\n/search heard\n", 120))
		}
		for _, e := range askers { // their burst is over
			e.hears("* you are faster than 10 lines a second")
		}
		return end
	})
}

// Those who make rooms as fast as they can are not faster than their rate, and of
// the rooms nothing is left.
func TestFault28RoomExplosion(t *testing.T) {
	r := openRig(t, Config{})
	l := r.baseline()
	makers := func(typed string) (end func()) {
		var list []*ear
		for range sized(20, 100) {
			e := r.listen(r.dial(r.port, nil, 0))
			e.say("/bot\n" + typed)
			list = append(list, e)
		}
		for _, e := range list {
			if typed != "" { // their burst is over
				e.hears("* you are faster than 10 lines a second")
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
	typed := &strings.Builder{}
	for i := range 500 {
		fmt.Fprintf(typed, "/join room%dr\n", i)
	}
	l.compare(disturbed, func() func() { return makers("") }, func() func() { return makers(typed.String()) })
	if n := r.listed(); n != 1 {
		t.Errorf("%d rooms are listed", n)
	}
}

// listed is how many rooms the server knows of.
func (r *rig) listed() int {
	r.Server.mu.Lock()
	defer r.Server.mu.Unlock()
	return len(r.catalog.byKey)
}
