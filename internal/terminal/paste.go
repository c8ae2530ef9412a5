package terminal

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// paste takes what was pasted. One line goes into the line that is typed; of several it
// is asked before they are said.
func (m *model) paste(content string) tea.Cmd {
	m.hint = ""
	all := lines(content)
	switch {
	case m.prompt != nil:
		m.prompt.typed.insert(strings.Join(all, ""))
	case len(all) == 1 && m.pasted == nil:
		m.line.insert(all[0])
	case len(all) > 0:
		if m.pasted == nil {
			all[0] = m.line.text[:m.line.at] + all[0]
			all[len(all)-1] += m.line.text[m.line.at:]
		}
		m.pasted = append(m.pasted, all...)
	}
	return nil
}

// pressPasted answers whether what was pasted is to be said.
func (m *model) pressPasted(name string) tea.Cmd {
	texts := m.pasted
	switch name {
	case "enter", "kpenter", "ctrl+j":
	case "o", "O":
		texts = []string{strings.Join(texts, "\n")}
	case "esc", "ctrl+c":
		m.pasted = nil
		return nil
	default:
		return nil
	}
	m.pasted = nil
	m.line.set("")
	var cmds []tea.Cmd
	for _, text := range texts {
		cmds = append(cmds, m.say(text, false))
	}
	return tea.Batch(cmds...)
}
