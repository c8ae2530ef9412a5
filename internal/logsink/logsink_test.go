package logsink

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func note(n int) []byte { return fmt.Appendf(nil, "(%d dropped)", n) }

// reader is a writer that someone reads, line by line, or does not: Write waits
// until the line is taken.
type reader chan string

func (r reader) Write(p []byte) (int, error) {
	r <- string(p)
	return len(p), nil
}

// take reads all that is written until everybody waits.
func (r reader) take() []string {
	var lines []string
	for {
		synctest.Wait()
		select {
		case line := <-r:
			lines = append(lines, line)
		default:
			return lines
		}
	}
}

// Everything happens in a bubble: if Write waited for the reader, nobody could
// ever go on, and synctest would say so.
func TestLinesThatFindNoRoomAreCountedWhereTheyAreMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := make(reader)
		s := New(out, note)
		go s.Run()

		began := time.Now()
		fmt.Fprint(s, "first")
		synctest.Wait() // the writer has it and is stuck
		for i := range 100_000 {
			fmt.Fprintf(s, "line %d", i)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("writing took %v while the reader was stuck, want nothing", d)
		}

		want := []string{"first"}
		for i := range maxLines {
			want = append(want, fmt.Sprintf("line %d", i))
		}
		want = append(want, fmt.Sprintf("(%d dropped)", 100_000-maxLines))
		if diff := cmp.Diff(want, out.take()); diff != "" {
			t.Errorf("lines read (-want +got):\n%s", diff)
		}

		fmt.Fprint(s, "room again")
		if diff := cmp.Diff([]string{"room again"}, out.take()); diff != "" {
			t.Errorf("after the reader came back (-want +got):\n%s", diff)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// The caller may reuse its buffer as soon as Write returns.
func TestLinesAreCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := make(reader)
		s := New(out, note)
		line := []byte("what was said")
		s.Write(line)
		copy(line, "overwritten!!")
		go s.Run()
		if got := out.take(); len(got) != 1 || got[0] != "what was said" {
			t.Errorf("read %q", got)
		}
		s.Close()
	})
}

func TestMemoryIsBoundedByBytesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := make(reader)
		s := New(out, note)
		long := strings.Repeat("x", maxBytes/4)
		for range 10 {
			io.WriteString(s, long)
		}
		io.WriteString(s, "short") // no room for it either: the queue is full to the byte
		go s.Run()
		if diff := cmp.Diff([]string{long, long, long, long, "(7 dropped)"}, out.take()); diff != "" {
			t.Errorf("lines read (-want +got):\n%s", diff)
		}
		s.Close()
	})
}

func TestCloseFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lines
		s := New(&out, note)
		for i := range 10 {
			fmt.Fprint(s, i)
		}
		go s.Run()
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		fmt.Fprint(s, "too late")
		if got := out.String(); got != "0 1 2 3 4 5 6 7 8 9" {
			t.Errorf("written: %s", got)
		}
	})
}

func TestCloseGivesUpOnAStuckWriterAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := make(reader)
		s := New(out, note)
		go s.Run()
		fmt.Fprint(s, "stuck")
		synctest.Wait() // the writer has it
		began := time.Now()
		err := s.Close()
		if d := time.Since(began); !errors.Is(err, ErrNotFlushed) || d != closeWait {
			t.Errorf("Close returned %v after %v, want %v after %v", err, d, ErrNotFlushed, closeWait)
		}
		fmt.Fprint(s, "too late")
		if diff := cmp.Diff([]string{"stuck"}, out.take()); diff != "" {
			t.Errorf("lines read (-want +got):\n%s", diff)
		}
		<-s.done
	})
}

// A writer that fails, such as a full disk, loses lines; they are told of as
// soon as it works again.
func TestLinesThatTheWriterRefusedAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lines
		out.fail(true)
		s := New(&out, note)
		go s.Run()
		fmt.Fprint(s, "lost 1")
		synctest.Wait()
		fmt.Fprint(s, "lost 2")
		synctest.Wait()
		out.fail(false)
		fmt.Fprint(s, "written")
		synctest.Wait()
		if got := out.String(); got != "written (2 dropped)" {
			t.Errorf("written: %s", got)
		}
		s.Close()
	})
}

func TestManyWritersLoseNoCount(t *testing.T) {
	var out lines
	total := 0
	s := New(&out, func(n int) []byte {
		total += n
		return note(n)
	})
	var run, all sync.WaitGroup
	run.Go(s.Run)
	for range 8 {
		all.Go(func() {
			for range 5_000 {
				io.WriteString(s, "line")
			}
		})
	}
	all.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	run.Wait()
	if n := strings.Count(out.String(), "line") + total; n != 40_000 {
		t.Errorf("%d lines written or counted as dropped, want 40000", n)
	}
}

func BenchmarkWrite(b *testing.B) {
	s := New(io.Discard, note)
	go s.Run()
	defer s.Close()
	line := []byte(`{"level":"info","id":17,"transport":"tcp","message":"session ended"}`)
	b.ReportAllocs()
	for b.Loop() {
		s.Write(line)
	}
}

// lines joins what is written with spaces and fails when told to.
type lines struct {
	mu      sync.Mutex
	all     []string
	failing bool
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failing {
		return 0, errors.New("no space left on device")
	}
	l.all = append(l.all, string(p))
	return len(p), nil
}

func (l *lines) fail(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = on
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, " ")
}
