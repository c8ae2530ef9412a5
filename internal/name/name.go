// Package name says which names of people and rooms are allowed, and which two
// names are the same to the eye. It knows nothing of who is present: a caller
// keeps the names in use by their Key and refuses a newcomer whose Key is taken.
//
// A name is written in one script, or in a mix that UTS 39 section 5.2 calls
// highly restrictive (Latin with Han, Hiragana and Katakana; with Han and
// Bopomofo; with Han and Hangul). Scripts are those of living languages, UAX 31
// tables 5 and 7; Mongolian is left out with the historic ones, for its letters
// are told apart by sound and not by shape.
//
// What it promises: an accepted name that reads as plain ASCII, by the skeleton
// of UTS 39 section 4, has the Key of what it reads as. What it does not know:
// fonts. It goes letter by letter, so it tells apart what only a font makes
// similar (cl and d), simplified and traditional Han, and νίνα from the accented
// Latin víva (its capitals decide, and those read as NÍNA). The properties of
// characters are those of the Go release's Unicode; a newer one is refused.
package name

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxLen is how many characters a name may have, counted after NFC: base
// letters, marks and digits alike.
const MaxLen = 32

// maxBytes bounds the work spent on input that cannot become a name. NFD takes at
// most three times the bytes of NFC (UAX 15 section 8); nothing that becomes a
// name is longer than that, but for space around it.
const maxBytes = 3 * utf8.UTFMax * MaxLen

// maxStack is how many nonspacing marks may follow one another: UTS 39 section
// 5.4. Spacing marks take room of their own, so Burmese လျှော့ has more in all.
const maxStack = 4

const (
	zwnj = '\u200c'
	zwj  = '\u200d'

	// Letters of Latin and Cyrillic orthographies: Hawaiian, Tongan; Ukrainian, Breton.
	okina      = '\u02bb'
	apostrophe = '\u02bc'
)

// Error says why a name is refused and what to do instead, in words for the
// person who chose it.
type Error struct {
	reason string // what is wrong, a clause
	advice string // what to do, a clause
}

func (e *Error) Error() string { return e.reason + "; " + e.advice }

// Check returns s in the form it is shown (NFC, without space around it), or an
// *Error whose text says in one sentence what is wrong and what to do instead.
// What it returns it accepts again, unchanged. Names reserved for guests pass:
// see IsGuest.
func Check(s string) (string, error) {
	shown, refusal := check(s)
	if refusal == nil {
		return shown, nil
	}
	if m := mend(s); m != "" {
		refusal.advice = "try " + m
	}
	return "", refusal
}

// check is Check without a proposal of another name.
func check(s string) (string, *Error) {
	if !utf8.ValidString(s) {
		return "", &Error{"that name is not UTF-8 text", "set your terminal to UTF-8 or use plain letters"}
	}
	s = strings.TrimSpace(s)
	if len(s) > maxBytes {
		return "", tooLong(utf8.RuneCountInString(s))
	}
	s = norm.NFC.String(s)
	if n := utf8.RuneCountInString(s); n > MaxLen {
		return "", tooLong(n)
	}
	var c checker
	for _, r := range s {
		if e := c.next(r); e != nil {
			return "", e
		}
	}
	if e := c.end(s); e != nil {
		return "", e
	}
	return s, nil
}

func tooLong(n int) *Error {
	return &Error{
		fmt.Sprintf("a name has at most %d characters and that has %d", MaxLen, n),
		"choose a shorter one",
	}
}

// mend proposes an allowed name near s, or "": compatibility forms replaced,
// spaces made underscores, everything else that no name may hold left out.
func mend(s string) string {
	if len(s) > maxBytes || !utf8.ValidString(s) {
		return ""
	}
	s = norm.NFKC.String(strings.TrimSpace(s))
	// Persian would lose its ZWNJ with the rest of what is invisible: first try without that.
	for _, joiners := range []string{string(zwnj) + string(zwj), ""} {
		m := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsSpace(r):
				return '_'
			case strings.ContainsRune("-_"+joiners, r):
				return r
			case invisible(r), !unicode.In(r, unicode.L, unicode.Mn, unicode.Mc, unicode.Nd):
				return -1
			}
			return r
		}, s)
		if m, refusal := check(strings.Trim(m, "_")); refusal == nil && !IsGuest(m) {
			return m
		}
	}
	return ""
}

