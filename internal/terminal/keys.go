package terminal

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// press does what a key means.
func (m *model) press(k tea.KeyPressMsg) tea.Cmd {
	name := k.Keystroke()
	if name != "ctrl+c" && name != "ctrl+d" && name != "enter" {
		m.leaving, m.going = false, false
	}
	m.hint = ""
	if name != "tab" && name != "shift+tab" {
		m.found = completion{}
	}
	switch {
	case m.pasted != nil:
		return m.pressPasted(name)
	case m.prompt != nil:
		return m.pressPrompt(name, k.Text)
	}
	switch name {
	case "enter", "kpenter", "ctrl+j":
		line := m.line.text
		m.line.set("")
		m.history.add(line)
		return m.enter(line)
	case "up":
		m.line.set(m.history.back(m.line.text))
	case "down":
		m.line.set(m.history.forth(m.line.text))
	case "tab":
		m.complete(1)
	case "shift+tab":
		m.complete(-1)
	case "ctrl+n":
		m.step(1)
	case "ctrl+p":
		m.step(-1)
	case "ctrl+c":
		return m.interrupt()
	case "ctrl+d":
		if m.line.text == "" {
			return m.leave()
		}
		m.line.key("delete")
	default:
		if !m.line.key(name) && k.Text != "" {
			m.line.insert(k.Text)
		}
	}
	return nil
}

// interrupt throws away what is typed. If there is nothing, it leaves at the second
// time.
func (m *model) interrupt() tea.Cmd {
	switch {
	case m.line.text != "":
		m.history.add(m.line.text)
		m.line.set("")
		return nil
	case !m.leaving && len(m.waiting) == 0:
		m.leaving = true
		m.hint = "Ctrl-C once more leaves, as do Ctrl-D and /quit"
		return nil
	}
	return m.leave()
}

// leave ends the program, as soon as all that was typed is said or at the second time.
func (m *model) leave() tea.Cmd {
	if n := len(m.waiting) + len(m.later); n > 0 && !m.going {
		m.leaving, m.going = true, true
		m.hint = Count(n, "line is", "lines are") + " not said yet; it leaves when that is done, or when told so again"
		return nil
	}
	return m.quit()
}

// quit ends the program. What was not said stays to be read.
func (m *model) quit() tea.Cmd {
	for _, w := range m.waiting {
		if w.said.IsZero() {
			m.tell("perhaps not said: " + w.text)
		}
	}
	for _, line := range m.later {
		m.tell("not said: " + line)
	}
	return tea.Quit
}

// history is what was typed in this run.
type history struct {
	lines []string
	at    int    // the one that is shown; len(lines): the one that is being typed
	draft string // what was being typed when an older one was looked at
}

// historyMost is how many lines are remembered.
const historyMost = 500

func (h *history) add(line string) {
	if n := len(h.lines); strings.TrimSpace(line) != "" && (n == 0 || h.lines[n-1] != line) {
		h.lines = append(h.lines, line)
		h.lines = h.lines[max(len(h.lines)-historyMost, 0):]
	}
	h.at, h.draft = len(h.lines), ""
}

// back returns the line before the one that is shown, which is now as it is.
func (h *history) back(now string) string {
	if h.at == len(h.lines) {
		h.draft = now
	}
	if h.at == 0 {
		return now
	}
	h.at--
	return h.lines[h.at]
}

// forth returns the line after it.
func (h *history) forth(now string) string {
	switch {
	case h.at >= len(h.lines):
		return now
	case h.at == len(h.lines)-1:
		h.at++
		return h.draft
	}
	h.at++
	return h.lines[h.at]
}
