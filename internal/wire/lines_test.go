package wire

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"
)

// feed passes chunk to l and returns copies of the lines that came out.
func feed(l *Lines, chunk []byte) (lines []string) {
	for {
		line, rest, ok := l.Next(chunk)
		if !ok {
			return lines
		}
		lines = append(lines, string(line))
		chunk = rest
	}
}

// split returns the lines of a stream that arrives in the chunks given.
func split(limit int, chunks ...string) []string {
	l := Lines{Max: limit}
	var lines []string
	for _, c := range chunks {
		lines = append(lines, feed(&l, []byte(c))...)
	}
	if line, ok := l.Flush(); ok {
		lines = append(lines, string(line))
	}
	return lines
}

func TestLines(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limit  int
		stream string
		want   []string
	}{
		{"LF", 20, "a\nb\n", []string{"a", "b"}},
		{"CR LF", 20, "a\r\nb\r\n", []string{"a", "b"}},
		{"CR NUL", 20, "a\r\x00b\r\x00", []string{"a", "b"}},
		{"CR", 20, "a\rb\r", []string{"a", "b"}},
		{"mixed", 20, "a\r\n\nb\r\r\nc\n\r", []string{"a", "", "b", "", "c", ""}},
		{"a NUL elsewhere is data", 20, "a\x00\n\x00b\n", []string{"a\x00", "\x00b"}},
		{"only one NUL belongs to a CR", 20, "a\r\x00\x00b\n", []string{"a", "\x00b"}},
		{"only one LF belongs to a CR", 20, "a\r\n\nb\n", []string{"a", "", "b"}},
		{"blank lines", 20, "\n\n\r\n", []string{"", "", ""}},
		{"last line without an end", 20, "a\nb", []string{"a", "b"}},
		{"just as long as the limit", 4, "abcd\nefgh", []string{"abcd", "efgh"}},
		{"the end comes right after the limit", 4, "abcd\r\nefgh\r\x00", []string{"abcd", "efgh"}},
		{"the end comes right after a piece", 4, "abcdefgh\nx\n", []string{"abcd", "efgh", "x"}},
		{"one over the limit", 4, "abcde\nf\n", []string{"abcd", "e", "f"}},
		{"two-byte characters", 5, "ääää\n", []string{"ää", "ää"}},
		{"three-byte characters", 4, "€€\n", []string{"€", "€"}},
		{"four-byte characters", 7, "😀😀😀\n", []string{"😀", "😀", "😀"}},
		{"invalid bytes are cut at the limit", 4, "\x80\x80\x80\x80\x80\x80\n", []string{"\x80\x80\x80\x80", "\x80\x80"}},
		{"a start byte that starts nothing", 4, "abc\xffd\n", []string{"abc\xff", "d"}},
		{"half a character at the end", 20, "a\xe2\x82", []string{"a\xe2\x82"}},
		{"a limit too small for a character", 1, "😀a\n", []string{"😀", "a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := split(tt.limit, tt.stream); !slices.Equal(got, tt.want) {
				t.Errorf("whole: %q, want %q", got, tt.want)
			}
			for i := range tt.stream {
				if got := split(tt.limit, tt.stream[:i], tt.stream[i:]); !slices.Equal(got, tt.want) {
					t.Errorf("cut at %d: %q, want %q", i, got, tt.want)
				}
			}
			if got := split(tt.limit, strings.Split(tt.stream, "")...); !slices.Equal(got, tt.want) {
				t.Errorf("by characters: %q, want %q", got, tt.want)
			}
		})
	}
}

// A CR is a line end before anyone knows what follows.
func TestLinesCREndsAtOnce(t *testing.T) {
	l := Lines{Max: 10}
	if got := feed(&l, []byte("hi\r")); !slices.Equal(got, []string{"hi"}) {
		t.Fatalf("after the CR: %q", got)
	}
	if l.CRLF() {
		t.Error("CRLF before any LF")
	}
	if got := feed(&l, []byte("\n")); got != nil {
		t.Errorf("after its LF: %q", got)
	}
	if !l.CRLF() {
		t.Error("no CRLF after CR, LF")
	}
	if line, ok := l.Flush(); ok {
		t.Errorf("at the end: %q", line)
	}
}

func TestLinesCRLF(t *testing.T) {
	for stream, want := range map[string]bool{
		"a\n": false, "a\r": false, "a\rb\n": false, "a\n\r": false, "\n\x00": false,
		"a\r\n": true, "a\r\x00": true, "a\nb\r\n": true, "\r\nb\n": true,
	} {
		l := Lines{Max: 10}
		feed(&l, []byte(stream))
		if l.CRLF() != want {
			t.Errorf("%q: CRLF %v", stream, !want)
		}
	}
}

func TestLinesCut(t *testing.T) {
	l := Lines{Max: 4}
	chunk := []byte("abcdefghij\nk\nlmnop")
	for _, want := range []struct {
		line string
		cut  bool
	}{{"abcd", true}, {"efgh", true}, {"ij", false}, {"k", false}, {"lmno", true}} {
		line, rest, ok := l.Next(chunk)
		if !ok || string(line) != want.line || l.Cut() != want.cut {
			t.Fatalf("%q, ok %v, cut %v; want %q, cut %v", line, ok, l.Cut(), want.line, want.cut)
		}
		chunk = rest
	}
	l.Next(chunk)
	if line, ok := l.Flush(); !ok || string(line) != "p" || l.Cut() {
		t.Errorf("at the end: %q, ok %v, cut %v", line, ok, l.Cut())
	}
}