// checker reads a name in NFC character by character.
type checker struct {
	prev    rune     // character before, 0 at the start
	kind    kind     // of prev
	base    string   // script of the last letter
	run     []rune   // nonspacing marks since the last other character, as NFD
	scripts []string // in use, each once
	zero    rune     // of the digits in use, 0 for none yet
	letters int

	apostrophe rune // the last one seen, or 0
}

// kind is what a character is to a name.
type kind int

const (
	other kind = iota
	letter
	mark
	digit
	joiner
)

func (c *checker) next(r rune) *Error {
	k, e := c.classify(r)
	if e != nil {
		return e
	}
	if c.kind == joiner && k != letter && k != mark {
		return joinsNothing(c.prev)
	}
	if k != mark && k != joiner || unicode.Is(unicode.Mc, r) {
		c.run = c.run[:0]
	}
	if k == letter || unicode.Is(unicode.Mn, r) {
		// é and another acute on it are two of the same mark: count what NFC hid.
		if e := c.stack(r); e != nil {
			return e
		}
	}
	c.prev, c.kind = r, k
	return nil
}

// classify tells what r is, notes its script, and refuses it where it may not
// stand.
func (c *checker) classify(r rune) (kind, *Error) {
	switch {
	case r == '-' || r == '_':
		return other, nil
	case r == zwnj || r == zwj:
		return joiner, c.join(r)
	case r == okina || r == apostrophe:
		c.apostrophe = r
		return other, nil
	case unicode.IsSpace(r):
		return other, &Error{"a name has no spaces", "write it as one word, with - or _"}
	case invisible(r):
		return other, &Error{fmt.Sprintf("a name has no invisible characters (%U)", r), "leave it out"}
	case variant(r):
		return other, &Error{
			fmt.Sprintf("%c (%U) is a variant of %s", r, r, norm.NFKC.String(string(r))),
			"write the ordinary letter",
		}
	case unicode.Is(unicode.Nd, r):
		return digit, c.digit(r)
	case unicode.IsLetter(r):
		return letter, c.letter(r)
	case unicode.In(r, unicode.Mn, unicode.Mc):
		return mark, c.mark(r)
	case unicode.IsGraphic(r) && !unicode.IsMark(r):
		return other, &Error{fmt.Sprintf("a name has no %c", r), "use letters, digits, - and _"}
	}
	return other, &Error{fmt.Sprintf("a name has no %U", r), "use letters, digits, - and _"}
}

func (c *checker) letter(r rune) *Error {
	c.letters++
	if strings.ContainsRune(notLetters, r) || oldHangul(r) {
		return &Error{fmt.Sprintf("%c (%U) is no letter of its own", r, r), "leave it out"}
	}
	switch r {
	case 'ー': // lengthens kana; after anything else it is a dash
		if c.base == "Hiragana" || c.base == "Katakana" {
			return nil
		}
		return outOfPlace(r)
	case '〆':
		return c.script("Han", r)
	}
	return c.script(scriptOf(r), r)
}

func outOfPlace(r rune) *Error {
	return &Error{fmt.Sprintf("%c (%U) is out of place here", r, r), "leave it out"}
}

// notLetters are letters to Unicode that lengthen a word without changing it, or
// that are drawn as a dot: Arabic and N'Ko tatweel, Latin sinological dot.
const notLetters = "\u0640\u07fa\ua78f"

// oldHangul reports conjoining jamo; NFC has composed those that make a modern
// syllable (RFC 8264 section 9.9).
func oldHangul(r rune) bool {
	return r >= 0x1100 && r <= 0x11ff || r >= 0xa960 && r <= 0xa97f || r >= 0xd7b0 && r <= 0xd7ff
}

func (c *checker) mark(r rune) *Error {
	if c.kind == other || c.kind == digit {
		return &Error{fmt.Sprintf("the mark %U stands on no letter", r), "put a letter before it"}
	}
	if unicode.Is(unicode.Inherited, r) {
		if !takesMark(c.base, r) {
			return &Error{fmt.Sprintf("the mark %U does not belong on %c", r, c.prev), "leave it out"}
		}
		return nil
	}
	return c.script(scriptOf(r), r)
}

