package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chatd/chatd/internal/figure"
	"github.com/chatd/chatd/pkg/relay"
)

// mustOpen opens the history in a folder until the test ends.
func mustOpen(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	s.q.limit = time.Minute // a machine that is busy with tests is no disk that stalls
	t.Cleanup(func() {
		if !s.closed() {
			mustClose(t, s)
		}
	})
	return s
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func (s *Store) closed() bool {
	select {
	case <-s.q.stop:
		return true
	default:
		return false
	}
}

// say appends the next message of a room.
func say(s *Store, room, author, text string) uint64 {
	seq := s.Last(room) + 1
	s.Append(&relay.Message{
		Room: room, Position: relay.Position{Seq: seq}, Time: time.Now().UnixNano(),
		Author: []byte(author), Text: []byte(text),
	}, nil)
	return seq
}

// all returns the entries of a room as "7: text".
func all(t testing.TB, s *Store, room string) []string {
	t.Helper()
	list, err := s.From(t.Context(), room, 0, math.MaxInt32)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, m := range list {
		lines = append(lines, fmt.Sprintf("%d: %s", m.Seq, m.Text))
	}
	return lines
}

// mustRefuse fails the test unless opening fails with what is wanted.
func mustRefuse(t *testing.T, dir, want string) {
	t.Helper()
	s, err := Open(t.Context(), dir, Options{})
	if err == nil {
		s.Close()
		t.Fatalf("Open(%s) succeeds; want an error with %q", dir, want)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("Open: %v\nwant %q in it", err, want)
	}
	if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "; ") {
		t.Errorf("Open: %v\nwant the folder in it, and what to do", err)
	}
}

func TestFolderIsMadeForTheOwner(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "history")
	s := mustOpen(t, dir, Options{})
	say(s, "tea", "ana", "hello")
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{
		"": fs.ModeDir | 0o700, fileName: 0o600, fileName + "-wal": 0o600, fileName + "-shm": 0o600, lockName: 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode() != want {
			t.Errorf("%q has mode %v; want %v", name, info.Mode(), want)
		}
	}
	mustClose(t, s)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("after Close the folder has %v, %v; want database and lock", entries, err)
	}
}

func TestFolderNames(t *testing.T) {
	for _, name := range []string{"a b", "q?x=1", "h#1", "100%", "%41", "a&b", "ünï 茶", "'\"", "file:x"} {
		dir := filepath.Join(t.TempDir(), name)
		s := mustOpen(t, dir, Options{})
		say(s, "tea", "ana", "hello")
		mustClose(t, s)
		if _, err := os.Stat(filepath.Join(dir, fileName)); err != nil {
			t.Errorf("folder %q: %v", name, err)
		}
		s = mustOpen(t, dir, Options{})
		if got := all(t, s, "tea"); len(got) != 1 {
			t.Errorf("folder %q has %q", name, got)
		}
	}
}

func TestSecondServerIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	mustRefuse(t, dir, fmt.Sprintf("history is in use by pid %d", os.Getpid()))
	if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second server is refused with %v", err)
	}
	say(s, "tea", "ana", "still the only one")
	mustClose(t, s)
	s = mustOpen(t, dir, Options{})
	got := all(t, s, "tea")
	if len(got) != 1 {
		t.Errorf("tea has %q", got)
	}
	figure.Figure{
		Row: 20, Part: "a second writer", Held: !t.Failed(), Bar: "never",
		Got: fmt.Sprintf("refused, %d message kept", len(got)),
	}.Tell(t)
}

func TestFolderIsUnusable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, file, "is not a folder; name one")
	mustRefuse(t, filepath.Join(file, "deeper"), "is not a folder; name one")
	if err := os.MkdirAll(filepath.Join(dir, "odd", fileName), 0o700); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, filepath.Join(dir, "odd"), "is not a file; move it away")
	mustRefuse(t, "/proc/chatd", "history:")
	figure.Figure{
		Row: 20, Part: "folders that cannot be used", Held: !t.Failed(), Bar: "each said in a sentence", Got: "4 refused",
	}.Tell(t)
	if os.Getuid() == 0 {
		t.Log("mode bits are not tried: root may do everything")
		return
	}
	if err := os.Mkdir(filepath.Join(dir, "theirs"), 0o500); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, filepath.Join(dir, "theirs"), "may not use")
}

