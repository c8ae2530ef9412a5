package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chatd/chatd/pkg/relay"
)

// secret returns a word that nothing else holds, in letters that the index keeps
// as they are. Words that begin alike are kept as one and the differences, so that
// the end is what to look for.
func secret(r *rand.Rand) string {
	b := make([]byte, 24)
	for i := range b {
		b[i] = 'a' + byte(r.IntN(26))
	}
	return string(b)
}

// traces counts the words of which the files of a folder still hold the end.
func traces(t *testing.T, dir string, words []string) (n int, example string) {
	t.Helper()
	const end = 16 // bytes of a word that count
	left := make(map[string]string, len(words))
	for _, w := range words {
		left[w[len(w)-end:]] = w
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		run := 0 // letters up to here
		for i, c := range b {
			if run++; c < 'a' || c > 'z' {
				run = 0
			}
			if run < end {
				continue
			}
			if w, ok := left[string(b[i+1-end:i+1])]; ok {
				n++
				example = w
				delete(left, w[len(w)-end:])
			}
		}
	}
	return n, example
}

// TestForgetLeavesNoTrace has four authors talk in many rooms, deletes some by age,
// and looks for the words of one in the files.
func TestForgetLeavesNoTrace(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	r := rand.New(rand.NewPCG(1, 2))
	written := make(map[string][]string)
	total := sized(2500, 8000)
	for i := range total {
		author := []string{"ana", "ben", "Ben", "cem"}[r.IntN(4)]
		word := secret(r)
		written[author] = append(written[author], word)
		say(s, fmt.Sprint("room", r.IntN(50)), author, strings.Repeat("so it is ", r.IntN(30))+word)
		if i%1000 == 0 { // else the queue may be full
			if err := s.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	long := secret(r)
	say(s, "tea", "ben", strings.Repeat("on and on ", 2000)+long) // on pages of its own
	written["ben"] = append(written["ben"], long)
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.keep = relay.Keep{Count: total / 60}
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	forgotten := append(written["ben"], written["Ben"]...)
	if n, _ := traces(t, copied(t, dir), forgotten); n < len(forgotten)*9/10 {
		t.Fatalf("of %d words only %d are found before Forget: the test sees nothing", len(forgotten), n)
	}

	if _, err := s.Forget(t.Context(), "ben"); err != nil {
		t.Fatal(err)
	}
	files := copied(t, dir)
	if n, example := traces(t, files, forgotten); n > 0 {
		t.Errorf("%d of %d words are left, as %q", n, len(forgotten), example)
	}
	if n, _ := traces(t, files, written["ana"]); n < len(written["ana"])/2 {
		t.Errorf("only %d of ana's %d words are left", n, len(written["ana"]))
	}
	var sound string
	if err := s.r.db.QueryRow("PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
		t.Errorf("integrity_check: %s, %v", sound, err)
	}
	if found, err := s.Search(t.Context(), "room7", written["cem"][len(written["cem"])-1], 1<<40, 1); err != nil {
		t.Errorf("Search: %v, %v", found, err)
	}
	mustClose(t, s)
	if n, example := traces(t, dir, forgotten); n > 0 {
		t.Errorf("%d of %d words are left after Close, as %q", n, len(forgotten), example)
	}
}

// copied copies a folder's files, which must not be opened in this process.
func copied(t *testing.T, dir string) string {
	t.Helper()
	return crash(t, dir)
}

// TestForgetWaitsForReaders holds on to the history as it was.
func TestForgetWaitsForReaders(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	say(s, "tea", "ana", "zyzzyva")
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	reader, err := OpenReader(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	rows, err := reader.db.Query("SELECT seq FROM messages")
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if n, err := s.Forget(ctx, "ana"); n != 1 || err == nil || !strings.Contains(err.Error(), "a reader still holds the history") {
		t.Errorf("Forget while somebody reads: %d, %v", n, err)
	}
	rows.Close()
	if n, err := s.Forget(t.Context(), "ana"); n != 0 || err != nil {
		t.Errorf("Forget again: %d, %v", n, err)
	}
}

// treePage is a leaf with one cell, free space in which something is left, and a
// free block in which something is left, too.
func treePage(number int) []byte {
	page := make([]byte, 512)
	header := page
	if number == 1 {
		header = page[100:]
	}
	header[0] = 0x0d
	binary.BigEndian.PutUint16(header[1:], 450) // the free block
	binary.BigEndian.PutUint16(header[3:], 1)   // cells
	binary.BigEndian.PutUint16(header[5:], 400) // where their content begins
	binary.BigEndian.PutUint16(header[8:], 400)
	copy(page[300:], "left in the gap")
	copy(page[400:], "the cell")
	binary.BigEndian.PutUint16(page[452:], 40)
	copy(page[460:], "left in the block")
	copy(page[495:], "kept")
	return page
}

func TestClearUnused(t *testing.T) {
	for _, number := range []int{1, 2} {
		page := treePage(number)
		if !clearUnused(page, number) {
			t.Errorf("page %d: nothing is changed", number)
		}
		if bytes.Contains(page, []byte("left")) {
			t.Errorf("page %d: something is left", number)
		}
		if !bytes.Contains(page, []byte("the cell")) || !bytes.Contains(page, []byte("kept")) {
			t.Errorf("page %d: something is gone", number)
		}
		if clearUnused(page, number) {
			t.Errorf("page %d is changed again", number)
		}
	}
	page := treePage(2)
	page[0] = 0
	if clearUnused(page, 2) {
		t.Error("a page of no tree is changed")
	}
}

// FuzzClearUnused checks that no page makes it fail, and that the header, the cells'
// places and what lies before the content stay as they are.
func FuzzClearUnused(f *testing.F) {
	f.Add(treePage(1), true)
	f.Add(treePage(2), false)
	f.Fuzz(func(t *testing.T, page []byte, first bool) {
		number := 2
		if first {
			number = 1
		}
		before := bytes.Clone(page)
		if !clearUnused(page, number) {
			if !bytes.Equal(before, page) {
				t.Fatal("a change is denied")
			}
			return
		}
		header := 0
		if first {
			header = 100
		}
		cells := int(binary.BigEndian.Uint16(before[header+3:]))
		if used := header + 8 + 2*cells; !bytes.Equal(before[:used], page[:used]) {
			t.Fatalf("of what is used something is changed: %x, was %x", page[:used], before[:used])
		}
		if again := bytes.Clone(page); clearUnused(again, number) {
			t.Fatal("it is changed again")
		}
	})
}
