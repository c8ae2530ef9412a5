package terminal

import tea "charm.land/bubbletea/v2"

// prompt asks for something that is not shown while it is typed.
type prompt struct {
	label string
	typed editor
	then  func(answer string) tea.Cmd
}

// ask asks for a password. Whoever gives none gives up.
func (m *model) ask(what string, then func(string) tea.Cmd) {
	if m.o.Clear {
		what += " (not encrypted)"
	}
	m.prompt = &prompt{label: what, then: then}
}

// pressPrompt does what a key means while something is asked.
func (m *model) pressPrompt(name, text string) tea.Cmd {
	p := m.prompt
	switch name {
	case "enter", "kpenter", "ctrl+j":
		m.prompt = nil
		if p.typed.text == "" {
			m.tell("given up")
			return nil
		}
		return p.then(p.typed.text)
	case "esc", "ctrl+c", "ctrl+d":
		m.prompt = nil
		m.tell("given up")
	default:
		if !p.typed.key(name) && text != "" {
			p.typed.insert(text)
		}
	}
	return nil
}
