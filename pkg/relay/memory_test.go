package relay_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd/chatd/internal/journaltest"
	"github.com/chatd/chatd/pkg/relay"
)

func TestMemory(t *testing.T) {
	journaltest.Run(t, journaltest.Subject{
		New: func(*testing.T) func(relay.Keep) relay.Journal {
			return func(keep relay.Keep) relay.Journal { return relay.NewMemory(keep) }
		},
	})
}

func TestMemoryIsARegistry(t *testing.T) {
	var r relay.Registry = relay.NewMemory(relay.Keep{})
	if err := r.SaveAccount(t.Context(), relay.Account{Name: "ana", Key: "ana"}); err != nil {
		t.Error(err)
	}
	if state, err := r.Load(t.Context()); err != nil || len(state.Accounts) > 0 {
		t.Errorf("Load: %v, %v; want nothing", state, err)
	}
}

// TestMemorySweeps waits, on a fake clock, until messages are too old.
func TestMemorySweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := relay.NewMemory(relay.Keep{Age: time.Hour})
		defer m.Close()
		for seq := range uint64(6) { // one in ten minutes
			m.Append(&relay.Message{
				Room: "tea", Position: relay.Position{Seq: seq + 1}, Time: time.Now().UnixNano(), Text: []byte("hello"),
			}, nil)
			time.Sleep(10 * time.Minute)
		}
		for _, want := range []int{6, 5, 4, 3, 2, 1, 0, 0} {
			synctest.Wait()
			list, err := m.From(context.Background(), "tea", 0, 10)
			if err != nil || len(list) != want {
				t.Fatalf("after %v %d messages are kept, %v; want %d", time.Now().Minute(), len(list), err, want)
			}
			time.Sleep(10 * time.Minute)
		}
	})
}

func TestMemoryNoAllocations(t *testing.T) {
	m := relay.NewMemory(relay.Keep{})
	defer m.Close()
	msg := relay.Message{Room: "tea", Author: []byte("ana"), Text: []byte("the meeting is at three, in the small room")}
	// A segment is two or three allocations and takes two thousand messages.
	if n := testing.AllocsPerRun(20_000, func() {
		msg.Seq++
		m.Append(&msg, nil)
	}); n > 0 {
		t.Errorf("Append allocates %v times", n)
	}
}

func BenchmarkMemory(b *testing.B) {
	m := relay.NewMemory(relay.Keep{})
	defer m.Close()
	msg := relay.Message{Room: "tea", Author: []byte("ana")}
	say := func() {
		msg.Seq++
		msg.Text = append(strconv.AppendUint(msg.Text[:0], msg.Seq, 10), " is the room where the meeting is at three"...)
		m.Append(&msg, nil)
	}
	for range 20_000 {
		say()
	}
	b.Run("Append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			say()
		}
	})
	b.Run("Before", func(b *testing.B) {
		for b.Loop() {
			m.Before(b.Context(), "tea", msg.Seq, 50)
		}
	})
	b.Run("SearchRare", func(b *testing.B) {
		for b.Loop() {
			m.Search(b.Context(), "tea", "kitchen", msg.Seq, 20)
		}
	})
}
