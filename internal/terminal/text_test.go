package terminal

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/colorprofile"
	"pgregory.net/rapid"
)

// family is an emoji of five code points.
const family = "👨\u200d👩\u200d👧"

// A line is broken where people would break it, and nothing of it is lost.
func TestWrap(t *testing.T) {
	for _, test := range []struct {
		line            string
		columns, margin int
		want            []string
	}{
		{"one two three", 80, 6, []string{"one two three"}},
		{"one two three", 7, 0, []string{"one two", "three"}},
		{"one two three", 8, 2, []string{"one two", "  three"}},
		{"see https://example.org/a/b c long", 10, 2, []string{"see https://example.org/a/b c", "  long"}},
		{"你好世界", 4, 0, []string{"你好", "世界"}},
		{"你好，世界", 4, 0, []string{"你", "好，", "世界"}},
		{"a " + family + " b", 8, 0, []string{"a " + family, "b"}},
		{"", 10, 0, []string{""}},
	} {
		if got := wrap(test.line, test.columns, test.margin); !slices.Equal(got, test.want) {
			t.Errorf("%q in %d columns is %q instead of %q", test.line, test.columns, got, test.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.StringOf(rapid.RuneFrom([]rune("ab  你好，/\u0301👍🏽\u200d-é"))).Draw(t, "line")
		columns := rapid.IntRange(8, 40).Draw(t, "columns")
		rows := wrap(line, columns, 2)
		bare := func(s string) string { return strings.ReplaceAll(s, " ", "") }
		if got := bare(strings.Join(rows, "")); got != bare(line) {
			t.Fatalf("%q became %q", line, rows)
		}
		if !strings.Contains(line, "/") && !strings.ContainsAny(line, "\u200d-ab") {
			for _, row := range rows {
				if width(row) > columns {
					t.Fatalf("%q has more than %d columns", row, columns)
				}
			}
		}
	})
}

// A text is cut into messages that the server takes.
func TestPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("a\"\\<\x01\u2028é长🙂"))).Draw(t, "text")
		most := rapid.IntRange(16, 100).Draw(t, "most")
		all := pieces(text, most)
		if strings.TrimSpace(text) == "" {
			text = ""
		}
		if got := strings.Join(all, ""); got != text {
			t.Fatalf("%q became %q", text, all)
		}
		for _, piece := range all {
			escaped, err := json.Marshal(piece)
			if err != nil || len(piece) > most || len(escaped)-2 > 2*most || !utf8.ValidString(piece) {
				t.Fatalf("%q has %d bytes, and %d in JSON, with a limit of %d", piece, len(piece), len(escaped)-2, most)
			}
		}
	})
	if got := pieces(" \t ", 16); got != nil {
		t.Errorf("of a blank text %q is said", got)
	}
}