// stack refuses what UTS 39 section 5.4 does: the same nonspacing mark twice in
// a row, and more than four of them.
func (c *checker) stack(r rune) *Error {
	for _, m := range norm.NFD.String(string(r)) {
		if !unicode.Is(unicode.Mn, m) {
			continue
		}
		if n := len(c.run); n > 0 && c.run[n-1] == m {
			return &Error{fmt.Sprintf("the mark %U is there twice", m), "write it once"}
		}
		c.run = append(c.run, m)
	}
	if len(c.run) > maxStack {
		return &Error{fmt.Sprintf("at most %d marks stand on one letter", maxStack), "leave some out"}
	}
	return nil
}

// digit allows the ten of one system only: UTS 39 section 5.3.
func (c *checker) digit(r rune) *Error {
	zero := zeroOf(r)
	if c.zero != 0 && c.zero != zero {
		return &Error{"a name has digits of one kind", "write 0 to 9"}
	}
	c.zero = zero
	if zero == '0' {
		return nil
	}
	if r >= '٠' && r <= '٩' { // Common, for Thaana and others use them too
		return c.script("Arabic", r)
	}
	return c.script(scriptOf(r), r)
}

// join allows one ZWNJ or ZWJ between two letters, or their marks, where an
// orthography has a use for it: ZWNJ in Arabic script, both in the Indic ones.
// That is wider than RFC 5892 appendix A.1 and A.2 (Marathi writes अ‍ॅ without a
// virama), and may be: Key never sees them.
func (c *checker) join(r rune) *Error {
	if c.kind == letter || c.kind == mark {
		switch c.base {
		case "Arabic":
			if r == zwnj {
				return nil
			}
		case "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala":
			return nil
		}
	}
	return joinsNothing(r)
}

func joinsNothing(r rune) *Error {
	return &Error{fmt.Sprintf("the joiner %U joins nothing here", r), "leave it out"}
}

// script notes that r is written in s, and refuses a mix.
func (c *checker) script(s string, r rune) *Error {
	if s == "" {
		return &Error{
			fmt.Sprintf("%c (%U) belongs to no script that names are written in", r, r),
			"use letters of a living language",
		}
	}
	if unicode.IsLetter(r) {
		c.base = s
	}
	if slices.Contains(c.scripts, s) {
		return nil
	}
	c.scripts = append(c.scripts, s)
	if !mixable(c.scripts) {
		return &Error{
			fmt.Sprintf("that name mixes %s and %s letters (%c is %s)", plain(c.scripts[0]), plain(s), r, plain(s)),
			"write it in one script",
		}
	}
	return nil
}

// end judges the whole.
func (c *checker) end(s string) *Error {
	if c.letters == 0 {
		return &Error{"a name has at least one letter", "add one"}
	}
	if c.kind == joiner {
		return joinsNothing(c.prev)
	}
	if c.apostrophe != 0 && !slices.Contains(c.scripts, "Latin") && !slices.Contains(c.scripts, "Cyrillic") {
		return outOfPlace(c.apostrophe)
	}
	// Key sees a letter as its capital does, and the Greek nu that looks like v is
	// then an N. A name that could be read as ASCII otherwise than its Key says
	// would slip by.
	if look := looks(s); !ascii(s) && ascii(look) && Key(look) != Key(s) {
		return &Error{fmt.Sprintf("that name looks like %s", look), "write it in capitals or with its accents"}
	}
	return nil
}

// Guest is the name of the n-th guest: "guest7".
func Guest(n uint64) string { return fmt.Sprintf("guest%d", n) }

// IsGuest tells whether s is reserved for guests: guest with a number, in any
// form that looks like it ("Guest-7", "ɢᴜᴇꜱᴛ1O").
func IsGuest(s string) bool {
	number, ok := strings.CutPrefix(Key(s), Key("guest"))
	number = strings.Trim(number, "-_")
	// Key makes o of 0 and l of 1.
	return ok && number != "" && strings.Trim(number, "ol23456789") == ""
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
