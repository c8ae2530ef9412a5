package name_test

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.mau.fi/util/confusable"
	"golang.org/x/text/unicode/norm"

	"github.com/chatd/chatd/internal/name"
)

func TestCheckAccepts(t *testing.T) {
	for in, want := range map[string]string{
		"ana":                         "ana",
		"  ana\t":                     "ana",
		"Ana-Maria_7":                 "Ana-Maria_7",
		"-a":                          "-a",
		"guest7":                      "guest7", // reserved, but well formed
		"jose\u0301":                  "josé",
		"Łukasz":                      "Łukasz",
		"Анна2":                       "Анна2",
		"марʼяна":                     "марʼяна",
		"ʻIolani":                     "ʻIolani",
		"Νίνα":                        "Νίνα", // would be viva without its accent
		"ΝΙΝΑ":                        "ΝΙΝΑ",
		"田中Tanaka":                    "田中Tanaka",
		"佐々木さくらサクラ":                   "佐々木さくらサクラ",
		"ラーメン":                        "ラーメン",
		"王ㄅㄆ":                         "王ㄅㄆ",
		"김철수金Kim":                     "김철수金Kim",
		"ㅋㅋㅋ":                         "ㅋㅋㅋ",
		"あ\u3099":                     "あ\u3099",
		"می\u200cخواهم":               "می\u200cخواهم",
		"ශ්\u200dරී":                  "ශ්\u200dරී",
		"مُحَمَّد":                    "مُحَمَّد",
		"علي٧":                        "علي٧",
		"राम७":                        "राम७",
		"လျှော့":                      "လျှော့",
		"น้ำ":                         "น้ำ",
		"Տիգրանև":                     "Տիգրանև",
		strings.Repeat("ab", 16):      strings.Repeat("ab", 16),
		strings.Repeat("e\u0301", 32): strings.Repeat("é", 32),
	} {
		got, err := name.Check(in)
		if err != nil || got != want {
			t.Errorf("Check(%+q) = %+q, %v; want %+q", in, got, err, want)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":                                "a name has at least one letter; add one",
		"  ":                              "a name has at least one letter; add one",
		"-_7":                             "a name has at least one letter; add one",
		"ʼ":                               "a name has at least one letter; add one",
		"ana\xff":                         "that name is not UTF-8 text; set your terminal to UTF-8 or use plain letters",
		"ana maria":                       "a name has no spaces; try ana_maria",
		"ana\u00a0maria":                  "a name has no spaces; try ana_maria",
		"guest 7":                         "a name has no spaces; write it as one word, with - or _",
		"an\u3164a":                       "a name has no invisible characters (U+3164); try ana",
		"ana\u202e":                       "a name has no invisible characters (U+202E); try ana",
		"ana\x1b[31m":                     "a name has no invisible characters (U+001B); try ana31m",
		"bob😀":                            "a name has no 😀; try bob",
		"@bob":                            "a name has no @; try bob",
		"a\u20dd":                         "a name has no U+20DD; try a",
		"ａｎａ":                             "ａ (U+FF41) is a variant of a; try ana",
		"ana７":                            "７ (U+FF17) is a variant of 7; try ana7",
		"𝓪𝓷𝓪":                             "𝓪 (U+1D4EA) is a variant of a; try ana",
		"аna":                             "that name mixes Cyrillic and Latin letters (n is Latin); write it in one script",
		"αлa":                             "that name mixes Greek and Cyrillic letters (л is Cyrillic); write it in one script",
		"ロシアж":                            "that name mixes Katakana and Cyrillic letters (ж is Cyrillic); write it in one script",
		"さくらㄅ":                            "that name mixes Hiragana and Bopomofo letters (ㄅ is Bopomofo); write it in one script",
		"a५":                              "that name mixes Latin and Devanagari letters (५ is Devanagari); write it in one script",
		"राम७7":                           "a name has digits of one kind; write 0 to 9",
		"علي٧۷":                           "a name has digits of one kind; write 0 to 9",
		"ᚱᚢᚾ":                             "ᚱ (U+16B1) belongs to no script that names are written in; use letters of a living language",
		"عـلي":                            "ـ (U+0640) is no letter of its own; leave it out",
		"aーb":                             "ー (U+30FC) is out of place here; leave it out",
		"Νʼα":                             "ʼ (U+02BC) is out of place here; leave it out",
		"\u0301ana":                       "the mark U+0301 stands on no letter; put a letter before it",
		"7\u0301a":                        "the mark U+0301 stands on no letter; put a letter before it",
		"a\u0337":                         "the mark U+0337 does not belong on a; leave it out",
		"a\u0345":                         "the mark U+0345 does not belong on a; leave it out",
		"が\u0301":                         "the mark U+0301 does not belong on が; leave it out",
		"é\u0301":                         "the mark U+0301 is there twice; write it once",
		"a\u0300\u0301\u0302\u0303\u0304": "at most 4 marks stand on one letter; leave some out",
		"ab\u200c":                        "the joiner U+200C joins nothing here; try ab",
		"می\u200c":                        "the joiner U+200C joins nothing here; try می",
		"\u1100na":                        "\u1100 (U+1100) is no letter of its own; leave it out",
		"an\u2800a":                       "a name has no invisible characters (U+2800); try ana",
		"र\u0941\u200d\u0941":             "the mark U+0941 is there twice; write it once",
		"می\u200cخواهم!":                  "a name has no !; try می\u200cخواهم",
		"می\u200c_":                       "the joiner U+200C joins nothing here; try می",
		"रा\u200d\u200dम":                 "the joiner U+200D joins nothing here; try राम",
		"νινα":                            "that name looks like viva; write it in capitals or with its accents",
		strings.Repeat("a", 33):           "a name has at most 32 characters and that has 33; choose a shorter one",
		strings.Repeat("a", 9999):         "a name has at most 32 characters and that has 9999; choose a shorter one",
	} {
		got, err := name.Check(in)
		var e *name.Error
		if got != "" || !errors.As(err, &e) {
			t.Errorf("Check(%+q) = %+q, %v; want an *Error", in, got, err)
		} else if e.Error() != want {
			t.Errorf("Check(%+q):\n got %s\nwant %s", in, e, want)
		}
	}
}

// What a person could take for a name that is present must be refused or taken.
func TestLookalikes(t *testing.T) {
	pairs := 0
	for _, line := range lines(t, "testdata/lookalikes.txt") {
		f := strings.Split(line, "\t")
		if len(f) < 2 {
			t.Fatalf("no look-alike in %q", line)
		}
		present, err := name.Check(f[0])
		if err != nil {
			t.Errorf("%s: %v", f[0], err)
		}
		other, err := strconv.Unquote(f[1])
		if err != nil {
			t.Fatalf("%s: %v", f[1], err)
		}
		pairs++
		shown, err := name.Check(other)
		if err == nil && name.Key(shown) != name.Key(present) {
			t.Errorf("%s passes beside %s: keys %+q and %+q", line, present, name.Key(shown), name.Key(present))
		}
	}
	if pairs < 200 {
		t.Errorf("%d pairs, want 200", pairs)
	}
}

// Names of many languages are allowed as they are and taken for no other.
func TestNames(t *testing.T) {
	names := lines(t, "testdata/names.txt")
	scripts := map[string]bool{}
	taken := map[string]string{}
	for _, n := range names {
		if got, err := name.Check(n); err != nil || got != n {
			t.Errorf("Check(%s) = %s, %v (%+q)", n, got, err, n)
		}
		k := name.Key(n)
		if other, ok := taken[k]; ok && !strings.EqualFold(n, other) {
			t.Errorf("%s is taken for %s: key %q", n, other, k)
		}
		taken[k] = n
		first, _ := utf8.DecodeRuneInString(n)
		for s, table := range unicode.Scripts {
			if unicode.Is(table, first) {
				scripts[s] = true
			}
		}
	}
	delete(scripts, "Common")
	if len(names) != 2000 || len(scripts) < 20 {
		t.Errorf("%d names in %d scripts, want 2000 in 20", len(names), len(scripts))
	}
}

func TestKeyTellsApart(t *testing.T) {
	for _, pair := range [][2]string{
		{"alice1", "alice2"},
		{"bob", "rob"},
		{"ana", "anna"},
		{"ana", "aña"},
		{"nina", "viva"},
		{"nina", "vina"},
		{"josé", "jose"},
		{"alice", "alice_"},
		{"a-b", "a_b"},
		{"müller", "muller"},
		{"heno", "veno"},
		{"hugo", "yugo"},
		{"anna", "Анна"},
		{"Ивана", "Иван"},
		{"σοφία", "ροφία"},
		{"борис", "ворис"},
		{"田中", "中田"},
		{"はな", "ばな"},
		{"राम", "राज"},
		{"علي", "عمر"},
		{"bob2", "bob5"},
		{"bob3", "bob8"},
		{"dan", "clan"},
		{"uu", "w"},
		{"ij", "y"},
	} {
		if k := name.Key(pair[0]); k == name.Key(pair[1]) {
			t.Errorf("%s and %s have one key: %q", pair[0], pair[1], k)
		}
	}
}

// Within ASCII the classes are those the comment of Key names, and no others.
func TestKeyOfASCII(t *testing.T) {
	like := func(r rune) string {
		switch r = unicode.ToLower(r); r {
		case 'i', '1':
			return "l"
		case '0':
			return "o"
		case 'm':
			return "rn"
		case 'w':
			return "vv"
		}
		return string(r)
	}
	for r := '0'; r <= 'z'; r++ {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			continue
		}
		if got := name.Key(string(r)); got != like(r) {
			t.Errorf("Key(%c) = %s, want %s", r, got, like(r))
		}
	}
}