// The cursor stands between characters as people see them, whatever is typed.
func TestEditor(t *testing.T) {
	for _, test := range []struct{ name, keys, want string }{
		{"typed", "abc", "abc|"},
		{"in between", "ac left b", "ab|c"},
		{"a family is one", family + "x left left", "|" + family + "x"},
		{"and goes as one", "a" + family + " backspace", "a|"},
		{"an accent belongs to its letter", "e\u0301 left", "|e\u0301"},
		{"words", "one·two alt+b", "one·|two"},
		{"back over spaces", "one·two·· ctrl+w", "one·|"},
		{"killed and brought back", "one·two ctrl+w ctrl+a ctrl+y", "two|one·"},
		{"to the end", "one·two home ctrl+k", "|"},
		{"forward", "one·two home alt+f alt+d", "one|"},
		{"delete", "ab home delete delete delete", "|"},
	} {
		var e editor
		for _, key := range strings.Fields(test.keys) {
			if !e.key(key) {
				e.insert(strings.ReplaceAll(key, "·", " "))
			}
		}
		if got := strings.ReplaceAll(e.text[:e.at]+"|"+e.text[e.at:], " ", "·"); got != test.want {
			t.Errorf("%s: %q instead of %q", test.name, got, test.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var e editor
		keys := []string{"left", "right", "home", "end", "alt+b", "alt+f", "backspace", "delete", "ctrl+w", "ctrl+u", "ctrl+k", "ctrl+y", "alt+d"}
		texts := []string{"a", " ", "é", "\u0301", "你", "👍", "🏽", "\u200d", family, "🇩", "🇪"}
		for range rapid.IntRange(1, 30).Draw(t, "n") {
			if key := rapid.SampledFrom(append(keys, texts...)).Draw(t, "key"); !e.key(key) {
				e.insert(key)
			}
			if e.boundary(e.at) != e.at {
				t.Fatalf("the cursor is within a character of %q, at %d", e.text, e.at)
			}
			columns := rapid.IntRange(30, 40).Draw(t, "columns")
			rows, row, head := e.rows("> ", columns)
			for _, r := range rows {
				if width(r) > columns {
					t.Fatalf("%q has more than %d columns", r, columns)
				}
			}
			if !strings.HasPrefix(rows[row], head) || strings.Join(rows[:row], "")+head != "> "+e.text[:e.at] {
				t.Fatalf("the cursor of %q is behind %q of %q", e.text[:e.at], head, rows)
			}
		}
	})
}

// What begins with a slash is a command, unless it is a path or begins with two.
func TestCommandOf(t *testing.T) {
	for line, want := range map[string]string{
		"/me  waves ": "me|waves", "/QUIT": "quit|", "/etc/passwd": "", "//me": "", "hello": "", " /me": "", "/": "", "/ x": "",
	} {
		got := ""
		if name, args, ok := commandOf(line); ok {
			got = name + "|" + args
		}
		if got != want {
			t.Errorf("%q is %q instead of %q", line, got, want)
		}
	}
}

// A name calls somebody where it is a word.
func TestCalls(t *testing.T) {
	for text, want := range map[string]bool{
		"ana": true, "hello Ana!": true, "@ana, look": true, "banana": false, "anaconda": false, "ana-maria": false, "ANA's": true, "": false,
	} {
		if got := calls(text, "ana"); got != want {
			t.Errorf("%q calls ana: %v", text, got)
		}
	}
	if !calls("你好 小明，", "小明") {
		t.Error("小明 is not called")
	}
}

// Each colour of a name stands out from black and from white.
func TestContrast(t *testing.T) {
	linear := func(c int) float64 {
		x := float64([]int{0, 95, 135, 175, 215, 255}[c]) / 255
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	luminance := func(code int) float64 {
		if code >= 232 {
			x := float64(8+10*(code-232)) / 255
			return math.Pow((x+0.055)/1.055, 2.4)
		}
		code -= 16
		sum := 0.0
		for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
			if c := code / []int{36, 6, 1}[i] % 6; c > 0 {
				sum += weight * linear(c)
			}
		}
		return sum
	}
	for _, code := range append([]int{quiet256}, names256...) {
		l := luminance(code)
		if white, black := 1.05/(l+0.05), (l+0.05)/0.05; white < 4 || black < 4 {
			t.Errorf("colour %d: contrast %.2f to white, %.2f to black", code, white, black)
		}
	}
}

// What a terminal cannot show is not sent to it.
func TestLook(t *testing.T) {
	for profile, want := range map[colorprofile.Profile]string{
		colorprofile.NoTTY:     "09:42 bob: hello",
		colorprofile.ASCII:     "09:42 bob: hello",
		colorprofile.ANSI:      "09:42 \x1b[31mbob\x1b[m: hello",
		colorprofile.ANSI256:   "\x1b[38;5;243m09:42 \x1b[m\x1b[38;5;131mbob\x1b[m: hello",
		colorprofile.TrueColor: "\x1b[38;5;243m09:42 \x1b[m\x1b[38;5;131mbob\x1b[m: hello",
	} {
		x := entry{name: "bob", text: ": hello"}
		x.at = x.at.AddDate(2025, 0, 0).Add(9*60*60e9 + 42*60e9)
		if got := lookOf(profile).lines(x, 80)[0]; got != want {
			t.Errorf("%v: %q instead of %q", profile, got, want)
		}
	}
}
