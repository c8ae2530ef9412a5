package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chatd/chatd/pkg/relay"
)

// talkative makes messages like those of people: eight words, the common ones much
// more often than the rare.
type talkative struct {
	zipf *rand.Zipf
	text []byte
}

func newTalkative() *talkative {
	return &talkative{zipf: rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 2, 20_000)}
}

func (k *talkative) next() []byte {
	k.text = k.text[:0]
	for range 8 {
		k.text = fmt.Appendf(k.text, "word%d ", k.zipf.Uint64())
	}
	return k.text
}

// BenchmarkWriter is what Append and the writer take together, a message, in 20
// rooms, sync of the disk included; Bare is the writer's statements alone, in
// batches of the same size.
func BenchmarkWriter(b *testing.B) {
	const rooms = 20
	talk := newTalkative()
	b.Run("Append", func(b *testing.B) {
		s := mustOpen(b, b.TempDir(), Options{})
		m := relay.Message{Author: []byte("ana"), Time: time.Now().UnixNano()}
		names := make([]string, rooms)
		for i := range names {
			names[i] = fmt.Sprint("room", i)
		}
		places := make(chan struct{}, queueMost/2)
		stored := func(error) { <-places }
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			m.Room, m.Seq, m.Text = names[i%rooms], uint64(i/rooms+1), talk.next()
			places <- struct{}{}
			s.Append(&m, stored)
		}
		if err := s.Sync(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	})
	b.Run("Bare", func(b *testing.B) {
		s := mustOpen(b, b.TempDir(), Options{})
		var batch []*entry
		list := make([]*room, rooms)
		for i := range list {
			list[i] = &room{id: int64(i + 1), name: fmt.Sprint("room", i)}
		}
		b.ResetTimer()
		for i := range b.N {
			batch = append(batch, &entry{
				room: list[i%rooms], seq: uint64(i/rooms + 1), time: time.Now().UnixNano(), author: 3,
				bytes: append([]byte("ana"), talk.next()...),
			})
			if len(batch) == batchMost || i == b.N-1 {
				if _, err := ask(b.Context(), s.q, func() (int, error) { return 0, s.w.save(batch) }); err != nil {
					b.Fatal(err)
				}
				batch = batch[:0]
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	})
}

// BenchmarkBare inserts what the history in CHATD_BENCH_FROM holds once more, as the
// writer does it, in batches, with nothing else around it: what the disk and SQLite
// allow.
func BenchmarkBare(b *testing.B) {
	from := os.Getenv("CHATD_BENCH_FROM")
	if from == "" {
		b.Skip("CHATD_BENCH_FROM names no folder")
	}
	s := mustOpen(b, b.TempDir(), Options{})
	list := replayed(b, from)
	batch := make([]*entry, 0, batchMost)
	for i := 0; b.Loop(); i++ {
		e := list[i%len(list)]
		e.room.last++
		e.seq = e.room.last
		if batch = append(batch, e); len(batch) < batchMost {
			continue
		}
		if _, err := ask(b.Context(), s.q, func() (int, error) { return 0, s.w.save(batch) }); err != nil {
			b.Fatal(err)
		}
		batch = batch[:0]
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// replayed is what a history holds, as far as memory is willing, in the order in which
// it was said. How many there are is a multiple of a batch: none has one twice.
func replayed(b *testing.B, dir string) (list []*entry) {
	const most = 1000 * batchMost
	r, err := OpenReader(b.Context(), dir)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	rooms, err := r.Rooms(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for i, k := range rooms {
		in := &room{id: int64(i + 1), name: k.Room}
		said, err := r.From(b.Context(), k.Room, 0, most/len(rooms))
		if err != nil {
			b.Fatal(err)
		}
		for _, m := range said {
			list = append(list, &entry{
				room: in, time: m.Time, kind: m.Kind, author: len(m.Author), bytes: slices.Concat(m.Author, m.Text),
			})
		}
	}
	slices.SortStableFunc(list, func(a, b *entry) int { return cmp.Compare(a.time, b.time) })
	if list = list[:len(list)/batchMost*batchMost]; len(list) == 0 {
		b.Fatalf("%s holds less than a batch", dir)
	}
	return list
}

// million opens a history of a million messages in the room tea and a few in
// coffee, which is made once in the folder that CHATD_BENCH_DIR names, and anew when
// the format changes, or else for this benchmark.
func million(b *testing.B) *Store {
	dir := os.Getenv("CHATD_BENCH_DIR")
	if dir == "" {
		return sayMillion(b, b.TempDir())
	}
	dir = filepath.Join(dir, fmt.Sprintf("million-%d", len(formats())))
	if _, err := os.Stat(dir); err == nil {
		return mustOpen(b, dir, Options{})
	}
	begun := dir + ".begun" // so that what is interrupted does not pass for whole
	if err := os.RemoveAll(begun); err != nil {
		b.Fatal(err)
	}
	mustClose(b, sayMillion(b, begun))
	if err := os.Rename(begun, dir); err != nil {
		b.Fatal(err)
	}
	return mustOpen(b, dir, Options{})
}

// sayMillion makes it.
func sayMillion(b *testing.B, dir string) *Store {
	s := mustOpen(b, dir, Options{})
	talk := newTalkative()
	for i := range uint64(1_000_000) {
		text := append(talk.next(), fmt.Sprintf("unique%d", i)...)
		s.Append(&relay.Message{
			Room: "tea", Position: relay.Position{Seq: i + 1}, Time: int64(i) * int64(time.Second),
			Author: fmt.Appendf(nil, "author%d", i%500), Text: text,
		}, nil)
		if i%1000 == 0 {
			if i < 10_000 {
				say(s, "coffee", "ana", "word0 in a small room")
			}
			if err := s.Sync(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkMillion reads and searches a million messages.
func BenchmarkMillion(b *testing.B) {
	s := million(b)
	got := func(b *testing.B, want int) func([]relay.Message, error) {
		return func(list []relay.Message, err error) {
			if err != nil || len(list) != want {
				b.Fatalf("%d messages, %v; want %d", len(list), err, want)
			}
		}
	}
	ctx := context.Background()
	for _, c := range []struct {
		name string
		do   func() ([]relay.Message, error)
		want int
	}{
		{"Last50", func() ([]relay.Message, error) { return s.Before(ctx, "tea", math.MaxUint64, 50) }, 50},
		{"Middle50", func() ([]relay.Message, error) { return s.From(ctx, "tea", 500_000, 50) }, 50},
		{"Common", func() ([]relay.Message, error) { return s.Search(ctx, "tea", "word0", math.MaxUint64, 20) }, 20},
		{"CommonInTheMiddle", func() ([]relay.Message, error) { return s.Search(ctx, "tea", "word0", 500_000, 20) }, 20},
		{"CommonInSmallRoom", func() ([]relay.Message, error) { return s.Search(ctx, "coffee", "word0", math.MaxUint64, 20) }, 10},
		{"TwoCommon", func() ([]relay.Message, error) { return s.Search(ctx, "tea", "word0 word1", math.MaxUint64, 20) }, 20},
		{"Phrase", func() ([]relay.Message, error) { return s.Search(ctx, "tea", "word0-word1", math.MaxUint64, 20) }, 20},
		{"Rare", func() ([]relay.Message, error) { return s.Search(ctx, "tea", "unique777777", math.MaxUint64, 20) }, 1},
		{"RareAndCommon", func() ([]relay.Message, error) { return s.Search(ctx, "tea", "unique777 word0", math.MaxUint64, 20) }, -1},
		{"None", func() ([]relay.Message, error) { return s.Search(ctx, "tea", "absent", math.MaxUint64, 20) }, 0},
		{"Since", func() ([]relay.Message, error) {
			seq, err := s.Since(ctx, "tea", 700_000*int64(time.Second))
			if seq != 700_001 {
				b.Fatalf("Since: %d", seq)
			}
			return nil, err
		}, 0},
		{"Rooms", func() ([]relay.Message, error) { _, err := s.Rooms(ctx); return nil, err }, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			slowest := time.Duration(0)
			for b.Loop() {
				begin := time.Now()
				list, err := c.do()
				slowest = max(slowest, time.Since(begin))
				if c.want >= 0 {
					got(b, c.want)(list, err)
				}
			}
			b.ReportMetric(float64(slowest)/1e6, "ms-slowest")
		})
	}
	b.Run("Open", func(b *testing.B) {
		for b.Loop() {
			mustClose(b, s)
			var err error
			if s, err = Open(ctx, s.dir, Options{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Check", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.r.db.Exec("PRAGMA quick_check(1)"); err != nil {
				b.Fatal(err)
			}
		}
	})
	mustClose(b, s)
}

// BenchmarkForget forgets one of 500 authors of a million messages, and says how
// long at most a message waited meanwhile to be kept. It changes the history, and so
// has one of its own.
func BenchmarkForget(b *testing.B) {
	s := sayMillion(b, b.TempDir())
	worst := time.Duration(0)
	n := 0
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			for ctx.Err() == nil {
				begin := time.Now()
				say(s, "coffee", "ben", "hello")
				s.Sync(b.Context())
				worst = max(worst, time.Since(begin))
			}
		}()
		if deleted, err := s.Forget(ctx, fmt.Sprint("author", n)); err != nil || deleted == 0 {
			b.Fatalf("%d deleted, %v", deleted, err)
		}
		n++
		cancel()
		<-watched
	}
	b.ReportMetric(float64(worst.Milliseconds()), "ms-worst-wait")
}

// BenchmarkSweep deletes the oldest messages.
func BenchmarkSweep(b *testing.B) {
	s := mustOpen(b, b.TempDir(), Options{Keep: relay.Keep{Count: 1}})
	talk := newTalkative()
	for i := range b.N + 1 {
		say(s, "tea", "ana", string(talk.next()))
		if i%1000 == 0 {
			s.Sync(b.Context())
		}
	}
	s.Sync(b.Context())
	b.ResetTimer()
	if err := s.Sweep(b.Context()); err != nil {
		b.Fatal(err)
	}
	if got := len(all(b, s, "tea")); got != 1 {
		b.Fatalf("%d messages are left", got)
	}
}
