package relay

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// group is under which heading help has a command.
type group string

const (
	talking      group = "talking"
	aboutRooms   group = "rooms"
	aboutNames   group = "your name"
	aboutHistory group = "what was said"
	aboutScreen  group = "what you see"
	operators    group = "for operators"
)

const (
	// helpWidth is how long a line of help may be, in columns: one less than old
	// terminals have, with the mark of notices.
	helpWidth = 79 - len("* ")
	// helpMargin is where the commands of a group stand, behind its heading.
	helpMargin = len(operators) + 2
)

// help lists the commands, or says what one of them does.
func (s *session) help(args string) error {
	if args != "" {
		return s.helpOn(strings.ToLower(strings.TrimLeft(args, "/")))
	}
	var out []byte
	for _, text := range s.srv.helpLines(s.operator()) {
		out = append(out, s.reply(text)...)
	}
	s.answer(out)
	return nil
}

func (s *session) helpOn(wanted string) error {
	for i := range s.srv.commands {
		c := &s.srv.commands[i]
		if c.name != wanted {
			continue
		}
		text := c.usage() + ": " + c.help
		if c.group == operators {
			text += " (for operators)"
		}
		var out []byte
		for _, line := range wrapped("", strings.Fields(text), " ") {
			out = append(out, s.reply(line)...)
		}
		s.answer(out)
		return nil
	}
	return advise("there is no /%s; /help lists the commands", wanted)
}

// helpLines is the table of commands as people read it, a paragraph for each group.
func (s *Server) helpLines(operator bool) (lines []string) {
	groups := []group{talking, aboutRooms, aboutNames, aboutHistory, aboutScreen}
	if operator {
		groups = append(groups, operators)
	}
	for _, g := range groups {
		var usages []string
		for i := range s.commands {
			if c := &s.commands[i]; c.group == g {
				usages = append(usages, c.usage())
			}
		}
		lines = append(lines, wrapped(string(g), usages, ", ")...)
	}
	return append(lines, "/help COMMAND says more; //TEXT says a text that begins with a slash")
}

// wrapped puts parts with something between into as many lines as they need, behind
// a heading if there is one.
func wrapped(heading string, parts []string, between string) (lines []string) {
	margin := 0
	if heading != "" {
		margin = helpMargin
	}
	line := fmt.Sprintf("%-*s", margin, heading)
	for i, part := range parts {
		if i < len(parts)-1 {
			part += between
		}
		if full := utf8.RuneCountInString(line + strings.TrimRight(part, " ")); full > helpWidth {
			lines = append(lines, strings.TrimRight(line, " "))
			line = strings.Repeat(" ", max(margin, 2))
		}
		line += part
	}
	return append(lines, line)
}
