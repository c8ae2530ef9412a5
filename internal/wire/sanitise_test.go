package wire

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

//go:embed testdata/languages.txt
var languagesFile string

// languages returns lines that are to arrive as they were sent.
func languages(t *testing.T) []string {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(languagesFile, "\n"), "\n")
	distinct := make(map[string]bool)
	for _, line := range lines {
		distinct[line] = true
	}
	if len(distinct) != 500 || len(lines) != 500 {
		t.Fatalf("%d lines, %d of them distinct, want 500", len(lines), len(distinct))
	}
	return lines
}

func TestLanguagesArriveAsSent(t *testing.T) {
	for i, line := range languages(t) {
		if got := AppendTextString(nil, line); string(got) != line {
			t.Errorf("line %d as text:\n got %+q\nsent %+q", i+1, got, line)
		}
		if got := AppendLabelString(nil, line); string(got) != line && !strings.Contains(line, "\t") {
			t.Errorf("line %d as label:\n got %+q\nsent %+q", i+1, got, line)
		}
	}
}

func TestSanitise(t *testing.T) {
	for _, tt := range []struct{ name, src, want string }{
		{"nothing", "", ""},
		{"ASCII", "~Hello, World! 0-9 <b>", "~Hello, World! 0-9 <b>"},
		{"TAB", "a\tb", "a\tb"},
		{"CSI", "a\x1b[31mred\x1b[0m", "a␛[31mred␛[0m"},
		{"OSC 52", "\x1b]52;c;eA==\x07", "␛]52;c;eA==␇"},
		{"OSC 8", "\x1b]8;;http://a\x1b\\x", "␛]8;;http://a␛\\x"},
		{"DCS and APC", "\x1bPq\x1b\\\x1b_x\x1b\\", "␛Pq␛\\␛_x␛\\"},
		{"BEL, BS, VT, FF, NUL, DEL", "\a\b\v\f\x00\x7f", "␇␈␋␌␀␡"},
		{"C1 in UTF-8", "\u0080\u0085\u009b31m\u009f", "<U+0080><U+0085><U+009B>31m<U+009F>"},
		{"C1 as raw bytes", "\x80\x9b31m\x9f", "\ufffd\ufffd31m\ufffd"},
		{"NBSP is no control", "\u00a0", "\u00a0"},
		{"line ends", "a\nb\rc\r\nd\n\re", "a⏎b⏎c⏎d⏎⏎e"},
		{"CR at the end", "a\r", "a⏎"},
		{"separators", "a\u2028b\u2029c", "a<U+2028>b<U+2029>c"},
		{"byte order mark", "\ufeffa\ufffe", "<U+FEFF>a\ufffe"},
		{"interlinear annotation", "\ufff9a\ufffab\ufffb\ufffc", "<U+FFF9>a<U+FFFA>b<U+FFFB>\ufffc"},
		{"invalid UTF-8", "a\xffb\xc3(\xe2\x82", "a\ufffdb\ufffd(\ufffd\ufffd"},
		{"U+FFFD itself", "\ufffd", "\ufffd"},
		{"surrogates, overlong, too large", "\xed\xa0\x80\xc0\x9b\xf4\x90\x80\x80", strings.Repeat("\ufffd", 9)},
		{"marks", "a\u200eb\u200fc\u061cd", "a\u200eb\u200fc\u061cd"},
		{"tags", "🏴\U000e0067\U000e0062\U000e007f", "🏴\U000e0067\U000e0062\U000e007f"},

		{"RLO alone", "a\u202eb", "a<U+202E>b"},
		{"each opening alone", "\u202a\u202b\u202d\u202e\u2066\u2067\u2068", "<U+202A><U+202B><U+202D><U+202E><U+2066><U+2067><U+2068>"},
		{"each end alone", "\u202ca\u2069", "<U+202C>a<U+2069>"},
		{"RLE and PDF", "a\u202bb\u202cc", "a\u202bb\u202cc"},
		{"RLI and PDI", "a\u2067b\u2069c", "a\u2067b\u2069c"},
		{"two at a time", "\u2067b\u2069\u2068\u2069\x07", "\u2067b\u2069\u2068\u2069␇"},
		{"nested", "\u2066a\u202bb\u2068c\u2069d\u202ce\u2069", "\u2066a\u202bb\u2068c\u2069d\u202ce\u2069"},
		{"only the inner one is closed", "\u202ea\u202bb\u202cc", "<U+202E>a\u202bb\u202cc"},
		{"closed once too often", "\u202ea\u202c\u202c", "\u202ea\u202c<U+202C>"},
		{"PDF does not close an isolate", "\u2067a\u202cb", "<U+2067>a<U+202C>b"},
		{"PDI does not close an embedding", "\u202ba\u2069b", "<U+202B>a<U+2069>b"},
		{"PDF does not reach into an isolate", "\u2067\u202ea\u2069b\u202c", "\u2067<U+202E>a\u2069b<U+202C>"},
		{"PDF does not reach out of an isolate", "\u202e\u2067a\u202cb\u2069c", "<U+202E>\u2067a<U+202C>b\u2069c"},
		{"PDI ends several embeddings", "\u2067x\u202ay\u202bz\u202d\u2069", "\u2067x<U+202A>y<U+202B>z<U+202D>\u2069"},
		{"an isolate within one that is not closed", "\u2066a\u2067b\u2069", "<U+2066>a\u2067b\u2069"},
		{"crossed", "\u202ba\u2067b\u202cc\u2069d\u202ce", "\u202ba\u2067b<U+202C>c\u2069d\u202ce"},
		{"across a line end", "\u202ea\nb\u202c", "\u202ea⏎b\u202c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			label := strings.ReplaceAll(tt.want, "\t", "␉")
			for _, got := range []struct{ name, out, want string }{
				{"text", string(AppendText([]byte("\x1b\u202e"), []byte(tt.src))), "\x1b\u202e" + tt.want},
				{"label", string(AppendLabel([]byte("\x1b\u202e"), []byte(tt.src))), "\x1b\u202e" + label},
				{"text of a string", string(AppendTextString(nil, tt.src)), tt.want},
				{"label of a string", string(AppendLabelString(nil, tt.src)), label},
			} {
				if got.out != got.want {
					t.Errorf("%s: %+q, want %+q", got.name, got.out, got.want)
				}
			}
		})
	}
}

