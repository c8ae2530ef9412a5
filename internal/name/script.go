package name

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// scripts are those that names may be written in: UAX 31 table 5 (recommended),
// then table 7 (limited use). Those that most names use come first.
var scripts = []struct {
	name  string
	table *unicode.RangeTable
}{
	{"Latin", unicode.Latin},
	{"Han", unicode.Han},
	{"Cyrillic", unicode.Cyrillic},
	{"Arabic", unicode.Arabic},
	{"Devanagari", unicode.Devanagari},
	{"Hiragana", unicode.Hiragana},
	{"Katakana", unicode.Katakana},
	{"Hangul", unicode.Hangul},
	{"Greek", unicode.Greek},
	{"Hebrew", unicode.Hebrew},
	{"Thai", unicode.Thai},
	{"Armenian", unicode.Armenian},
	{"Bengali", unicode.Bengali},
	{"Bopomofo", unicode.Bopomofo},
	{"Ethiopic", unicode.Ethiopic},
	{"Georgian", unicode.Georgian},
	{"Gujarati", unicode.Gujarati},
	{"Gurmukhi", unicode.Gurmukhi},
	{"Kannada", unicode.Kannada},
	{"Khmer", unicode.Khmer},
	{"Lao", unicode.Lao},
	{"Malayalam", unicode.Malayalam},
	{"Myanmar", unicode.Myanmar},
	{"Oriya", unicode.Oriya},
	{"Sinhala", unicode.Sinhala},
	{"Tamil", unicode.Tamil},
	{"Telugu", unicode.Telugu},
	{"Thaana", unicode.Thaana},
	{"Tibetan", unicode.Tibetan},

	{"Adlam", unicode.Adlam},
	{"Balinese", unicode.Balinese},
	{"Bamum", unicode.Bamum},
	{"Batak", unicode.Batak},
	{"Canadian_Aboriginal", unicode.Canadian_Aboriginal},
	{"Chakma", unicode.Chakma},
	{"Cham", unicode.Cham},
	{"Cherokee", unicode.Cherokee},
	{"Hanifi_Rohingya", unicode.Hanifi_Rohingya},
	{"Javanese", unicode.Javanese},
	{"Kayah_Li", unicode.Kayah_Li},
	{"Lepcha", unicode.Lepcha},
	{"Limbu", unicode.Limbu},
	{"Lisu", unicode.Lisu},
	{"Mandaic", unicode.Mandaic},
	{"Meetei_Mayek", unicode.Meetei_Mayek},
	{"Miao", unicode.Miao},
	{"New_Tai_Lue", unicode.New_Tai_Lue},
	{"Newa", unicode.Newa},
	{"Nko", unicode.Nko},
	{"Nyiakeng_Puachue_Hmong", unicode.Nyiakeng_Puachue_Hmong},
	{"Ol_Chiki", unicode.Ol_Chiki},
	{"Osage", unicode.Osage},
	{"Saurashtra", unicode.Saurashtra},
	{"Sundanese", unicode.Sundanese},
	{"Syloti_Nagri", unicode.Syloti_Nagri},
	{"Syriac", unicode.Syriac},
	{"Tai_Le", unicode.Tai_Le},
	{"Tai_Tham", unicode.Tai_Tham},
	{"Tai_Viet", unicode.Tai_Viet},
	{"Tifinagh", unicode.Tifinagh},
	{"Vai", unicode.Vai},
	{"Wancho", unicode.Wancho},
	{"Yi", unicode.Yi},
}

// mixes are the highly restrictive ones: UTS 39 section 5.2.
var mixes = [][]string{
	{"Latin", "Han", "Hiragana", "Katakana"},
	{"Latin", "Han", "Bopomofo"},
	{"Latin", "Han", "Hangul"},
}

// scriptOf returns the script r belongs to, or "" if no name is written in it.
func scriptOf(r rune) string {
	for _, s := range scripts {
		if unicode.Is(s.table, r) {
			return s.name
		}
	}
	return ""
}

// mixable tells whether one name may hold letters of all these scripts.
func mixable(used []string) bool {
	if len(used) == 1 {
		return true
	}
	return slices.ContainsFunc(mixes, func(mix []string) bool {
		return !slices.ContainsFunc(used, func(s string) bool { return !slices.Contains(mix, s) })
	})
}

// plain is a script's name as one writes it in a sentence.
func plain(script string) string { return strings.ReplaceAll(script, "_", " ") }

// takesMark tells whether a mark shared by several scripts (Script=Inherited)
// belongs on letters of script. Overlays (U+0334–0338: a struck-through name),
// marks over two letters (U+035C–0362: they would cover what follows the name)
// and small letters above (U+0363–036F) are on none.
func takesMark(script string, r rune) bool {
	switch {
	case r == 0x0342 || r == 0x0345: // perispomeni, iota subscript
		return script == "Greek"
	case r >= 0x0300 && r <= 0x0333, r >= 0x0339 && r <= 0x034e, r >= 0x0350 && r <= 0x035b:
		switch script {
		case "Latin", "Greek", "Cyrillic", "Cherokee", "Osage", "Syriac", "Tai_Le", "Tifinagh":
			return true
		}
	case r == 0x0485 || r == 0x0486:
		return script == "Cyrillic"
	case r >= 0x064b && r <= 0x0655, r == 0x0670:
		return script == "Arabic" || script == "Syriac"
	case r == 0x3099 || r == 0x309a:
		return script == "Hiragana" || script == "Katakana"
	}
	return false
}

// invisible tells whether r shows nothing: Default_Ignorable_Code_Point (UAX 44),
// controls, formats, and the characters that fonts draw as a blank.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Cc, unicode.Z,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) ||
		r == '\u2800' || // braille pattern without a dot
		r == '\U0001d159' // musical null notehead
}

// variant tells whether r is another form of an ordinary character (NFKC changes
// it): full and half width, mathematical, superscript, ligature. Those that an
// orthography in use is written with are not counted: Armenian և, Thai and Lao
// am, Lao ho-no and ho-mo, and the jamo of ㅋㅋ.
func variant(r rune) bool {
	switch r {
	case 'և', 'ำ', 'ຳ', 'ໜ', 'ໝ':
		return false
	}
	if r >= 0x3131 && r <= 0x318e {
		return false
	}
	return !norm.NFKC.IsNormalString(string(r)) && norm.NFC.IsNormalString(string(r))
}

// zeroOf returns the zero of the decimal digits r (category Nd) is one of. They
// come in runs of ten from zero to nine (Unicode standard, section 4.6).
func zeroOf(r rune) rune {
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return r - (r-rune(t.Lo))%10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return r - (r-rune(t.Lo))%10
		}
	}
	return r
}
