package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/chatd/chatd/internal/figure"
	"github.com/chatd/chatd/pkg/relay"
)

// smallDisk mounts a disk of so many KiB, in memory, until the test ends.
func smallDisk(t *testing.T, kib int) string {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk,mode=0700", kib))
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		t.Skipf("a small disk cannot be mounted by this user: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

// savings collects what Watch tells.
func savings(s *Store) chan relay.Saving {
	told := make(chan relay.Saving, 100)
	s.Watch(func(v relay.Saving) { told <- v })
	return told
}

// next waits for what Watch tells next.
func next(t *testing.T, told chan relay.Saving) relay.Saving {
	t.Helper()
	select {
	case s := <-told:
		return s
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was told in 20 s")
		return relay.Saving{}
	}
}

// ledger is what became of the messages of one room.
type ledger struct {
	mu      sync.Mutex
	kept    map[uint64]bool
	refused map[uint64]bool
}

func newLedger() *ledger {
	return &ledger{kept: make(map[uint64]bool), refused: make(map[uint64]bool)}
}

// say appends the next message of a room and waits until its fate is known.
func (l *ledger) say(s *Store, room, text string) error {
	fate := make(chan error, 1)
	seq := s.Last(room) + 1
	s.Append(&relay.Message{
		Room: room, Position: relay.Position{Seq: seq}, Time: time.Now().UnixNano(), Author: []byte("ana"), Text: []byte(text),
	}, func(err error) { fate <- err })
	err := <-fate
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.kept[seq] = true
	} else {
		l.refused[seq] = true
	}
	return err
}

// check compares what a room has with what became of its messages, and the holes
// with what is missing.
func (l *ledger) check(t *testing.T, s *Store, room string) {
	t.Helper()
	list, err := s.From(t.Context(), room, 0, math.MaxInt32)
	if err != nil {
		t.Fatal(err)
	}
	var holes, missing, last uint64
	for _, m := range list {
		if m.Seq <= last {
			t.Errorf("%d comes after %d", m.Seq, last)
		}
		if m.Kind != relay.KindHole {
			if !l.kept[m.Seq] {
				t.Errorf("%d is there, but was refused", m.Seq)
			}
			delete(l.kept, m.Seq)
			last = m.Seq
			continue
		}
		var n uint64
		if _, err := fmt.Sscan(string(m.Text), &n); err != nil {
			t.Errorf("hole %d says %q", m.Seq, m.Text)
		}
		if !l.refused[m.Seq] || l.refused[m.Seq+1] {
			t.Errorf("hole %d is not the last that is missing", m.Seq)
		}
		holes, last = holes+n, m.Seq
	}
	for seq := range l.refused {
		if missing++; l.kept[seq] {
			t.Errorf("%d was kept and refused", seq)
		}
	}
	for seq := range l.kept {
		t.Errorf("%d is not there, but was called stored", seq)
	}
	if holes != missing {
		t.Errorf("holes tell of %d messages; %d were refused", holes, missing)
	}
}

// TestDiskFull fills a disk of 1 MiB, and makes room again.
func TestDiskFull(t *testing.T) {
	disk := smallDisk(t, 1024)
	dir := filepath.Join(disk, "history")
	s := mustOpen(t, dir, Options{})
	told := savings(s)
	l := newLedger()
	for range 20 {
		if err := l.say(s, "tea", "before"); err != nil {
			t.Fatal(err)
		}
	}
	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	for l.say(s, "tea", strings.Repeat("while it is full ", 50)) == nil {
	}
	if v := next(t, told); !v.Paused || v.Reason != reasonFull {
		t.Errorf("told %+v; want a pause, disk full", v)
	}
	for i := range 416 {
		if err := l.say(s, "tea", "lost"); err == nil {
			t.Fatalf("message %d was kept on a full disk", i)
		}
	}
	if err := newLedger().say(s, "coffee", "lost too"); err == nil || err.Error() != "not saved: disk full" {
		t.Errorf("a message that is lost is told %v", err)
	}
	if err := s.SaveAccount(t.Context(), relay.Account{Name: "ana", Key: "ana", Hash: strings.Repeat("x", 9000)}); err == nil {
		t.Error("an account was saved on a full disk")
	} else if !strings.Contains(err.Error(), "disk full") {
		t.Errorf("SaveAccount on a full disk: %v", err)
	}
	if _, err := s.Before(t.Context(), "tea", math.MaxUint64, 10); err != nil {
		t.Errorf("what is there cannot be read while the disk is full: %v", err)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	v := next(t, told)
	if v.Paused || v.Lost != uint64(len(l.refused)+1) {
		t.Errorf("told %+v; want that saving goes on, and %d lost", v, len(l.refused)+1)
	}
	took := time.Since(begin)
	figure.Figure{
		Row: 19, Part: "a full disk of 1 MiB has room again", Held: took <= 5*time.Second && v.Lost == uint64(len(l.refused)+1),
		Bar: "5 s, and the count is exact",
		Got: fmt.Sprintf("saving goes on after %.1f s, %d of %d not saved are told", took.Seconds(), v.Lost, len(l.refused)+1),
	}.Tell(t)
	if took > 5*time.Second {
		t.Errorf("saving went on %v after there was room", took)
	}
	for range 20 {
		if err := l.say(s, "tea", "after"); err != nil {
			t.Fatal(err)
		}
	}
	l.check(t, s, "tea")
	if got := all(t, s, "coffee"); len(got) != 1 || got[0] != "1: 1 message was not saved (disk full)" {
		t.Errorf("coffee has %q", got)
	}
	mustClose(t, s)
	s = mustOpen(t, dir, Options{})
	if s.Last("tea") < 456 || s.Last("coffee") != 1 {
		t.Errorf("the last numbers are %d and %d", s.Last("tea"), s.Last("coffee"))
	}
}

// TestDiskFullAtStart begins where there is no room.
func TestDiskFullAtStart(t *testing.T) {
	disk := smallDisk(t, 256)
	fill(t, filepath.Join(disk, "ballast"))
	mustRefuse(t, filepath.Join(disk, "history"), "is full")
	if err := os.Truncate(filepath.Join(disk, "ballast"), 200<<10); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, filepath.Join(disk, "history"), "is full")
	if err := os.Remove(filepath.Join(disk, "ballast")); err != nil {
		t.Fatal(err)
	}
	mustClose(t, mustOpen(t, filepath.Join(disk, "history"), Options{}))
}

// TestClosedOnAFullDisk ends while nothing can be saved: the next start must know.
func TestClosedOnAFullDisk(t *testing.T) {
	disk := smallDisk(t, 1024)
	dir := filepath.Join(disk, "history")
	s := mustOpen(t, dir, Options{})
	told := savings(s)
	l := newLedger()
	if err := l.say(s, "tea", "before"); err != nil {
		t.Fatal(err)
	}
	epoch := s.Epoch()
	fill(t, filepath.Join(disk, "ballast"))
	for l.say(s, "tea", strings.Repeat("while it is full ", 50)) == nil {
	}
	next(t, told)
	last := s.Last("tea")
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("Close: %v", err)
	}
	if err := os.Remove(filepath.Join(disk, "ballast")); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, dir, Options{})
	if s.Epoch() == epoch || s.Last("tea") <= last {
		t.Errorf("the epoch is %d, was %d; the last number is %d, was %d", s.Epoch(), epoch, s.Last("tea"), last)
	}
	if got := all(t, s, "tea"); !strings.Contains(got[len(got)-1], "may be missing") {
		t.Errorf("tea ends with %q", got[len(got)-1])
	}
}

