// Package words cuts texts into the words by which they are found. A text and
// what somebody looks for in it go through the same function, so that the two meet
// whatever keeps the texts.
//
// Case, accents and compatibility forms (full width, ligatures) do not matter. A
// word is a run of letters, digits and the marks that are no accents; but each
// character of a script that writes words without spaces between them (Chinese,
// Japanese, Korean, Thai) is a word, and so is each emoji: what is looked for is
// then found as a sequence of such words. The package knows nothing of languages:
// it finds no other forms of a word, and no parts.
package words

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Version is the rules by which this package cuts texts, which are those of its
// code and of the Unicode tables it is built with. What was cut under another
// version must be cut again.
const Version = "1 " + unicode.Version + " " + norm.Version

// Append appends to dst the words of a text, folded, with a space between each
// two. They hold no ASCII characters but small letters and digits.
func Append(dst, text []byte) []byte {
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return cut(dst, fold(text))
		}
	}
	gap, from := false, len(dst)
	for _, c := range text {
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		default:
			gap = true
			continue
		}
		if gap && len(dst) > from {
			dst = append(dst, ' ')
		}
		gap = false
		dst = append(dst, c)
	}
	return dst
}

// fold makes texts the same that differ in case, accents or compatibility forms
// only.
func fold(text []byte) []byte {
	text = norm.NFKD.Bytes(bytes.ToValidUTF8(text, []byte(" ")))
	text = bytes.Map(func(r rune) rune {
		if accent(r) || unicode.Is(unicode.Cf, r) && r != zeroWidthSpace {
			return -1
		}
		return unicode.ToLower(unicode.ToUpper(r)) // σ for ς too
	}, text)
	return norm.NFC.Bytes(bytes.ReplaceAll(text, []byte("ß"), []byte("ss")))
}

const (
	zeroWidthSpace      = '\u200b' // stands between words, in Khmer for one
	voicedSoundMark     = '\u3099' // these two make other sounds of kana
	semiVoicedSoundMark = '\u309a'
)

// accent tells whether r is a mark that a word is the same word without: one that
// goes with letters of several scripts, as the accents of Latin, Greek and
// Cyrillic and the vowel points of Arabic do, or a point of Hebrew. Marks that
// belong to one script are vowels there.
func accent(r rune) bool {
	if r == voicedSoundMark || r == semiVoicedSoundMark || !unicode.In(r, unicode.Mn, unicode.Me) {
		return false
	}
	return unicode.In(r, unicode.Inherited, unicode.Hebrew)
}

// cut appends the words of a folded text.
func cut(dst, text []byte) []byte {
	from, last := len(dst), nothing
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		is := kindOf(r)
		if is != nothing {
			if len(dst) > from && (is != part || last != part) {
				dst = append(dst, ' ')
			}
			dst = append(dst, text[:size]...)
		}
		text, last = text[size:], is
	}
	return dst
}

// kind is what a character is to the words.
type kind uint8

const (
	nothing kind = iota // stands between words
	part                // of a word
	whole               // a word by itself
)

func kindOf(r rune) kind {
	switch {
	case r < utf8.RuneSelf:
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return part
		}
		return nothing
	case r == utf8.RuneError:
		return nothing
	case r == prolongedSound, unicode.In(r, unspaced...), unicode.Is(unicode.So, r):
		return whole
	case unicode.In(r, unicode.L, unicode.M, unicode.N):
		return part
	}
	return nothing
}

const prolongedSound = 'ー' // of kana, but common to two scripts

// unspaced are the scripts in which no space tells where a word ends.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Hangul,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
}

// maxWords bounds the words looked for at once, those of phrases counted singly:
// more than a sentence has. An index is looked into once for each.
const maxWords = 64

// Query is what somebody looks for: a text must hold each of the phrases. One that
// has none finds nothing.
type Query []string

// Parse returns what to look for, of words with spaces between them. Of a word
// that is several to this package (don't, 会议) it makes a phrase. Words beyond the
// 64th are left out.
func Parse(looked string) Query {
	var q Query
	left := maxWords
	for _, field := range strings.Fields(looked) {
		phrase := strings.Fields(string(Append(nil, []byte(field))))
		phrase = phrase[:min(left, len(phrase))]
		if left -= len(phrase); len(phrase) > 0 {
			q = append(q, strings.Join(phrase, " "))
		}
	}
	return q
}

// Match tells whether a text, of which Append made index, holds what q looks for.
func (q Query) Match(index []byte) bool {
	for _, phrase := range q {
		if !holds(index, phrase) {
			return false
		}
	}
	return len(q) > 0
}

// holds tells whether phrase stands in index, at the ends of words.
func holds(index []byte, phrase string) bool {
	for at := 0; ; {
		i := bytes.Index(index[at:], []byte(phrase))
		if i < 0 {
			return false
		}
		i += at
		end := i + len(phrase)
		if (i == 0 || index[i-1] == ' ') && (end == len(index) || index[end] == ' ') {
			return true
		}
		at = i + 1
	}
}