// A session that waits for a line holds no buffer, and one that waits for the
// rest of a line none that is larger than a line may be.
func TestLinesMemory(t *testing.T) {
	if size := unsafe.Sizeof(Lines{}); size > 64 {
		t.Errorf("Lines is %d bytes", size)
	}
	l := Lines{Max: 1000}
	for range 3000 {
		feed(&l, []byte("a"))
		if l.Pending() > 1000 || cap(l.held) > 1000 {
			t.Fatalf("%d bytes pending in a buffer of %d", l.Pending(), cap(l.held))
		}
	}
	if l.Pending() == 0 {
		t.Error("nothing pending in a line")
	}
	feed(&l, []byte("\n"))
	if l.Pending() != 0 || l.held != nil {
		t.Errorf("%d bytes pending after the line, buffer %v", l.Pending(), l.held != nil)
	}
	feed(&l, []byte("b"))
	l.Flush()
	if l.Pending() != 0 || l.held != nil {
		t.Error("a buffer is kept after the end")
	}
}

func TestLinesAllocateNothingForWholeLines(t *testing.T) {
	l := Lines{Max: 100}
	chunk := []byte("hello\r\nhow are you\n\n" + strings.Repeat("long ", 50) + "\n")
	if n := testing.AllocsPerRun(100, func() {
		for rest, ok := chunk, true; ok; {
			_, rest, ok = l.Next(rest)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("hello\r\nwörld\n"), uint16(20), []byte{3})
	f.Add([]byte("a\r\x00b\rc\n\r"), uint16(4), []byte{1})
	f.Add([]byte("😀😀😀ää€€\xff\x80\x80\x80\x80"), uint16(5), []byte{1, 2, 0})
	f.Add([]byte("abcdefgh\r\nijkl"), uint16(4), []byte{4, 1})
	f.Fuzz(func(t *testing.T, stream []byte, limit uint16, sizes []byte) {
		most := max(int(limit%512), utf8.UTFMax)
		whole := split(int(limit%512), string(stream))

		l := Lines{Max: int(limit % 512)}
		var parts []string
		var lines [][]byte // pieces joined
		joined := true
		add := func(line []byte) {
			parts = append(parts, string(line))
			if joined {
				lines = append(lines, nil)
			}
			lines[len(lines)-1] = append(lines[len(lines)-1], line...)
			joined = !l.Cut()
		}
		for i, left := 0, stream; len(left) > 0; i++ {
			n := 1
			if len(sizes) > 0 {
				n = min(int(sizes[i%len(sizes)]), len(left))
				if n == 0 && i%len(sizes) == 0 {
					n = 1
				}
			}
			chunk := bytes.Clone(left[:n])
			for {
				line, rest, ok := l.Next(chunk)
				if !ok {
					break
				}
				add(line)
				chunk = rest
			}
			for i := range chunk {
				chunk[i] = '#' // what was kept must be a copy
			}
			if l.Pending() > most {
				t.Fatalf("%d bytes held, limit %d", l.Pending(), most)
			}
			left = left[n:]
		}
		if line, ok := l.Flush(); ok {
			add(line)
		}

		if !slices.Equal(parts, whole) {
			t.Fatalf("in chunks %q\nat once   %q", parts, whole)
		}
		for _, p := range parts {
			if len(p) > most {
				t.Fatalf("a piece of %d bytes, limit %d", len(p), most)
			}
			if utf8.Valid(stream) && !utf8.ValidString(p) {
				t.Fatalf("%q cut within a character", p)
			}
		}
		want := strings.NewReplacer("\r\n", "\n", "\r\x00", "\n", "\r", "\n").Replace(string(stream))
		want = strings.TrimSuffix(want, "\n")
		if got := string(bytes.Join(lines, []byte("\n"))); got != want {
			t.Fatalf("joined %q\nwant   %q", got, want)
		}
	})
}

func BenchmarkLines(b *testing.B) {
	for _, n := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d lines of 64 bytes", n), func(b *testing.B) {
			chunk := []byte(strings.Repeat(strings.Repeat("x", 63)+"\n", n))
			l := Lines{Max: 2048}
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			for b.Loop() {
				for rest, ok := chunk, true; ok; {
					_, rest, ok = l.Next(rest)
				}
			}
		})
	}
}

func TestAllCRLF(t *testing.T) {
	for stream, want := range map[string]bool{
		"": false, "a": false, "a\r\n": true, "a\r\nb\r\n": true, "a\r\x00": true,
		"a\n": false, "a\r\nb\n": false, "b\na\r\n": false,
	} {
		l := Lines{Max: 64}
		for rest := []byte(stream); ; {
			var ok bool
			if _, rest, ok = l.Next(rest); !ok {
				break
			}
		}
		if got := l.AllCRLF(); got != want {
			t.Errorf("%q: %v", stream, got)
		}
	}
}
