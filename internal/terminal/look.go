package terminal

import (
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/charmbracelet/colorprofile"
)

// look is in which colours things are shown. The zero value has none.
type look struct {
	names []int // of the terminal's palette, one for each name
	quiet int   // for what matters less; 0: none
	bold  bool
}

// names256 are those of the palette's 240 fixed colours that stand out from black and
// from white alike, by four to one at least (WCAG 2.1, contrast ratio), as it is not
// known which a terminal has. names16 are of the first 16, which everybody sets as he
// likes.
var (
	names256 = []int{27, 28, 30, 31, 62, 64, 97, 99, 129, 130, 131, 133, 161, 164}
	names16  = []int{1, 2, 5, 6}
)

// quiet256 is a grey, with the same contrast.
const quiet256 = 243

// lookOf is what a terminal can show: nothing if NO_COLOR is set.
func lookOf(p colorprofile.Profile) look {
	switch {
	case p >= colorprofile.ANSI256:
		return look{names: names256, quiet: quiet256, bold: true}
	case p == colorprofile.ANSI:
		return look{names: names16, bold: true}
	}
	return look{}
}

const plainAgain = "\x1b[m"

func coloured(code int, s string) string {
	if s == "" {
		return s
	}
	if code < 8 {
		return "\x1b[" + strconv.Itoa(30+code) + "m" + s + plainAgain
	}
	return "\x1b[38;5;" + strconv.Itoa(code) + "m" + s + plainAgain
}

// name shows a name in its colour, which is the same for everyone and every day.
func (l look) name(of, shown string) string {
	if len(l.names) == 0 {
		return shown
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(strings.ToLower(of)))
	return coloured(l.names[h.Sum32()%uint32(len(l.names))], shown)
}

// faint shows what matters less.
func (l look) faint(s string) string {
	if l.quiet == 0 {
		return s
	}
	return coloured(l.quiet, s)
}

// loud shows what is meant for the one who reads.
func (l look) loud(s string) string {
	if !l.bold || s == "" {
		return s
	}
	return "\x1b[1m" + s + plainAgain
}

// indent is where the second line of an entry begins: below the name of who said it.
const indent = len("09:42 ")

// lines is the entry as it is printed on a terminal of so many columns. What cannot be
// broken, an address for example, is left to the terminal, so that it can be copied.
func (l look) lines(x entry, columns int) []string {
	margin := 0
	if columns >= 5*indent && !x.at.IsZero() {
		margin = indent
	}
	rows := wrap(x.plain(), columns, margin)
	switch x.kind {
	case said:
		rows[0] = l.first(x, rows[0])
		if x.call {
			for i := range rows[1:] {
				rows[1+i] = l.loud(rows[1+i])
			}
		}
	default:
		for i := range rows {
			rows[i] = l.faint(rows[i])
		}
	}
	return rows
}

// first colours the first row of a message.
func (l look) first(x entry, row string) string {
	rest, ok := strings.CutPrefix(row, x.head()+x.lead+x.name)
	if !ok {
		return row // too narrow for the name
	}
	if x.call {
		rest = l.loud(rest)
	}
	return l.faint(x.head()) + x.lead + l.name(x.name, x.name) + rest
}
