package terminal

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// editor is a line that is being typed. The cursor stands between characters as people
// see them: an emoji of seven code points is one, and so is a letter with its accents.
type editor struct {
	text   string
	at     int // of the cursor, in bytes
	killed string
}

// set replaces the line.
func (e *editor) set(s string) { e.text, e.at = s, len(s) }

// insert puts s where the cursor is.
func (e *editor) insert(s string) { e.splice(e.at, e.at, s) }

// splice puts s in place of what is between two places, and the cursor behind it.
func (e *editor) splice(from, to int, s string) {
	e.text = e.text[:from] + s + e.text[to:]
	e.at = e.boundary(from + len(s))
}

// boundary returns the first place at or behind a place where a character ends: what is
// put between two may make one of them.
func (e *editor) boundary(at int) int {
	i := 0
	for rest := e.text; i < at; {
		var c string
		c, rest, _, _ = uniseg.FirstGraphemeClusterInString(rest, -1)
		i += len(c)
	}
	return i
}

// before returns the place one character before the cursor, after the one behind it.
func (e *editor) before() int {
	i := 0
	for rest := e.text; ; {
		var c string
		c, rest, _, _ = uniseg.FirstGraphemeClusterInString(rest, -1)
		if i+len(c) >= e.at {
			return i
		}
		i += len(c)
	}
}

func (e *editor) after() int {
	c, _, _, _ := uniseg.FirstGraphemeClusterInString(e.text[e.at:], -1)
	return e.at + len(c)
}

// wordBefore returns where the word before the cursor begins, wordAfter where the one
// behind it ends.
func (e *editor) wordBefore() int {
	head := strings.TrimRightFunc(e.text[:e.at], notInWord)
	return e.boundary(len(strings.TrimRightFunc(head, inWord)))
}

func (e *editor) wordAfter() int {
	tail := strings.TrimLeftFunc(e.text[e.at:], notInWord)
	return e.boundary(len(e.text) - len(strings.TrimLeftFunc(tail, inWord)))
}

func inWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r) || r == '_'
}

func notInWord(r rune) bool { return !inWord(r) }

// spaceBefore returns where what is before the cursor begins, up to a space.
func (e *editor) spaceBefore() int {
	head := strings.TrimRightFunc(e.text[:e.at], unicode.IsSpace)
	i := strings.LastIndexFunc(head, unicode.IsSpace)
	if i < 0 {
		return 0
	}
	_, n := utf8.DecodeRuneInString(head[i:])
	return e.boundary(i + n)
}

// kill takes away what is between two places, and remembers it for yank.
func (e *editor) kill(from, to int) {
	if from < to {
		e.killed = e.text[from:to]
		e.splice(from, to, "")
	}
}

// key does what a key means that only the line is concerned with, and tells whether it
// is one of those.
func (e *editor) key(name string) bool {
	end := len(e.text)
	switch name {
	case "left", "ctrl+b":
		e.at = e.before()
	case "right", "ctrl+f":
		e.at = e.after()
	case "home", "ctrl+a":
		e.at = 0
	case "end", "ctrl+e":
		e.at = end
	case "alt+b", "alt+left", "ctrl+left":
		e.at = e.wordBefore()
	case "alt+f", "alt+right", "ctrl+right":
		e.at = e.wordAfter()
	case "backspace", "ctrl+h", "shift+backspace":
		e.splice(e.before(), e.at, "")
	case "delete":
		e.splice(e.at, e.after(), "")
	case "ctrl+w":
		e.kill(e.spaceBefore(), e.at)
	case "alt+backspace":
		e.kill(e.wordBefore(), e.at)
	case "alt+d":
		e.kill(e.at, e.wordAfter())
	case "ctrl+u":
		e.kill(0, e.at)
	case "ctrl+k":
		e.kill(e.at, end)
	case "ctrl+y":
		e.insert(e.killed)
	default:
		return false
	}
	return true
}

// rows is the line behind a prompt as it is shown in so many columns, and where the
// cursor is: in which row, and behind which part of it.
func (e *editor) rows(prompt string, columns int) (rows []string, row int, head string) {
	var b strings.Builder
	b.WriteString(prompt)
	n, i := width(prompt), 0
	place := func() {
		if i == e.at {
			row, head = len(rows), b.String()
		}
	}
	for rest := e.text; len(rest) > 0; {
		var c string
		c, rest, _, _ = uniseg.FirstGraphemeClusterInString(rest, -1)
		shown := text(c)
		w := width(shown)
		if n+w > columns {
			rows = append(rows, b.String())
			b.Reset()
			n = 0
		}
		place()
		b.WriteString(shown)
		n, i = n+w, i+len(c)
	}
	place()
	return append(rows, b.String()), row, head
}