func TestKeyFoldsCase(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.SimpleFold(r) == r {
			continue
		}
		if _, err := name.Check(string(r)); err != nil {
			continue
		}
		for q := unicode.SimpleFold(r); q != r; q = unicode.SimpleFold(q) {
			if name.Key(string(q)) != name.Key(string(r)) {
				t.Errorf("%c %U and %c %U differ", r, r, q, q)
			}
		}
	}
}

func TestKeyReadsWhatIsOnTheScreen(t *testing.T) {
	// Hebrew samekh is an o, vav an l; the line runs to the left, its number not.
	for _, pair := range [][2]string{{"וס", "ol"}, {"סו", "lo"}, {"סו12", "12lo"}} {
		if name.Key(pair[0]) != name.Key(pair[1]) {
			t.Errorf("%+q looks like %s: keys %q and %q", pair[0], pair[1], name.Key(pair[0]), name.Key(pair[1]))
		}
	}
}

func TestKeyOfAnyBytes(t *testing.T) {
	for _, s := range []string{
		"", "\xff", "\xed\xa0\x80", "a\x00b", "\u0301", "\u202e", "\U0010ffff",
		strings.Repeat("\u0301", 1<<12), strings.Repeat("ﷺ", 1<<10), strings.Repeat("m", 1<<20),
	} {
		if k := name.Key(s); !utf8.ValidString(k) || len(k) > 1<<13 {
			t.Errorf("Key(%.20q) = %.20q", s, k)
		}
	}
}

