package store

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chatd/chatd/pkg/relay"
)

// crash copies a folder as a crash would leave it. The files are copied by another
// process: to close one here would drop the locks that SQLite has on it.
func crash(t *testing.T, dir string) string {
	t.Helper()
	copied := t.TempDir()
	for _, name := range []string{fileName, fileName + "-wal"} {
		if out, err := exec.Command("cp", filepath.Join(dir, name), copied).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return copied
}

func TestUncleanEnd(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	first := s.Epoch()
	for i := range 5 {
		say(s, "tea", "ana", fmt.Sprint("tea ", i))
	}
	say(s, "coffee", "ben", "one")
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}

	s = mustOpen(t, crash(t, dir), Options{})
	second := s.Epoch()
	if second <= first {
		t.Errorf("the epoch is %d after a crash; it was %d", second, first)
	}
	for room, want := range map[string]uint64{"tea": 5 + jump, "coffee": 1 + jump, "new": jump} {
		if n := s.Last(room); n != want {
			t.Errorf("the last number of %s is %d; want %d", room, n, want)
		}
	}
	ended := func(s *Store, room string, epoch, want uint64, known bool) {
		t.Helper()
		seq, ok, err := s.Ended(t.Context(), room, epoch)
		if err != nil || seq != want || ok != known {
			t.Errorf("Ended(%s, %d): %d, %v, %v; want %d, %v", room, epoch, seq, ok, err, want, known)
		}
	}
	ended(s, "tea", first, 5, true)
	ended(s, "coffee", first, 1, true)
	ended(s, "new", first, 0, true)
	ended(s, "tea", first-1, 0, false)
	ended(s, "tea", 1<<63, 0, false)
	hole := "100005: messages after #5 may be missing: chatd ended without closing its history"
	want := []string{"1: tea 0", "2: tea 1", "3: tea 2", "4: tea 3", "5: tea 4", hole}
	if d := cmp.Diff(want, all(t, s, "tea")); d != "" {
		t.Errorf("tea after a crash (-want +got):\n%s", d)
	}
	rooms, err := s.Rooms(t.Context())
	if err != nil || len(rooms) != 2 || rooms[1].Messages != 5 || rooms[1].Last != 5+jump {
		t.Errorf("Rooms: %+v, %v", rooms, err)
	}
	say(s, "coffee", "ben", "two")
	say(s, "new", "ben", "hello")
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}

	// A second crash: in tea nothing was said between the two.
	s = mustOpen(t, crash(t, s.dir), Options{})
	want[5] = "200005: messages after #5 may be missing: chatd ended without closing its history"
	if d := cmp.Diff(want, all(t, s, "tea")); d != "" {
		t.Errorf("tea after two crashes (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{
		"1: one",
		"100001: messages after #1 may be missing: chatd ended without closing its history",
		"100002: two",
		"200002: messages after #100002 may be missing: chatd ended without closing its history",
	}, all(t, s, "coffee")); d != "" {
		t.Errorf("coffee after two crashes (-want +got):\n%s", d)
	}
	ended(s, "tea", first, 5, true)
	ended(s, "coffee", second, 100_002, true)
	ended(s, "new", second, 100_001, true)
	list, err := s.From(t.Context(), "coffee", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]uint64{first, second, second, s.Epoch()}, []uint64{list[0].Epoch, list[1].Epoch, list[2].Epoch, list[3].Epoch}); d != "" {
		t.Errorf("epochs of coffee (-want +got):\n%s", d)
	}
	if list[3].Kind != relay.KindHole || list[2].Kind != relay.KindSay {
		t.Errorf("kinds of coffee: %v, %v", list[2].Kind, list[3].Kind)
	}

	// A clean end changes nothing more.
	third := s.Epoch()
	mustClose(t, s)
	s = mustOpen(t, s.dir, Options{})
	if s.Epoch() != third || s.Last("tea") != 5+2*jump || s.Last("unknown") != 2*jump {
		t.Errorf("after a clean end the epoch is %d, was %d; the last numbers are %d and %d",
			s.Epoch(), third, s.Last("tea"), s.Last("unknown"))
	}
}

func TestOldEpochsAreForgotten(t *testing.T) {
	dir := t.TempDir()
	var epochs []uint64
	for range epochsKept + 3 {
		s := mustOpen(t, dir, Options{})
		epochs = append(epochs, s.Epoch())
		say(s, "tea", "ana", "hello")
		mustClose(t, s)
		query(t, dir, "UPDATE epochs SET closed = NULL")
	}
	if !slices.IsSorted(epochs) || len(slices.Compact(slices.Clone(epochs))) != len(epochs) {
		t.Errorf("the epochs do not rise: %v", epochs)
	}
	s := mustOpen(t, dir, Options{})
	known := 0
	for _, e := range epochs {
		if _, ok, err := s.Ended(t.Context(), "tea", e); err != nil {
			t.Fatal(err)
		} else if ok {
			known++
		}
	}
	if known != epochsKept-1 {
		t.Errorf("%d earlier epochs are known; want %d", known, epochsKept-1)
	}
	if got := len(all(t, s, "tea")); got != 2*len(epochs) {
		t.Errorf("tea has %d entries; want %d", got, 2*len(epochs))
	}
}

// TestHistoryInAShell reads the history the way an operator does.
func TestHistoryInAShell(t *testing.T) {
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("sqlite3 is not installed")
	}
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	s.Append(&relay.Message{
		Room: "茶", Position: relay.Position{Seq: 7}, Time: 1_795_262_400_123_456_789, Kind: relay.KindAct,
		Author: []byte("Änne"), Text: []byte("trinkt | Tee"),
	}, nil)
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(shell, "-readonly", filepath.Join(dir, fileName), "SELECT * FROM history").CombinedOutput()
	if want := "茶|7|2026-11-21T12:00:00.123Z|act|Änne|trinkt | Tee\n"; err != nil || string(out) != want {
		t.Errorf("the shell says %v: %swant %s", err, out, want)
	}
	mustClose(t, s)
	if _, err := os.Stat(filepath.Join(dir, fileName+"-wal")); !os.IsNotExist(err) {
		t.Errorf("the write-ahead log is left after Close: %v", err)
	}
}
