package terminal

import (
	"slices"
	"strings"
)

// completion is what Tab offers for the word before the cursor.
type completion struct {
	all  []string // each with what comes after it
	at   int      // the one that stands in the line
	from int      // where it begins
}

// complete puts what Tab offers into the line: the next, or with -1 the one before.
func (m *model) complete(by int) {
	f := &m.found
	if len(f.all) == 0 {
		*f = m.offers()
		if len(f.all) == 0 {
			return
		}
		if by < 0 {
			f.at = len(f.all) - 1
		}
	} else {
		f.at = (f.at + by + len(f.all)) % len(f.all)
	}
	m.line.splice(f.from, m.line.at, f.all[f.at])
	if len(f.all) > 1 {
		m.hint = strings.Join(trimmed(f.all), "  ")
	}
}

func trimmed(all []string) (bare []string) {
	for _, s := range all {
		bare = append(bare, Label(strings.TrimRight(s, ": ")))
	}
	return bare
}

// offers returns what the word before the cursor may become.
func (m *model) offers() completion {
	head := m.line.text[:m.line.at]
	from := strings.LastIndexByte(head, ' ') + 1
	word, first, after := head[from:], head[:from], " "
	var all []string
	switch {
	case from == 0 && strings.HasPrefix(word, "/"):
		for _, c := range commands() {
			all = append(all, "/"+c.name)
		}
		all = append(all, passedOn()...)
	case first == "/join " || first == "/leave ":
		all = append(m.client.Joined(), m.known...)
	case from == 0:
		all, after = m.people(), ": "
	default:
		all = m.people()
	}
	slices.Sort(all)
	c := completion{from: from}
	for _, s := range slices.Compact(all) {
		if len(s) >= len(word) && strings.HasPrefix(strings.ToLower(s), strings.ToLower(word)) {
			c.all = append(c.all, s+after)
		}
	}
	return c
}

// people are the names of who is here.
func (m *model) people() (names []string) {
	r, _ := m.client.Room(m.here)
	for _, p := range r.People {
		if p.Name != m.client.Name() {
			names = append(names, p.Name)
		}
	}
	return names
}
