package words_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/chatd/chatd/internal/words"
)

func TestAppend(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		" ... ":                         "",
		"Hello, World":                  "hello world",
		"  don't\tstop ":                "don t stop",
		"foo_bar user@example.com":      "foo bar user example com",
		"x=1;DROP TABLE \"m\" --":       "x 1 drop table m",
		"café CAFE\u0301":               "cafe cafe",
		"Straße STRASSE":                "strasse strasse",
		"ᎣᏏᏂ ꭳꮟꮒ":                       "ꭳꮟꮒ ꭳꮟꮒ",
		"ΣΊΣΥΦΟΣ σίσυφος":               "σισυφοσ σισυφοσ",
		"Ёлка елка":                     "елка елка",
		"İstanbul ısı":                  "istanbul isi",
		"ｆｕｌｌ　ｗｉｄｔｈ１２":                  "full width12",
		"ﬁne ½ ①":                       "fine 1 2 1",
		"今天开会":                          "今 天 开 会",
		"开会today吗":                      "开 会 today 吗",
		"ラーメン屋さん":                       "ラ ー メ ン 屋 さ ん",
		"ﾗｰﾒﾝ ｶﾞ":                       "ラ ー メ ン ガ",
		"は ば ぱ は\u3099":                 "は ば ぱ ば",
		"한국어 한국어":                       "한 국 어 한 국 어",
		"مُحَمَّد":                      "محمد",
		"می\u200cخواهم":                 "میخواهم",
		"שָׁלוֹם":                       "שלום",
		"हिन्दी":                        "हिन्दी",
		"น้ำ":                           "น ้ ํ า",
		"a\u200bb soft\u00adhyphen":     "a b softhyphen",
		"party 🎉🎉 👍\U0001f3fd 1\ufe0f⃣": "party 🎉 🎉 👍 1",
		"bad\xffbytes é\x80x":           "bad bytes e x",
		"\ufffd":                        "",
	} {
		if got := string(words.Append(nil, []byte(in))); got != want {
			t.Errorf("Append(%+q) = %q; want %q", in, got, want)
		}
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	for _, text := range []string{"Two words", "Deux Idées"} {
		alone := words.Append(nil, []byte(text))
		if got := string(words.Append([]byte("so far|"), []byte(text))); got != "so far|"+string(alone) {
			t.Errorf("Append(so far|, %q) = %q", text, got)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		looked, text string
		want         bool
	}{
		{"", "anything", false},
		{" ... ", "anything", false},
		{"meet", "let us MEET at noon", true},
		{"meet", "meeting", false},
		{"eat", "a wheat beer; eating; eat", true},
		{"noon meet", "let us meet at noon", true},
		{"noon night", "let us meet at noon", false},
		{"naive", "très Naïve", true},
		{"TRÈS", "tres", true},
		{"don't", "I don't know", true},
		{"don't", "don said t", false},
		{"会议", "今天下午的会议改到三点", true},
		{"会三", "今天下午的会议改到三点", false},
		{"ラーメン", "昼はラーメン屋で", true},
		{"ﾗｰﾒﾝ", "昼はラーメン屋で", true},
		{"국어", "한국어를 배운다", true},
		{"42", "no. 42!", true},
		{"4", "no. 42!", false},
		{"🎉", "done 🎉🎉", true},
	} {
		if got := words.Parse(c.looked).Match(words.Append(nil, []byte(c.text))); got != c.want {
			t.Errorf("%q in %q: %v; want %v", c.looked, c.text, got, c.want)
		}
	}
}

func TestParseIsBounded(t *testing.T) {
	n := 0
	for _, phrase := range words.Parse(strings.Repeat("one 今天开会 ", 10_000)) {
		n += len(strings.Fields(phrase))
	}
	if n != 64 {
		t.Errorf("Parse let %d words through; want 64", n)
	}
}

// FuzzWords checks that words are in the form promised, that cutting them again
// changes nothing, and that a text is found by what it holds.
func FuzzWords(f *testing.F) {
	for _, s := range []string{
		"Hello, World", "café", "Straße", "今天开会ok", "ﾗｰﾒﾝ", "한국어", "هٰذا", "น้ำ", "İ ŉ ﬃ ½", "🎉\ufe0f",
		"e\u0301\u0302", "\u1e9b\u0323", "ᾳ ΐ", "\u00b4a", "\xff\xfe", "a\u0345", "\u0f71\u0f72\u0f74",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		index := words.Append(nil, text)
		if !utf8.Valid(index) {
			t.Fatalf("%+q gives %+q, which is not UTF-8", text, index)
		}
		for _, c := range index {
			if c < utf8.RuneSelf && c != ' ' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				t.Fatalf("%+q gives %+q, which holds %q", text, index, c)
			}
		}
		if s := " " + string(index) + " "; strings.Contains(s, "  ") && s != "  " {
			t.Fatalf("%+q gives %+q, with an empty word", text, index)
		}
		if again := words.Append(nil, index); string(again) != string(index) {
			t.Fatalf("%+q gives %+q and that %+q", text, index, again)
		}
		for _, field := range strings.Fields(string(text)) {
			if q := words.Parse(field); len(q) > 0 && !q.Match(index) {
				t.Fatalf("%+q is not found by %+q: %+q in %+q", text, field, []string(q), index)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for name, text := range map[string]string{
		"ASCII":   "the meeting is at three, in the small room beside the kitchen",
		"Latin":   "la réunion est à trois heures, dans la petite salle à côté",
		"Chinese": "今天下午的会议改到三点，在厨房旁边的小房间里",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst = words.Append(dst[:0], []byte(text))
			}
		})
	}
}