func TestPermissionSentence(t *testing.T) {
	got := folderError("/x", &fs.PathError{Op: "open", Path: "/x", Err: fs.ErrPermission}).Error()
	if want := fmt.Sprintf("history: user %d may not use /x; make it that user's (chown), or name another folder", os.Getuid()); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// query runs statements on a database that no store has open.
func query(t *testing.T, dir, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(dir, "rwc"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
}

func sumOf(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

func TestNewerFormatIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	say(s, "tea", "ana", "hello")
	mustClose(t, s)
	query(t, dir, "PRAGMA user_version = 7")
	before := sumOf(t, dir)
	mustRefuse(t, dir, fmt.Sprintf("was written by a newer chatd (format 7, this one knows up to %d); run that one", len(formats())))
	if _, err := OpenReader(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "newer chatd") {
		t.Errorf("OpenReader: %v", err)
	}
	isSame := sumOf(t, dir) == before
	figure.Figure{
		Row: 20, Part: "a file that a newer version wrote", Held: isSame, Bar: "refused, and not touched",
		Got: fmt.Sprintf("refused, its checksum is the same: %t", isSame),
	}.Tell(t)
	if !isSame {
		t.Error("the file was changed")
	}
}

func TestForeignDatabaseIsLeftAlone(t *testing.T) {
	changed := 0
	for _, statements := range []string{"CREATE TABLE invoices (id)", "PRAGMA user_version = 1"} {
		dir := t.TempDir()
		query(t, dir, statements)
		before := sumOf(t, dir)
		mustRefuse(t, dir, "is not a history of chatd's; name another folder")
		if sumOf(t, dir) != before {
			changed++
			t.Error("the file was changed")
		}
	}
	figure.Figure{
		Row: 20, Part: "another program's files", Held: changed == 0, Bar: "refused, and not touched",
		Got: fmt.Sprintf("2 refused, %d changed", changed),
	}.Tell(t)
}

// TestMigration opens a database with formats that are not there yet: one that
// cannot be reached, and one that can.
func TestMigration(t *testing.T) {
	dir := t.TempDir()
	if _, err := open(t.Context(), dir, Options{}, formats()[:1]); err == nil { // the first there was
		t.Fatal("the first format is written by statements of the newest")
	}
	s := mustOpen(t, dir, Options{})
	say(s, "tea", "ana", "from before")
	mustClose(t, s)

	broken := append(formats(), "CREATE TABLE later (x); INSERT INTO nowhere VALUES (1)")
	if s, err := open(t.Context(), dir, Options{}, broken); err == nil {
		s.Close()
		t.Fatal("a migration that fails is no error")
	} else if !strings.Contains(err.Error(), fmt.Sprintf("to format %d", len(broken))) {
		t.Errorf("the error does not name the step: %v", err)
	}
	s = mustOpen(t, dir, Options{}) // as it was
	mustClose(t, s)

	later := append(formats(), "ALTER TABLE accounts ADD COLUMN mail TEXT", "CREATE TABLE later (x)")
	s, err := open(t.Context(), dir, Options{}, later)
	if err != nil {
		t.Fatal(err)
	}
	var version int
	if err := s.r.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil || version != len(later) {
		t.Errorf("the format is %d, %v; want %d", version, err, len(later))
	}
	if _, err := s.r.db.Query("SELECT mail, x FROM accounts, later"); err != nil {
		t.Errorf("a step is missing: %v", err)
	}
	if got := all(t, s, "tea"); len(got) != 1 {
		t.Errorf("tea has %q", got)
	}
	mustClose(t, s)
	mustRefuse(t, dir, fmt.Sprintf("was written by a newer chatd (format %d", len(later)))
}

func TestDamagedDatabase(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, dir, "is damaged")

	// A page in the middle is overwritten while nobody looks, and then chatd ends
	// without Close.
	dir = t.TempDir()
	s := mustOpen(t, dir, Options{})
	for range 2000 {
		say(s, "tea", "ana", strings.Repeat("all is well ", 20))
	}
	mustClose(t, s)
	query(t, dir, "UPDATE epochs SET closed = NULL")
	path := filepath.Join(dir, fileName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[len(b)/4096/2*4096:], bytes.Repeat([]byte{0xaa}, 4096))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, dir, "is damaged")
	mustRefuse(t, dir, "sqlite3 chatd.db .recover")
}

func TestReaderBesideAServer(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReader(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "there is none in") {
		t.Errorf("OpenReader of an empty folder: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("OpenReader left %v", entries)
	}
	s := mustOpen(t, dir, Options{})
	for i := range 300 {
		say(s, "tea", "ana", fmt.Sprintf("message %d", i))
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := func(want int) {
		t.Helper()
		r, err := OpenReader(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		list, err := r.From(t.Context(), "tea", 0, 1000)
		if err != nil || len(list) != want {
			t.Errorf("the reader sees %d messages, %v; want %d", len(list), err, want)
		}
		if found, err := r.Search(t.Context(), "tea", "message", 11, 5); err != nil || len(found) != 5 {
			t.Errorf("the reader finds %d messages, %v; want 5", len(found), err)
		}
		if rooms, err := r.Rooms(t.Context()); err != nil || len(rooms) != 1 {
			t.Errorf("the reader sees the rooms %v, %v", rooms, err)
		}
		if _, err := r.db.Exec("DELETE FROM messages"); err == nil {
			t.Error("the reader can write")
		}
	}
	read(300)
	say(s, "tea", "ana", "another")
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	read(301)
	mustClose(t, s)
	read(301) // without a server
	query(t, dir, "UPDATE epochs SET closed = NULL")
	s = mustOpen(t, dir, Options{})
	say(s, "tea", "ana", "in the log only")
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir = crash(t, dir)
	read(303) // after a crash: a hole, and what came then
}

func TestReadersAreInterrupted(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	for range 50 {
		say(s, "tea", "ana", "hello")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Search(ctx, "tea", "hello", math.MaxUint64, 10); err != context.Canceled {
		t.Errorf("Search: %v; want %v", err, context.Canceled)
	}
	if _, err := s.Before(t.Context(), "tea", math.MaxUint64, 10); err != nil {
		t.Errorf("Before, after another reader was interrupted: %v", err)
	}
}