// Every byte at every place among eight that are looked at together.
func TestSanitiseEveryByte(t *testing.T) {
	for c := range 256 {
		for at := range 9 {
			src := []byte("~ ~ ~ ~ ~")
			src[at] = byte(c)
			if got, want := string(AppendText(nil, src)), sanitised(string(src), true); got != want {
				t.Errorf("%q as text: %q, want %q", src, got, want)
			}
			if got, want := string(AppendLabel(nil, src)), sanitised(string(src), false); got != want {
				t.Errorf("%q as label: %q, want %q", src, got, want)
			}
		}
	}
}

func TestSanitiseBidiDepth(t *testing.T) {
	nested := func(depth int) string {
		return strings.Repeat("\u2067", depth) + "x" + strings.Repeat("\u2069", depth)
	}
	if got := string(AppendTextString(nil, nested(125))); got != nested(125) {
		t.Errorf("125 deep: %+q", got)
	}
	want := strings.Repeat("\u2067", 125) + "<U+2067>x" + strings.Repeat("\u2069", 125) + "<U+2069>"
	if got := string(AppendTextString(nil, nested(126))); got != want {
		t.Errorf("126 deep: %+q", got)
	}
}

func TestSanitiseAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 4096)
	for name, src := range map[string]string{
		"ASCII":    strings.Repeat("hello, world ", 20),
		"mixed":    strings.Repeat("grüße 你好 \x1b[31m\u0085\xff ", 20),
		"bidi":     strings.Repeat("\u2067שלום\u2069 \u202e ", 20),
		"unclosed": strings.Repeat("\u202e", 200),
	} {
		b := []byte(src)
		if n := testing.AllocsPerRun(100, func() {
			dst = AppendText(dst[:0], b)
			dst = AppendLabelString(dst[:0], src)
			dst = AppendTextString(dst[:0], src)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// bidiPartners finds the pairs among the bidi controls of text by the wording
// of UAX #9, BD9 and BD11: each control is looked at by itself. It returns for
// each index the index of its partner, or -1.
func bidiPartners(text []rune) []int {
	partner := make([]int, len(text))
	for i := range partner {
		partner[i] = -1
	}
	pair := func(i, j int) { partner[i], partner[j] = j, i }
	for i, r := range text { // BD9
		if !strings.ContainsRune("\u2066\u2067\u2068", r) {
			continue
		}
		count := 1
		for j := i + 1; j < len(text); j++ {
			switch text[j] {
			case '\u2066', '\u2067', '\u2068':
				count++
			case '\u2069':
				if count--; count == 0 {
					pair(i, j)
				}
			}
			if count == 0 {
				break
			}
		}
	}
	for i, r := range text { // BD11
		if !strings.ContainsRune("\u202a\u202b\u202d\u202e", r) {
			continue
		}
		count := 1
	search:
		for j := i + 1; j < len(text); j++ {
			switch text[j] {
			case '\u202a', '\u202b', '\u202d', '\u202e':
				count++
			case '\u202c':
				if count--; count == 0 {
					pair(i, j)
					break search
				}
			case '\u2066', '\u2067', '\u2068':
				if partner[j] < 0 {
					break search // it isolates all of the rest
				}
				j = partner[j]
			case '\u2069':
				if partner[j] >= 0 && partner[j] < i {
					break search // the isolate that the embedding is in ends
				}
			}
		}
	}
	return partner
}

// sanitised is what AppendText is to make of src, written for clarity.
func sanitised(src string, tab bool) string {
	text := []rune(strings.ReplaceAll(src, "\r\n", "\n"))
	partner := bidiPartners(text)
	var out strings.Builder
	for i, r := range text {
		switch {
		case r == '\t' && tab:
			out.WriteRune(r)
		case r == '\n' || r == '\r':
			out.WriteString("⏎")
		case r < 0x20:
			out.WriteRune(0x2400 + r)
		case r == 0x7f:
			out.WriteString("␡")
		case unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp),
			r == 0xfeff, r == 0xfff9, r == 0xfffa, r == 0xfffb,
			partner[i] < 0 && !mark(r) && unicode.Is(unicode.Bidi_Control, r):
			fmt.Fprintf(&out, "<U+%04X>", r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// mark tells of the three bidi controls that neither open nor close.
func mark(r rune) bool { return r == 0x200e || r == 0x200f || r == 0x61c }

// forbidden returns what of text may not be sent to a terminal.
func forbidden(text string, tab bool) (found []rune) {
	runes := []rune(text)
	partner := bidiPartners(runes)
	for i, r := range runes {
		switch {
		case r == '\t' && tab:
		case unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp), r == 0xfeff, 0xfff9 <= r && r <= 0xfffb:
			found = append(found, r)
		case !mark(r) && unicode.Is(unicode.Bidi_Control, r) && partner[i] < 0:
			found = append(found, r)
		}
	}
	return found
}

func FuzzSanitise(f *testing.F) {
	f.Add([]byte("hello\tworld\r\n"))
	f.Add([]byte("\x1b[31m\u009b\x9b\u2028\ufeff\xe2\x82"))
	f.Add([]byte("\u202e\u2067a\u202cb\u2069c\u202c\u202c"))
	f.Add([]byte("\u2067\u202ea\u202b\u2069b\u2066\u2068\u2069\u202d\u202c\u202a"))
	f.Add([]byte("👩\u200d👩\u200d👧\u200d👦 می\u200cخواهم नमस्ते e\u0301"))
	f.Add([]byte(strings.Repeat("\u2067", 130) + strings.Repeat("\u2069", 130)))
	f.Fuzz(func(t *testing.T, src []byte) {
		was := bytes.Clone(src)
		for _, kind := range []struct {
			tab    bool
			do     func(dst, src []byte) []byte
			string func(dst []byte, src string) []byte
		}{
			{true, AppendText, AppendTextString},
			{false, AppendLabel, AppendLabelString},
		} {
			out := kind.do(nil, src)
			if !bytes.Equal(src, was) {
				t.Fatal("src was changed")
			}
			if !utf8.Valid(out) {
				t.Fatalf("%q is no UTF-8", out)
			}
			if found := forbidden(string(out), kind.tab); found != nil {
				t.Fatalf("%+q has %+q", out, found)
			}
			if len(out) > 4*len(src) {
				t.Fatalf("%d bytes out of %d", len(out), len(src))
			}
			if again := kind.do(nil, out); !bytes.Equal(again, out) {
				t.Fatalf("once  %+q\ntwice %+q", out, again)
			}
			if behind := kind.do([]byte("\u2067\x1b"), src); string(behind) != "\u2067\x1b"+string(out) {
				t.Fatalf("alone %+q\nbehind another %+q", out, behind)
			}
			if s := kind.string(nil, string(src)); !bytes.Equal(s, out) {
				t.Fatalf("bytes  %+q\nstring %+q", out, s)
			}
			opens := strings.Count(string(src), "\u202a") + strings.Count(string(src), "\u202b") +
				strings.Count(string(src), "\u202d") + strings.Count(string(src), "\u202e") +
				strings.Count(string(src), "\u2066") + strings.Count(string(src), "\u2067") + strings.Count(string(src), "\u2068")
			if want := sanitised(string(src), kind.tab); opens <= maxDepth && string(out) != want {
				t.Fatalf(" got %+q\nwant %+q", out, want)
			}
		}
	})
}

// The corpus is worth something only while it has in it what gets damaged.
func TestLanguagesHaveTheHardParts(t *testing.T) {
	all := languagesFile
	for name, part := range map[string]string{
		"ZWNJ": "\u200c", "ZWJ": "\u200d", "emoji presentation": "\ufe0f", "text presentation": "\ufe0e",
		"keycap": "\u20e3", "skin tone": "\U0001f3fd", "regional indicator": "\U0001f1e9", "tag": "\U000e007f",
		"combining acute": "\u0301", "Arabic vowel": "\u064e", "Hebrew vowel": "\u05b7", "virama": "\u094d",
		"isolate": "\u2067", "LRM": "\u200e", "RLM": "\u200f", "word joiner": "\u2060", "soft hyphen": "\u00ad", "NBSP": "\u00a0",
	} {
		if !strings.Contains(all, part) {
			t.Errorf("no %s in it", name)
		}
	}
	var scripts []string
	for name, table := range unicode.Scripts {
		if strings.ContainsFunc(all, func(r rune) bool { return unicode.Is(table, r) }) {
			scripts = append(scripts, name)
		}
	}
	slices.Sort(scripts)
	if len(scripts) < 30 {
		t.Errorf("%d scripts: %s", len(scripts), scripts)
	}
}

func BenchmarkAppendText(b *testing.B) {
	for _, bb := range []struct{ name, src string }{
		{"64 bytes of ASCII", strings.Repeat("hello, how is it going? it does, ", 2)[:64]},
		{"64 bytes mixed", "Grüße aus Köln, 你好世界 👩\u200d👩\u200d👧 naïve café, привет! ok"},
		{"64 bytes of Chinese", strings.Repeat("你好世界今天天气很好我们去公园吧谢谢", 2)[:63]},
		{"64 bytes with controls", "\x1b[31mred\x1b[0m and \u0085 and \xff, the rest of it is plain text, all."},
		{"64 bytes with bidi pairs", "\u2067שלום עולם\u2069 hello \u202bשלום\u202c, and so on"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			src := []byte(bb.src)
			dst := make([]byte, 0, 512)
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendText(dst[:0], src)
			}
		})
	}
}
