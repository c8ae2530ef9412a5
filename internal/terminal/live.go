package terminal

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/chatd/chatd/pkg/client"
)

const (
	// waitingShown is how many lines that wait are shown, pastedShown how many that were
	// pasted.
	waitingShown = 5
	pastedShown  = 8
)

// live is what stands below what was said, in at most so many rows: what waits, what is
// asked, the status, and the line that is typed.
func (m *model) live(columns, most int) live {
	l := m.inputRows(columns, max(most/2, 1))
	var above []string
	for _, row := range m.news() {
		above = append(above, m.look.faint(cut(row, columns)))
	}
	for _, sentence := range m.asks() {
		for _, row := range wrap(sentence, columns, 0) {
			above = append(above, m.look.faint(cut(row, columns)))
		}
	}
	above = append(above, m.look.faint(cut(m.status(), columns)))
	above = above[max(len(above)-max(most-len(l.rows), 0), 0):]
	l.rows, l.row = append(above, l.rows...), l.row+len(above)
	return l
}

// inputRows is the line that is typed, and at most so many rows of it.
func (m *model) inputRows(columns, most int) (l live) {
	prompt, line := "> ", &m.line
	if m.o.Seat {
		prompt = "operator> "
	}
	if m.prompt != nil {
		prompt, line = cut(m.prompt.label+": ", columns*2/3), &editor{}
	}
	l.rows, l.row, l.head = line.rows(prompt, columns)
	if len(l.rows) > most {
		first := min(max(l.row-most/2, 0), len(l.rows)-most)
		l.rows, l.row = l.rows[first:first+most], l.row-first
	}
	return l
}

// news is what is shown above the status for as long as it is so.
func (m *model) news() (rows []string) {
	wait := make([]string, 0, len(m.waiting)+len(m.later))
	for _, w := range m.waiting {
		wait = append(wait, "… "+text(w.text))
	}
	for _, line := range m.later {
		wait = append(wait, "… "+text(line))
	}
	rows = append(rows, some(wait, waitingShown, "wait")...)
	if m.pasted != nil {
		lines := make([]string, len(m.pasted))
		for i, line := range m.pasted {
			lines[i] = "| " + text(line)
		}
		rows = append(rows, some(lines, pastedShown, "lines")...)
	}
	return rows
}

// asks is what the next key is about.
func (m *model) asks() (sentences []string) {
	if m.pasted != nil {
		sentences = append(sentences, "Enter says these "+Count(len(m.pasted), "line", "lines")+
			" one by one, o as one message, Esc none")
	}
	if m.hint != "" {
		sentences = append(sentences, m.hint)
	}
	return sentences
}

// some is the first of rows, and how many others there are.
func some(rows []string, most int, what string) []string {
	if len(rows) <= most+1 {
		return rows
	}
	return append(slices.Clone(rows[:most]), fmt.Sprintf("… and %d more %s", len(rows)-most, what))
}

// status is where one is: the room, the name, who else is here, what is new elsewhere.
// Without a connection it says why.
func (m *model) status() string {
	parts := []string{Label(m.here)}
	if m.here == "" {
		parts[0] = "no room"
	}
	parts = append(parts, Label(m.client.Name()))
	switch r, ok := m.client.Room(m.here); {
	case m.lost != "":
		parts = append(parts, "connecting again: "+m.lost)
	case !ok || !r.Live:
		parts = append(parts, "catching up")
	default:
		parts = append(parts, m.others(r))
	}
	return "── " + strings.Join(append(parts, m.elsewhere()...), " · ") + " ──"
}

// others is how many people are in a room beside the one who reads, as far as they have
// spoken or have a name.
func (m *model) others(r client.Room) string {
	n := r.More
	for _, p := range r.People {
		if p.Name != m.client.Name() {
			n++
		}
	}
	if n == 0 {
		return "nobody else"
	}
	return Count(n, "other", "others")
}

// elsewhere is what is new in the other rooms.
func (m *model) elsewhere() (parts []string) {
	for _, room := range m.client.Joined() {
		p := m.places[room]
		if p == nil || room == m.here {
			continue
		}
		s := Label(room)
		if p.unread > 0 {
			s += fmt.Sprintf(" +%d", p.unread)
		}
		if p.called {
			s += "!"
		}
		parts = append(parts, s)
	}
	return parts
}

// hereText is who is in a room beside the one who reads, as people are told.
func hereText(people []client.Person, more, listening int, own string) string {
	var names []string
	for _, p := range people {
		if p.Name != own {
			names = append(names, p.Name)
		}
	}
	if more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	if listening > 0 {
		names = append(names, fmt.Sprintf("%d listening", listening))
	}
	if len(names) == 0 {
		return "nobody else is here"
	}
	return "here: " + strings.Join(names, ", ")
}

// aboutTopic is what a room is about, if it is known.
func aboutTopic(topic string) string {
	if topic == "" {
		return ""
	}
	return "; topic: " + topic
}

// lines are those of a text, without an empty one at its end.
func lines(text string) []string {
	text = strings.TrimRight(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// calls tells whether a name stands in a text as a word of its own.
func calls(text, name string) bool {
	if name == "" {
		return false
	}
	in := func(r rune) bool { return inWord(r) || r == '-' }
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !in(r) }) {
		if strings.EqualFold(strings.TrimFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) }), name) ||
			strings.EqualFold(word, name) {
			return true
		}
	}
	return false
}
