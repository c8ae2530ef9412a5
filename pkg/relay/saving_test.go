package relay

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chatd/chatd/internal/pipe"
)

// watchedJournal notes how much is on its way to it.
type watchedJournal struct {
	*Memory
	srv  *Server
	most atomic.Int64
}

func (j *watchedJournal) Append(m *Message, stored func(error)) {
	if n := j.srv.saving.coming.Load(); n > j.most.Load() {
		j.most.Store(n)
	}
	j.Memory.Append(m, stored)
}

// Many rooms together let no more messages be on their way to the journal than it can
// take, and nothing is counted any more when all have left, or their room has failed.
func TestManyRoomsYieldToTheJournal(t *testing.T) {
	const rooms, senders, lines = 40, 4, 400
	j := &watchedJournal{Memory: NewMemory(Keep{})}
	defer j.Close()
	j.srv = New(Config{Name: "test", Rate: Unlimited, Journal: j})
	var all sync.WaitGroup
	for i := range rooms * senders {
		ours, theirs := pipe.New()
		all.Go(func() { _ = j.srv.ServeConn(context.Background(), theirs) })
		all.Go(func() { _, _ = io.Copy(io.Discard, ours) })
		all.Go(func() {
			fmt.Fprintf(ours, "/bot\n/join room%dr\n", i%rooms)
			for range lines {
				fmt.Fprintln(ours, "hello")
			}
			fmt.Fprintln(ours, "/quit")
		})
	}
	for _, r := range []int{1, 2, 3} { // the inbox of one that fails counts no more
		key := roomKey{name: fmt.Sprintf("room%dr", r)}
		room := j.srv.hold(key)
		room.call(j.srv.killed, func() { panic("on purpose") })
		j.srv.release(room)
	}
	all.Wait()
	// Who has been found to be no busy sender yet does not wait.
	if most := j.most.Load(); most > comingMost+rooms*senders*(busySender+1) {
		t.Errorf("%d messages were on their way at once", most)
	}
	if n := j.srv.saving.coming.Load(); n != 0 {
		t.Errorf("%d messages are on their way for ever", n)
	}
	if err := j.srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
