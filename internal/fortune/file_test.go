package fortune

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	longest := strings.Repeat("x", MaxLength-1) // and its line end
	for _, c := range []struct {
		name, file string
		want       []string
	}{
		{"one", "hello", []string{"hello"}},
		{"one with its line end", "hello\n", []string{"hello"}},
		{"three", "one\n%\ntwo\n%\nthree\n", []string{"one", "two", "three"}},
		{"separators all around", "%\n%\none\n%\n%\n%\ntwo\n%\n", []string{"one", "two"}},
		{"several lines", "roses\n  are red\n\n\t-- nobody\n%\none\n", []string{"roses\n  are red\n\n\t-- nobody", "one"}},
		{"a poem that is set in", "\n\n   dawn\n dusk  \n\n", []string{"   dawn\n dusk"}},
		{"lines that are no separator", "50 %\n%%\n% x\n %\n% \t\n100 %\n", []string{"50 %\n%%\n% x\n %", "100 %"}},
		{"lines of Windows", "\ufeffone\r\n%\r\ntwo\r\nlines\r\n%\r\n", []string{"one", "two\nlines"}},
		{"no line end before the end", "one\n%", []string{"one"}},
		{"the same twice", "one\n%\ntwo\n%\none\n%\ntwo\n", []string{"one", "two"}},
		{"blank ones", " \n%\n\t\n\n%\none\n%\n  \n", []string{"one"}},
		{"many languages", "千里之行，始于足下。\n%\n🙂 نعم\n", []string{"千里之行，始于足下。", "🙂 نعم"}},
		{"what a terminal would obey", "\x1b[2J\x07b\bold\n\u009b1m\n", []string{"␛[2J␇b␈old\n<U+009B>1m"}},
		{"the longest", longest, []string{longest}},
	} {
		got, err := Parse(c.file)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", c.name, err, diff)
		}
	}
}

func TestParseMistakes(t *testing.T) {
	const (
		empty = "is empty; write fortunes into it, with a line with % between two"
		none  = "holds no fortune; write some into it, with a line with % between two"
		long  = "; shorten it, or write a line with % between two"
	)
	for _, c := range []struct{ file, want string }{
		{"", empty},
		{" \n\n", empty},
		{"%\n%\n", none},
		{" \n%\n\t\n", none},
		{"one\n%\ncaf\xe9\n", "is not UTF-8 in line 3; convert it with iconv"},
		{strings.Repeat("x", MaxLength), "has a fortune of more than 16 KiB at line 1" + long},
		{"one\n%\n" + strings.Repeat("x\n", MaxLength), "has a fortune of more than 16 KiB at line 8195" + long},
		{strings.Repeat("\x1b", MaxLength/2), "has a fortune of more than 16 KiB at line 1" + long},
	} {
		fortunes, err := Parse(c.file)
		if err == nil || err.Error() != c.want || fortunes != nil {
			t.Errorf("%.20q is %.20q, %v; want %s", c.file, fortunes, err, c.want)
		}
	}
}

// Fortunes are what a file can hold again, and what every format can carry.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"one\n%\ntwo\n", "%", "\ufeffa\r\n%\r\nb", "\x1b[0m\n%\n\u202eevil", " \n\n%\n  x\n", "50%\n%%\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		fortunes, err := Parse(file)
		if err != nil {
			if fortunes != nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: %q and %v", file, fortunes, err)
			}
			return
		}
		for i, one := range fortunes {
			if one == "" || len(one) > MaxLength || !utf8.ValidString(one) || slices.Contains(fortunes[:i], one) ||
				strings.ContainsFunc(one, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' }) {
				t.Errorf("%q holds %q", file, one)
			}
		}
		again, err := Parse(strings.Join(fortunes, "\n%\n"))
		if diff := cmp.Diff(fortunes, again); err != nil || diff != "" {
			t.Errorf("%q written and read again: %v (-first +again):\n%s", file, err, diff)
		}
	})
}