// TestWriterHangs keeps the writer from committing for longer than is allowed, as a
// disk that stalls does: another connection has locked the database.
func TestWriterHangs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	s.q.limit = stallAfter
	told := savings(s)
	l := newLedger()
	if err := l.say(s, "tea", "before"); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", dsn(dir, "rw"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	other, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}

	var talking sync.WaitGroup
	talking.Go(func() {
		if err := l.say(s, "coffee", "taken by the writer, which hangs"); err != nil {
			t.Errorf("what the writer had was not kept when it could be: %v", err)
		}
	})
	if v := next(t, told); !v.Paused || v.Reason != reasonSlow {
		t.Errorf("told %+v; want a pause, disk too slow", v)
	}
	for range 100 {
		if err := l.say(s, "tea", "lost"); err == nil {
			t.Fatal("a message was kept while the database was locked")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if got, err := s.Before(ctx, "tea", math.MaxUint64, 10); err != nil || len(got) != 1 {
		t.Errorf("Before while the writer hangs: %d messages, %v", len(got), err)
	}
	if _, err := other.ExecContext(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if v := next(t, told); v.Paused || v.Lost != 100 {
		t.Errorf("told %+v; want that saving goes on, and 100 lost", v)
	}
	talking.Wait()
	if err := l.say(s, "tea", "after"); err != nil {
		t.Fatal(err)
	}
	want := []string{"1: before", "101: 100 messages were not saved (disk too slow)", "102: after"}
	if got := all(t, s, "tea"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("tea has %q; want %q", got, want)
	}
	if got := all(t, s, "coffee"); len(got) != 1 {
		t.Errorf("coffee has %q", got)
	}
}
