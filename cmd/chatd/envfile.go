package main

import (
	"fmt"
	"regexp"
	"strings"
)

// variableName is what systemd takes for the name of a variable.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// parseEnvironmentFile reads the text of a file of variables as systemd does for
// EnvironmentFile= (systemd.exec(5)), and returns a sentence for each line that
// systemd would pass over.
func parseEnvironmentFile(text string) (environment, []string) {
	p := variablesFile{text: text, line: 1}
	set := make(environment)
	var wrong []string
	for p.skip() {
		line := p.line
		name, ok := p.name()
		switch {
		case !ok:
			wrong = append(wrong, fmt.Sprintf("line %d: %s has no =; systemd passes over it", line, quoted(name)))
			continue
		case strings.HasPrefix(name, "export "):
			wrong = append(wrong, fmt.Sprintf("line %d: systemd passes over a line with export; remove the word", line))
		case !variableName.MatchString(name):
			wrong = append(wrong, fmt.Sprintf("line %d: %s is no name of a variable; systemd passes over it", line, quoted(name)))
		default:
			set[name] = p.value()
			continue
		}
		p.value()
	}
	return set, wrong
}

// variablesFile is the rest of such a file.
type variablesFile struct {
	text string
	line int
}

// next takes one character off, which is 0 at the end.
func (p *variablesFile) next() (c byte) {
	if p.text != "" {
		c, p.text = p.text[0], p.text[1:]
		if c == '\n' {
			p.line++
		}
	}
	return c
}

// skip goes to the next line that says something.
func (p *variablesFile) skip() bool {
	for p.text != "" {
		switch p.text[0] {
		case ' ', '\t', '\r', '\n', 0:
			p.next()
		case '#', ';':
			for c := p.next(); c != '\n' && p.text != ""; c = p.next() {
				if c == '\\' {
					p.next() // a comment goes on in the next line
				}
			}
		default:
			return true
		}
	}
	return false
}

// name takes what stands before the equals sign, or the line if it has none.
func (p *variablesFile) name() (name string, ok bool) {
	end := strings.IndexAny(p.text, "=\n")
	if end < 0 {
		end = len(p.text)
	}
	name = strings.Trim(p.text[:end], " \t\r")
	p.text = p.text[end:]
	return name, p.next() == '='
}

// value takes what stands behind it: quoted, bare, or some of each.
func (p *variablesFile) value() string {
	var (
		value []byte
		kept  int // what trailing spaces are not taken from
		quote byte
		bare  bool // something bare has begun since the last quote
	)
	for p.text != "" {
		c := p.next()
		switch {
		case quote != 0 && c == quote:
			quote, bare, kept = 0, false, len(value)
		case quote == '\'':
			value = append(value, c)
		case quote == '"' && c == '\\':
			if c = p.next(); c != '\n' {
				if !strings.ContainsRune("\"\\`$", rune(c)) {
					value = append(value, '\\')
				}
				value = append(value, c)
			}
		case quote == '"':
			value = append(value, c)
		case c == '\n':
			return trimmed(value, kept)
		case c == '\\':
			if c = p.next(); c != '\n' {
				value, bare, kept = append(value, c), true, len(value)+1
			}
		case !bare && (c == '"' || c == '\''):
			quote = c
		case !bare && strings.ContainsRune(" \t\r", rune(c)):
		default:
			value, bare = append(value, c), true
		}
	}
	return trimmed(value, kept)
}

// trimmed is value without the spaces at its end, but for the first so many bytes.
func trimmed(value []byte, kept int) string {
	return string(value[:kept]) + strings.TrimRight(string(value[kept:]), " \t\r")
}