func TestGuest(t *testing.T) {
	for _, n := range []uint64{0, 1, 7, 10, 1<<64 - 1} {
		g := name.Guest(n)
		if shown, err := name.Check(g); err != nil || shown != g || !name.IsGuest(g) {
			t.Errorf("%s: Check %s, %v; IsGuest %v", g, shown, err, name.IsGuest(g))
		}
	}
	if g := name.Guest(7); g != "guest7" {
		t.Errorf("Guest(7) = %s", g)
	}
	for _, s := range []string{
		"Guest7", "GUEST1O", "guestI", "ｇｕｅｓｔ７", "guest-7", "guest_7", "guest7_",
		"guest\u200b7", "guest 7", "ɢᴜᴇꜱᴛ7",
	} {
		if !name.IsGuest(s) {
			t.Errorf("%+q passes for a person", s)
		}
	}
	for _, s := range []string{"", "guest", "Guest", "guests", "guest-", "guesta", "guest7a", "aguest7", "7guest", "gest7", "\xff"} {
		if name.IsGuest(s) {
			t.Errorf("%q counts as a guest", s)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, s := range lines(f, "testdata/names.txt")[:100] {
		f.Add(s)
	}
	for _, line := range lines(f, "testdata/lookalikes.txt") {
		if s, err := strconv.Unquote(strings.Split(line, "\t")[1]); err == nil {
			f.Add(s)
		}
	}
	f.Add("\u048a") // its likeness has marks out of order
	f.Add("\ufb4b") // its likeness is a dot on an l
	f.Fuzz(func(t *testing.T, s string) {
		key := name.Key(s)
		if !utf8.ValidString(key) {
			t.Errorf("key %q", key)
		}
		name.IsGuest(s)
		shown, err := name.Check(s)
		if err != nil {
			if text := err.Error(); !utf8.ValidString(text) || strings.ContainsFunc(text, hazard) {
				t.Errorf("error %q", text)
			}
			_, try, _ := strings.Cut(err.Error(), "; try ")
			if again, err := name.Check(try); try != "" && (err != nil || again != try || name.IsGuest(try)) {
				t.Errorf("%q: proposes %q: %v", s, try, err)
			}
			return
		}
		if again, err := name.Check(shown); err != nil || again != shown {
			t.Errorf("%+q, then %+q, %v", shown, again, err)
		}
		if n := utf8.RuneCountInString(shown); n > name.MaxLen || !norm.NFC.IsNormalString(shown) {
			t.Errorf("%+q: %d characters", shown, n)
		}
		if strings.ContainsFunc(shown, func(r rune) bool { return hazard(r) || unicode.IsSpace(r) }) {
			t.Errorf("accepted %+q", shown)
		}
		for _, other := range []string{shown, strings.ToUpper(shown), strings.ToLower(shown), key} {
			if k := name.Key(other); k != key {
				t.Errorf("%+q: key %+q, %+q: key %+q", s, key, other, k)
			}
		}
		// The promise of the package comment, against the table as its author reads it.
		look := confusable.Skeleton(shown)
		if !strings.ContainsFunc(look, beyondASCII) && !strings.ContainsFunc(shown, leftward) && name.Key(look) != key {
			t.Errorf("%+q looks like %s: keys %q and %q", shown, look, key, name.Key(look))
		}
	})
}

// hazard tells what must not reach a terminal in a name: controls, formats but
// the two joiners, line separators.
func hazard(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) && r != '\u200c' && r != '\u200d'
}

func beyondASCII(r rune) bool { return r >= utf8.RuneSelf }

// leftward covers the scripts that run to the left, which confusable.Skeleton
// does not turn round.
func leftward(r rune) bool {
	return r >= 0x590 && r <= 0x8ff || r >= 0xfb1d && r <= 0xfeff || r >= 0x10800 && r <= 0x10fff || r >= 0x1e800 && r <= 0x1efff
}

func BenchmarkKey(b *testing.B) {
	for b.Loop() {
		name.Key("Ana-Maria7")
	}
}

func BenchmarkCheck(b *testing.B) {
	for b.Loop() {
		name.Check("Ana-Maria7")
	}
}

// lines returns the lines of a file without the empty ones and the comments.
func lines(t testing.TB, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && line[0] != '#' {
			out = append(out, line)
		}
	}
	return out
}
