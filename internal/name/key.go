package name

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.mau.fi/util/confusable"
	"golang.org/x/text/unicode/norm"
)

// Key is equal for two names that a person could take for one another. Case,
// width and other compatibility forms (NFKC), spaces and invisible characters
// are folded, and look-alike letters by the skeleton of UTS 39 section 4. Keys
// are to be compared with each other, not shown. Any bytes have one; of more than
// any name can have, the first ones decide.
//
// Sameness that goes both by case and by looks must be shared out: I looks like
// l and 1, so i, I, l and 1 are all one letter here; so are 0 and o, m and rn, w
// and vv. Where a letter's two cases look like different letters (Greek Ν like N,
// ν like v), its capital decides, which is the closer likeness; Check refuses the
// names for which the other reading would matter.
func Key(s string) string {
	if s = strings.TrimSpace(s); len(s) > maxBytes {
		s = s[:maxBytes]
	}
	s = norm.NFD.String(norm.NFKC.String(visible(s)))
	return sided(s, key)
}

// key is Key of a string in NFKD, read from the left.
func key(s string) string {
	var base rune
	return strings.Map(func(r rune) rune {
		if !unicode.IsMark(r) {
			base = r
		}
		// UTS 39 section 5.4: a dot on i adds nothing (and i is l by now).
		if invisible(r) || r == '\u0307' && (base == 'l' || base == 'j') {
			return -1
		}
		return r
	}, replaceAll(s, fold))
}

// looks returns what s looks like as it stands, case unfolded: its skeleton.
func looks(s string) string {
	return sided(norm.NFD.String(visible(s)), func(s string) string {
		return replaceAll(s, likeness)
	})
}

// sided applies skeleton to s. If s is written from the right and nothing of
// what it looks like is, that is to be read as it stands on the screen: UTS 39
// section 4, bidiSkeleton.
func sided(s string, skeleton func(string) string) string {
	k := skeleton(s)
	if rightToLeft(s) && !rightToLeft(k) {
		return skeleton(onScreen(s))
	}
	return k
}

// visible leaves out of s what cannot be seen, and makes it valid UTF-8.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if invisible(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// fold returns what stands in a key for r, or "" if r itself does.
func fold(r rune) string {
	upper := unicode.ToUpper(r)
	lower := unicode.ToLower(upper) // σ for ς
	if l := strings.Map(unicode.ToLower, likeness(upper)); l != "" && ascii(l) && l != string(lower) {
		return l
	}
	if l := likeness(lower); l != "" {
		return l
	}
	if lower != r {
		return string(lower)
	}
	return ""
}

// replaceAll applies with to the characters of s, and to what comes out, until
// it answers "" for each. The chains in the tables are short; eight rounds are
// far from used up, and end one that should ever go in a circle.
func replaceAll(s string, with func(rune) string) string {
	for range 8 {
		var b strings.Builder
		for _, r := range s {
			if l := with(r); l != "" {
				b.WriteString(l)
			} else {
				b.WriteRune(r)
			}
		}
		t := norm.NFD.String(b.String())
		if t == s {
			break
		}
		s = t
	}
	return s
}

// likeness returns what r looks like, or "" if it is its own model: UTS 39's
// confusables and, before them, what they lack.
func likeness(r rune) string {
	switch r {
	// Small capitals are a common disguise.
	case 'ᴀ':
		return "a"
	case 'ʙ':
		return "b"
	case 'ᴅ':
		return "d"
	case 'ᴇ':
		return "e"
	case 'ꜰ':
		return "f"
	case 'ɢ':
		return "g"
	case 'ʜ':
		return "h"
	case 'ᴊ':
		return "j"
	case 'ĸ': // ᴋ is ĸ already
		return "k"
	case 'ʟ':
		return "l"
	case 'ᴍ':
		return "m"
	case 'ɴ':
		return "n"
	case 'ᴘ':
		return "p"
	case 'ʀ':
		return "r"
	case 'ᴛ':
		return "t"
	case 'ʏ':
		return "y"
	case 'w':
		return "vv"
	case 'ȷ':
		return "j"
	case 'Լ': // its small letter is more like an l with a foot
		return "L"
	// Strokes of kana, Han and jamo beside Latin, in the mixes that are allowed;
	// 一 is ー already.
	case 'ー':
		return "-"
	case '丨':
		return "l"
	case 'ᄋ':
		return "o"
	}
	return confusable.GetReplacement(r)
}

// rightToLeft tells whether the first letter of s that has a direction runs to
// the left.
func rightToLeft(s string) bool {
	for _, r := range s {
		if unicode.IsLetter(r) {
			return unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana,
				unicode.Nko, unicode.Mandaic, unicode.Adlam, unicode.Hanifi_Rohingya)
		}
	}
	return false
}

// onScreen turns s round as a line that runs to the left is drawn, letters with
// their marks and European and Arabic numbers whole: UAX 9 rules L2 and L3.
func onScreen(s string) string {
	var pieces []string
	number := false
	for _, r := range s {
		n := unicode.Is(unicode.Nd, r) && !unicode.In(r, unicode.Nko, unicode.Adlam)
		if last := len(pieces) - 1; last >= 0 && (n && number || unicode.IsMark(r)) {
			pieces[last] += string(r)
		} else {
			pieces = append(pieces, string(r))
		}
		number = n
	}
	slices.Reverse(pieces)
	return strings.Join(pieces, "")
}
